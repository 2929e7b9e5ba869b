//! A file of lines that does not grow without bound: at its size it becomes `FILE.1`, what was `FILE.1` becomes
//! `FILE.2`, and the oldest goes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    bytes_max: u64,
    /// The file itself is one of them.
    files_max: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

impl RotatingFile {
    /// Nothing is opened before the first line.
    pub(crate) fn new(path: PathBuf, bytes_max: u64, files_max: u32) -> Self {
        Self {
            path,
            bytes_max,
            files_max,
            open: None,
        }
    }

    /// Opens the file, with its folder.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        // Inputs and outputs may stand in it, which are not for everybody.
        options.read(true).append(true).create(true).mode(0o640);
        let mut file = options.open(&self.path)?;
        let mut bytes = file.metadata()?.len();
        if bytes > 0 && !ends_with_line(&mut file)? {
            // A crash or a full disk has cut a line off.
            file.write_all(b"\n")?;
            bytes += 1;
        }
        self.open = Some(Open { file, bytes });
        Ok(())
    }

    /// Appends whole lines. After an error the file is opened anew.
    pub(crate) fn append(&mut self, lines: &str) -> io::Result<()> {
        let appended = self.try_append(lines);
        if appended.is_err() {
            self.open = None;
        }
        appended
    }

    /// Makes what was appended durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.open
            .as_ref()
            .map_or(Ok(()), |open| open.file.sync_data())
    }

    fn try_append(&mut self, lines: &str) -> io::Result<()> {
        let bytes = lines.len() as u64;
        if self.open.is_none() {
            self.open()?;
        }
        let full = |open: &Open| open.bytes > 0 && open.bytes + bytes > self.bytes_max;
        if self.open.as_ref().is_some_and(full) {
            self.open = None;
            self.rotate()?;
            self.open()?;
        }
        if let Some(open) = &mut self.open {
            if let Err(error) = open.file.write_all(lines.as_bytes()) {
                // A full disk takes a part; appended again, lines would be there twice.
                open.file.set_len(open.bytes)?;
                return Err(error);
            }
            open.bytes += bytes;
        }
        Ok(())
    }

    fn rotate(&self) -> io::Result<()> {
        let older = (1..self.files_max).rev();
        for number in older {
            let from = numbered(&self.path, number - 1);
            match std::fs::rename(from, numbered(&self.path, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        if self.files_max == 1 {
            std::fs::remove_file(&self.path)?;
        }
        Ok(())
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn ends_with_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path, number: u32) -> Option<String> {
        std::fs::read_to_string(numbered(path, number)).ok()
    }

    #[test]
    fn so_many_files_of_so_many_bytes_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/log.jsonl");
        let mut file = RotatingFile::new(path.clone(), 8, 3);
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n"] {
            file.append(line).unwrap();
        }
        let texts = [0, 1, 2].map(|number| read(&path, number).unwrap());
        assert_eq!(texts, ["five\n", "four\n", "three\n"]);
        assert_eq!(read(&path, 3), None);
    }

    #[test]
    fn one_file_alone_starts_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut file = RotatingFile::new(path.clone(), 4, 1);
        file.append("one\n").unwrap();
        file.append("two\n").unwrap();
        assert_eq!(read(&path, 0).unwrap(), "two\n");
        assert_eq!(read(&path, 1), None);
    }

    #[test]
    fn a_line_that_was_cut_off_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, "whole\ncut").unwrap();
        let mut file = RotatingFile::new(path.clone(), 100, 2);
        file.append("next\n").unwrap();
        assert_eq!(read(&path, 0).unwrap(), "whole\ncut\nnext\n");
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_tried_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blocked");
        std::fs::create_dir(&path).unwrap();
        let mut file = RotatingFile::new(path.clone(), 100, 2);
        assert!(file.append("lost\n").is_err());
        std::fs::remove_dir(&path).unwrap();
        file.append("next\n").unwrap();
        assert_eq!(read(&path, 0).unwrap(), "next\n");
    }
}
