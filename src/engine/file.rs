//! Pools in files: create whole or not at all, open with a lock, open read-only without changing a byte.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{CreateOptions, Engine, OpenOptions, OpenReport};
use crate::layout::GeometryError;
use crate::media::Errno;
use crate::media::file::{FileError, FileMedia, FileOptions, PrivateMedia, destroy};
use crate::pool::{self, CreateError, Expectation, OpenError};
use crate::units::ByteLen;

/// An engine on a file.
pub type FileEngine = Engine<FileMedia>;

/// A read-only engine on a private copy of a file.
pub type PrivateEngine = Engine<PrivateMedia>;

/// How a pool's file is made.
#[derive(Clone, Debug, Default)]
pub struct FileConfig {
    /// How the file is mapped, and what is required of its place.
    pub file: FileOptions,
    /// Reserve all of the file's space now, so that a full device is an error here and not later.
    pub reserve: bool,
    /// Replace a pool that is there, unless somebody has it open.
    pub overwrite: bool,
}

/// Why a pool's file could not be made, opened or destroyed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileEngineError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The new pool.
    #[error("{path}: {error}")]
    Create {
        /// Where.
        path: std::string::String,
        /// Why.
        error: CreateError<Errno>,
    },
    /// The pool in the file.
    #[error("{path}: {error}")]
    Open {
        /// Where.
        path: std::string::String,
        /// Why.
        error: OpenError<Errno>,
    },
}

/// How an open went.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// What it found and did.
    pub report: OpenReport,
    /// How long it took, from lock to ready.
    pub elapsed: Duration,
    /// How long recovery of the log took, its syncs included.
    pub recovery: Duration,
}

pub(super) fn create_error(path: &Path, error: CreateError<Errno>) -> FileEngineError {
    FileEngineError::Create {
        path: std::format!("{}", path.display()),
        error,
    }
}

pub(super) fn open_error(path: &Path, error: OpenError<Errno>) -> FileEngineError {
    FileEngineError::Open {
        path: std::format!("{}", path.display()),
        error,
    }
}

/// Makes a pool of `options.len` bytes in a new file and opens it. A directory means `pool.pmem` inside it;
/// missing parents are made.
///
/// Errors: a size that no pool can have is refused before any file is made; on any error there is no new file.
/// Crash: no file or the whole pool, since the file gets its name last.
pub fn create_file(
    path: &Path,
    options: &CreateOptions,
    config: &FileConfig,
) -> Result<(FileEngine, Opened), FileEngineError> {
    let begun = Instant::now();
    let geometry = options
        .geometry(options.len.unwrap_or(0))
        .map_err(|error: GeometryError| create_error(path, error.into()))?;
    let new = FileMedia::create(
        path,
        ByteLen::new(geometry.len()),
        config.reserve,
        &config.file,
    )?;
    let engine = Engine::create(new.media(), options).map_err(|error| create_error(path, error))?;
    drop(engine);
    let media = if config.overwrite {
        new.publish_over()?
    } else {
        new.publish()?
    };
    open_media(media, path, &OpenOptions::default(), begun)
}

/// Opens the pool in a file for writing and recovers it.
///
/// Errors: [`FileError::Busy`] while somebody else has it open; see [`FileError`] and [`OpenError`]. The file is
/// unchanged unless recovery had begun.
pub fn open_file(
    path: &Path,
    options: &OpenOptions,
    file: &FileOptions,
) -> Result<(FileEngine, Opened), FileEngineError> {
    let begun = Instant::now();
    let media = FileMedia::open(path, file)?;
    open_media(media, path, options, begun)
}

/// Opens the pool in a file read-only: recovered in a private copy, no byte of the file changes.
///
/// Errors: as [`open_file`]; busy while a writer has it open.
pub fn open_file_read_only(
    path: &Path,
    options: &OpenOptions,
    file: &FileOptions,
) -> Result<(PrivateEngine, Opened), FileEngineError> {
    let begun = Instant::now();
    let media = FileMedia::open_private(path, file)?;
    open_media(
        media,
        path,
        &OpenOptions {
            read_only: true,
            ..*options
        },
        begun,
    )
}

pub(super) fn open_media<M: crate::media::Media<SyncError = Errno>>(
    media: M,
    path: &Path,
    options: &OpenOptions,
    begun: Instant,
) -> Result<(Engine<M>, Opened), FileEngineError> {
    let recovery = Instant::now();
    let (engine, report) = Engine::open(media, options).map_err(|error| open_error(path, error))?;
    Ok((
        engine,
        Opened {
            report,
            elapsed: begun.elapsed(),
            recovery: recovery.elapsed(),
        },
    ))
}

/// Removes a pool's file, durably. Errors: busy while somebody has it open; not a pool; the file stands then.
pub fn destroy_file(path: &Path, file: &FileOptions) -> Result<(), FileEngineError> {
    let media = FileMedia::open_private(path, file)?;
    let expect = Expectation {
        read_only: true,
        ..Expectation::default()
    };
    pool::open(media, &expect).map_err(|error| open_error(path, error))?;
    destroy(path)?;
    Ok(())
}
