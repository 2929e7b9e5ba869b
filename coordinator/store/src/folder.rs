//! The data folder: its format, its lock, and the way from an older format to this one.
//!
//! Layout: `FORMAT` (what this is), `LOCK` (who uses it), `log/` and `state/`. A folder without `FORMAT` is empty or was
//! left by a creation that was cut short, and is created again; `RESTORING` marks a restore that was cut short.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The format that this release writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

const FORMAT: &str = "FORMAT";
const LOCK: &str = "LOCK";
pub(crate) const RESTORING: &str = "RESTORING";

/// What is fixed when a folder is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Number of partitions, a power of two.
    pub partitions: u16,
    /// Random identity, drawn by the caller.
    pub cluster: u128,
}

/// An open data folder. It is ours until this is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    format: Format,
    /// Unlocks when it is closed.
    _lock: File,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process holds the lock.
    #[error("data folder {} is in use by another process (pid {pid})", path.display())]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// Process id that the lock file names, or `unknown`.
        pid: String,
    },
    /// The format is newer than [`FORMAT_VERSION`].
    #[error(
        "data folder {} was written by a newer release (format {found}, this binary reads up to {supported})",
        path.display()
    )]
    Newer {
        /// The data folder.
        path: PathBuf,
        /// Format of the folder.
        found: u32,
        /// Newest format that this release reads.
        supported: u32,
    },
    /// The `FORMAT` file lacks a valid line.
    #[error("data folder {}: {reason}", path.display())]
    Damaged {
        /// The data folder.
        path: PathBuf,
        /// Which line is wrong, and what to do.
        reason: String,
    },
    /// A restore into the folder never finished; what it holds is incomplete.
    #[error("data folder {}: a restore was cut short; empty the folder and restore again", path.display())]
    Restoring {
        /// The data folder.
        path: PathBuf,
    },
    /// A restore needs an empty folder.
    #[error("data folder {} is not empty", path.display())]
    NotEmpty {
        /// The data folder.
        path: PathBuf,
    },
    /// The number of partitions asked for, which is no power of two or over 4096.
    #[error("the number of partitions must be a power of two up to 4096, not {0}")]
    Partitions(u16),
    /// A call to the file system failed.
    #[error("data folder {}: cannot {what}: {source}", path.display())]
    Io {
        /// The data folder.
        path: PathBuf,
        /// What was tried, as it reads after "cannot".
        what: &'static str,
        /// What the operating system answered.
        source: io::Error,
    },
}

/// Changes a folder of format N-1 to N in place; it may be cut short and called again.
type Upgrade = fn(&Path) -> Result<(), FolderError>;

/// `UPGRADES[n - 1]` leads from format n to n + 1.
const UPGRADES: &[Upgrade] = &[];

const _: () = assert!(UPGRADES.len() as u64 + 1 == FORMAT_VERSION as u64);

impl DataFolder {
    /// Opens the folder, creating it with `format` when there is none. An existing folder keeps its own format, which
    /// [`DataFolder::format`] tells.
    pub fn open_or_create(path: &Path, format: Format) -> Result<Self, FolderError> {
        Self::open_with(path, format, UPGRADES)
    }

    fn open_with(path: &Path, format: Format, upgrades: &[Upgrade]) -> Result<Self, FolderError> {
        if !format.partitions.is_power_of_two() || format.partitions > 4096 {
            return Err(FolderError::Partitions(format.partitions));
        }
        std::fs::create_dir_all(path).map_err(|source| failed(path, "create it", source))?;
        let lock = lock(path)?;
        if exists(path, RESTORING)? {
            return Err(FolderError::Restoring {
                path: path.to_owned(),
            });
        }
        if !exists(path, FORMAT)? {
            write_format(path, 1 + version(upgrades.len()), format)?;
        }
        let format = upgrade(path, upgrades)?;
        Ok(Self {
            path: path.to_owned(),
            format,
            _lock: lock,
        })
    }

    /// What was fixed when it was created.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the log goes.
    pub fn log_path(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Where the state store goes.
    pub fn state_path(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Locks a folder that is empty, for a restore, and marks it as unusable until [`DataFolder::restored`].
    pub(crate) fn begin_restore(path: &Path, format: Format) -> Result<Self, FolderError> {
        std::fs::create_dir_all(path).map_err(|source| failed(path, "create it", source))?;
        let lock = lock(path)?;
        let entries = std::fs::read_dir(path).map_err(|source| failed(path, "list it", source))?;
        for entry in entries {
            let name = entry
                .map_err(|source| failed(path, "list it", source))?
                .file_name();
            if name != LOCK {
                return Err(FolderError::NotEmpty {
                    path: path.to_owned(),
                });
            }
        }
        write_durably(path, RESTORING, "")?;
        Ok(Self {
            path: path.to_owned(),
            format,
            _lock: lock,
        })
    }

    /// Makes a restored folder usable.
    pub(crate) fn restored(&self) -> Result<(), FolderError> {
        write_format(&self.path, FORMAT_VERSION, self.format)?;
        std::fs::remove_file(self.path.join(RESTORING))
            .and_then(|()| File::open(&self.path)?.sync_all())
            .map_err(|source| failed(&self.path, "finish the restore", source))
    }
}

fn version(upgrades: usize) -> u32 {
    u32::try_from(upgrades).expect("there are few upgrades")
}

fn failed(path: &Path, what: &'static str, source: io::Error) -> FolderError {
    FolderError::Io {
        path: path.to_owned(),
        what,
        source,
    }
}

fn exists(path: &Path, name: &str) -> Result<bool, FolderError> {
    path.join(name)
        .try_exists()
        .map_err(|source| failed(path, "look into it", source))
}

/// Takes the lock and leaves our pid in it, for whoever comes next.
fn lock(path: &Path) -> Result<File, FolderError> {
    let name = path.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&name)
        .map_err(|source| failed(path, "open its lock", source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = std::fs::read_to_string(&name).unwrap_or_default();
            let pid = if pid.trim().is_empty() {
                "unknown"
            } else {
                pid.trim()
            };
            return Err(FolderError::InUse {
                path: path.to_owned(),
                pid: pid.to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(failed(path, "lock it", source)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(|source| failed(path, "write its lock", source))?;
    Ok(file)
}

fn upgrade(path: &Path, upgrades: &[Upgrade]) -> Result<Format, FolderError> {
    let supported = 1 + version(upgrades.len());
    let (mut found, format) = read_format(path, supported)?;
    if found > supported {
        return Err(FolderError::Newer {
            path: path.to_owned(),
            found,
            supported,
        });
    }
    for step in upgrades.iter().skip(found as usize - 1) {
        step(path)?;
        found += 1;
        write_format(path, found, format)?;
        tracing::info!(path = %path.display(), format = found, "upgraded the data folder");
    }
    Ok(format)
}

fn write_format(path: &Path, version: u32, format: Format) -> Result<(), FolderError> {
    let Format {
        partitions,
        cluster,
    } = format;
    let text = format!(
        "# A Stepfleet data folder. Do not edit.\nformat = {version}\npartitions = {partitions}\ncluster = \"{cluster:032x}\"\n"
    );
    write_durably(path, FORMAT, &text)
}

/// Writes a file so that it is there with this content, or not at all.
fn write_durably(path: &Path, name: &str, text: &str) -> Result<(), FolderError> {
    let temporary = path.join(format!("{name}.new"));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path.join(name))?;
        File::open(path)?.sync_all()
    };
    write().map_err(|source| failed(path, "write to it", source))
}

fn read_format(path: &Path, supported: u32) -> Result<(u32, Format), FolderError> {
    let text = std::fs::read_to_string(path.join(FORMAT))
        .map_err(|source| failed(path, "read its format", source))?;
    let field = |name: &str| {
        let values = text.lines().filter_map(|line| line.split_once('='));
        values
            .filter(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim().trim_matches('"'))
            .next()
    };
    let damaged = |name: &str| FolderError::Damaged {
        path: path.to_owned(),
        reason: format!("{FORMAT} has no valid line \"{name} = …\"; restore a backup"),
    };
    let version = field("format")
        .and_then(|text| text.parse().ok())
        .filter(|version| *version > 0);
    let version = version.ok_or_else(|| damaged("format"))?;
    if version > supported {
        // Whatever else a newer release wrote is not ours to judge.
        return Ok((
            version,
            Format {
                partitions: 0,
                cluster: 0,
            },
        ));
    }
    let partitions = field("partitions")
        .and_then(|text| text.parse().ok())
        .filter(|count: &u16| count.is_power_of_two());
    let cluster = field("cluster").and_then(|text| u128::from_str_radix(text, 16).ok());
    let partitions = partitions.ok_or_else(|| damaged("partitions"))?;
    let cluster = cluster.ok_or_else(|| damaged("cluster"))?;
    Ok((
        version,
        Format {
            partitions,
            cluster,
        },
    ))
}
