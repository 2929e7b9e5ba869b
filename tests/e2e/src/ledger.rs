//! What handlers did, in files that survive them: a line for each start, end and cancellation, written before anything
//! else happens. Each worker process has a file of its own, so that a killed one leaves nothing half said in another's.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use stepfleet_sdk::TaskContext;

/// End of the files' names.
const END: &str = "ledger";

/// What a handler did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It began.
    Start,
    /// It gave a result.
    Finish,
    /// It was told that nobody wants one.
    Cancel,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was done.
    pub deed: Deed,
    /// Milliseconds since 1970, by the worker's clock.
    pub at_ms: i64,
    /// Name of the worker.
    pub worker: String,
    /// Name of the execution.
    pub execution: String,
    /// Name of the activity.
    pub activity: String,
    /// As the coordinator counts.
    pub attempt: u32,
    /// Stands for the task token: an attempt that is offered again has another one.
    pub token: u64,
}

/// One process' file.
#[derive(Debug)]
pub struct Ledger(File);

impl Ledger {
    /// A file in this folder, named after the process.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.{END}", std::process::id()));
        let file = File::options().create(true).append(true).open(&path);
        Ok(Self(file.with_context(|| path.display().to_string())?))
    }

    /// Adds a line, in one write.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn write(&self, deed: Deed, worker: &str, task: &TaskContext) -> Result<()> {
        let execution = task.execution_arn().rsplit(':').next().unwrap_or_default();
        let activity = task.activity().rsplit(':').next().unwrap_or_default();
        let line = format!(
            "{deed:?} {} {worker} {execution} {activity} {} {}\n",
            now_ms(),
            task.attempt(),
            token_number(task.token()),
        );
        Ok((&self.0).write_all(line.as_bytes())?)
    }
}

/// Every line of a folder, in the order of time.
///
/// # Errors
/// A line is not understood.
pub fn read_ledgers(folder: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let Ok(files) = fs::read_dir(folder) else {
        return Ok(entries);
    };
    for file in files {
        let path = file?.path();
        if path.extension().is_some_and(|end| end == END) {
            let text = fs::read_to_string(&path)?;
            // What has no end of line yet is being written.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            for line in whole.lines() {
                entries.push(parse(line).with_context(|| line.to_owned())?);
            }
        }
    }
    entries.sort_by_key(|entry| entry.at_ms);
    Ok(entries)
}

/// Stands for a task token.
pub fn token_number(token: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}

/// The wall clock, which all processes of a test share.
#[expect(
    clippy::disallowed_methods,
    reason = "the times of processes are compared"
)]
pub fn now_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

fn parse(line: &str) -> Result<Entry> {
    let parts: Vec<&str> = line.split(' ').collect();
    let [deed, at, worker, execution, activity, attempt, token] = parts[..] else {
        bail!("a line has seven parts");
    };
    let deed = match deed {
        "Start" => Deed::Start,
        "Finish" => Deed::Finish,
        "Cancel" => Deed::Cancel,
        other => bail!("no deed: {other}"),
    };
    Ok(Entry {
        deed,
        at_ms: at.parse()?,
        worker: worker.to_owned(),
        execution: execution.to_owned(),
        activity: activity.to_owned(),
        attempt: attempt.parse()?,
        token: token.parse()?,
    })
}
