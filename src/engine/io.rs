//! Pools in files that are read and written explicitly, on any [`Disk`]: the same files as mapped ones.
//!
//! | step of `create_io` | after a power cut |
//! |---|---|
//! | file without a name, length, space, first bytes, sync | absent |
//! | name given in one step | absent or whole |
//! | directory synced | whole |

use std::path::Path;
use std::time::Instant;

use super::file::{create_error, open_media};
use super::{CreateOptions, Engine, FileEngineError, OpenOptions, Opened};
use crate::layout::GeometryError;
use crate::media::Media;
use crate::media::file::FileError;
use crate::media::io::{Access, Disk, FileIo, IoMedia, NewFile, publish};
use crate::units::{ByteLen, ByteRange};

/// An engine on a file by explicit input and output.
pub type IoEngine<F> = Engine<IoMedia<F>>;

/// How such a file is made and opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct IoConfig {
    /// To what length it can grow; 64 GiB where `None`.
    pub capacity: Option<ByteLen>,
    /// At create: take all of the file's space now, so that a full device is an error here and not later.
    pub reserve: bool,
    /// At create: replace a pool that is there, unless somebody has it open.
    pub overwrite: bool,
}

/// Makes a pool of `options.len` bytes in a new file of `disk` and opens it. A directory means `pool.pmem` inside it;
/// missing parents are made.
///
/// Errors: a size that no pool can have is refused before any file is made; on any error there is no new file. Crash:
/// no file or the whole pool, since the file gets its name last.
pub fn create_io<D: Disk>(
    disk: &D,
    path: &Path,
    options: &CreateOptions,
    config: &IoConfig,
) -> Result<(IoEngine<D::File>, Opened), FileEngineError> {
    let begun = Instant::now();
    let geometry = options
        .geometry(options.len.unwrap_or(0))
        .map_err(|error: GeometryError| create_error(path, error.into()))?;
    let path = &disk.locate(path)?;
    if !config.overwrite && disk.exists(path)? {
        return Err(FileError::AlreadyExists { path: path.clone() }.into());
    }
    disk.make_directories(path.parent().unwrap_or(Path::new("/")))?;
    let new = disk.create(path)?;
    fill(new.file(), path, geometry.len(), options, config)?;
    let file = publish(disk, new, path, config.overwrite)?;
    let media = IoMedia::fresh(file, config.capacity)
        .map_err(|errno| FileError::from_errno("look up", path, errno))?;
    open_media(media, path, &OpenOptions::default(), begun)
}

/// Makes the pool in a file that nobody can find yet.
fn fill<F: FileIo>(
    file: &F,
    path: &Path,
    len: u64,
    options: &CreateOptions,
    config: &IoConfig,
) -> Result<(), FileEngineError> {
    let no_space = FileError::space("reserve space", path);
    file.set_len(ByteLen::new(len)).map_err(no_space)?;
    let media = IoMedia::fresh(file, Some(ByteLen::new(len)))
        .map_err(|errno| FileError::from_errno("look up", path, errno))?;
    if config.reserve {
        let whole = ByteRange::at(0, len).expect("begins at 0");
        let no_space = FileError::space("reserve space", path);
        media.back(whole).map_err(no_space)?;
    }
    let engine = Engine::create(&media, options).map_err(|error| create_error(path, error))?;
    drop(engine);
    Ok(())
}

/// Opens the pool in a file of `disk` for writing and recovers it.
///
/// Errors: [`FileError::Busy`] while somebody else has it open; see [`FileError`] and
/// [`OpenError`](crate::pool::OpenError). The file is unchanged unless recovery had begun.
pub fn open_io<D: Disk>(
    disk: &D,
    path: &Path,
    options: &OpenOptions,
    config: &IoConfig,
) -> Result<(IoEngine<D::File>, Opened), FileEngineError> {
    let begun = Instant::now();
    let path = &disk.locate(path)?;
    let file = disk.open(path, Access::Write)?;
    believe_name(disk, path)?;
    let media = IoMedia::new(file, config.capacity)
        .map_err(|errno| FileError::from_errno("look up", path, errno))?;
    checked(open_media(media, path, options, begun)?, path)
}

/// Makes the name under which the pool was found durable: a process that was killed in `create` may have left it
/// visible only, and what is stored from here on must not go with it.
fn believe_name<D: Disk>(disk: &D, path: &Path) -> Result<(), FileError> {
    match disk.sync_directory(path.parent().unwrap_or(Path::new("/"))) {
        Err(FileError::Permission { .. }) => Ok(()), // whoever may not read the directory has not made the file in it
        answer => answer,
    }
}

/// Opens the pool in a file of `disk` read-only: recovered in memory, no byte of the file changes.
///
/// Errors: as [`open_io`]; busy while a writer has it open.
pub fn open_io_read_only<D: Disk>(
    disk: &D,
    path: &Path,
    options: &OpenOptions,
) -> Result<(IoEngine<D::File>, Opened), FileEngineError> {
    let begun = Instant::now();
    let path = &disk.locate(path)?;
    let file = disk.open(path, Access::Read)?;
    let media =
        IoMedia::private(file).map_err(|errno| FileError::from_errno("look up", path, errno))?;
    let options = OpenOptions {
        read_only: true,
        ..*options
    };
    checked(open_media(media, path, &options, begun)?, path)
}

/// Believes nothing that was read while zeros stood in for something.
fn checked<F: FileIo>(
    opened: (IoEngine<F>, Opened),
    path: &Path,
) -> Result<(IoEngine<F>, Opened), FileEngineError> {
    match opened.0.pool().media().intact() {
        true => Ok(opened),
        false => Err(FileError::Lost {
            path: path.to_path_buf(),
        }
        .into()),
    }
}
