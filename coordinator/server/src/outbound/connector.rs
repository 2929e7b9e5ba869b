//! Where every connection to an endpoint is made: the name is resolved once, each of its addresses is judged, and what
//! was judged is connected to. So a name cannot lead elsewhere between the two, and nothing gets around the rules.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tower::Service;

use super::address::{Refused, Rules};

/// Names that are resolved at once, of a pool of threads that others need too. A slow name server may hold them all:
/// then further names wait.
const RESOLUTIONS_MAX: usize = 64;
/// For each address of a host.
const CONNECT: Duration = Duration::from_secs(10);

/// Makes connections.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    rules: Arc<Rules>,
    resolutions: Arc<Semaphore>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unconnected {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("The host cannot be resolved: {0}")]
    Unresolved(io::Error),
    #[error("The host cannot be connected to: {0}")]
    Unreachable(io::Error),
}

impl Connector {
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            resolutions: Arc::new(Semaphore::new(RESOLUTIONS_MAX)),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = Unconnected;
    type Future = BoxFuture<'static, Result<Self::Response, Unconnected>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unconnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(&uri).await.map(TokioIo::new) })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> Result<TcpStream, Unconnected> {
        let addresses = self.resolve(uri).await.map_err(Unconnected::Unresolved)?;
        for address in &addresses {
            self.rules.check(address.ip())?;
        }
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Requests are written whole.
                    let _is_a_hint = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_elapsed) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(Unconnected::Unreachable(last))
    }

    async fn resolve(&self, uri: &Uri) -> io::Result<Vec<SocketAddr>> {
        let host = uri.host().unwrap_or_default();
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let default = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(default);
        let place = self.resolutions.clone().acquire_owned().await;
        let place = place.expect("the semaphore of resolutions is never closed");
        let resolution = crate::task::blocking("resolve a name", move || {
            // Held by the thread, which goes on when nobody waits any more.
            let _place = place;
            let addresses = (host.as_str(), port).to_socket_addrs()?;
            Ok(addresses.collect())
        });
        resolution.await.map_err(io::Error::other)?
    }
}
