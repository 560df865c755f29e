//! Files of the operating system for explicit input and output, with the locks of mapped ones: whoever has a pool
//! open by either way keeps everybody else out.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::vec::Vec;

use super::error::{errno_of, space_error};
use super::lock::{self, Locked, Role};
use super::plan::Class;
use super::temporary::Temporary;
use super::{FileError, FileOptions, back, create, names, open, probe};
use crate::media::io::{Access, Disk, FileIo, NewFile};
use crate::media::{Domain, Durability, Errno, SpaceError};
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// The files of this machine.
#[derive(Clone, Debug, Default)]
pub struct LocalDisk {
    options: FileOptions,
}

/// An open file of this machine, locked until it is dropped.
#[derive(Debug)]
pub struct LocalFile {
    file: Locked,
    durability: Durability,
    opener: u32,
}

/// A file of this machine that has no name yet, or a hidden one.
#[derive(Debug)]
pub struct NewLocalFile {
    file: LocalFile,
    temporary: Temporary,
}

impl LocalDisk {
    /// The files of this machine; of `options` only `allow_foreign_fs` and `require` count.
    pub fn new(options: &FileOptions) -> Self {
        LocalDisk {
            options: FileOptions {
                assume_persistent: false,
                ..options.clone()
            },
        }
    }

    /// Judges the place of a locked file, or of the directory that is to hold it, `place`.
    fn admit(&self, file: Locked, place: &Path, writes: bool) -> Result<LocalFile, FileError> {
        let survey = probe::survey(&file, place, false)?;
        let durability = by_writes(survey.facts.class);
        // What a mapping would give is no matter here: durability is judged below.
        let any_domain = FileOptions {
            require: None,
            ..self.options.clone()
        };
        survey.admit(place, &any_domain)?;
        match self.options.require {
            Some(required) if writes && durability.domain < required => {
                Err(FileError::DomainUnmet {
                    path: place.to_path_buf(),
                    required,
                    found: durability,
                })
            }
            _ => Ok(LocalFile {
                file,
                durability,
                opener: std::process::id(),
            }),
        }
    }
}

/// What writes and syncs reach on a file system of this class.
fn by_writes(class: Class) -> Durability {
    let (domain, reason) = match class {
        Class::Local => (
            Domain::Device,
            "explicit writes to a file; a fence writes what was flushed and syncs it",
        ),
        Class::Foreign => (
            Domain::Device,
            "a network or user-space file system accepted by request; what a sync reaches is up to it",
        ),
        Class::Memory => (
            Domain::Volatile,
            "the file system keeps its files in memory",
        ),
    };
    Durability {
        domain,
        reason,
        flush: "pwrite+fdatasync",
    }
}

impl Disk for LocalDisk {
    type File = LocalFile;
    type New = NewLocalFile;

    fn locate(&self, path: &Path) -> Result<PathBuf, FileError> {
        names::file_at(path)
    }

    fn create(&self, path: &Path) -> Result<NewLocalFile, FileError> {
        let temporary = Temporary::create(path)?;
        // Shares the temporary's open file, and with it its locks.
        let file = temporary
            .file()
            .try_clone()
            .map_err(FileError::io("open", path))?;
        let file = Locked::new(file, Role::Writer, path)?;
        let file = self.admit(file, names::parent(path), true)?;
        Ok(NewLocalFile { file, temporary })
    }

    fn open(&self, path: &Path, access: Access) -> Result<LocalFile, FileError> {
        let role = match access {
            Access::Write => Role::Writer,
            Access::Read => Role::Reader,
        };
        let file = lock::open_locked(path, role)?;
        open::length_of(&file, path)?;
        self.admit(file, path, access == Access::Write)
    }

    fn exists(&self, path: &Path) -> Result<bool, FileError> {
        match fs::symlink_metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(FileError::io("look up", path)(error)),
        }
    }

    fn names_in(&self, path: &Path) -> Result<Option<Vec<OsString>>, FileError> {
        if !path.is_dir() {
            return Ok(None);
        }
        let failed = || FileError::io("list", path);
        let entries = fs::read_dir(path).map_err(failed())?;
        let found: Result<Vec<OsString>, io::Error> = entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect();
        let mut found = found.map_err(failed())?;
        found.sort();
        Ok(Some(found))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        fs::rename(from, to).map_err(FileError::io("rename", from))
    }

    fn remove(&self, path: &Path) -> Result<(), FileError> {
        fs::remove_file(path).map_err(FileError::io("remove", path))
    }

    fn make_directories(&self, path: &Path) -> Result<(), FileError> {
        create::admit_above(&path.join("file"), &self.options)?;
        names::make_directories(path)
    }

    fn sync_directory(&self, path: &Path) -> Result<(), FileError> {
        names::sync_directory(path)
    }
}

impl NewFile for NewLocalFile {
    type File = LocalFile;

    fn file(&self) -> &LocalFile {
        &self.file
    }

    fn name(&mut self, path: &Path) -> Result<(), FileError> {
        let named = self.temporary.publish(path);
        named.map_err(FileError::sys("name the file", path))
    }

    fn name_over(&mut self, path: &Path) -> Result<(), FileError> {
        // Held until the old file has lost its name, so that nobody opens it in between.
        let replaced = match lock::open_locked(path, Role::Writer) {
            Ok(old) => Some(old),
            Err(FileError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let named = self.temporary.publish_over(path);
        drop(replaced);
        named.map_err(FileError::sys("name the file", path))
    }

    fn into_file(self) -> LocalFile {
        self.file
    }
}

impl LocalFile {
    /// Whether the file is still what was opened as `path` with `len` bytes: not cut, not removed, not a child's copy.
    ///
    /// Errors: what happened to it. Nothing stored from now on can be trusted to last.
    pub fn still_whole(&self, path: &Path, len: ByteLen) -> Result<(), FileError> {
        let name = || path.to_path_buf();
        if self.own().is_err() {
            return Err(FileError::Forked { path: name() });
        }
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(FileError::io("look up", path))?;
        let found = ByteLen::new(metadata.len());
        if found < len {
            return Err(FileError::Truncated {
                path: name(),
                mapped: len,
                found,
            });
        }
        match metadata.nlink() {
            0 => Err(FileError::Unlinked { path: name() }),
            _ => Ok(()),
        }
    }

    /// Removes the file's name `path`; the removal is durable on success. The lock stays until this is dropped.
    ///
    /// Errors: `Unlinked` where the name is gone or leads to another file by now, which is then left alone.
    pub fn remove(&self, path: &Path) -> Result<(), FileError> {
        open::remove_own(path, &self.file)
    }

    /// A child that inherited the file may not write: its parent does.
    fn own(&self) -> Result<&File, Errno> {
        match self.opener == std::process::id() {
            true => Ok(&self.file),
            false => Err(Errno(libc::EPERM)),
        }
    }
}

impl FileIo for LocalFile {
    fn len(&self) -> Result<ByteLen, Errno> {
        let metadata = self.file.metadata().map_err(|error| errno_of(&error))?;
        Ok(ByteLen::new(metadata.len()))
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn set_len(&self, len: ByteLen) -> Result<(), SpaceError> {
        let file = self.own().map_err(SpaceError::Io)?;
        let old = self.len().map_err(SpaceError::Io)?.get();
        file.set_len(len.get())
            .map_err(|error| space_error(errno_of(&error)))?;
        match old < len.get() {
            true => back::prepare_extension(file, old, len.get()),
            false => Ok(()),
        }
    }

    fn read_at(&self, at: ByteOffset, into: &mut [u8]) -> Result<usize, Errno> {
        let mut done = 0;
        while done < into.len() {
            match self.file.read_at(&mut into[done..], at.get() + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(errno_of(&error)),
            }
        }
        Ok(done)
    }

    fn write_at(&self, at: ByteOffset, bytes: &[u8]) -> Result<(), Errno> {
        let written = self.own()?.write_all_at(bytes, at.get());
        written.map_err(|error| errno_of(&error))
    }

    fn sync_data(&self) -> Result<(), Errno> {
        self.own()?.sync_data().map_err(|error| errno_of(&error))
    }

    fn sync_all(&self) -> Result<(), Errno> {
        self.own()?.sync_all().map_err(|error| errno_of(&error))
    }

    fn allocate(&self, range: ByteRange) -> Result<(), SpaceError> {
        let file = self.own().map_err(SpaceError::Io)?;
        back::allocate_or_fill(file, range)
    }
}
