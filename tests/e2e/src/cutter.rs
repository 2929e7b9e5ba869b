//! A TCP proxy that reads along: it knows the messages of a worker's stream in the frames of HTTP/2, and strikes just before
//! or just after the one that a test names. It changes nothing else; no more than the one stream of a worker may lead
//! through it.

mod frames;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use stepfleet_sdk::api::{CoordinatorMessage, Order, WorkerMessage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::frames::{Frames, Message};
use crate::ledger::now_ms;
use crate::proxy::Direction;

/// What a message of the protocol is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The worker's first.
    Hello,
    /// Pushes were received, and nothing else is said.
    Acknowledgement,
    /// A task is alive.
    Heartbeat,
    /// A task is done.
    Result,
    /// A task goes back that was not begun.
    Returned,
    /// The coordinator's first.
    Welcome,
    /// A task.
    Push,
    /// Results are durable.
    Confirmation,
    /// An attempt is over.
    Cancellation,
    /// An operator wants the worker to leave.
    Order,
}

/// On which side of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It does not arrive.
    Before,
    /// It is the last that arrives.
    After,
}

/// What happens to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Both ends see it closed.
    Cut,
    /// Neither end hears anything any more.
    Silence,
}

/// Where to strike, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// The first message about this.
    pub step: Step,
    /// On this side of it.
    pub moment: Moment,
    /// In this way.
    pub fault: Fault,
}

/// A listening proxy; dropping it closes everything.
#[derive(Debug)]
pub struct Cutter {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    armed: Mutex<Option<Strike>>,
    /// When messages about a step passed.
    passed: Mutex<Vec<(Step, i64)>>,
    struck: watch::Sender<Struck>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Struck {
    /// Connections of before it are struck.
    generation: u64,
    fault: Option<Fault>,
    /// New connections are closed at once.
    refusing: bool,
}

impl Step {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Hello,
        Self::Acknowledgement,
        Self::Heartbeat,
        Self::Result,
        Self::Returned,
        Self::Welcome,
        Self::Push,
        Self::Confirmation,
        Self::Cancellation,
        Self::Order,
    ];

    fn is_in(self, message: &Message) -> bool {
        match message {
            Message::Up(message) => self.is_said_by_worker(message),
            Message::Down(message) => self.is_said_by_coordinator(message),
        }
    }

    fn is_said_by_worker(self, message: &WorkerMessage) -> bool {
        let acknowledges = || {
            let silent = message.results.is_empty() && message.heartbeats.is_empty();
            message.received > 0 && silent && message.returned.is_empty() && !message.draining
        };
        match self {
            Self::Hello => message.hello.is_some(),
            Self::Acknowledgement => acknowledges(),
            Self::Heartbeat => !message.heartbeats.is_empty(),
            Self::Result => !message.results.is_empty(),
            Self::Returned => !message.returned.is_empty(),
            Self::Welcome | Self::Push | Self::Confirmation | Self::Cancellation | Self::Order => {
                false
            }
        }
    }

    fn is_said_by_coordinator(self, message: &CoordinatorMessage) -> bool {
        match self {
            Self::Welcome => message.welcome.is_some(),
            Self::Push => !message.pushes.is_empty(),
            Self::Confirmation => message.confirmed > 0,
            Self::Cancellation => !message.cancelled.is_empty(),
            Self::Order => message.order() != Order::Unspecified,
            Self::Hello
            | Self::Acknowledgement
            | Self::Heartbeat
            | Self::Result
            | Self::Returned => false,
        }
    }
}

impl Cutter {
    /// Listens on a port of its own, forwards to `target`, and strikes there.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(target: String, strike: Strike) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            armed: Mutex::new(Some(strike)),
            passed: Mutex::default(),
            struck: watch::Sender::new(Struck::default()),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            _tasks: tasks,
        })
    }

    /// `http://…` of the proxy.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until it has struck. From then on nobody gets through until [`Self::open`].
    ///
    /// # Errors
    /// It works no more.
    pub async fn struck(&self) -> Result<()> {
        let mut struck = self.shared.struck.subscribe();
        let has = struck.wait_for(|struck| struck.generation > 0).await;
        has.context("the proxy is gone").map(drop)
    }

    /// Lets new connections through.
    pub fn open(&self) {
        self.shared
            .struck
            .send_modify(|struck| struck.refusing = false);
    }

    /// When the last message about a step passed, milliseconds since 1970.
    pub fn passed_at(&self, step: Step) -> Option<i64> {
        let passed = self.shared.passed();
        let last = passed.iter().rev().find(|(of, _)| *of == step);
        last.map(|(_, at)| *at)
    }
}

impl Shared {
    fn passed(&self) -> std::sync::MutexGuard<'_, Vec<(Step, i64)>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to strike at this message; the first who asks about the right one does.
    fn strikes_at(&self, message: &Message) -> Option<Strike> {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        armed.take_if(|strike| strike.step.is_in(message))
    }

    fn pass(&self, message: &Message) {
        let now = now_ms();
        let of = Step::ALL.into_iter().filter(|step| step.is_in(message));
        self.passed().extend(of.map(|step| (step, now)));
    }

    fn strike(&self, fault: Fault) {
        self.struck.send_modify(|struck| {
            *struck = Struck {
                generation: struck.generation + 1,
                fault: Some(fault),
                refusing: true,
            };
        });
    }
}

async fn accept(listener: TcpListener, target: String, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if shared.struck.borrow().refusing {
            continue;
        }
        let Ok(server) = TcpStream::connect(&target).await else {
            continue;
        };
        let generation = shared.struck.borrow().generation;
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        let copy = |read, write, direction| Copy {
            read,
            write,
            frames: Frames::new(direction),
            generation,
            struck: shared.struck.subscribe(),
            shared: Arc::clone(&shared),
        };
        tasks.spawn(copy(client_read, server_write, Direction::Up).run());
        tasks.spawn(copy(server_read, client_write, Direction::Down).run());
    }
}

struct Copy {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    frames: Frames,
    generation: u64,
    struck: watch::Receiver<Struck>,
    shared: Arc<Shared>,
}

impl Copy {
    async fn run(mut self) {
        if self.forward().await {
            // Whatever the other end still says is read, so that the end of the connection is no reset: a reset would
            // take along what has been forwarded.
            let mut ignored = [0; 4096];
            while matches!(self.read.read(&mut ignored).await, Ok(1..)) {}
            if self.struck.borrow().fault == Some(Fault::Silence) {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Forwards until the end, or until it is struck: `true`.
    async fn forward(&mut self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            tokio::select! {
                biased;
                changed = self.struck.changed() => {
                    if changed.is_err() {
                        return false;
                    }
                    if self.is_struck() {
                        return self.leave().await;
                    }
                }
                read = self.read.read(&mut buffer) => {
                    let Ok(length @ 1..) = read else {
                        return false;
                    };
                    self.frames.add(&buffer[..length]);
                    match self.pass().await {
                        Ok(()) if self.is_struck() => return self.leave().await,
                        Ok(()) => {}
                        Err(_) => return false,
                    }
                }
            }
        }
    }

    fn is_struck(&self) -> bool {
        self.struck.borrow().generation > self.generation
    }

    /// The other end hears of the end, unless it is to hear nothing.
    async fn leave(&mut self) -> bool {
        if self.struck.borrow().fault == Some(Fault::Cut) {
            let _ = self.write.shutdown().await;
        }
        true
    }

    /// Passes whole frames on, message by message.
    async fn pass(&mut self) -> std::io::Result<()> {
        while let Some((bytes, message)) = self.frames.next() {
            let Some(message) = message else {
                self.write.write_all(&bytes).await?;
                continue;
            };
            let strike = self.shared.strikes_at(&message);
            let arrives = strike.is_none_or(|strike| strike.moment == Moment::After);
            if arrives {
                self.shared.pass(&message);
                self.write.write_all(&bytes).await?;
            }
            if let Some(strike) = strike {
                self.shared.strike(strike.fault);
                return Ok(());
            }
        }
        Ok(())
    }
}
