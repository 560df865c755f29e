//! What can go wrong on the way: what, where, and what to do about it. The source is as it was, unless it says more.

use std::path::{Path, PathBuf};

use everline::media::file::FileError;
use everline::media::preserve::CopyError;
use everline::media::{Errno, SpaceError};
use everline::units::ByteOffset;

use crate::Retirement;

/// Why a pool was not copied, restored or moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// A file or directory: taken, busy, not there, no room.
    #[error(transparent)]
    File(#[from] FileError),
    /// The caller ended it; nothing is left of it.
    #[error("{}: cancelled; nothing was left there", .path.display())]
    Cancelled {
        /// The destination.
        path: PathBuf,
    },
    /// Another snapshot of the pool is being taken.
    #[error("another copy of this pool is under way: wait until that is over")]
    Running,
    /// The copy does not hold what was copied.
    #[error(
        "{}: the bytes at {at} are not those that were written; check the device of the destination, the source is as it was",
        .path.display()
    )]
    Damaged {
        /// The destination.
        path: PathBuf,
        /// The first chunk that differs.
        at: ByteOffset,
    },
    /// The source could not be read.
    #[error("bytes of the source could not be read; check its device and restore a snapshot")]
    Unreadable,
    /// The source serves nobody.
    #[error("the source does not serve: {}", .why.text())]
    Retired {
        /// Why.
        why: Retirement,
    },
    /// The source cannot be brought to rest.
    #[error("the source could not be closed: {reason}")]
    Source {
        /// What its pool says.
        reason: String,
    },
    /// What should be a pool is none, or one that is not sound.
    #[error("{}: no sound pool: {reason}; use another snapshot, or salvage what can be read of this one", .path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// The first thing that is wrong with it.
        reason: String,
    },
    /// The pool is somewhere else.
    #[error("{}: the pool was moved to {}: open it there", .path.display(), .to.display())]
    Migrated {
        /// Where it was.
        path: PathBuf,
        /// Where it is.
        to: PathBuf,
    },
    /// The note beside a pool cannot be read.
    #[error("{}: {reason}; find out which of the pools it is about is the right one, then remove the note", .path.display())]
    Note {
        /// The note.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The pool is open read-only, and so it cannot be removed.
    #[error("the pool is open read-only: open it for writing, or keep the source")]
    ReadOnly,
}

impl ImageError {
    /// What a copy under way ended with.
    pub(super) fn copy(error: CopyError, path: &Path) -> Self {
        match error {
            CopyError::Running => ImageError::Running,
            CopyError::Cancelled => ImageError::Cancelled {
                path: path.to_path_buf(),
            },
            CopyError::Sink(error) => Self::space("write", path, error),
            CopyError::Lost => ImageError::Unreadable,
        }
    }

    pub(super) fn space(operation: &'static str, path: &Path, error: SpaceError) -> Self {
        FileError::space(operation, path)(error).into()
    }

    pub(super) fn errno(operation: &'static str, path: &Path, errno: Errno) -> Self {
        FileError::from_errno(operation, path, errno).into()
    }

    pub(super) fn unsound(path: &Path, reason: impl ToString) -> Self {
        ImageError::Unsound {
            path: path.to_path_buf(),
            reason: reason.to_string(),
        }
    }
}
