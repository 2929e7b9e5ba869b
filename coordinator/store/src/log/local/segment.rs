//! Segment files: named by slot, numbered by their header. A recycled file keeps its slot and gets a new number.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{u32_at, u64_at};
use super::{Disk, Options, Sync};
use crate::error::StoreError;

/// Bytes that are read at once.
const READ_BYTES: usize = 256 * 1024;

/// Bytes before the first frame: one page, so that writing a header touches no frame.
pub(super) const HEADER_BYTES: usize = 4096;
/// Where the first frame of a segment stands.
pub(super) const FIRST_OFFSET: u32 = 4096;

const MAGIC: [u8; 8] = *b"SFLOGSEG";
const VERSION: u32 = 1;
const EXTENSION: &str = "segment";

/// An open segment file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Grows with every use of every file; salts the checksums of its frames.
    pub(super) number: u64,
    /// Bytes of the file.
    pub(super) capacity: u32,
    pub(super) file: SegmentFile,
}

/// A file of a slot, whatever it holds.
#[derive(Clone, Debug)]
pub(super) struct SegmentFile {
    pub(super) slot: u32,
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
}

impl SegmentFile {
    pub(super) fn path(folder: &Path, slot: u32) -> PathBuf {
        folder.join(format!("{slot:08}.{EXTENSION}"))
    }

    /// The slot in a file name; none for files that are not segments.
    pub(super) fn slot_of(path: &Path) -> Option<u32> {
        (path.extension()? == EXTENSION).then(|| path.file_stem()?.to_str()?.parse().ok())?
    }

    pub(super) fn open(path: &Path, slot: u32) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| failed("open", path, &error))?;
        Ok(Self {
            slot,
            path: path.to_owned(),
            file: Arc::new(file),
        })
    }

    /// A new file, written with zeros and durable, so that later writes change no metadata. Removed when that fails.
    pub(super) fn create(folder: &Path, slot: u32, options: &Options) -> Result<Self, StoreError> {
        let path = Self::path(folder, slot);
        let created = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|file| zero(&file, options).map(|()| file))
            .and_then(|file| sync_folder(folder, options.sync).map(|()| file));
        match created {
            Ok(file) => Ok(Self {
                slot,
                path,
                file: Arc::new(file),
            }),
            Err(error) => {
                // A leftover is no segment without its header; the next open removes it.
                std::fs::remove_file(&path).ok();
                Err(failed("create", &path, &error))
            }
        }
    }

    /// Writes a header: from here on the file is segment `number`, and all that it held is void.
    pub(super) fn begin(self, number: u64, options: &Options) -> Result<Segment, StoreError> {
        let capacity = options.segment_bytes;
        let header = encode_header(number, capacity);
        options
            .disk
            .write_at(&self.file, &header, 0)
            .and_then(|()| sync(&*options.disk, &self.file, options.sync))
            .map_err(|error| failed("write the header of", &self.path, &error))?;
        Ok(Segment {
            number,
            capacity,
            file: self,
        })
    }

    /// Number and capacity by the header; none when it is not whole.
    pub(super) fn header(&self) -> Result<Option<(u64, u32)>, StoreError> {
        let mut header = [0; HEADER_USED];
        match self.file.read_exact_at(&mut header, 0) {
            Ok(()) => decode_header(&header, &self.path),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(failed("read", &self.path, &error)),
        }
    }

    /// The first bytes, as far as the file has them.
    pub(super) fn read_start(&self, bytes: usize) -> Result<Vec<u8>, StoreError> {
        use std::io::Read as _;
        let mut start = Vec::new();
        File::open(&self.path)
            .and_then(|file| file.take(bytes as u64).read_to_end(&mut start))
            .map_err(|error| failed("read", &self.path, &error))?;
        Ok(start)
    }

    /// The whole file without the zeros at its end: a mostly empty segment costs little memory.
    pub(super) fn read(&self) -> Result<Vec<u8>, StoreError> {
        File::open(&self.path)
            .and_then(|mut file| read_written(&mut file))
            .map_err(|error| failed("read", &self.path, &error))
    }
}

fn read_written(file: &mut impl io::Read) -> io::Result<Vec<u8>> {
    let mut written = Vec::new();
    let mut zeros = 0;
    let mut piece = vec![0; READ_BYTES];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(written);
        }
        if piece[..count].iter().all(|byte| *byte == 0) {
            zeros += count;
            continue;
        }
        written.resize(written.len() + zeros, 0);
        zeros = 0;
        written.extend_from_slice(&piece[..count]);
    }
}

/// `fdatasync` unless the log is ephemeral.
pub(super) fn sync(disk: &dyn Disk, file: &File, sync: Sync) -> io::Result<()> {
    match sync {
        Sync::Fdatasync => disk.sync(file),
        Sync::None => Ok(()),
    }
}

/// Makes created and removed names durable.
pub(super) fn sync_folder(folder: &Path, sync: Sync) -> io::Result<()> {
    match sync {
        Sync::Fdatasync => File::open(folder)?.sync_all(),
        Sync::None => Ok(()),
    }
}

/// An I/O error as the contract names it.
pub(crate) fn failed(what: &str, path: &Path, error: &io::Error) -> StoreError {
    let text = format!("cannot {what} {}: {error}", path.display());
    if matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    ) {
        StoreError::Full(text)
    } else {
        StoreError::Unavailable(text)
    }
}

fn zero(file: &File, options: &Options) -> io::Result<()> {
    let zeros = vec![0; 256 * 1024];
    match options.sync {
        Sync::Fdatasync => {
            let mut offset = 0;
            while offset < u64::from(options.segment_bytes) {
                let left = u64::from(options.segment_bytes) - offset;
                let piece = usize::try_from(left).map_or(zeros.len(), |left| left.min(zeros.len()));
                options.disk.write_at(file, &zeros[..piece], offset)?;
                offset += piece as u64;
            }
            file.sync_all()
        }
        Sync::None => file.set_len(u64::from(options.segment_bytes)),
    }
}

const HEADER_USED: usize = 32;

/// Layout: magic 8, version 4, capacity 4, number 8, unused 4, checksum of all before 4; zeros to the page's end.
fn encode_header(number: u64, capacity: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&capacity.to_le_bytes());
    header.extend_from_slice(&number.to_le_bytes());
    header.extend_from_slice(&[0; 4]);
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    header.resize(HEADER_BYTES, 0);
    header
}

fn decode_header(
    header: &[u8; HEADER_USED],
    path: &Path,
) -> Result<Option<(u64, u32)>, StoreError> {
    let (fields, checksum) = header.split_at(HEADER_USED - 4);
    if fields[..8] != MAGIC || u32_at(checksum, 0) != crc32fast::hash(fields) {
        return Ok(None);
    }
    let version = u32_at(fields, 8);
    if version != VERSION {
        return Err(StoreError::Corrupt(format!(
            "{} has log format {version}, this release reads {VERSION}; use the release that wrote it",
            path.display()
        )));
    }
    Ok(Some((u64_at(fields, 16), u32_at(fields, 12))))
}
