//! One child process with its output in a file; killed when its handle is dropped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result};
pub use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::condition::{Deadline, until};

/// Last part of a log that is shown.
const SHOWN_BYTES: usize = 8 * 1024;

/// A running program.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; both its outputs are appended to `log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        let open = || File::options().create(true).append(true).open(log);
        command.stdin(Stdio::null()).stdout(open()?).stderr(open()?);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; None while it goes on.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal to this process alone.
    ///
    /// # Errors
    /// It has been waited for already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).context("process ids are positive")?;
        Ok(kill(Pid::from_raw(id), signal)?)
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It goes on beyond the deadline.
    pub async fn end(&mut self, deadline: Deadline) -> Result<ExitStatus> {
        let id = self.child.id();
        until(&format!("process {id} ends"), deadline, async || {
            self.ended()
        })
        .await
    }

    /// Everything that it wrote.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of a log file.
pub(crate) fn tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let start = bytes.len().saturating_sub(SHOWN_BYTES);
    String::from_utf8_lossy(&bytes[start..]).into_owned()
}
