//! The names of `std::fs`, on the simulated disk that was entered on this thread: an engine is tested by changing one
//! `use`.
//!
//! ```
//! use std::io::Write;
//!
//! use everline_crash::files::{CrashDisk, DiskOptions};
//! use everline_crash::{Explorer, fs}; // in place of std::fs
//!
//! fn replace(path: &str, text: &str) -> std::io::Result<()> {
//!     let mut new = fs::File::create("new")?;
//!     new.write_all(text.as_bytes())?;
//!     fs::rename("new", path) // without new.sync_all(): the line that is missing
//! }
//!
//! let report = Explorer::new().check_files(
//!     DiskOptions::new(),
//!     |disk| {
//!         replace("settings", "old").expect("room");
//!         disk.mark();
//!         replace("settings", "new").expect("room");
//!     },
//!     |_| fs::read_to_string("settings").expect("was made before"),
//!     |_, seen| match seen.as_str() {
//!         "old" | "new" => Ok(()),
//!         other => Err(format!("settings hold {other:?}")),
//!     },
//! );
//! assert!(report.to_string().contains("settings had length 0"), "{report}");
//! ```
//!
//! Methods of `Path` (`exists`, `is_dir`, …) still ask the real file system: use [`exists`] and [`metadata`]. Paths
//! that cannot be UTF-8 are refused.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

pub use crate::files::{CrashFile as File, Metadata, OpenOptions};

use crate::files::CrashDisk;

/// As `std::fs::FileType`.
pub type FileType = Metadata;

/// An entry of a directory: as `std::fs::DirEntry`.
#[derive(Clone, Debug)]
pub struct DirEntry {
    path: PathBuf,
    metadata: Metadata,
}

impl DirEntry {
    /// The directory's path as it was given, and the name.
    pub fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// The name alone.
    pub fn file_name(&self) -> std::ffi::OsString {
        self.path.file_name().unwrap_or_default().to_owned()
    }

    /// Length and kind when the directory was read.
    pub fn metadata(&self) -> io::Result<Metadata> {
        Ok(self.metadata.clone())
    }

    /// Whether it is a file or a directory.
    pub fn file_type(&self) -> io::Result<FileType> {
        self.metadata()
    }
}

/// The entries of a directory: as `std::fs::ReadDir`, but sorted by name.
#[derive(Debug)]
pub struct ReadDir(std::vec::IntoIter<DirEntry>);

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Ok)
    }
}

/// The entries of a directory.
#[track_caller]
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let (path, disk) = (path.as_ref(), CrashDisk::current());
    let mut entries = Vec::new();
    for name in disk.read_dir(path)? {
        let path = path.join(name);
        let metadata = disk.metadata(&path)?;
        entries.push(DirEntry { path, metadata });
    }
    Ok(ReadDir(entries.into_iter()))
}

/// All bytes of a file.
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = vec![0; file.metadata()?.len() as usize];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// All of a file as text. Errors: `InvalidData` where it is not UTF-8.
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read(path)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Makes or empties a file and writes `bytes` to it; nothing is synced.
#[track_caller]
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    File::create(path)?.write_all(bytes.as_ref())
}

/// Copies the bytes of a file; how many. Nothing is synced.
#[track_caller]
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let bytes = read(from)?;
    write(to, &bytes)?;
    Ok(bytes.len() as u64)
}

/// Whether something stands at the end of a path.
#[track_caller]
pub fn exists(path: impl AsRef<Path>) -> io::Result<bool> {
    Ok(CrashDisk::current().exists(path))
}

/// The path from the root. Errors: `NotFound`.
#[track_caller]
pub fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref();
    CrashDisk::current().metadata(path)?;
    Ok(Path::new("/").join(path))
}

macro_rules! of_the_disk {
    ($($(#[$doc:meta])* $name:ident($($path:ident),*) -> $answer:ty;)*) => {
        $($(#[$doc])*
        #[track_caller]
        pub fn $name($($path: impl AsRef<Path>),*) -> io::Result<$answer> {
            CrashDisk::current().$name($($path),*)
        })*
    };
}

of_the_disk! {
    /// Length and kind.
    metadata(path) -> Metadata;
    /// Makes a directory.
    create_dir(path) -> ();
    /// Makes a directory and all that lead to it.
    create_dir_all(path) -> ();
    /// Removes a file's name.
    remove_file(path) -> ();
    /// Removes an empty directory.
    remove_dir(path) -> ();
    /// Removes a directory and all it holds.
    remove_dir_all(path) -> ();
    /// Moves a name: see [`CrashDisk::rename`].
    rename(from, to) -> ();
    /// A second name for a file.
    hard_link(original, link) -> ();
}
