//! How every verb opens a pool.
//!
//! Reading verbs work on a private copy that is recovered in memory: no byte of the file changes, whatever state a
//! crash left it in. A policy (`--require`) is judged by the place in both cases, so that a pool on too weak a medium
//! is refused before anything is read from it or stored to it.

use std::path::{Path, PathBuf};

use everline::engine::{Opened, open_file, open_file_read_only};
use everline::media::file::{
    FileError, FileMedia, PathReport, PrivateMedia, durability_of, resolve,
};
<<<<<<< HEAD
use everline::media::{Domain, Media};
use everline_region::{OpenMessage, RegionError, Regions};
=======
use everline::media::{Domain, Errno, Media};
use everline_region::{RegionError, Regions};
>>>>>>> regions

use crate::args::Global;
use crate::exit::Failure;

/// Where the pool of `path` lies, from the root: in a directory its `pool.pmem`.
pub fn file_at(path: &Path) -> PathBuf {
    let path = resolve(path);
    std::path::absolute(&path).unwrap_or(path)
}

/// What the place of `path` gives, with what the caller takes for granted.
pub fn place(path: &Path, global: &Global) -> Result<PathReport, Failure> {
    let mut place = durability_of(path)?;
    if global.assume_persistent && place.durability.domain < Domain::MemoryController {
        place.durability.domain = Domain::MemoryController;
        place.durability.reason = "assumed persistent on request";
        place.durability.flush = place.flush_instruction;
    }
    Ok(place)
}

/// A domain in a person's words.
pub fn safety(domain: Domain) -> &'static str {
    match domain {
        Domain::Volatile => "not power-fail safe",
        _ => "power-fail safe",
    }
}

/// A pool that is open, with how the open went.
pub struct Pool<M: Media> {
    /// The pool and its regions.
    pub regions: Regions<M>,
    /// What the open found and did.
    pub opened: Opened,
    /// Its file.
    pub path: PathBuf,
}

/// Opens for writing: alone, and recovered for good.
pub fn for_writing(path: &Path, global: &Global) -> Result<Pool<FileMedia>, Failure> {
    let at = announce(path, global);
    let (engine, opened) = open_file(path, &global.open(), &global.file())?;
    finish(Regions::open(engine), opened, at, global)
}

/// Opens for reading: no byte of the file changes.
pub fn for_reading(
    path: &Path,
    global: &Global,
) -> Result<(Pool<PrivateMedia>, PathReport), Failure> {
    let at = announce(path, global);
    let (engine, opened) = open_file_read_only(path, &global.open(), &global.file())?;
    let place = place(path, global)?;
    if let Some(required) = global.require.map(Domain::from)
        && place.durability.domain < required
    {
        let found = place.durability;
        return Err(FileError::DomainUnmet {
            path: at,
            required,
            found,
        }
        .into());
    }
    Ok((finish(Regions::open(engine), opened, at, global)?, place))
}

/// Opens for writing, does `work`, and closes, whatever became of the work.
pub fn change<R>(
    path: &Path,
    global: &Global,
    work: impl FnOnce(&Regions<FileMedia>) -> Result<R, RegionError<Errno>>,
) -> Result<(PathBuf, R), Failure> {
    let pool = for_writing(path, global)?;
    let at = pool.path.clone();
    let done = work(&pool.regions);
    // The pool was opened and recovered all the same: it is closed before anything is said.
    pool.close()?;
    let done = done.map_err(|error| Failure::from(error).at(at.display()))?;
    Ok((at, done))
}

/// Opens for reading and looks; what was seen is the file's own bytes.
pub fn look<R>(
    path: &Path,
    global: &Global,
    work: impl FnOnce(&Regions<PrivateMedia>) -> Result<R, RegionError<Errno>>,
) -> Result<(PathBuf, R), Failure> {
    let (pool, _place) = for_reading(path, global)?;
    let seen = work(&pool.regions).map_err(|error| Failure::from(error).at(pool.path.display()))?;
    pool.read_whole()?;
    Ok((pool.path, seen))
}

fn announce(path: &Path, global: &Global) -> PathBuf {
    let at = file_at(path);
    if global.verbose > 0 {
        eprintln!("{}", OpenMessage::Opening { path: &at });
    }
    at
}

fn finish<M: Media>(
    regions: Result<Regions<M>, RegionError<M::SyncError>>,
    opened: Opened,
    path: PathBuf,
    global: &Global,
) -> Result<Pool<M>, Failure> {
    let regions = regions.map_err(|error| Failure::from(error).at(path.display()))?;
    if global.verbose > 0 {
        let len = opened.report.len;
        eprintln!("{}", OpenMessage::Size { len });
        let regions = regions
            .count()
            .map_err(|error| Failure::from(error).at(path.display()))?;
        eprintln!("{}", OpenMessage::Recovered { regions });
    }
    if global.verbose > 1 {
        let recovery = &opened.report.recovery;
        eprintln!(
            "Log: {} transactions redone, {} undone, {} bytes read in {} us; epoch {}",
            recovery.redone,
            recovery.undone,
            recovery.log_bytes,
            opened.recovery.as_micros(),
            recovery.epoch
        );
    }
    Ok(Pool {
        regions,
        opened,
        path,
    })
}

impl Pool<FileMedia> {
    /// Ends the work: the file is still what was opened, and the log is empty.
    pub fn close(self) -> Result<(), Failure> {
        let media = self
            .regions
            .into_engine()
            .close()
            .map_err(|error| Failure::from(error).at(self.path.display()))?;
        media.still_whole()?;
        Ok(())
    }
}

impl Pool<PrivateMedia> {
    /// Nothing that was read was a page of zeros standing in for a lost one.
    pub fn read_whole(&self) -> Result<(), Failure> {
        let lost = |_| FileError::Lost {
            path: self.path.clone(),
        };
        let media = self.regions.engine().pool().media();
        media.fence().map_err(|error| lost(error).into())
    }
}
