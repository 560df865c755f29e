//! A file nobody can see yet: nameless where the file system can, else under a hidden name.
//!
//! Invariants
//! T1  dropped, it leaves nothing behind; killed, a nameless file leaves nothing either, a named one its hidden name.
//! T2  it gets its final name in one atomic step.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use super::{FileError, names, sys};
use crate::media::Errno;
use crate::sync::{AtomicU64, Ordering};

/// Hidden names tried before giving up.
const NAMES_MAX: usize = 1000;

/// A new, empty file in the directory where it will be published.
#[derive(Debug)]
pub(super) struct Temporary {
    file: File,
    /// Its hidden name, where it has one.
    hidden: Option<Hidden>,
}

/// Removes a hidden name when dropped, in the process that made it.
#[derive(Debug)]
struct Hidden {
    path: PathBuf,
    maker: u32,
}

impl Temporary {
    /// An empty file that is to become `path`. Errors: rights, space.
    pub(super) fn create(path: &Path) -> Result<Self, FileError> {
        match nameless(names::parent(path)) {
            Some(file) => Ok(Temporary { file, hidden: None }),
            None => Self::create_hidden(path),
        }
    }

    fn create_hidden(path: &Path) -> Result<Self, FileError> {
        let failed = || FileError::io("create", names::parent(path));
        for _ in 0..NAMES_MAX {
            let hidden = hidden_name(path);
            let made = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&hidden);
            match made {
                Ok(file) => {
                    return Ok(Temporary {
                        file,
                        hidden: Some(Hidden::new(hidden)),
                    });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed()(error)),
            }
        }
        Err(failed()(std::io::ErrorKind::AlreadyExists.into()))
    }

    /// The open file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its final name, which must be free (T2). Errors: the name is taken (`EEXIST`).
    pub(super) fn publish(&mut self, path: &Path) -> Result<(), Errno> {
        match &self.hidden {
            Some(hidden) => sys::rename_to_free_name(&hidden.path, path)?,
            None => sys::name_a_nameless_file(&self.file, path)?,
        }
        self.keep();
        Ok(())
    }

    /// Gives the file its final name, whoever had it before (T2).
    pub(super) fn publish_over(&mut self, path: &Path) -> Result<(), Errno> {
        let hidden = match self.hidden.take() {
            Some(hidden) => hidden,
            None => {
                let hidden = Hidden::new(hidden_name(path)); // a nameless file cannot replace: name it first
                sys::name_a_nameless_file(&self.file, &hidden.path)?;
                hidden
            }
        };
        let renamed = fs::rename(&hidden.path, path);
        self.hidden = Some(hidden);
        renamed.map_err(|error| super::error::errno_of(&error))?;
        self.keep();
        Ok(())
    }

    /// The name is final: nothing to remove any more.
    fn keep(&mut self) {
        if let Some(mut hidden) = self.hidden.take() {
            hidden.path = PathBuf::new();
        }
    }
}

impl Hidden {
    fn new(path: PathBuf) -> Self {
        Hidden {
            path,
            maker: std::process::id(),
        }
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() && self.maker == std::process::id() {
            // A name that cannot be removed is litter and no danger: nothing ever opens a hidden name.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// `.<name>.<process>-<number>.new` beside `path`.
fn hidden_name(path: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed); // Relaxed: only uniqueness matters
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let process = std::process::id();
    names::parent(path).join(std::format!(".{name}.{process}-{number}.new"))
}

/// A file without a name, if the file system has such and /proc can name it later.
#[cfg(target_os = "linux")]
fn nameless(directory: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .open(directory)
        .ok()?;
    sys::descriptor_path(&file).exists().then_some(file)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_directory: &Path) -> Option<File> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(directory: &Path) -> usize {
        fs::read_dir(directory).expect("readable").count()
    }

    #[test]
    fn a_dropped_temporary_leaves_nothing_named_or_nameless() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("pool");
        drop(Temporary::create(&path).expect("created"));
        assert_eq!(entries(directory.path()), 0);
        let named = Temporary::create_hidden(&path).expect("created");
        assert_eq!(entries(directory.path()), 1);
        drop(named);
        assert_eq!(entries(directory.path()), 0);
    }

    #[test]
    fn a_taken_name_is_refused_and_a_replaced_one_is_replaced_named_or_nameless() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("pool");
        for make in [Temporary::create, Temporary::create_hidden] {
            fs::write(&path, "old").expect("written");
            let mut refused = make(&path).expect("created");
            assert_eq!(refused.publish(&path), Err(Errno(libc::EEXIST)));
            assert_eq!(fs::read(&path).expect("there"), b"old");
            refused.publish_over(&path).expect("replaced");
            drop(refused);
            assert_eq!(fs::read(&path).expect("there"), b"");
            fs::remove_file(&path).expect("removed");

            let mut published = make(&path).expect("created");
            published.publish(&path).expect("the name is free");
            drop(published);
            assert_eq!(entries(directory.path()), 1);
        }
    }
}
