//! HTTP requests to endpoints outside: one client with its pool, its bounds and the rules of whom it may call.
//!
//! Files: `address` has the rules, `connector` is where they are kept, `tls` whom endpoints are believed by, `exchange`
//! one request and its answer.

pub(crate) mod address;
mod connector;
mod exchange;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;

use crate::config::outbound::{ConnectionTls, Http};
use address::{Refused, Rules};
use connector::Connector;

pub(crate) use exchange::{Answer, Bounds, Trouble};
pub(crate) use tls::{TlsFault, tls};

/// Connections that wait for another request: how long, and how many for one host.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_PER_HOST_MAX: usize = 32;

/// Calls endpoints. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    rules: Arc<Rules>,
    plain: bool,
    timeout: Duration,
    requests_max: u32,
    /// Requests that may begin now.
    places: Arc<Semaphore>,
    /// Believed beside the system's.
    roots: Arc<RootCertStore>,
    /// For endpoints without TLS settings of their own. Made for the first request: reading the system's certificates
    /// takes a good part of a start.
    client: Arc<OnceLock<Client>>,
}

/// A pool of connections of one TLS configuration.
#[derive(Clone)]
pub(crate) struct Client(Pool<HttpsConnector<Connector>, Full<Bytes>>);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Outbound {
    /// # Errors
    /// A certificate cannot be read.
    pub(crate) fn new(http: &Http) -> Result<Self, TlsFault> {
        Ok(Self {
            rules: Arc::new(Rules::of(http)),
            plain: http.plain,
            timeout: Duration::from_secs(http.timeout_s),
            requests_max: http.requests_max,
            places: Arc::new(Semaphore::new(http.requests_max as usize)),
            roots: Arc::new(tls::configured(http.ca.as_deref())?),
            client: Arc::default(),
        })
    }

    /// A client for endpoints with TLS settings of their own.
    ///
    /// # Errors
    /// A file cannot be read, or certificate and key do not belong together.
    pub(crate) fn client_with(&self, settings: &ConnectionTls) -> Result<Client, TlsFault> {
        let config = tls::of_connection(&self.roots, settings)?;
        Ok(Client::new(self.rules.clone(), config))
    }

    fn client(&self) -> &Client {
        let make = || Client::new(self.rules.clone(), tls::public(&self.roots));
        self.client.get_or_init(make)
    }

    /// Judges an endpoint by its scheme and name; its addresses are judged when they are connected to.
    ///
    /// # Errors
    /// The installation's rules forbid it.
    pub(crate) fn check(&self, uri: &http::Uri) -> Result<(), Refused> {
        if uri.scheme_str() != Some("https") && !self.plain {
            return Err(Refused::Plain);
        }
        self.rules.check_host(uri.host().unwrap_or_default())
    }

    /// How long a request may take when nothing else says it.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Waits until no request is on its way. Those that would begin later never do.
    pub(crate) async fn drained(&self) {
        if let Ok(places) = self.places.acquire_many(self.requests_max).await {
            places.forget();
        }
    }
}

impl Client {
    fn new(rules: Arc<Rules>, config: ClientConfig) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector::new(rules));
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            // Servers that take `user-agent` for another header than `User-Agent` are still about.
            .http1_title_case_headers(true)
            .build(connector);
        Self(pool)
    }
}
