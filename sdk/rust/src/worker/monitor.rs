//! A worker seen from outside: whether it is connected, and whether its loop turns.

use tokio::sync::{mpsc, oneshot, watch};

/// Watches a worker; made by [`Worker::monitor`](super::Worker::monitor). Clones watch the same worker.
#[derive(Clone, Debug)]
pub struct Monitor {
    pub(crate) connected: watch::Receiver<bool>,
    pub(crate) asks: mpsc::Sender<oneshot::Sender<Pulse>>,
}

/// What a worker says of itself, by the loop that all of its work goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Whether the coordinator has welcomed it, and the connection stands.
    pub connected: bool,
    /// Handlers that run.
    pub running: usize,
    /// Results that the coordinator has not confirmed yet.
    pub unconfirmed: usize,
}

/// The worker's side.
#[derive(Debug)]
pub(crate) struct Watched {
    connected: watch::Sender<bool>,
    asks: mpsc::Receiver<oneshot::Sender<Pulse>>,
}

impl Monitor {
    /// Waits until the coordinator has welcomed the worker; false when the worker ended before.
    pub async fn connected(&mut self) -> bool {
        self.connected
            .wait_for(|connected| *connected)
            .await
            .is_ok()
    }

    /// Waits until the connection comes or goes, and tells which; none when the worker has ended.
    pub async fn connection_changed(&mut self) -> Option<bool> {
        self.connected.changed().await.ok()?;
        Some(*self.connected.borrow_and_update())
    }

    /// Asks the worker. No answer comes from one that hangs; none when it has ended.
    pub async fn pulse(&self) -> Option<Pulse> {
        let (answer, pulse) = oneshot::channel();
        self.asks.send(answer).await.ok()?;
        pulse.await.ok()
    }
}

/// Both sides.
pub(crate) fn pair() -> (Monitor, Watched) {
    let (said, connected) = watch::channel(false);
    let (asks, asked) = mpsc::channel(1);
    let watched = Watched {
        connected: said,
        asks: asked,
    };
    (Monitor { connected, asks }, watched)
}

impl Watched {
    pub(crate) fn say_connected(&self, connected: bool) {
        self.connected.send_if_modified(|said| {
            let changed = *said != connected;
            *said = connected;
            changed
        });
    }

    pub(crate) fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// The next question; `None` when nobody can ask any more.
    pub(crate) async fn asked(&mut self) -> Option<oneshot::Sender<Pulse>> {
        self.asks.recv().await
    }
}
