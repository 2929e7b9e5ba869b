//! Tells when the text of a file has changed. The folder is watched and not the file: editors and mounted volumes put
//! another file in its place.

use std::io;
use std::path::{Path, PathBuf};

use inotify::{EventStream, Inotify, WatchMask};
use tokio::fs;
use tokio_stream::StreamExt as _;

/// Room for some events; what they say does not matter.
const BUFFER_BYTES: usize = 4096;

/// A file that is watched.
#[derive(Debug)]
pub(crate) struct FileWatch {
    path: PathBuf,
    /// As it was last told.
    text: Option<Vec<u8>>,
    events: EventStream<Vec<u8>>,
}

impl FileWatch {
    /// From its text now.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        let inotify = Inotify::init()?;
        let written =
            WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO | WatchMask::CREATE | WatchMask::DELETE;
        inotify.watches().add(folder, written)?;
        Ok(Self {
            text: std::fs::read(path).ok(),
            path: path.to_owned(),
            events: inotify.into_event_stream(vec![0; BUFFER_BYTES])?,
        })
    }

    /// Waits until the file has another text. Nothing is lost when the future is dropped.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        while let Some(event) = self.events.next().await {
            event?;
            // A file that is gone for a moment is being replaced.
            let Ok(text) = fs::read(&self.path).await else {
                continue;
            };
            if self.text.as_ref() != Some(&text) {
                self.text = Some(text);
                return Ok(());
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writing_and_replacing_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&path, "1").unwrap();
        let mut watch = FileWatch::new(&path).unwrap();
        std::fs::write(&other, "2").unwrap();
        std::fs::write(&path, "1").unwrap();
        std::fs::rename(&other, &path).unwrap();
        watch.changed().await.unwrap();
        assert_eq!(watch.text.as_deref(), Some(&b"2"[..]));
        std::fs::write(&path, "3").unwrap();
        while watch.text.as_deref() != Some(b"3") {
            watch.changed().await.unwrap();
        }
    }
}
