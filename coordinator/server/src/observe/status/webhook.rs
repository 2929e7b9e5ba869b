//! Delivers events to a URL: one POST each, sent again with growing pauses until it is taken, for a day. What the receiver says is
//! wrong with an event (a status of 400 to 499) is not sent again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::mpsc;

use super::pending::{Delivery, Pending};
use crate::config::StatusEvents;
use crate::observe::insist::{Attempt, Patience, insist};
use crate::observe::queue::Losses;
use crate::outbound;

/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an event is tried, as by EventBridge: one that the receiver never takes holds up those behind it.
const PATIENCE: Patience = Patience {
    pause_max: Duration::from_secs(30),
    give_up: Duration::from_secs(24 * 60 * 60),
};
/// Bytes of an answer that are read so that the connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A receiver of events.
#[derive(Debug)]
pub(super) struct Webhook {
    client: Https,
    uri: Uri,
    bearer: Option<HeaderValue>,
    losses: Arc<Losses>,
}

impl Webhook {
    /// # Errors
    /// The URL is none, or a file that is named cannot be read.
    pub(super) fn new(
        url: &str,
        settings: &StatusEvents,
        losses: Arc<Losses>,
    ) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("`{url}` is no URL"))?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(outbound::tls(settings.ca.as_deref()).context("ca")?)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            uri,
            bearer: bearer(settings)?,
            losses,
        })
    }

    /// Delivers what is put into the pending events that this gives.
    pub(super) fn serve(self) -> Arc<Pending> {
        let (pending, lanes) = Pending::new(self.losses.clone());
        let webhook = Arc::new(self);
        for lane in lanes {
            let (webhook, pending) = (webhook.clone(), pending.clone());
            crate::task::spawn("status events", webhook.deliver(lane, pending));
        }
        pending
    }

    async fn deliver(self: Arc<Self>, mut lane: mpsc::Receiver<Delivery>, pending: Arc<Pending>) {
        while let Some(Delivery { number, change }) = lane.recv().await {
            let body = Bytes::from(change.text());
            insist(&PATIENCE, &self.losses, 1, || self.attempt(body.clone())).await;
            pending.done(number);
        }
    }

    async fn attempt(&self, body: Bytes) -> Attempt {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("stepfleet"));
        if let Some(bearer) = &self.bearer {
            headers.insert(AUTHORIZATION, bearer.clone());
        }
        let exchange = async {
            let response = self.client.request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            // What it says beside its status is of no use; an answer that breaks off has still said that.
            let _read = body.collect().await;
            Ok::<_, hyper_util::client::legacy::Error>(status)
        };
        match tokio::time::timeout(TIMEOUT, exchange).await {
            Ok(Ok(status)) => judged(status),
            Ok(Err(error)) => Attempt::Failed(format!("{:#}", anyhow::Error::new(error))),
            Err(_elapsed) => Attempt::Failed(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }
}

fn judged(status: StatusCode) -> Attempt {
    let why = || format!("the webhook answers {status}");
    match status {
        _ if status.is_success() => Attempt::Taken,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Attempt::Failed(why())
        }
        _ if status.is_client_error() => Attempt::Refused(why()),
        _ => Attempt::Failed(why()),
    }
}

fn bearer(settings: &StatusEvents) -> anyhow::Result<Option<HeaderValue>> {
    let Some(path) = &settings.bearer_file else {
        return Ok(None);
    };
    let shown = path.display();
    let secret = std::fs::read_to_string(path)
        .with_context(|| format!("bearer_file: cannot read {shown}"))?;
    let value = HeaderValue::from_str(&format!("Bearer {}", secret.trim()));
    let mut value =
        value.with_context(|| format!("bearer_file: {shown} holds what no header can"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}
