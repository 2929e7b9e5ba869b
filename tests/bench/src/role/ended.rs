//! The Unix socket on which a worker tells the starter how many executions have come to their last activity. Counts of
//! everything since the last message are sent as one 64-bit number, so that a busy worker writes rarely.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

/// Counts ends, and wakes the sender.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    count: AtomicU64,
    news: Notify,
}

impl Ends {
    pub(crate) fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.news.notify_one();
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Tells one starter, as long as it listens.
    pub(crate) async fn tell(&self, listener: UnixListener) -> anyhow::Result<()> {
        let (mut stream, _) = listener.accept().await?;
        let mut told = 0;
        loop {
            self.news.notified().await;
            let count = self.count();
            stream.write_u64(count - told).await?;
            told = count;
        }
    }
}

pub(crate) fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))
}

/// Calls `ended` with every message of the worker, until it is gone.
pub(crate) async fn hear(path: &Path, mut ended: impl FnMut(u64)) -> anyhow::Result<()> {
    let mut stream = UnixStream::connect(path)
        .await
        .with_context(|| format!("cannot connect to {}", path.display()))?;
    while let Ok(count) = stream.read_u64().await {
        ended(count);
    }
    Ok(())
}
