//! Making a file that is either whole or absent.
//!
//! | step | after a power cut |
//! |---|---|
//! | nameless file, length, space | absent |
//! | the pool writes its first bytes to [`Unpublished::media`] | absent |
//! | file synced | absent |
//! | name given in one step | absent or whole |
//! | directory synced | whole |

use std::fs::File;
use std::path::{Path, PathBuf};

use super::back;
use super::lock::{self, Locked, Role};
use super::probe;
use super::temporary::Temporary;
use super::{FileError, FileMedia, FileOptions, names};
use crate::media::Media;
use crate::sync::Ordering;
use crate::units::{ByteLen, ByteRange};

/// A new file that nobody can see or open yet. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Unpublished {
    media: FileMedia,
    temporary: Temporary,
    path: PathBuf,
}

impl FileMedia {
    /// Makes a file of `len` zero bytes that is to become `path` (a directory stands for `pool.pmem` in it);
    /// missing directories are made. It is invisible until [`Unpublished::publish`]. Sparse, unless `reserve_all`
    /// asks for all of its space now.
    ///
    /// Errors: no rights, no space, `len` 0, a foreign file system, or less durability than `options` require.
    pub fn create(
        path: &Path,
        len: ByteLen,
        reserve_all: bool,
        options: &FileOptions,
    ) -> Result<Unpublished, FileError> {
        let path = names::file_at(path)?;
        if len == ByteLen::ZERO {
            return Err(FileError::TooShort { path, len });
        }
        admit_above(&path, options)?;
        names::make_directories(names::parent(&path))?;
        let temporary = Temporary::create(&path)?;
        // The medium shares the temporary's open file, and with it its locks.
        let file = temporary
            .file()
            .try_clone()
            .map_err(FileError::io("open", &path))?;
        let file = Locked::new(file, Role::Writer, &path)?;
        extend(&file, len, &path)?;
        let survey = probe::survey(&file, names::parent(&path), options.assume_persistent)?;
        survey.admit(&path, options)?;
        let mut media = Self::assemble(file, path.clone(), len, options, &survey, None)?;
        media.fresh = true;
        media.named.store(false, Ordering::Relaxed); // Relaxed: nobody else has it yet
        if reserve_all {
            let whole = ByteRange::at(0, len.get()).expect("begins at 0");
            media
                .back(whole)
                .map_err(FileError::space("reserve space", &path))?;
        }
        Ok(Unpublished {
            media,
            temporary,
            path,
        })
    }
}

/// Refuses a foreign file system before any directory is made in it.
pub(super) fn admit_above(path: &Path, options: &FileOptions) -> Result<(), FileError> {
    let above = names::nearest_directory(names::parent(path));
    let directory = File::open(&above).map_err(FileError::io("open", &above))?;
    let survey = probe::survey(&directory, &above, options.assume_persistent)?;
    // A directory cannot tell whether MAP_SYNC will be granted: durability is judged on the file.
    let any_domain = FileOptions {
        require: None,
        ..options.clone()
    };
    survey.admit(&above, &any_domain)
}

fn extend(file: &File, len: ByteLen, path: &Path) -> Result<(), FileError> {
    file.set_len(len.get())
        .map_err(FileError::io("extend", path))?;
    back::prepare_extension(file, 0, len.get()).map_err(FileError::space("reserve space", path))
}

impl Unpublished {
    /// The medium, to write the first bytes to.
    pub fn media(&self) -> &FileMedia {
        &self.media
    }

    /// Gives the file its name, if that is free. On success file and name are durable.
    ///
    /// Errors: `AlreadyExists`; or a sync failed. Then nothing is left of the file.
    pub fn publish(mut self) -> Result<FileMedia, FileError> {
        self.settle()?;
        self.temporary
            .publish(&self.path)
            .map_err(FileError::sys("name the file", &self.path))?;
        if let Err(error) = self.settle_name() {
            // Best effort: it was not there before, and the caller is told that it is not there now.
            drop(std::fs::remove_file(&self.path));
            return Err(error);
        }
        Ok(self.finish())
    }

    /// Gives the file its name in one step, replacing whatever file had it and nobody has open.
    ///
    /// Errors: `Busy`, and the old file is untouched; or a sync failed, and either of the two is there.
    pub fn publish_over(mut self) -> Result<FileMedia, FileError> {
        self.settle()?;
        // Held until the old file has lost its name, so that nobody opens it in between.
        let replaced = match lock::open_locked(&self.path, Role::Writer) {
            Ok(old) => Some(old),
            Err(FileError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        self.temporary
            .publish_over(&self.path)
            .map_err(FileError::sys("name the file", &self.path))?;
        drop(replaced);
        self.settle_name()?;
        Ok(self.finish())
    }

    /// Makes every byte of the file durable.
    fn settle(&self) -> Result<(), FileError> {
        self.media
            .file
            .sync_all()
            .map_err(FileError::io("sync", &self.path))
    }

    /// Makes the name durable: the link count is the file's, the entry is the directory's.
    fn settle_name(&self) -> Result<(), FileError> {
        self.settle()?;
        names::sync_directory(names::parent(&self.path))
    }

    fn finish(self) -> FileMedia {
        self.media.named.store(true, Ordering::Relaxed); // Relaxed: nobody else has it yet
        self.media
    }
}
