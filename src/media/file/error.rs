//! What can go wrong with a pool's file: what, where, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::media::{Domain, Durability, Errno, SpaceError};
use crate::units::ByteLen;

/// Why a file could not serve as a medium. Every message names the path and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Nothing is there.
    #[error("{}: no such file; create the pool first, or correct the path", .path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The name is taken.
    #[error("{}: already exists; open it, choose another name, or ask to replace it", .path.display())]
    AlreadyExists {
        /// The taken name.
        path: PathBuf,
    },
    /// Somebody else has it open.
    #[error("{}: busy, open elsewhere; close the other user first", .path.display())]
    Busy {
        /// The locked file.
        path: PathBuf,
    },
    /// The device or the quota is full.
    #[error("{}: no space left on the device; free some, or make a smaller pool", .path.display())]
    NoSpace {
        /// The file that was to get space.
        path: PathBuf,
    },
    /// The file has no byte to map.
    #[error("{}: {len} is too short for a pool; recreate it or restore a backup", .path.display())]
    TooShort {
        /// The file.
        path: PathBuf,
        /// Its length.
        len: ByteLen,
    },
    /// Rights are missing, or the file system is mounted read-only.
    #[error("{}: {operation}: {errno}; check the owner, the mode and the mount", .path.display())]
    Permission {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the operating system said.
        errno: Errno,
    },
    /// A network or FUSE file system, whose mappings promise nothing.
    #[error(
        "{}: {name} is a network or user-space file system and promises nothing about mapped files; \
         use a local one, or allow it explicitly",
        .path.display()
    )]
    ForeignFileSystem {
        /// The file or directory.
        path: PathBuf,
        /// The file system's name.
        name: &'static str,
    },
    /// The durability asked for is not there.
    #[error(
        "{}: {required} durability is required and only {found} is there; \
         move the pool to a better place or require less",
        .path.display()
    )]
    DomainUnmet {
        /// The file or directory.
        path: PathBuf,
        /// What the caller asked for.
        required: Domain,
        /// What there is.
        found: Durability,
    },
    /// A directory, a device, a pipe.
    #[error("{}: not a regular file; name a file, or a directory that may hold one", .path.display())]
    NotAFile {
        /// The thing.
        path: PathBuf,
    },
    /// The file became shorter than its mapping while open.
    #[error(
        "{}: cut to {found} while {mapped} were open; close the pool and restore the file from a backup",
        .path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The length it had.
        mapped: ByteLen,
        /// The length it has.
        found: ByteLen,
    },
    /// The file was removed or replaced while open.
    #[error("{}: removed or replaced while open; what is written now is lost at close", .path.display())]
    Unlinked {
        /// The name it had.
        path: PathBuf,
    },
    /// A page of the file could not be reached; zeros stand in for it ([`super::sigbus`]).
    #[error(
        "{}: a page could not be read or written and reads as zeros; close the pool and check the device",
        .path.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
    },
    /// The environment forces a flush instruction that does not exist, or not on this machine.
    #[error("{error}; correct the variable or unset it")]
    ForcedFlush {
        /// What is wrong with it.
        error: everline_arch::UnknownFlushKind,
    },
    /// A child process tried to use what its parent opened.
    #[error("{}: opened by the parent process; a forked child opens its own pool", .path.display())]
    Forked {
        /// The file.
        path: PathBuf,
    },
    /// Anything else that the operating system refused.
    #[error("{}: {operation}: {errno}", .path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the operating system said.
        errno: Errno,
    },
}

impl FileError {
    /// The error for `errno` from `operation` on `path`.
    pub fn from_errno(operation: &'static str, path: &Path, errno: Errno) -> Self {
        let path = path.to_path_buf();
        match errno.0 {
            libc::ENOENT => FileError::NotFound { path },
            libc::EEXIST => FileError::AlreadyExists { path },
            libc::ENOSPC | libc::EDQUOT => FileError::NoSpace { path },
            libc::EACCES | libc::EPERM | libc::EROFS => FileError::Permission {
                operation,
                path,
                errno,
            },
            _ => FileError::Io {
                operation,
                path,
                errno,
            },
        }
    }

    /// A function that turns what `operation` on `path` failed with into the typed error.
    pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::from_errno(operation, path, errno_of(&error))
    }

    /// As [`FileError::io`], for calls that answer a bare number.
    pub(super) fn sys(operation: &'static str, path: &Path) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::from_errno(operation, path, errno)
    }

    /// As `io`, for what concerns space.
    pub fn space(operation: &'static str, path: &Path) -> impl FnOnce(SpaceError) -> Self {
        move |error| {
            let errno = match error {
                SpaceError::NoSpace => Errno(libc::ENOSPC),
                SpaceError::Unsupported => Errno(libc::EOPNOTSUPP),
                SpaceError::Io(errno) => errno,
            };
            Self::from_errno(operation, path, errno)
        }
    }
}

/// The number behind an error of std; one without a number gets its kind's, or counts as an I/O error.
pub fn errno_of(error: &io::Error) -> Errno {
    let of_its_kind = match error.kind() {
        io::ErrorKind::NotFound => libc::ENOENT,
        io::ErrorKind::AlreadyExists => libc::EEXIST,
        io::ErrorKind::PermissionDenied => libc::EACCES,
        io::ErrorKind::StorageFull => libc::ENOSPC,
        io::ErrorKind::NotADirectory => libc::ENOTDIR,
        io::ErrorKind::IsADirectory => libc::EISDIR,
        io::ErrorKind::DirectoryNotEmpty => libc::ENOTEMPTY,
        io::ErrorKind::FileTooLarge => libc::EFBIG,
        _ => libc::EIO,
    };
    Errno(error.raw_os_error().unwrap_or(of_its_kind))
}

/// What an error number means for space.
pub fn space_error(errno: Errno) -> SpaceError {
    match errno.0 {
        libc::ENOSPC | libc::EDQUOT => SpaceError::NoSpace,
        _ => SpaceError::Io(errno),
    }
}
