//! Where the lines go that a handler writes to standard error: the worker's own log, a file per task, or nowhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use stepfleet_sdk::TaskContext;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;
use tracing::{info, warn};

/// Longest line in the worker's log, bytes; longer ones go on as another.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// What the configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogTo {
    #[default]
    Worker,
    Nowhere,
    Folder(Arc<Folder>),
}

/// Files of tasks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// Of one file.
    pub(crate) bytes_max: u64,
    /// The oldest goes when there are more.
    pub(crate) files_max: usize,
}

/// Of one task.
#[derive(Debug, Default)]
pub(crate) enum TaskLog {
    #[default]
    Nowhere,
    Worker {
        task: TaskContext,
        begun: Vec<u8>,
    },
    File {
        file: File,
        path: PathBuf,
        room: u64,
        cut: bool,
    },
}

impl LogTo {
    /// Opens the log of a task. A file that cannot be made is told, and does not fail the task.
    pub(crate) async fn open(&self, task: &TaskContext, name: &str) -> TaskLog {
        match self {
            Self::Nowhere => TaskLog::Nowhere,
            Self::Worker => TaskLog::Worker {
                task: task.clone(),
                begun: Vec::new(),
            },
            Self::Folder(folder) => match folder.open(name).await {
                Ok(log) => log,
                Err(error) => {
                    let folder = folder.path.display();
                    warn!(%folder, %error, "cannot make the log of a task");
                    TaskLog::Nowhere
                }
            },
        }
    }
}

impl Folder {
    async fn open(&self, name: &str) -> io::Result<TaskLog> {
        self.make_room().await?;
        let path = self.path.join(format!("{name}.log"));
        let mut options = File::options();
        let file = options.create(true).append(true).open(&path).await?;
        Ok(TaskLog::File {
            file,
            path,
            room: self.bytes_max,
            cut: false,
        })
    }

    /// Removes the oldest logs, so that one more fits.
    async fn make_room(&self) -> io::Result<()> {
        let mut entries = fs::read_dir(&self.path).await?;
        let mut logs = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "log")
                && let Ok(about) = entry.metadata().await
            {
                logs.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), path));
            }
        }
        if logs.len() < self.files_max {
            return Ok(());
        }
        logs.sort();
        let extra = logs.len() + 1 - self.files_max;
        for (_, path) in &logs[..extra] {
            // Another task may have removed it.
            let _ = fs::remove_file(path).await;
        }
        Ok(())
    }
}

impl TaskLog {
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        match self {
            Self::Nowhere => {}
            Self::Worker { task, begun } => {
                begun.extend_from_slice(bytes);
                tell_lines(task, begun);
            }
            Self::File {
                file,
                path,
                room,
                cut,
            } => {
                if let Err(error) = append(file, room, cut, bytes).await {
                    warn!(path = %path.display(), %error, "cannot write the log of a task");
                    *self = Self::Nowhere;
                }
            }
        }
    }

    /// What has no newline counts too.
    pub(crate) async fn end(self) {
        match self {
            Self::Nowhere => {}
            Self::Worker { task, begun } => {
                if !begun.is_empty() {
                    tell(&task, &begun);
                }
            }
            Self::File { mut file, path, .. } => {
                if let Err(error) = file.flush().await {
                    warn!(path = %path.display(), %error, "cannot write the log of a task");
                }
            }
        }
    }
}

/// A file name for a task: what a person looks for, and what makes it its own.
pub(crate) fn file_name(task: &TaskContext) -> String {
    let last = |text: &str| text.rsplit(':').next().unwrap_or(text).to_owned();
    let (activity, execution) = (last(task.activity()), last(task.execution_arn()));
    let plain = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
        _ => '_',
    };
    let text = format!("{activity}-{execution}-{}", task.attempt());
    // Names of files end at 255 bytes.
    let text: String = text.chars().map(plain).take(180).collect();
    format!("{text}-{}", crate::token_hash(task.token()))
}

async fn append(file: &mut File, room: &mut u64, cut: &mut bool, bytes: &[u8]) -> io::Result<()> {
    let fitting = usize::try_from(*room)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    file.write_all(&bytes[..fitting]).await?;
    *room -= fitting as u64;
    if fitting < bytes.len() && !*cut {
        *cut = true;
        file.write_all("\n… (cut: the log is full)\n".as_bytes())
            .await?;
    }
    Ok(())
}

/// Takes the complete lines out of `begun`.
fn tell_lines(task: &TaskContext, begun: &mut Vec<u8>) {
    let mut told = 0;
    while told < begun.len() {
        let rest = &begun[told..];
        let line = match rest.iter().position(|byte| *byte == b'\n') {
            Some(at) if at <= LINE_BYTES_MAX => at + 1,
            Some(_) | None if rest.len() >= LINE_BYTES_MAX => LINE_BYTES_MAX,
            Some(_) | None => break,
        };
        tell(task, &rest[..line]);
        told += line;
    }
    begun.drain(..told);
}

fn tell(task: &TaskContext, line: &[u8]) {
    let line = String::from_utf8_lossy(line);
    let (activity, execution_arn) = (task.activity(), task.execution_arn());
    info!(
        target: "handler",
        activity,
        execution_arn,
        attempt = task.attempt(),
        "{}",
        line.trim_end()
    );
}

/// Whether logs can be made there; an error is a sentence for people.
pub(crate) fn check_folder(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        Ok(())
    } else {
        Err(format!("log folder {} does not exist", path.display()))
    }
}
