//! Client and fake coordinator joined by pipes in memory: no socket, so that paused time works.

use std::io;

use hyper_util::rt::TokioIo;
use stepfleet_sdk::tonic::service::Routes;
use stepfleet_sdk::tonic::transport::{Endpoint as Transport, Server};
use stepfleet_sdk::{CancellationToken, Client, Endpoint, Error, Worker};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tower::service_fn;

use super::fake::Fake;

/// Bytes that a pipe holds.
const PIPE_BYTES: usize = 1024 * 1024;

/// A fake coordinator and a client of it.
pub(crate) fn pair() -> (Fake, Client) {
    let (fake, routes) = Fake::new();
    (fake, client(routes))
}

/// A client of these services.
pub(crate) fn client(routes: Routes) -> Client {
    let (pipes, incoming) = mpsc::channel::<Result<DuplexStream, io::Error>>(4);
    spawn(async move {
        let incoming = ReceiverStream::new(incoming);
        Server::builder()
            .add_routes(routes)
            .serve_with_incoming(incoming)
            .await
            .unwrap();
    });
    let connect = service_fn(move |_| {
        let pipes = pipes.clone();
        async move {
            let (near, far) = tokio::io::duplex(PIPE_BYTES);
            pipes.send(Ok(far)).await.map_err(io::Error::other)?;
            Ok::<_, io::Error>(TokioIo::new(near))
        }
    });
    let channel = Transport::from_static("http://memory").connect_with_connector_lazy(connect);
    Client::from_channel(channel, Endpoint::default()).unwrap()
}

/// A worker at work.
pub(crate) struct Running {
    pub(crate) shutdown: CancellationToken,
    pub(crate) worker: JoinHandle<Result<(), Error>>,
}

pub(crate) fn run(worker: Worker) -> Running {
    let shutdown = CancellationToken::new();
    Running {
        shutdown: shutdown.clone(),
        worker: spawn(worker.run(shutdown)),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests end their tasks with their runtime"
)]
pub(crate) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}
