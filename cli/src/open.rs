//! How every verb opens a pool.
//!
//! Reading verbs work on a private copy that is recovered in memory: no byte of the file changes, whatever state a
//! crash left it in. A policy (`--require`) is judged by the place in both cases, so that a pool on too weak a medium
//! is refused before anything is read from it or stored to it.

use std::path::{Path, PathBuf};

use everline::media::file::{PathReport, durability_of, resolve};
use everline::media::{Domain, Errno};
use everline_kv::verify;
use everline_region::{OpenMessage, RegionError, Target, TargetConfig, TargetRegions};

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

/// A pool that is open, and its file.
pub struct Pool {
    /// Its regions, and how the open went.
    pub target: Target,
    /// Its file.
    pub path: PathBuf,
}

/// Opens for writing: alone, and recovered for good.
pub fn for_writing(path: &Path, global: &Global) -> Result<Pool, Failure> {
    open(global.target(path), global)
}

/// Opens for reading: no byte of the file changes.
pub fn for_reading(path: &Path, global: &Global) -> Result<(Pool, PathReport), Failure> {
    let config = TargetConfig {
        read_only: true,
        ..global.target(path)
    };
    Ok((open(config, global)?, place(path, global)?))
}

/// Opens for writing, does `work`, and closes, whatever became of the work.
pub fn change<R>(
    path: &Path,
    global: &Global,
    work: impl FnOnce(&TargetRegions) -> Result<R, RegionError<Errno>>,
) -> Result<(PathBuf, R), Failure> {
    let pool = for_writing(path, global)?;
    let at = pool.path.clone();
    let done = work(&pool.target);
    // The pool was opened and recovered all the same: it is closed before anything is said.
    pool.target.close()?;
    let done = done.map_err(|error| Failure::from(error).at(at.display()))?;
    Ok((at, done))
}

/// Opens for reading and looks; what was seen is the file's own bytes.
pub fn look<R>(
    path: &Path,
    global: &Global,
    work: impl FnOnce(&TargetRegions) -> Result<R, RegionError<Errno>>,
) -> Result<(PathBuf, R), Failure> {
    let (pool, _place) = for_reading(path, global)?;
    let seen = pool.tell(work(&pool.target))?;
    pool.target.still_whole()?;
    Ok((pool.path, seen))
}

/// Opens as `config` says, and tells how it goes.
pub fn open(config: TargetConfig, global: &Global) -> Result<Pool, Failure> {
    let path = file_at(config.path.as_deref().unwrap_or(Path::new(".")));
    if global.verbose > 0 {
        eprintln!("{}", OpenMessage::Opening { path: &path });
    }
    let target = Target::open(config)?;
    // What a pool opened with recovery `full` serves is whole, whichever verb looks at it: its keys too.
    verify(&target)?;
    let report = target.report();
    if global.verbose > 0 {
        eprintln!("{}", OpenMessage::Size { len: report.len });
        let regions = report.regions;
        eprintln!("{}", OpenMessage::Recovered { regions });
    }
    if global.verbose > 1 {
        let recovery = &report.recovery;
        eprintln!(
            "Log: {} transactions redone, {} undone, {} bytes read in {} us; epoch {}",
            recovery.redone,
            recovery.undone,
            recovery.log_bytes,
            report.recovering.as_micros(),
            recovery.epoch
        );
    }
    Ok(Pool { target, path })
}

impl Pool {
    /// An outcome with the pool's path in front of what went wrong.
    pub fn tell<R>(&self, outcome: Result<R, RegionError<Errno>>) -> Result<R, Failure> {
        outcome.map_err(|error| Failure::from(error).at(self.path.display()))
    }
}
