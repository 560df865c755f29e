//! The simulated disk as [`Disk`]: what makes, moves and copies pools in files runs on it as it is.
//!
//! A new file has a hidden name until it gets its own, and a power cut may leave that name: nothing opens it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use everline::media::file::{FileError, errno_of, space_error};
use everline::media::io::{Access, Disk, FileIo, NewFile};
use everline::media::{Domain, Durability, Errno, SpaceError};
use everline::units::{ByteLen, ByteOffset, ByteRange};

use super::disk::CrashDisk;
use super::file::CrashFile;
use super::open::OpenOptions;

const FILE_IN_DIRECTORY: &str = "pool.pmem";

/// A file of a [`CrashDisk`] under a hidden name, which goes when it is dropped.
#[derive(Debug)]
pub struct NewCrashFile {
    file: CrashFile,
    hidden: Option<PathBuf>,
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |error| FileError::from_errno(operation, path, errno_of(&error))
}

fn number(error: io::Error) -> Errno {
    errno_of(&error)
}

impl FileIo for CrashFile {
    #[track_caller]
    fn len(&self) -> Result<ByteLen, Errno> {
        let metadata = self.metadata().map_err(number)?;
        Ok(ByteLen::new(metadata.len()))
    }

    fn durability(&self) -> Durability {
        Durability {
            domain: Domain::Device,
            reason: "a simulated disk",
            flush: "pwrite+fdatasync",
        }
    }

    #[track_caller]
    fn set_len(&self, len: ByteLen) -> Result<(), SpaceError> {
        CrashFile::set_len(self, len.get()).map_err(|error| space_error(number(error)))
    }

    #[track_caller]
    fn read_at(&self, at: ByteOffset, into: &mut [u8]) -> Result<usize, Errno> {
        CrashFile::read_at(self, into, at.get()).map_err(number)
    }

    #[track_caller]
    fn write_at(&self, at: ByteOffset, bytes: &[u8]) -> Result<(), Errno> {
        self.write_all_at(bytes, at.get()).map_err(number)
    }

    #[track_caller]
    fn sync_data(&self) -> Result<(), Errno> {
        CrashFile::sync_data(self).map_err(number)
    }

    #[track_caller]
    fn sync_all(&self) -> Result<(), Errno> {
        CrashFile::sync_all(self).map_err(number)
    }

    fn allocate(&self, range: ByteRange) -> Result<(), SpaceError> {
        let (at, len) = (range.start().get(), range.len().get());
        let taken = self.disk.take_space(self.inode, at, len);
        taken.map_err(|error| space_error(number(error)))
    }
}

impl NewFile for NewCrashFile {
    type File = CrashFile;

    fn file(&self) -> &CrashFile {
        &self.file
    }

    #[track_caller]
    fn name(&mut self, path: &Path) -> Result<(), FileError> {
        if self.file.disk.exists(path) {
            return Err(FileError::AlreadyExists {
                path: path.to_path_buf(),
            });
        }
        self.name_over(path)
    }

    #[track_caller]
    fn name_over(&mut self, path: &Path) -> Result<(), FileError> {
        if let Some(hidden) = self.hidden.take() {
            let renamed = self.file.disk.rename(&hidden, path);
            if let Err(error) = renamed {
                self.hidden = Some(hidden);
                return Err(failed("name the file", path)(error));
            }
        }
        Ok(())
    }

    fn into_file(self) -> CrashFile {
        self.file.clone()
    }
}

impl Drop for NewCrashFile {
    fn drop(&mut self) {
        if let Some(hidden) = self.hidden.take() {
            // A hidden name that stays is litter and no danger, as on a real disk.
            drop(self.file.disk.remove_file(hidden));
        }
    }
}

impl Disk for CrashDisk {
    type File = CrashFile;
    type New = NewCrashFile;

    #[track_caller]
    fn locate(&self, path: &Path) -> Result<PathBuf, FileError> {
        let path = Path::new("/").join(path);
        match self.metadata(&path) {
            Ok(found) if found.is_dir() => Ok(path.join(FILE_IN_DIRECTORY)),
            _ => Ok(path),
        }
    }

    #[track_caller]
    fn create(&self, path: &Path) -> Result<NewCrashFile, FileError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let hidden_names = (0..).map(|number| path.with_file_name(format!(".{name}.{number}.new")));
        let mut free = hidden_names.filter(|hidden| !self.exists(hidden));
        let hidden = free.next().expect("numbers do not end");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        let file = self.open_with(&options, &hidden);
        Ok(NewCrashFile {
            file: file.map_err(failed("create", path))?,
            hidden: Some(hidden),
        })
    }

    #[track_caller]
    fn open(&self, path: &Path, access: Access) -> Result<CrashFile, FileError> {
        let there = self.metadata(path).map_err(failed("open", path))?;
        if !there.is_file() {
            return Err(FileError::NotAFile {
                path: path.to_path_buf(),
            });
        }
        let len = ByteLen::new(there.len());
        if len == ByteLen::ZERO {
            return Err(FileError::TooShort {
                path: path.to_path_buf(),
                len,
            });
        }
        let mut options = OpenOptions::new();
        options.read(true).write(access == Access::Write);
        let opened = self.open_with(&options, path);
        opened.map_err(failed("open", path))
    }

    #[track_caller]
    fn exists(&self, path: &Path) -> Result<bool, FileError> {
        Ok(CrashDisk::exists(self, path))
    }

    #[track_caller]
    fn names_in(&self, path: &Path) -> Result<Option<Vec<OsString>>, FileError> {
        match self.read_dir(path) {
            Ok(names) => Ok(Some(names.into_iter().map(OsString::from).collect())),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed("list", path)(error)),
        }
    }

    #[track_caller]
    fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        CrashDisk::rename(self, from, to).map_err(failed("rename", from))
    }

    #[track_caller]
    fn remove(&self, path: &Path) -> Result<(), FileError> {
        self.remove_file(path).map_err(failed("remove", path))
    }

    #[track_caller]
    fn make_directories(&self, path: &Path) -> Result<(), FileError> {
        let mut missing: Vec<&Path> = path.ancestors().collect();
        missing.retain(|directory| !CrashDisk::exists(self, directory));
        for directory in missing.into_iter().rev() {
            let made = self.create_dir(directory);
            made.map_err(failed("make the directory", directory))?;
            self.sync_directory_at(directory.parent().unwrap_or(Path::new("/")))?;
        }
        Ok(())
    }

    #[track_caller]
    fn sync_directory(&self, path: &Path) -> Result<(), FileError> {
        self.sync_directory_at(path)
    }
}

impl CrashDisk {
    #[track_caller]
    fn sync_directory_at(&self, path: &Path) -> Result<(), FileError> {
        self.sync_dir(path)
            .map_err(failed("sync the directory", path))
    }
}
