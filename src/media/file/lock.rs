//! Who may have the file open: byte 0 belongs to the one writer, byte 1 to the readers.
//!
//! Invariants
//! L1  the locks belong to the open file, not to the process: a second open of the same process is `Busy` too.
//! L2  each side takes its own byte before it looks at the other's, so that a writer and a reader never both
//!     get in; two that come at the same moment may both be `Busy`.
//! L3  whoever took a lock gives it back when done, in the process that took it: a child that is being started
//!     holds copies of the open files for a moment, and would keep the lock for as long.
//! L4  after the lock is held, the name still leads to the locked file: what was replaced meanwhile is not opened.

use std::fs::{self, File, OpenOptions};
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::FileError;
use super::sys::{self, LockByte};

/// How often a name may be found replaced between open and lock before we give up.
const REPLACED_MAX: usize = 16;

/// What the opener wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Store to it; alone.
    Writer,
    /// Read it, beside other readers.
    Reader,
}

/// An open file with the role's byte locked; unlocked and closed when dropped (L3).
#[derive(Debug)]
pub(super) struct Locked {
    file: File,
    role: Role,
    holder: u32,
}

impl Role {
    fn bytes(self) -> (LockByte, LockByte) {
        match self {
            Role::Writer => (LockByte::Writer, LockByte::Readers),
            Role::Reader => (LockByte::Readers, LockByte::Writer),
        }
    }
}

impl Locked {
    /// Takes the role's byte of `file`, then looks at the other (L2).
    pub(super) fn new(file: File, role: Role, path: &Path) -> Result<Self, FileError> {
        let (own, other) = role.bytes();
        let failed = || FileError::sys("lock", path);
        let busy = || FileError::Busy {
            path: path.to_path_buf(),
        };
        if !sys::try_lock(&file, own, role == Role::Writer).map_err(failed())? {
            return Err(busy());
        }
        let locked = Locked {
            file,
            role,
            holder: std::process::id(),
        };
        if sys::is_locked(&locked, other).map_err(failed())? {
            return Err(busy());
        }
        Ok(locked)
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if self.holder == std::process::id() {
            // Closing the file would do it as well, only later (L3).
            sys::unlock(&self.file, self.role.bytes().0);
        }
    }
}

/// Opens the regular file at `path` and locks it for `role` (L4).
pub(super) fn open_locked(path: &Path, role: Role) -> Result<Locked, FileError> {
    for _ in 0..REPLACED_MAX {
        let there = fs::metadata(path).map_err(FileError::io("look up", path))?;
        if !there.is_file() {
            return Err(FileError::NotAFile {
                path: path.to_path_buf(),
            });
        }
        let file = OpenOptions::new()
            .read(true)
            .write(role == Role::Writer)
            .custom_flags(libc::O_NONBLOCK) // should a pipe have taken the name, do not wait for its other end
            .open(path)
            .map_err(FileError::io("open", path))?;
        let file = Locked::new(file, role, path)?;
        let opened = file.metadata().map_err(FileError::io("look up", path))?;
        let named = fs::metadata(path).map_err(FileError::io("look up", path))?;
        if (opened.dev(), opened.ino()) == (named.dev(), named.ino()) {
            return Ok(file);
        }
    }
    Err(FileError::Busy {
        path: path.to_path_buf(),
    })
}
