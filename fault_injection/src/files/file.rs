//! [`CrashFile`]: an open file.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use super::contents::Entry;
use super::directory::names;
use super::disk::CrashDisk;
use super::open::OpenOptions;

/// An open file or directory of a [`CrashDisk`]: as `std::fs::File`.
///
/// It goes on after its name was removed. Locks always succeed: one process has the disk.
#[derive(Clone)]
pub struct CrashFile {
    pub(super) disk: CrashDisk,
    pub(super) inode: u32,
    directory: bool,
    read: bool,
    write: bool,
    pub(super) append: bool,
    position: Arc<Mutex<u64>>,
}

impl std::fmt::Debug for CrashFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrashFile")
            .field("inode", &self.inode)
            .finish_non_exhaustive()
    }
}

/// What is known of a file or directory: as `std::fs::Metadata`.
#[derive(Clone, Debug)]
pub struct Metadata {
    len: u64,
    directory: bool,
}

impl Metadata {
    /// Bytes; 0 of a directory.
    #[expect(clippy::len_without_is_empty, reason = "std's has none")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it is a file.
    pub fn is_file(&self) -> bool {
        !self.directory
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.directory
    }

    /// Never: there are none.
    pub fn is_symlink(&self) -> bool {
        false
    }

    /// What `is_file` and `is_dir` are asked of.
    pub fn file_type(&self) -> Metadata {
        self.clone()
    }

    /// Always the epoch: a simulated disk has no clock.
    pub fn modified(&self) -> io::Result<SystemTime> {
        Ok(SystemTime::UNIX_EPOCH)
    }

    /// Always the epoch.
    pub fn created(&self) -> io::Result<SystemTime> {
        Ok(SystemTime::UNIX_EPOCH)
    }
}

impl CrashDisk {
    /// Length and kind of what stands at the end of a path.
    #[track_caller]
    pub fn metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        let entry = self.walk(&names(path.as_ref())?)?;
        let len = if entry.directory {
            0
        } else {
            self.len(entry.inode)
        };
        Ok(Metadata {
            len,
            directory: entry.directory,
        })
    }
}

impl CrashFile {
    pub(super) fn new(disk: CrashDisk, entry: &Entry, options: &OpenOptions) -> Self {
        CrashFile {
            disk,
            inode: entry.inode,
            directory: entry.directory,
            read: options.read,
            write: options.write || options.append,
            append: options.append,
            position: Arc::default(),
        }
    }

    /// Opens to read on the disk entered on this thread; also a directory, to sync it.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        CrashDisk::current().open(path)
    }

    /// Opens to write, made or cut to length 0, on the disk entered on this thread.
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        CrashDisk::current().create(path)
    }

    /// Makes a file that must not be there, to read and write, on the disk entered on this thread.
    #[track_caller]
    pub fn create_new(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = Self::options();
        options.read(true).write(true).create_new(true);
        options.open(path)
    }

    /// How to open, step by step.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    pub(super) fn position(&self) -> MutexGuard<'_, u64> {
        self.position
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }

    fn may(&self, allowed: bool) -> io::Result<()> {
        match (self.directory, allowed) {
            (true, _) => Err(io::ErrorKind::IsADirectory.into()),
            (false, true) => Ok(()),
            (false, false) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the file was not opened for that",
            )),
        }
    }

    /// Reads at a place; the position stays.
    #[track_caller]
    pub fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.may(self.read)?;
        Ok(self.disk.read_data(self.inode, at, into))
    }

    /// Reads all of `into` at a place. Errors: `UnexpectedEof`.
    #[track_caller]
    pub fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        match self.read_at(into, at)? == into.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Writes at a place; the position stays. A file opened to append is written at its end, as on Linux.
    #[track_caller]
    pub fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        self.may(self.write)?;
        let at = if self.append {
            self.disk.len(self.inode)
        } else {
            at
        };
        self.disk.write_data(self.inode, at, bytes)
    }

    /// Writes all of `bytes` at a place.
    #[track_caller]
    pub fn write_all_at(&self, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write_at(bytes, at)?;
            bytes = &bytes[written..];
            at += written as u64;
        }
        Ok(())
    }

    /// Makes what was written and the length durable; of a directory, its names. A new file's own name needs a sync
    /// of its directory. Errors: as asked for by [`CrashDisk::fail_sync_at`].
    #[track_caller]
    pub fn sync_all(&self) -> io::Result<()> {
        match self.directory {
            true => self.disk.sync_directory(self.inode),
            false => self.disk.sync_data(self.inode),
        }
    }

    /// As [`CrashFile::sync_all`]: a length that is needed to read the data is part of it.
    #[track_caller]
    pub fn sync_data(&self) -> io::Result<()> {
        self.sync_all()
    }

    /// Cuts the file short or grows it by zeros.
    #[track_caller]
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.may(self.write)?;
        self.disk.resize(self.inode, len)
    }

    /// Length and kind.
    #[track_caller]
    pub fn metadata(&self) -> io::Result<Metadata> {
        let len = if self.directory {
            0
        } else {
            self.disk.len(self.inode)
        };
        Ok(Metadata {
            len,
            directory: self.directory,
        })
    }

    /// Another handle with the same position.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }

    /// Always succeeds.
    pub fn lock(&self) -> io::Result<()> {
        Ok(())
    }

    /// Always succeeds.
    pub fn try_lock(&self) -> Result<(), std::convert::Infallible> {
        Ok(())
    }

    /// Always succeeds.
    pub fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}
