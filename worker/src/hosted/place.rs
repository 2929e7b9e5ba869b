//! The folders of work, one per client id, below one folder of the host. All that is known of work stands there, so that
//! any process finds it again: a folder appears with its request, `started` before the command may begin, `ended` when it
//! has ended; `lock` is held by the supervisor while it lives, and `stop` asks it to end. Nothing is started twice.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::process::Command;

use super::ended::Ended;
use super::request::Request;

const REQUEST: &str = "request";
const TOKEN: &str = "token";
const LOCK: &str = "lock";
const STARTED: &str = "started";
const STOP: &str = "stop";
const ENDED: &str = "ended";
/// The end was told, or nobody waits for it.
const SETTLED: &str = "settled";
/// Name of the file that holds the place's own name.
const PLACE: &str = "place";
const NAME_BYTES_MAX: usize = 64;

/// Where work of one kind is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    folder: PathBuf,
    /// Drawn once.
    name: String,
}

/// The folder of one piece of work.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// Where work stands.
#[derive(Debug)]
pub(super) enum Found {
    /// No supervisor has begun yet.
    Waiting,
    Going,
    Ended(Ended),
    /// Its supervisor was killed, or the host went down: nothing is known.
    Lost,
}

impl Place {
    /// The folder with its name, both made when they are not there.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        make_folder(folder)?;
        let path = folder.join(PLACE);
        if !path.exists() {
            // Whoever is first gives the name.
            let own = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
            let new = folder.join(format!(".{}", own.trim()));
            write_new(&new, own.trim().as_bytes())?;
            if let Err(error) = fs::hard_link(&new, &path)
                && error.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(error);
            }
            fs::remove_file(&new)?;
            sync(folder)?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            name: fs::read_to_string(&path)?.trim().to_owned(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// None for what cannot be a client id.
    pub(super) fn folder(&self, client_id: &str) -> Option<Folder> {
        let is_name = !client_id.is_empty()
            && client_id.len() <= NAME_BYTES_MAX
            && client_id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        is_name.then(|| Folder(self.folder.join(client_id)))
    }

    /// The folder of this work, with its request when there was none. The request of before counts.
    pub(super) fn begin(
        &self,
        client_id: &str,
        token: &str,
        request: &Request,
    ) -> io::Result<Folder> {
        let refused = || io::Error::new(io::ErrorKind::InvalidInput, "this is no client id");
        let folder = self.folder(client_id).ok_or_else(refused)?;
        if !folder.exists() {
            let new = self.folder.join(format!(".{client_id}"));
            if new.exists() {
                fs::remove_dir_all(&new)?;
            }
            make_folder(&new)?;
            write_json(&new.join(REQUEST), request)?;
            write_new(&new.join(TOKEN), token.as_bytes())?;
            sync(&new)?;
            match fs::rename(&new, &folder.0) {
                Ok(()) => sync(&self.folder)?,
                Err(error) if !folder.exists() => return Err(error),
                Err(_) => fs::remove_dir_all(&new)?,
            }
        }
        folder.set_token(token)?;
        Ok(folder)
    }

    /// All work that is known.
    pub(super) fn all(&self) -> io::Result<Vec<Folder>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.join(REQUEST).is_file() {
                folders.push(Folder(path));
            }
        }
        folders.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(folders)
    }

    /// Now, by the clock that gives files their times.
    pub(super) fn now(&self) -> io::Result<SystemTime> {
        let path = self.folder.join(".now");
        fs::write(&path, b"")?;
        fs::metadata(path)?.modified()
    }
}

impl Folder {
    pub(super) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn client_id(&self) -> &str {
        let name = self.0.file_name().and_then(|name| name.to_str());
        name.unwrap_or_default()
    }

    pub(super) fn exists(&self) -> bool {
        self.0.join(REQUEST).is_file()
    }

    pub(super) fn request(&self) -> io::Result<Request> {
        read_json(&self.0.join(REQUEST))
    }

    pub(super) fn token(&self) -> io::Result<String> {
        fs::read_to_string(self.0.join(TOKEN))
    }

    fn set_token(&self, token: &str) -> io::Result<()> {
        if self.token().is_ok_and(|known| known == token) {
            return Ok(());
        }
        let new = self.0.join(".token");
        write_new(&new, token.as_bytes())?;
        fs::rename(&new, self.0.join(TOKEN))
    }

    pub(super) fn found(&self) -> io::Result<Found> {
        if let Some(ended) = self.ended()? {
            return Ok(Found::Ended(ended));
        }
        let started = self.0.join(STARTED).exists();
        if self.is_locked()? {
            return Ok(Found::Going);
        }
        // It may have ended between the two looks.
        Ok(match (self.ended()?, started) {
            (Some(ended), _) => Found::Ended(ended),
            (None, true) => Found::Lost,
            (None, false) => Found::Waiting,
        })
    }

    fn ended(&self) -> io::Result<Option<Ended>> {
        match read_json(&self.0.join(ENDED)) {
            Ok(ended) => Ok(Some(ended)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn started_at(&self) -> Option<SystemTime> {
        fs::metadata(self.0.join(STARTED)).ok()?.modified().ok()
    }

    pub(super) fn ended_at(&self) -> Option<SystemTime> {
        fs::metadata(self.0.join(ENDED)).ok()?.modified().ok()
    }

    /// Held while this lives; none while another process has it.
    pub(super) fn lock(&self) -> io::Result<Option<Flock<File>>> {
        self.try_lock(FlockArg::LockExclusiveNonblock)
    }

    fn is_locked(&self) -> io::Result<bool> {
        Ok(self.try_lock(FlockArg::LockSharedNonblock)?.is_none())
    }

    fn try_lock(&self, how: FlockArg) -> io::Result<Option<Flock<File>>> {
        let file = private().create(true).open(self.0.join(LOCK))?;
        match Flock::lock(file, how) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(error.into()),
        }
    }

    /// Marks that the command begins. False when it has begun before: then it must not.
    pub(super) fn start(&self) -> io::Result<bool> {
        match write_exclusive(&self.0.join(STARTED), b"") {
            Ok(()) => {
                sync(&self.0)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn end(&self, ended: &Ended) -> io::Result<()> {
        let new = self.0.join(".ended");
        write_json(&new, ended)?;
        fs::rename(&new, self.0.join(ENDED))?;
        sync(&self.0)
    }

    pub(super) fn ask_to_stop(&self) -> io::Result<()> {
        write_new(&self.0.join(STOP), b"")
    }

    pub(super) fn is_asked_to_stop(&self) -> bool {
        self.0.join(STOP).exists()
    }

    pub(super) fn settle(&self) -> io::Result<()> {
        write_new(&self.0.join(SETTLED), b"")
    }

    pub(super) fn is_settled(&self) -> bool {
        self.0.join(SETTLED).exists()
    }

    /// Forgets work that ended longer than `keep` before `now`.
    pub(super) fn forget_after(&self, keep: Duration, now: SystemTime) -> io::Result<bool> {
        let age = self
            .ended_at()
            .and_then(|ended| now.duration_since(ended).ok());
        if age.is_none_or(|age| age < keep) {
            return Ok(false);
        }
        fs::remove_dir_all(&self.0)?;
        Ok(true)
    }

    /// Has a supervisor look after it. More than one do no harm: the first one works.
    pub(super) fn spawn_supervisor(&self) -> io::Result<()> {
        // The program as it runs, even if its file was replaced.
        let program = Path::new("/proc/self/exe");
        let program = match program.exists() {
            true => program.to_owned(),
            false => std::env::current_exe()?,
        };
        let child = Command::new(program)
            .arg("--supervise")
            .arg(&self.0)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // It is nobody's to wait for: the runtime takes its exit status.
        drop(child);
        Ok(())
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private().create(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn write_exclusive(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private().create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write_new(path, &serde_json::to_vec(value)?)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
