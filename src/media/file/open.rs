//! Opening a file that exists, for writing or for reading, and removing it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::back::Backing;
use super::lock::{self, Locked, Role};
use super::map::Mapping;
use super::plan::Route;
use super::probe::{self, Survey};
use super::sigbus::Watch;
use super::{FileError, FileMedia, FileOptions, SyncHook, names};
use crate::media::group::SyncGroup;
use crate::sync::AtomicBool;
use crate::units::ByteLen;

/// Addresses reserved for growth where the caller does not say; addresses cost nothing on 64-bit machines.
const RESERVE_DEFAULT: u64 = if usize::BITS >= 64 { 64 << 30 } else { 0 };

impl FileMedia {
    /// Opens the file at `path` (a directory stands for `pool.pmem` in it) for writing, alone.
    ///
    /// Errors: not there, not a file, empty, `Busy` where anybody else has it open, a foreign file system, or
    /// less durability than `options` require. The file is not changed, whatever happens.
    pub fn open(path: &Path, options: &FileOptions) -> Result<FileMedia, FileError> {
        Self::open_hooked(path, options, None)
    }

    pub(super) fn open_hooked(
        path: &Path,
        options: &FileOptions,
        hook: Option<SyncHook>,
    ) -> Result<FileMedia, FileError> {
        let path = names::file_at(path)?;
        let file = lock::open_locked(&path, Role::Writer)?;
        let len = length_of(&file, &path)?;
        let survey = probe::survey(&file, &path, options.assume_persistent)?;
        survey.admit(&path, options)?;
        // A process that was killed while it made the file may have left a name that is visible and not durable.
        match names::sync_directory(names::parent(&path)) {
            Err(FileError::Permission { .. }) => {} // whoever may not read the directory has not made the file in it
            answer => answer?,
        }
        Self::assemble(file, path, len, options, &survey, hook)
    }

    /// Maps a locked file of `len` bytes and puts everything around it.
    pub(super) fn assemble(
        file: Locked,
        path: PathBuf,
        len: ByteLen,
        options: &FileOptions,
        survey: &Survey,
        hook: Option<SyncHook>,
    ) -> Result<FileMedia, FileError> {
        let mut plan = survey.facts.plan();
        if hook.is_some() {
            plan.route = Route::Msync; // a hook wants to be called, wherever the test runs
        }
        let map = |capacity| Mapping::new(&file, len, ByteLen::new(capacity), &plan);
        let mapping = match options.reserve_len {
            Some(reserve) => map(reserve.get().max(len.get())),
            // Without a wish, growth is offered where there are addresses for it.
            None => map(RESERVE_DEFAULT.max(len.get())).or_else(|_| map(len.get())),
        };
        let mapping = mapping.map_err(FileError::sys("map", &path))?;
        if options.prefault {
            mapping.prefault();
        }
        let by_msync = plan.route == Route::Msync;
        Ok(FileMedia {
            watch: Watch::new(mapping.base(), len.get() as usize, by_msync),
            space: Backing::new(mapping.capacity()),
            sync: by_msync.then(SyncGroup::new),
            hook,
            mapping,
            file,
            path,
            fresh: false,
            named: AtomicBool::new(true),
            opener: std::process::id(),
        })
    }
}

impl FileMedia {
    /// Removes the file's name; the removal is durable on success. Mapping and lock stay until this is dropped,
    /// and what is stored meanwhile is gone with it.
    ///
    /// Errors: `Unlinked` where the name is gone or leads to another file by now, which is then left alone.
    pub fn remove(&self) -> Result<(), FileError> {
        remove_own(&self.path, &self.file)
    }
}

/// Removes the name `path` of the open `file`, durably; a name that leads to another file is left alone.
pub(super) fn remove_own(path: &Path, file: &File) -> Result<(), FileError> {
    let look_up = || FileError::io("look up", path);
    let ours = file.metadata().map_err(look_up())?;
    let named = match fs::symlink_metadata(path) {
        Ok(named) => Some(named),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(look_up()(error)),
    };
    let place = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
    if named.is_none_or(|named| place(&named) != place(&ours)) {
        let path = path.to_path_buf();
        return Err(FileError::Unlinked { path });
    }
    fs::remove_file(path).map_err(FileError::io("remove", path))?;
    names::sync_directory(names::parent(path))
}

/// The length of a file that is to be mapped; at least one byte.
pub(super) fn length_of(file: &File, path: &Path) -> Result<ByteLen, FileError> {
    let metadata = file.metadata().map_err(FileError::io("look up", path))?;
    match metadata.len() {
        0 => Err(FileError::TooShort {
            path: path.to_path_buf(),
            len: ByteLen::ZERO,
        }),
        len => Ok(ByteLen::new(len)),
    }
}

/// Removes the file at `path` (a directory stands for `pool.pmem` in it); the removal is durable on success.
///
/// Errors: not there, not a file, or `Busy` where anybody has it open; then it is still there.
pub fn destroy(path: &Path) -> Result<(), FileError> {
    let path = names::file_at(path)?;
    let locked = lock::open_locked(&path, Role::Writer)?;
    fs::remove_file(&path).map_err(FileError::io("remove", &path))?;
    drop(locked);
    names::sync_directory(names::parent(&path))
}
