//! What explicit input and output asks of an operating system: files, their names, and waiting for both.
//!
//! One face for the real system ([`LocalDisk`](super::LocalDisk)) and for the laboratory's simulated one, so that
//! whatever makes, moves or copies a pool is explored at each of its steps.
//!
//! | call | durable after |
//! |---|---|
//! | [`FileIo::write_at`] | [`FileIo::sync_data`] |
//! | [`FileIo::set_len`] | [`FileIo::sync_all`] |
//! | [`NewFile::name`], [`NewFile::name_over`], [`Disk::remove`], [`Disk::rename`] | [`Disk::sync_directory`] |

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::vec::Vec;

use crate::media::file::FileError;
use crate::media::{Durability, Errno, SpaceError};
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// An open file. Two threads may use it at once; what they write to one place may tear.
pub trait FileIo: Send + Sync {
    /// Its length now.
    fn len(&self) -> Result<ByteLen, Errno>;

    /// Whether it has no bytes.
    fn is_empty(&self) -> Result<bool, Errno> {
        Ok(self.len()? == ByteLen::ZERO)
    }

    /// What a write and a sync reach.
    fn durability(&self) -> Durability;

    /// Changes the length; what is new reads zero. Errors: `NoSpace` where the new part must be written at once.
    fn set_len(&self, len: ByteLen) -> Result<(), SpaceError>;

    /// Reads from `at` on; answers how many bytes there were before the end of the file, all of `into` else.
    fn read_at(&self, at: ByteOffset, into: &mut [u8]) -> Result<usize, Errno>;

    /// Writes all of `bytes` at `at`. An error leaves any part of them written.
    fn write_at(&self, at: ByteOffset, bytes: &[u8]) -> Result<(), Errno>;

    /// Waits until what was written, and a length needed to read it, is on the device.
    fn sync_data(&self) -> Result<(), Errno>;

    /// As [`FileIo::sync_data`], for everything that is known of the file.
    fn sync_all(&self) -> Result<(), Errno>;

    /// Takes space for `range`, which lies in the file, so that a write to it finds room. Contents stay.
    fn allocate(&self, range: ByteRange) -> Result<(), SpaceError>;
}

/// A borrowed file is a file.
impl<F: FileIo> FileIo for &F {
    fn len(&self) -> Result<ByteLen, Errno> {
        (**self).len()
    }
    fn durability(&self) -> Durability {
        (**self).durability()
    }
    fn set_len(&self, len: ByteLen) -> Result<(), SpaceError> {
        (**self).set_len(len)
    }
    fn read_at(&self, at: ByteOffset, into: &mut [u8]) -> Result<usize, Errno> {
        (**self).read_at(at, into)
    }
    fn write_at(&self, at: ByteOffset, bytes: &[u8]) -> Result<(), Errno> {
        (**self).write_at(at, bytes)
    }
    fn sync_data(&self) -> Result<(), Errno> {
        (**self).sync_data()
    }
    fn sync_all(&self) -> Result<(), Errno> {
        (**self).sync_all()
    }
    fn allocate(&self, range: ByteRange) -> Result<(), SpaceError> {
        (**self).allocate(range)
    }
}

/// What an opener wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Write to it, alone.
    Write,
    /// Read it, beside other readers and no writer.
    Read,
}

/// A file nobody can find yet. Dropped before it was named, it leaves nothing behind.
pub trait NewFile {
    /// The file it becomes.
    type File: FileIo;

    /// The open file, empty at first.
    fn file(&self) -> &Self::File;

    /// Gives it its name in one step. Errors: [`FileError::AlreadyExists`], and it is as it was.
    fn name(&mut self, path: &Path) -> Result<(), FileError>;

    /// Gives it its name in one step, replacing a file that had it. Errors: [`FileError::Busy`] where somebody has
    /// that one open, and both are as they were.
    fn name_over(&mut self, path: &Path) -> Result<(), FileError>;

    /// The open file, still for its maker alone.
    fn into_file(self) -> Self::File;
}

/// Names and the files behind them.
pub trait Disk {
    /// An open file.
    type File: FileIo + 'static;
    /// A file that has no name yet.
    type New: NewFile<File = Self::File> + Send + Sync + 'static;

    /// The file that `path` stands for: in a directory `pool.pmem`, behind a link what it leads to, from the root.
    fn locate(&self, path: &Path) -> Result<PathBuf, FileError>;

    /// A new empty file beside `path`, which is to become it, for its maker alone. Errors: rights, space, a foreign
    /// file system, less durability than was asked for.
    fn create(&self, path: &Path) -> Result<Self::New, FileError>;

    /// Opens the file at `path`. Errors: not there, not a file, [`FileError::Busy`].
    fn open(&self, path: &Path, access: Access) -> Result<Self::File, FileError>;

    /// Whether something has this name.
    fn exists(&self, path: &Path) -> Result<bool, FileError>;

    /// The names in the directory `path`, sorted; `None` where no directory has that name.
    fn names_in(&self, path: &Path) -> Result<Option<Vec<OsString>>, FileError>;

    /// Moves a file's name within its directory, over another file if there is one.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError>;

    /// Removes a file's name.
    fn remove(&self, path: &Path) -> Result<(), FileError>;

    /// Makes the directory `path` and what leads to it, durably.
    fn make_directories(&self, path: &Path) -> Result<(), FileError>;

    /// Makes the names in the directory `path` durable.
    fn sync_directory(&self, path: &Path) -> Result<(), FileError>;
}

/// Makes `new` durable under the name `path`: bytes first, then the name, then the directory. Answers the open file.
///
/// Errors: [`FileError::AlreadyExists`] unless `over`; a sync failed. Then nothing is left of a file that was to have
/// a free name. Crash: nothing, or the whole file.
pub fn publish<D: Disk>(
    disk: &D,
    mut new: D::New,
    path: &Path,
    over: bool,
) -> Result<D::File, FileError> {
    let failed = |errno| FileError::from_errno("sync", path, errno);
    new.file().sync_all().map_err(failed)?;
    if over {
        new.name_over(path)?;
    } else {
        new.name(path)?;
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    // The link count is the file's, the entry is the directory's.
    let settled = new.file().sync_all().map_err(failed);
    if let Err(error) = settled.and_then(|()| disk.sync_directory(directory)) {
        if !over {
            // Best effort: it was not there before, and the caller is told that it is not there now.
            drop(disk.remove(path));
        }
        return Err(error);
    }
    Ok(new.into_file())
}
