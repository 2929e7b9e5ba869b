//! Ctrl-C and SIGTERM end the benchmark like an error does: its processes are ended and its folders removed on the way
//! out. All waiting goes through `pause`, which notices.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Stopwatch;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

const SLICE: Duration = Duration::from_millis(50);

/// Listens from now on, in a thread of its own.
pub(crate) fn listen() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            INTERRUPTED.store(true, Ordering::Relaxed);
        })?;
    Ok(())
}

/// # Errors
/// When somebody asked the benchmark to stop.
pub(crate) fn check() -> anyhow::Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    Ok(())
}

/// Sleeps.
///
/// # Errors
/// When somebody asked the benchmark to stop.
pub(crate) fn pause(duration: Duration) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    loop {
        check()?;
        let left = duration.saturating_sub(watch.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(SLICE));
    }
}
