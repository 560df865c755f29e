//! Paths: where a pool lies, the directories above it, and making their entries durable.

use std::fs::{self, File};
use std::path::{self, Path, PathBuf};
use std::vec::Vec;

use super::FileError;
use super::error::errno_of;
use crate::media::Errno;

/// The name of the pool file in a directory that is given instead of a file.
const FILE_IN_DIRECTORY: &str = "pool.pmem";

/// Where the pool of `path` lies: in an existing directory `pool.pmem`, else `path` itself.
pub fn resolve(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(FILE_IN_DIRECTORY)
    } else {
        path.to_path_buf()
    }
}

/// `path` from the root, so that a later change of the working directory does not matter.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, FileError> {
    path::absolute(path).map_err(FileError::io("look up", path))
}

/// The file that `path` stands for: absolute, inside a directory if it names one, behind links if it is one.
pub(super) fn file_at(path: &Path) -> Result<PathBuf, FileError> {
    let path = resolve(&absolute(path)?);
    if path.is_symlink() {
        return fs::canonicalize(&path).map_err(FileError::io("follow the link", &path));
    }
    Ok(path)
}

/// The directory that holds `path`.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// The deepest directory at or above `path` that exists.
pub(super) fn nearest_directory(path: &Path) -> PathBuf {
    let found = path.ancestors().find(|directory| directory.is_dir());
    found.unwrap_or(Path::new("/")).to_path_buf()
}

/// Makes `directory` and what is missing above it; every new entry is durable when this returns.
pub(super) fn make_directories(directory: &Path) -> Result<(), FileError> {
    let missing: Vec<&Path> = directory
        .ancestors()
        .take_while(|directory| !directory.is_dir())
        .collect();
    for directory in missing.into_iter().rev() {
        match fs::create_dir(directory) {
            Ok(()) => {}
            Err(_) if directory.is_dir() => {} // somebody else made it meanwhile
            Err(error) => return Err(FileError::io("make the directory", directory)(error)),
        }
        sync_directory(parent(directory))?;
    }
    Ok(())
}

/// Makes the entries of `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), FileError> {
    let failed = || FileError::io("sync the directory", directory);
    let opened = File::open(directory).map_err(failed())?;
    match opened.sync_all() {
        Ok(()) => Ok(()),
        // Some file systems have nothing to sync in a directory and say so with EINVAL.
        Err(error) if errno_of(&error) == Errno(libc::EINVAL) => Ok(()),
        Err(error) => Err(failed()(error)),
    }
}
