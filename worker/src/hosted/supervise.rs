//! The supervisor: a process of its own session that runs one command or container, whatever becomes of the worker that
//! began it, and writes how it ended.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::setsid;
use stepfleet_sdk::{CancellationToken, TaskError};
use tokio::time::sleep;

use super::ended::Ended;
use super::place::Folder;

/// How often it looks whether it is asked to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How often the lock is tried, which others hold for a moment when they look whether it is held.
const LOCK_TRIES: u32 = 50;

/// Runs the work of a folder, unless another supervisor does or did.
pub(crate) async fn supervise(folder: PathBuf) -> io::Result<()> {
    // Fails for the leader of a group, which has what this is for.
    let _leader = setsid();
    let folder = Folder::at(folder);
    let mut tries = 0;
    let _lock = loop {
        if let Some(lock) = folder.lock()? {
            break lock;
        }
        tries += 1;
        if tries == LOCK_TRIES {
            return Ok(());
        }
        sleep(LOOK).await;
    };
    let request = folder.request()?;
    if folder.is_asked_to_stop() {
        let error = TaskError::new("Cancelled", "it was stopped before it began");
        return folder.end(&Ended::failed(error, true));
    }
    if !folder.start()? {
        return Ok(());
    }
    let cancelled = CancellationToken::new();
    let own = folder.path().to_owned();
    let run = request.run(folder.client_id(), own, &cancelled);
    let mut run = std::pin::pin!(run);
    let result = loop {
        tokio::select! {
            result = &mut run => break result,
            () = sleep(LOOK) => {
                if folder.is_asked_to_stop() {
                    cancelled.cancel();
                }
            }
        }
    };
    folder.end(&Ended::of(result, cancelled.is_cancelled()))
}
