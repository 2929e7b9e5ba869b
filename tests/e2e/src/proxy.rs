//! A TCP proxy that cuts connections and holds bytes back, one direction at a time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the coordinator.
    Up,
    /// From the coordinator to the client.
    Down,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    up_swallowed: bool,
    down_swallowed: bool,
    /// Connections of earlier generations are closed.
    generation: u64,
}

/// A listening proxy; dropping it closes everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Listens on a port of its own and forwards to `target`.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(target: String) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(watch::Sender::new(State::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            _tasks: tasks,
        })
    }

    /// `http://…` of the proxy.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on bytes in this direction vanish.
    pub fn swallow(&self, direction: Direction) {
        self.state.send_modify(|state| match direction {
            Direction::Up => state.up_swallowed = true,
            Direction::Down => state.down_swallowed = true,
        });
    }

    /// Closes every connection; new ones work again in both directions.
    pub fn cut(&self) {
        self.state.send_modify(|state| {
            *state = State {
                generation: state.generation + 1,
                ..State::default()
            };
        });
    }
}

async fn accept(listener: TcpListener, target: String, state: Arc<watch::Sender<State>>) {
    let mut tasks = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&target).await else {
            continue;
        };
        let generation = state.borrow().generation;
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        let copy = |read, write, direction| Copy {
            read,
            write,
            direction,
            generation,
            state: state.subscribe(),
        };
        tasks.spawn(copy(client_read, server_write, Direction::Up).run());
        tasks.spawn(copy(server_read, client_write, Direction::Down).run());
    }
}

struct Copy {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    direction: Direction,
    generation: u64,
    state: watch::Receiver<State>,
}

impl Copy {
    async fn run(mut self) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            tokio::select! {
                biased;
                changed = self.state.changed() => {
                    if changed.is_err() || self.state.borrow().generation != self.generation {
                        return;
                    }
                }
                read = self.read.read(&mut buffer) => {
                    let Ok(length @ 1..) = read else { return };
                    let state = *self.state.borrow();
                    let swallowed = match self.direction {
                        Direction::Up => state.up_swallowed,
                        Direction::Down => state.down_swallowed,
                    };
                    if !swallowed && self.write.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
