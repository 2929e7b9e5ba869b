//! A connection that can lose answers, and hold requests until they are no longer welcome.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// Both ways.
    Everything,
    /// Requests arrive, answers wait.
    Requests,
    /// Nothing arrives; it waits.
    Nothing,
}

/// Stands between clients and a server.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    passing: Arc<watch::Sender<Passing>>,
    _connections: JoinSet<()>,
}

impl Wire {
    /// Leads to a server, by its URL.
    pub async fn to(server: &str) -> Self {
        let server = server.strip_prefix("http://").unwrap_or(server).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there are free ports");
        let address = listener.local_addr().expect("it is bound");
        let passing = Arc::new(watch::Sender::new(Passing::Everything));
        let mut connections = JoinSet::new();
        connections.spawn(serve(listener, server, passing.clone()));
        Self {
            address,
            passing,
            _connections: connections,
        }
    }

    /// Its own URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What goes through from now on.
    pub fn pass(&self, passing: Passing) {
        self.passing.send_replace(passing);
    }
}

async fn serve(listener: TcpListener, address: String, state: Arc<watch::Sender<Passing>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&address).await else {
            continue;
        };
        let (client_reads, client_writes) = client.into_split();
        let (server_reads, server_writes) = server.into_split();
        let requests = |passing: Passing| passing != Passing::Nothing;
        let answers = |passing: Passing| passing == Passing::Everything;
        connections.spawn(carry(
            client_reads,
            server_writes,
            state.subscribe(),
            requests,
        ));
        connections.spawn(carry(
            server_reads,
            client_writes,
            state.subscribe(),
            answers,
        ));
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<Passing>,
    passes: fn(Passing) -> bool,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if state.wait_for(|passing| passes(*passing)).await.is_err() {
            break;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    let _closed = to.shutdown().await;
}
