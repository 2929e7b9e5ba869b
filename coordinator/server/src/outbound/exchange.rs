//! One request and its answer, within bounds. Redirects are answers like others: following one would carry a
//! connection's secrets to another host.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::ext::ReasonPhrase;
use hyper_util::client::legacy;

use super::address::Refused;
use super::connector::Unconnected;
use super::{Client, Outbound};

/// How long an exchange may take, from when it has a place, and how much of a body is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub timeout: Duration,
    pub bytes_max: usize,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    /// The text beside the status.
    pub reason: String,
    pub headers: HeaderMap,
    /// At most `Bounds::bytes_max`.
    pub body: Bytes,
    /// Whether there was more of it.
    pub cut: bool,
}

/// Why nothing came back. No text has anything of the request in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The rules forbid it; nothing was sent.
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("The request took longer than {} seconds.", .0.as_secs())]
    TimedOut(Duration),
    /// No connection, or it broke.
    #[error("{0}")]
    Socket(String),
}

impl Outbound {
    /// Sends a request, by the client of a connection if it has one of its own.
    ///
    /// # Errors
    /// No whole answer came.
    pub(crate) async fn exchange(
        &self,
        client: Option<&Client>,
        request: Request<Full<Bytes>>,
        bounds: Bounds,
    ) -> Result<Answer, Trouble> {
        self.check(request.uri())?;
        let place = self.places.acquire().await;
        let _place = place.expect("the semaphore of requests is never closed");
        let client = client.unwrap_or_else(|| self.client());
        let exchange = exchange(client, request, bounds.bytes_max);
        match tokio::time::timeout(bounds.timeout, exchange).await {
            Ok(answered) => answered,
            Err(_elapsed) => Err(Trouble::TimedOut(bounds.timeout)),
        }
    }
}

async fn exchange(
    client: &Client,
    request: Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<Answer, Trouble> {
    let response = client.0.request(request).await.map_err(trouble)?;
    let (head, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    let mut cut = false;
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| {
            Trouble::Socket(format!("The connection broke within the answer: {error}"))
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = bytes_max - body.len();
        if data.len() > room {
            body.extend_from_slice(&data[..room]);
            cut = true;
            // The connection goes with what was not read.
            break;
        }
        body.extend_from_slice(&data);
    }
    let said = head.extensions.get::<ReasonPhrase>();
    let said = said.and_then(|reason| std::str::from_utf8(reason.as_bytes()).ok());
    let usual = head.status.canonical_reason().unwrap_or_default();
    Ok(Answer {
        status: head.status,
        reason: said.unwrap_or(usual).to_owned(),
        headers: head.headers,
        body: body.freeze(),
        cut,
    })
}

/// What a user can do something with is at the end of the chain of causes.
fn trouble(error: legacy::Error) -> Trouble {
    let connecting = error.is_connect();
    let mut cause: &(dyn std::error::Error + 'static) = &error;
    loop {
        if let Some(unconnected) = cause.downcast_ref::<Unconnected>() {
            return match unconnected {
                Unconnected::Refused(refused) => Trouble::Refused(*refused),
                Unconnected::Unresolved(_) | Unconnected::Unreachable(_) => {
                    Trouble::Socket(unconnected.to_string())
                }
            };
        }
        // What wraps another error as an I/O error keeps it out of the chain.
        let inner = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .map(|inner| inner as &(dyn std::error::Error + 'static));
        match inner.or_else(|| cause.source()) {
            Some(source) => cause = source,
            None => break,
        }
    }
    let what = if connecting {
        "The host cannot be connected to"
    } else {
        "The connection broke before the answer"
    };
    Trouble::Socket(format!("{what}: {cause}"))
}
