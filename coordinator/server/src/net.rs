//! The network edge: one listener for everything, TLS, limits on connections, and a shutdown that lets requests in
//! flight finish. It serves a router that was handed in and knows no operation.

mod connection;
mod dispatch;
mod heard;
mod listener;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::metrics::Metrics;

pub(crate) use dispatch::{dispatch, is_grpc};
pub(crate) use heard::Heard;
pub(crate) use listener::serve;
pub(crate) use tls::{Tls, TlsError};

/// Who is on the other end of a connection. In the extensions of each of its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub address: SocketAddr,
    /// Name of the verified client certificate.
    pub principal: Option<Arc<str>>,
    pub tls: bool,
}

/// How connections are served.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub tls: Option<Tls>,
    /// Connections at once; more of them wait in the kernel's listen queue.
    pub connections_max: usize,
    /// Requests at once on one HTTP/2 connection; clients queue the rest themselves.
    pub streams_max: u32,
    /// From accepting to the end of the TLS handshake and the first bytes of a request.
    pub handshake_timeout: Duration,
    /// For the whole head of an HTTP/1.1 request; also how long such a connection may idle.
    pub header_timeout: Duration,
    /// How long a shutdown waits for requests in flight.
    pub grace: Duration,
    pub metrics: Metrics,
}

impl Options {
    /// The options of a checked configuration.
    ///
    /// # Errors
    /// The TLS files are missing, unreadable or do not fit together.
    pub(crate) fn new(config: &Config, metrics: Metrics) -> Result<Self, TlsError> {
        Ok(Self {
            tls: Tls::load(&config.tls)?,
            connections_max: config.limits.connections_max,
            streams_max: config.limits.connection_streams_max,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(config.shutdown_grace_s),
            metrics,
        })
    }
}
