//! Runs one command for one task: in its own process group, with bounded output, killed as a group when its time is over.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{fs, io};

use command_fds::CommandFdExt as _;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use stepfleet_sdk::TaskError;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::ending::{Left, STDERR_BYTES_MAX, too_large, with_stderr};
use crate::identity::Identity;
use crate::logs::TaskLog;
use crate::progress::{Listener, Progress};

/// How long output may still come after the command itself has ended, from processes that it left behind.
const STRAGGLERS: Duration = Duration::from_secs(2);
/// How often a killed group is looked at until it is gone.
const GROUP_POLL: Duration = Duration::from_millis(20);
const READ_BYTES: usize = 16 * 1024;
/// As good as never, and still a time.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// A command to run.
#[derive(Debug)]
pub(crate) struct Call {
    /// Program and arguments.
    pub(crate) arguments: Vec<String>,
    /// Whether the program is a shell that runs what the user wrote.
    pub(crate) shell: bool,
    pub(crate) stdin: Option<String>,
    pub(crate) directory: Option<PathBuf>,
    /// All of it: nothing else is inherited.
    pub(crate) environment: BTreeMap<OsString, OsString>,
    /// Whom it runs as; as the worker otherwise.
    pub(crate) identity: Option<Identity>,
    pub(crate) limit: Option<TimeLimit>,
    /// From SIGTERM to SIGKILL.
    pub(crate) kill_after: Duration,
    pub(crate) output_bytes_max: usize,
    pub(crate) overflow: Overflow,
    pub(crate) log: TaskLog,
    /// Who is told of its progress; it gets no descriptor for that otherwise.
    pub(crate) progress: Option<Progress>,
}

/// What becomes of a command whose output is too large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// It is ended, and has failed.
    #[default]
    Fail,
    /// It goes on; its output is cut.
    Cut,
}

/// When a call is over, and how long that is from its begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimit {
    at: Instant,
    of: Duration,
}

impl TimeLimit {
    /// Begins now.
    pub(crate) fn new(of: Duration) -> Self {
        let at = Instant::now() + of.min(FAR);
        Self { at, of }
    }
}

/// Why a command was ended.
enum Ended {
    ByItself(ExitStatus),
    Cancelled,
    TimedOut(Duration),
    TooLarge,
}

/// A process group; killed when this is dropped before it is known to be gone.
#[derive(Debug)]
struct Group {
    id: Option<Pid>,
}

impl Call {
    /// Runs to the end, or until `cancelled`; then whatever is left of its group is gone.
    pub(crate) async fn run(mut self, cancelled: &CancellationToken) -> Result<Left, TaskError> {
        let (mut child, mut group, progress) = self.spawn()?;
        let stdin = child.stdin.take();
        let mut stdout = child.stdout.take().expect("the command was given a pipe");
        let mut stderr = child.stderr.take().expect("the command was given a pipe");
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let mut cut = false;
        let mut log = std::mem::take(&mut self.log);
        let ended = {
            let mut work = std::pin::pin!(async {
                let pipes = async {
                    let fed = feed(stdin, self.stdin.as_deref());
                    let room = (self.output_bytes_max, self.overflow);
                    let read = async {
                        cut = read_bounded(&mut stdout, &mut output, room).await?;
                        Ok(())
                    };
                    let logged = read_tail(&mut stderr, &mut errors, &mut log);
                    let progressed = async {
                        if let Some(progress) = progress {
                            progress.listen().await;
                        }
                        Ok(())
                    };
                    tokio::try_join!(fed, read, logged, progressed).map(drop)
                };
                attend(&mut child, pipes).await
            });
            let limit = self.limit.unwrap_or_else(|| TimeLimit::new(Duration::ZERO));
            tokio::select! {
                ended = &mut work => ended.map_err(|error| not_started(&self, &error))?,
                () = cancelled.cancelled() => Ended::Cancelled,
                () = sleep_until(limit.at), if self.limit.is_some() => Ended::TimedOut(limit.of),
            }
        };
        match ended {
            // What the command left behind goes, too.
            Ended::ByItself(_) => group.kill(),
            Ended::Cancelled | Ended::TimedOut(_) | Ended::TooLarge => {
                group.end(&mut child, self.kill_after).await;
            }
        }
        log.end().await;
        match ended {
            Ended::ByItself(status) => Ok(Left {
                status,
                stdout: output,
                stderr: errors,
                shell: self.shell,
                cut,
            }),
            Ended::Cancelled => Err(TaskError::new("Cancelled", "the task was over")),
            Ended::TimedOut(limit) => {
                let what = format!("still running after {} s", limit.as_secs());
                Err(TaskError::new(
                    "CommandTimedOut",
                    with_stderr(what, &errors),
                ))
            }
            Ended::TooLarge => Err(too_large(self.output_bytes_max)),
        }
    }

    fn spawn(&mut self) -> Result<(Child, Group, Option<Listener>), TaskError> {
        let mut command = Command::new(&self.arguments[0]);
        let stdin = match self.stdin {
            Some(_) => Stdio::piped(),
            None => Stdio::null(),
        };
        command
            .args(&self.arguments[1..])
            .env_clear()
            .envs(&self.environment)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if let Some(identity) = &self.identity {
            identity.apply(&mut command);
        }
        let mut listener = None;
        if let Some(progress) = self.progress.take() {
            let (heard, mapping) = progress.open().map_err(|error| not_started(self, &error))?;
            listener = Some(heard);
            command
                .fd_mappings(vec![mapping])
                .expect("one descriptor collides with no other");
        }
        let child = command.spawn().map_err(|error| not_started(self, &error))?;
        let id = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .map(Pid::from_raw);
        Ok((child, Group { id }, listener))
    }
}

impl Group {
    /// Asks the group to end, and makes it after `kill_after`.
    async fn end(&mut self, child: &mut Child, kill_after: Duration) {
        let deadline = Instant::now() + kill_after;
        self.signal(Signal::SIGTERM);
        // The command may go at once and leave children that do not.
        let gone = async {
            let _ = child.wait().await;
            while self.is_alive() {
                sleep(GROUP_POLL).await;
            }
        };
        let _ = timeout_at(deadline, gone).await;
        self.signal(Signal::SIGKILL);
        let _ = child.wait().await;
        self.kill();
    }

    /// Kills what is left of the group after the command itself.
    fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.reap();
        self.id = None;
    }

    fn is_alive(&self) -> bool {
        let Some(id) = self.id else { return false };
        self.reap();
        killpg(id, None) != Err(Errno::ESRCH) && has_running_member(id)
    }

    /// Takes the exit status of orphans that came to this process because it is the first of its container. Only after
    /// that of the command itself, which tokio takes.
    fn reap(&self) {
        let Some(id) = self.id else { return };
        let group = Pid::from_raw(-id.as_raw());
        while let Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) =
            waitpid(group, Some(WaitPidFlag::WNOHANG))
        {}
    }

    /// The group may be gone; its number is not given to another while any of its processes is left.
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            let _ = killpg(id, signal);
        }
    }
}

/// Whether a process of the group is more than a zombie that nobody has taken the exit status of; true where that cannot be
/// known.
fn has_running_member(group: Pid) -> bool {
    let Ok(entries) = fs::read_dir("/proc") else {
        return true;
    };
    let group = group.to_string();
    entries.flatten().any(|entry| {
        // `pid (name) state parent group …`, and the name may hold anything.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let (state, of) = (fields.next(), fields.nth(1));
        of == Some(group.as_str()) && !matches!(state, Some("Z" | "X"))
    })
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Waits for the command and its pipes: normally both end together, but a command may close its output early, or leave
/// processes behind that hold it open.
async fn attend(
    child: &mut Child,
    pipes: impl Future<Output = Result<(), Broken>>,
) -> io::Result<Ended> {
    let mut pipes = std::pin::pin!(pipes);
    let mut read = false;
    let mut stragglers = std::pin::pin!(sleep_until(Instant::now()));
    let mut status = None;
    loop {
        if let Some(status) = status.filter(|_| read) {
            return Ok(Ended::ByItself(status));
        }
        tokio::select! {
            result = &mut pipes, if !read => match result {
                Ok(()) => read = true,
                Err(Broken::TooLarge) => return Ok(Ended::TooLarge),
                Err(Broken::Io(error)) => return Err(error),
            },
            result = child.wait(), if status.is_none() => {
                status = Some(result?);
                stragglers.as_mut().reset(Instant::now() + STRAGGLERS);
            }
            () = &mut stragglers, if status.is_some() => read = true,
        }
    }
}

/// Why reading ended early.
enum Broken {
    TooLarge,
    Io(io::Error),
}

/// Writes the input; a command need not read it.
async fn feed(stdin: Option<ChildStdin>, input: Option<&str>) -> Result<(), Broken> {
    if let (Some(mut stdin), Some(input)) = (stdin, input) {
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    Ok(())
}

/// Reads all; answers whether something was cut.
async fn read_bounded(
    pipe: &mut (impl AsyncRead + Unpin),
    output: &mut Vec<u8>,
    (bytes_max, overflow): (usize, Overflow),
) -> Result<bool, Broken> {
    let mut buffer = vec![0; READ_BYTES];
    let mut cut = false;
    loop {
        let count = pipe.read(&mut buffer).await.map_err(Broken::Io)?;
        if count == 0 {
            return Ok(cut);
        }
        output.extend_from_slice(&buffer[..count]);
        if output.len() > bytes_max {
            match overflow {
                Overflow::Fail => return Err(Broken::TooLarge),
                Overflow::Cut => output.truncate(bytes_max),
            }
            cut = true;
        }
    }
}

/// Reads all, logs it and keeps the end. What cannot be read is left out: it only explains.
async fn read_tail(
    pipe: &mut (impl AsyncRead + Unpin),
    tail: &mut Vec<u8>,
    log: &mut TaskLog,
) -> Result<(), Broken> {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        log.write(&buffer[..count]).await;
        tail.extend_from_slice(&buffer[..count]);
        // Twice the limit, so that bytes are moved once per limit and not once per read.
        if tail.len() > 2 * STDERR_BYTES_MAX {
            tail.drain(..tail.len() - STDERR_BYTES_MAX);
        }
    }
    Ok(())
}

fn not_started(call: &Call, error: &io::Error) -> TaskError {
    let program = &call.arguments[0];
    match (&call.directory, error.kind()) {
        (Some(directory), io::ErrorKind::NotFound) if !directory.is_dir() => {
            let cause = format!("directory {} does not exist", directory.display());
            TaskError::new("CommandNotFound", cause)
        }
        (_, io::ErrorKind::NotFound) => TaskError::new(
            "CommandNotFound",
            format!("program `{program}` was not found"),
        ),
        _ => TaskError::new("CommandFailed", format!("cannot run `{program}`: {error}")),
    }
}
