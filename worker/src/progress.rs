//! Progress of a command: lines on a descriptor of its own, each of which replaces the one before.

use std::io;

use command_fds::FdMapping;
use serde_json::value::RawValue;
use stepfleet_sdk::TaskContext;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tracing::warn;

/// The descriptor, and the variable that names it.
const DESCRIPTOR: i32 = 3;
pub(crate) const VARIABLE: (&str, &str) = ("STEPFLEET_PROGRESS_FD", "3");

/// Longest line, bytes.
const LINE_BYTES_MAX: usize = 8 * 1024;
const READ_BYTES: usize = 4 * 1024;

/// Whom a command tells of its progress.
#[derive(Debug)]
pub(crate) struct Progress(TaskContext);

/// The end of the pipe that is listened to.
#[derive(Debug)]
pub(crate) struct Listener {
    pipe: Receiver,
    task: TaskContext,
}

impl Progress {
    pub(crate) fn of(task: &TaskContext) -> Self {
        Self(task.clone())
    }

    /// A pipe, and what gives the command its end of it.
    pub(crate) fn open(self) -> io::Result<(Listener, FdMapping)> {
        let (reader, writer) = io::pipe()?;
        let mapping = FdMapping {
            parent_fd: writer.into(),
            child_fd: DESCRIPTOR,
        };
        let pipe = Receiver::from_owned_fd(reader.into())?;
        Ok((Listener { pipe, task: self.0 }, mapping))
    }
}

impl Listener {
    /// Until nobody can write any more.
    pub(crate) async fn listen(mut self) {
        let mut lines = Lines::default();
        let mut buffer = vec![0; READ_BYTES];
        while let Ok(count @ 1..) = self.pipe.read(&mut buffer).await {
            if let Some(newest) = lines.add(&buffer[..count]) {
                self.tell(&newest);
            }
            if std::mem::take(&mut lines.dropped) {
                let (activity, arn) = (self.task.activity(), self.task.execution_arn());
                warn!(
                    activity,
                    execution_arn = arn,
                    "a line of progress is longer than {LINE_BYTES_MAX} bytes; it is left out"
                );
            }
        }
    }

    fn tell(&self, line: &str) {
        // As it is if it is JSON, or else as a JSON string.
        let told = match serde_json::from_str::<&RawValue>(line) {
            Ok(value) => self.task.progress(value),
            Err(_) => self.task.progress(line),
        };
        told.expect("JSON and text can be encoded");
    }
}

/// Lines of what comes in pieces.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
    /// The line that has begun is too long.
    skipping: bool,
    /// A line was.
    dropped: bool,
}

impl Lines {
    /// The newest complete line, if one came.
    fn add(&mut self, mut bytes: &[u8]) -> Option<String> {
        let mut newest = None;
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..at]);
            bytes = &bytes[at + 1..];
            let line = std::mem::take(&mut self.begun);
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            if !std::mem::take(&mut self.skipping) && !text.is_empty() {
                newest = Some(text);
            }
        }
        self.extend(bytes);
        newest
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.begun.len() + bytes.len() > LINE_BYTES_MAX {
            self.begun.clear();
            self.skipping = true;
            self.dropped = true;
        }
        if !self.skipping {
            self.begun.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_complete_line_counts() {
        let mut lines = Lines::default();
        assert_eq!(lines.add(b"10"), None);
        assert_eq!(lines.add(b"%\n20%\n\n30"), Some("20%".to_owned()));
        assert_eq!(lines.add(b"%\n"), Some("30%".to_owned()));
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_alone() {
        let mut lines = Lines::default();
        assert_eq!(lines.add(&[b'x'; LINE_BYTES_MAX]), None);
        assert!(!lines.dropped);
        assert_eq!(lines.add(b"y\nnext\n"), Some("next".to_owned()));
        assert!(lines.dropped);
    }
}
