//! The ways to a target: open what is there, or make it.
//!
//! ```text
//! check ─┬─ memory ─────────────────────────────────────────▶ new pool in RAM
//!        ├─ override_if_exists ─────────────────────────────▶ new file, then its name in one step (Busy if held)
//!        └─ open ─┬─ there ─────────────────────────────────▶ recover; a size that differs is reported
//!                 └─ not there ─┬─ size given ──────────────▶ new file
//!                               └─ none ────────────────────▶ TargetError::Missing
//! ```
//!
//! Only a name that leads to nothing is "not there": an empty, cut or foreign file is an error of open, and is
//! neither changed nor replaced unless `override_if_exists` asks for that.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use everline::engine::{CreateOptions, Engine, Identity, OpenOptions};
use everline::media::file::{
    FileError, FileMedia, FileOptions, Unpublished, durability_of, resolve, sigbus,
};
use everline::media::{Domain, Media, Ram};
use everline::units::ByteLen;

use super::config::MEMORY_BYTES_DEFAULT;
use super::{
    ConfigError, Target, TargetConfig, TargetError, TargetKind, TargetMedia, TargetReport,
};
use crate::Regions;

impl Target {
    /// Opens the target that `config` describes, and makes it where the configuration says so.
    ///
    /// Errors: [`TargetError`]; a pool that was there is unchanged, unless recovery had begun, and nothing new is
    /// left behind. `Busy` while anybody else has the pool open. Cost: of [`Engine::open`] or [`Engine::create`].
    /// Crash: a new pool is whole or absent; with `override_if_exists` the old or the new one is there.
    pub fn open(config: TargetConfig) -> Result<Target, TargetError> {
        let begun = Instant::now();
        config.check()?;
        if config.catch_sigbus {
            sigbus::install().map_err(|errno| TargetError::NoHandler { errno })?;
        }
        let Some(path) = config
            .path
            .as_deref()
            .filter(|_| config.kind == TargetKind::Pmem)
        else {
            return make_in_memory(config, begun);
        };
        if config.override_if_exists {
            return make_file(&path_of(path), config, begun);
        }
        let at = path_of(path);
        if config.read_only {
            return open_private(&at, config, begun);
        }
        match FileMedia::open(&at, &file_options(&config)) {
            Ok(file) => {
                let (path, media) = (Some(file.path().to_path_buf()), TargetMedia::Pmem(file));
                assemble(media, path, config, false, begun)
            }
            Err(FileError::NotFound { .. }) if config.makes_missing() => {
                make_file(&at, config, begun)
            }
            Err(FileError::NotFound { path }) => Err(TargetError::Missing { path }),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the target that `config` describes. Errors: as [`Target::open`], and `AlreadyExists` where there is
    /// a file and `override_if_exists` is not set.
    pub fn create(config: TargetConfig) -> Result<Target, TargetError> {
        let begun = Instant::now();
        config.check()?;
        if config.catch_sigbus {
            sigbus::install().map_err(|errno| TargetError::NoHandler { errno })?;
        }
        match config.path.as_deref() {
            Some(path) if config.kind == TargetKind::Pmem => {
                make_file(&path_of(path), config, begun)
            }
            _ => make_in_memory(config, begun),
        }
    }
}

/// A path that ends in a separator names a directory, whether that exists or not.
fn path_of(path: &Path) -> PathBuf {
    let named = path.as_os_str().as_encoded_bytes();
    if named.last() == Some(&b'/') && !path.exists() {
        // The directory will be made with the file.
        path.join("pool.pmem")
    } else {
        resolve(path)
    }
}

fn file_options(config: &TargetConfig) -> FileOptions {
    FileOptions {
        reserve_len: config.max_size.map(ByteLen::new),
        assume_persistent: config.assume_persistent,
        allow_foreign_fs: config.allow_foreign_fs,
        require: config.require,
        prefault: config.prefault,
    }
}

fn create_options(config: &TargetConfig, place: &str) -> Result<CreateOptions, TargetError> {
    let identity = Identity::random().map_err(|error| TargetError::NoIdentity {
        place: place.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(CreateOptions {
        len: config.size,
        capacity_max: config.max_size,
        lanes: config.lanes,
        layout: config.layout.unwrap_or_default(),
        identity,
        ..CreateOptions::default()
    })
}

fn make_file(path: &Path, config: TargetConfig, begun: Instant) -> Result<Target, TargetError> {
    let place = path.display().to_string();
    let size = config.size.ok_or(ConfigError::Missing {
        field: "size",
        why: "a new pool must know its size",
    })?;
    let options = create_options(&config, &place)?;
    let geometry = options
        .geometry(size)
        .map_err(|error| TargetError::Create {
            place: place.clone(),
            error: error.into(),
        })?;
    let len = ByteLen::new(geometry.len());
    let new = FileMedia::create(path, len, config.reserve, &file_options(&config))?;
    write_pool(&new, &options, &place)?;
    let file = if config.override_if_exists {
        new.publish_over()?
    } else {
        new.publish()?
    };
    let path = Some(file.path().to_path_buf());
    assemble(TargetMedia::Pmem(file), path, config, true, begun)
}

/// The first bytes of a pool whose file has no name yet.
fn write_pool(new: &Unpublished, options: &CreateOptions, place: &str) -> Result<(), TargetError> {
    match Engine::create(new.media(), options) {
        Ok(engine) => {
            drop(engine);
            Ok(())
        }
        Err(error) => Err(TargetError::Create {
            place: place.to_owned(),
            error,
        }),
    }
}

fn make_in_memory(mut config: TargetConfig, begun: Instant) -> Result<Target, TargetError> {
    let place = "memory";
    let size = *config.size.get_or_insert(MEMORY_BYTES_DEFAULT);
    // Memory cannot be made longer in place: what the pool may grow to is set aside now, untouched.
    let capacity = *config.max_size.get_or_insert(size);
    let options = create_options(&config, place)?;
    let geometry = options
        .geometry(size)
        .map_err(|error| TargetError::Create {
            place: place.to_owned(),
            error: error.into(),
        })?;
    let len = ByteLen::new(capacity.max(geometry.len()));
    let ram = if config.assume_persistent {
        Ram::assume_persistent(len)
    } else {
        Ram::new(len)
    };
    let media = TargetMedia::Memory(ram);
    if let Some(required) = config
        .require
        .filter(|required| media.durability().domain < *required)
    {
        return Err(TargetError::DomainUnmet {
            place: place.to_owned(),
            required,
            found: media.durability(),
        });
    }
    let engine = Engine::create(media, &options).map_err(|error| TargetError::Create {
        place: place.to_owned(),
        error,
    })?;
    assemble(engine.abandon(), None, config, true, begun)
}

/// Opens a private copy of the file; a policy is judged by the place, not by the copy.
fn open_private(path: &Path, config: TargetConfig, begun: Instant) -> Result<Target, TargetError> {
    let options = file_options(&config);
    let copy = match FileMedia::open_private(path, &options) {
        Err(FileError::NotFound { path }) => return Err(TargetError::Missing { path }),
        outcome => outcome?,
    };
    let mut durability = durability_of(path)?.durability;
    if config.assume_persistent {
        durability.domain = durability.domain.max(Domain::MemoryController);
    }
    if let Some(required) = config
        .require
        .filter(|required| durability.domain < *required)
    {
        return Err(TargetError::DomainUnmet {
            place: path.display().to_string(),
            required,
            found: durability,
        });
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let media = TargetMedia::ReadOnly(copy);
    let mut target = assemble(media, Some(path), config, false, begun)?;
    target.report.durability = durability;
    Ok(target)
}

/// Recovers the pool on `media` and puts everything around it.
fn assemble(
    media: TargetMedia,
    path: Option<PathBuf>,
    mut config: TargetConfig,
    created: bool,
    begun: Instant,
) -> Result<Target, TargetError> {
    let place = match &path {
        Some(path) => path.display().to_string(),
        None => config.kind.name().to_owned(),
    };
    let options = OpenOptions {
        layout: config.layout,
        // The policy of a private copy was judged by its place.
        require: config.require.filter(|_| !config.read_only),
        read_only: config.read_only,
        expected_len: config.size,
    };
    let recovery = Instant::now();
    let opened = Engine::open(media, &options);
    let (engine, report) = opened.map_err(|error| TargetError::open(&place, error))?;
    let recovering = recovery.elapsed();
    let regions = Regions::open(engine).map_err(|error| TargetError::regions(&place, error))?;
    let count = regions
        .count()
        .map_err(|error| TargetError::regions(&place, error))?;
    let report = TargetReport {
        kind: config.kind,
        path: path.clone(),
        created,
        len: report.len,
        configured_len: report.expected_len,
        regions: count,
        recovery: report.recovery,
        mended_copy: report.mended_copy,
        durability: report.durability,
        elapsed: begun.elapsed(),
        recovering,
    };
    // What is in force now: where the pool is and how large; what was there has been replaced already.
    config.path = path;
    config.override_if_exists = false;
    config.create_if_missing = Some(config.makes_missing());
    config.size = Some(report.len);
    Ok(Target {
        regions: Arc::new(regions),
        config,
        report,
        place,
    })
}
