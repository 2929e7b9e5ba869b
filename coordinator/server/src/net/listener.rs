//! Accepts connections and joins them. On shutdown it stops accepting, asks every connection to finish, and cuts what
//! is left when the grace period is over.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::connection::{self, Shared};

/// Pause after a failed accept. It fails for want of file descriptors, and trying at once would spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Connections that were cut because the grace period was over.
    pub cut: usize,
}

/// Serves `router` on `listener` until `shutdown`, then until the connections are done or `options.grace` is over.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    options: Options,
    shutdown: CancellationToken,
) -> Outcome {
    let permits = Arc::new(Semaphore::new(
        options.connections_max.min(Semaphore::MAX_PERMITS),
    ));
    let shared = Arc::new(Shared::new(router, options, shutdown.clone()));
    // Bounded by the permits.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &permits) => match accepted {
                Ok((stream, address, permit)) => {
                    let shared = Arc::clone(&shared);
                    connections.spawn(async move {
                        connection::serve(stream, address, &shared).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    // New clients are refused from here on instead of waiting in a queue that nobody serves.
    drop(listener);
    finish(connections, shared.options.grace).await
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, std::net::SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, permit))
}

async fn finish(mut connections: JoinSet<()>, grace: Duration) -> Outcome {
    let drained = tokio::time::timeout(grace, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    let cut = connections.len();
    if drained.is_err() {
        tracing::warn!(
            connections = cut,
            "the grace period is over; cutting connections"
        );
        connections.shutdown().await;
    }
    Outcome { cut }
}
