//! The chain of hashes: making lines, finding the end of a log, and checking one.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Record;

/// Where the last line of a log is looked for, from its end. Longer than any line.
const TAIL_BYTES: u64 = 64 * 1024;
/// What comes before the first line of all.
const NOTHING: [u8; 32] = [0; 32];

/// The end of a log: what the next line follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Of the last line.
    pub(super) number: u64,
    hash: [u8; 32],
    /// Bytes of a line that was cut off by a crash.
    pub(super) cut: usize,
}

/// A line.
#[derive(Serialize)]
struct Line<'a, T> {
    number: u64,
    at: String,
    #[serde(flatten)]
    what: &'a T,
    previous: String,
}

/// Lines about the log itself.
#[derive(Debug, Serialize)]
#[serde(tag = "log", rename_all = "lowercase")]
pub(super) enum OfLog {
    /// A coordinator began to write; a line of this length before it was cut off.
    Begun {
        #[serde(skip_serializing_if = "is_zero")]
        cut: usize,
    },
    /// So many records found no room.
    Lost { records: u64 },
}

/// What checking needs of a line.
#[derive(Deserialize)]
struct Read {
    number: u64,
    previous: String,
    log: Option<String>,
    #[serde(default)]
    cut: usize,
}

/// What a check found of a log that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Of the last line. Whoever keeps it elsewhere can tell later that the log was not cut there.
    pub(crate) hash: String,
    pub(crate) lost: u64,
}

impl Default for End {
    fn default() -> Self {
        Self {
            number: 0,
            hash: NOTHING,
            cut: 0,
        }
    }
}

impl End {
    /// The end of the log in this file, or in the one before it if it is empty.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut before = path.as_os_str().to_owned();
        before.push(".1");
        let mut cut = 0;
        for path in [path.to_owned(), PathBuf::from(before)] {
            let tail = match tail(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                tail => tail?,
            };
            let mut lines = tail.rsplit(|byte| *byte == b'\n');
            // Of a last line without its end, all may be there but that.
            let last = lines.next().filter(|last| !last.is_empty());
            let whole = last.filter(|last| read(last).is_some());
            cut += last.filter(|_| whole.is_none()).map_or(0, <[u8]>::len);
            let mut lines = whole.into_iter().chain(lines);
            if let Some((line, read)) = lines.find_map(|line| Some((line, read(line)?))) {
                return Ok(Self {
                    number: read.number,
                    hash: hash(line),
                    cut,
                });
            }
        }
        Ok(Self {
            cut,
            ..Self::default()
        })
    }

    /// Adds a record to `text` as a line.
    pub(super) fn record(&mut self, record: &Record, text: &mut String) {
        self.line(record.at.0, record, text);
    }

    /// Adds a line about the log itself.
    pub(super) fn of_log(&mut self, at: i64, what: &OfLog, text: &mut String) {
        self.line(at, what, text);
    }

    fn line<T: Serialize>(&mut self, at: i64, what: &T, text: &mut String) {
        self.number += 1;
        let at = jiff::Timestamp::from_millisecond(at)
            .map_or_else(|_| at.to_string(), |at| format!("{at:.3}"));
        let line = Line {
            number: self.number,
            at,
            what,
            previous: HEXLOWER.encode(&self.hash),
        };
        let line = serde_json::to_string(&line).expect("a record is plain data");
        self.hash = hash(line.as_bytes());
        text.push_str(&line);
        text.push('\n');
    }
}

/// Checks a log in its files, oldest first. Its end may be missing, which only its last hash tells.
///
/// # Errors
/// The first place where it is not what was written.
pub(crate) fn verify(files: &[PathBuf]) -> Result<Verified, String> {
    let mut state: Option<(u64, [u8; 32])> = None;
    let (mut first, mut lost, mut broken) = (0, 0, None);
    for path in files {
        let place = |at: usize| format!("{}:{}", path.display(), at + 1);
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        for (at, line) in BufReader::new(file).split(b'\n').enumerate() {
            let line = line.map_err(|error| format!("{}: {error}", place(at)))?;
            let Some(read) = read(&line) else {
                if let Some((place, _)) = broken.replace((place(at), line.len())) {
                    return Err(format!("{place}: no record"));
                }
                continue;
            };
            check(&read, state.as_ref()).map_err(|fault| format!("{}: {fault}", place(at)))?;
            let begun = read.log.as_deref() == Some("begun");
            match broken.take() {
                Some((_, length)) if begun && read.cut == length => {}
                Some((place, _)) => return Err(format!("{place}: no record")),
                None => {}
            }
            if state.is_none() {
                first = read.number;
            }
            lost += lost_by(&line);
            state = Some((read.number, hash(&line)));
        }
    }
    if let Some((place, _)) = broken {
        return Err(format!("{place}: the last line is cut off"));
    }
    let (last, hash) = state.ok_or("there is no record")?;
    let hash = HEXLOWER.encode(&hash);
    Ok(Verified {
        first,
        last,
        hash,
        lost,
    })
}

/// A line against the one before; the first of what is checked may be any.
fn check(read: &Read, before: Option<&(u64, [u8; 32])>) -> Result<(), String> {
    let nothing = (0, NOTHING);
    let before = if read.number == 1 {
        before.or(Some(&nothing))
    } else {
        before
    };
    let Some((number, hash)) = before else {
        return Ok(());
    };
    if read.number != number + 1 {
        return Err(format!("number {} follows {number}", read.number));
    }
    if read.previous != HEXLOWER.encode(hash) {
        return Err("the line before is not the one that was written".to_owned());
    }
    Ok(())
}

fn read(line: &[u8]) -> Option<Read> {
    serde_json::from_slice(line).ok()
}

fn lost_by(line: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct Lost {
        log: String,
        records: u64,
    }
    let lost: Option<Lost> = serde_json::from_slice(line).ok();
    lost.filter(|lost| lost.log == "lost")
        .map_or(0, |lost| lost.records)
}

fn hash(line: &[u8]) -> [u8; 32] {
    Sha256::digest(line).into()
}

fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// As serde calls it.
fn is_zero(number: &usize) -> bool {
    *number == 0
}
