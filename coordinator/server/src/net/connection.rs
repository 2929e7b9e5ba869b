//! One connection from handshake to close. Limits here are what keeps a slow, silent or hostile client from holding
//! more than its own socket.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Heard, Options, Peer};
use crate::auth::principal_of;
use crate::telemetry::PEER_ADDRESS;

/// The HTTP/2 preface; no HTTP/1.1 request worth waiting for is shorter.
const PREFACE_BYTES: u64 = 24;
/// Head of one request, over both protocols. Bytes.
const HEADER_BYTES_MAX: u32 = 16 << 10;
const HEADERS_MAX: usize = 100;
/// HTTP/1.1 read buffer: a head must fit. Bytes.
const HTTP1_BUFFER_BYTES: usize = 64 << 10;
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// Streams that a peer may open and reset without our having seen them ("rapid reset").
const PENDING_RESETS_MAX: usize = 64;
/// Streams that we reset for a peer's errors before the connection is closed.
const ERROR_RESETS_MAX: usize = 256;
/// A peer that has said nothing for so long is asked whether it is there, and has so long to answer. Together it is how
/// late a host that vanished is noticed; workers that were merely paused come back to their sessions.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(7);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(8);

/// What all connections of a listener share.
pub(super) struct Shared {
    router: Router,
    builder: Builder<TokioExecutor>,
    pub(super) options: Options,
    shutdown: CancellationToken,
}

impl Shared {
    pub(super) fn new(router: Router, options: Options, shutdown: CancellationToken) -> Self {
        let builder = http(&options);
        Self {
            router,
            builder,
            options,
            shutdown,
        }
    }
}

/// Serves one accepted connection to its end.
pub(super) async fn serve(stream: TcpStream, address: SocketAddr, shared: &Shared) {
    let _open = shared.options.metrics.connection();
    // Small answers leave at once; a failure costs latency only.
    let _ = stream.set_nodelay(true);
    let served = match &shared.options.tls {
        None => {
            let peer = Peer {
                address,
                principal: None,
                tls: false,
            };
            talk(stream, peer, shared).await
        }
        Some(tls) => {
            let handshake = tls.acceptor().accept(stream);
            tokio::select! {
                () = shared.shutdown.cancelled() => return,
                stream = tokio::time::timeout(shared.options.handshake_timeout, handshake) => match stream {
                    Ok(Ok(stream)) => {
                        let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                        let peer = Peer { address, principal: leaf.and_then(principal_of), tls: true };
                        talk(stream, peer, shared).await
                    }
                    Ok(Err(error)) => Err(error.into()),
                    Err(_) => Err("the TLS handshake took too long".into()),
                },
            }
        }
    };
    if let Err(error) = served {
        // Clients go away all the time; that is no event for an operator.
        tracing::debug!({ PEER_ADDRESS } = %address, %error, "connection ended");
    }
}

type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

async fn talk<S>(stream: S, peer: Peer, shared: &Shared) -> Result<(), ConnectionError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = shared.router.clone();
    let heard = Heard::default();
    let noted = heard.clone();
    let service = tower::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        request.extensions_mut().insert(heard.clone());
        router.clone().oneshot(request)
    });
    let received = Arc::new(AtomicU64::new(0));
    let stream = TokioIo::new(Counted {
        stream,
        received: Arc::clone(&received),
        heard: noted,
    });
    let connection = shared
        .builder
        .serve_connection(stream, TowerToHyperService::new(service));
    tokio::pin!(connection);
    let mut silence = std::pin::pin!(tokio::time::sleep(shared.options.handshake_timeout));
    let mut silent = true;
    let mut finishing = false;
    loop {
        tokio::select! {
            result = connection.as_mut() => return result,
            () = shared.shutdown.cancelled(), if !finishing => {
                finishing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = silence.as_mut(), if silent => {
                silent = false;
                if received.load(Ordering::Relaxed) < PREFACE_BYTES {
                    return Err("no request came".into());
                }
            }
        }
    }
}

fn http(options: &Options) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HTTP1_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(options.streams_max)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    builder
}

/// Counts what a peer has sent: the server waits for the first bytes without a limit of its own. Notes when it did.
struct Counted<S> {
    stream: S,
    received: Arc<AtomicU64>,
    heard: Heard,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if polled.is_ready() {
            // The end of the connection as well: it says that somebody was there.
            self.heard.note();
        }
        let more = buffer.filled().len() - before;
        self.received
            .fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
