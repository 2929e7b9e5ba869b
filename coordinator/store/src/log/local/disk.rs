//! How the log touches the disk: the seam at which tests inject full disks and failing writes.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The calls to the disk that decide what is durable.
pub trait Disk: Debug + Send + Sync {
    /// Bytes that an unprivileged process may still write in the file system of `folder`.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes written data durable.
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let stat = nix::sys::statvfs::statvfs(folder)?;
        Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}
