//! Opening files.

use std::io;
use std::path::Path;

use super::contents::Entry;
use super::directory::names;
use super::disk::CrashDisk;
use super::file::CrashFile;

/// How to open a file: as `std::fs::OpenOptions`.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
}

macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $($(#[$doc])*
        pub fn $name(&mut self, on: bool) -> &mut Self {
            self.$name = on;
            self
        })*
    };
}

impl OpenOptions {
    /// Nothing is allowed yet.
    pub fn new() -> Self {
        Self::default()
    }

    switches! {
        /// May read.
        read,
        /// May write.
        write,
        /// Every write goes to the end.
        append,
        /// Cut to length 0.
        truncate,
        /// Made where it is not there.
        create,
        /// Made, and must not be there.
        create_new,
    }

    /// Opens a file of the disk entered on this thread.
    #[track_caller]
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<CrashFile> {
        CrashDisk::current().open_with(self, path)
    }

    fn check(&self) -> io::Result<()> {
        let writes = self.write || self.append;
        let makes = self.truncate || self.create || self.create_new;
        let nothing = !self.read && !writes;
        let makes_unwritten = makes && !writes;
        let cuts_appended = self.append && self.truncate && !self.create_new;
        let refused = nothing || makes_unwritten || cuts_appended;
        match refused {
            true => Err(io::ErrorKind::InvalidInput.into()),
            false => Ok(()),
        }
    }
}

impl CrashDisk {
    /// Opens to read; also a directory, to sync it.
    #[track_caller]
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<CrashFile> {
        self.open_with(OpenOptions::new().read(true), path)
    }

    /// Opens to write, made or cut to length 0.
    #[track_caller]
    pub fn create(&self, path: impl AsRef<Path>) -> io::Result<CrashFile> {
        self.open_with(
            OpenOptions::new().write(true).create(true).truncate(true),
            path,
        )
    }

    /// Opens as the options say. Errors: `NotFound`, `AlreadyExists`, `IsADirectory`, `InvalidInput`.
    #[track_caller]
    pub fn open_with(
        &self,
        options: &OpenOptions,
        path: impl AsRef<Path>,
    ) -> io::Result<CrashFile> {
        options.check()?;
        let names = names(path.as_ref())?;
        let entry = match self.walk(&names) {
            Ok(_) if options.create_new => return Err(io::ErrorKind::AlreadyExists.into()),
            Ok(entry) => self.opened(options, entry)?,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) if options.create || options.create_new => self.make(&names, false)?,
            Err(error) => return Err(error),
        };
        Ok(CrashFile::new(self.clone(), &entry, options))
    }

    #[track_caller]
    fn opened(&self, options: &OpenOptions, entry: Entry) -> io::Result<Entry> {
        if entry.directory && (options.write || options.append) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if options.truncate && self.len(entry.inode) > 0 {
            self.resize(entry.inode, 0)?;
        }
        Ok(entry)
    }
}
