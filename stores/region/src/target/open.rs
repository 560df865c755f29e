//! The ways to a target: open what is there, or make it.
//!
//! ```text
//! check ─┬─ memory ─────────────────────────────────────────▶ new pool in RAM
//!        ├─ override_if_exists ─────────────────────────────▶ new file, then its name in one step (Busy if held)
//!        └─ open ─┬─ there ─────────────────────────────────▶ recover, verify where that is asked for; a size that differs is reported
//!                 └─ not there ─┬─ size given ──────────────▶ new file
//!                               └─ none ────────────────────▶ TargetError::Missing
//! ```
//!
//! Only a name that leads to nothing is "not there": an empty, cut or foreign file is an error of open, and is
//! neither changed nor replaced unless `override_if_exists` asks for that.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use everline::engine::{
    CreateOptions, Engine, FileConfig, Identity, IoConfig, OpenOptions, OpenReport, Recovery,
    create_file, create_io,
};
use everline::media::file::{FileError, FileMedia, FileOptions, durability_of, resolve, sigbus};
use everline::media::io::{Access, Disk, FileIo, IoMedia, LocalDisk};
use everline::media::preserve::Preserved;
use everline::media::{Domain, Durability, Media, Ram};
use everline::units::ByteLen;

use super::config::MEMORY_BYTES_DEFAULT;
use super::verify::serve;
use super::{
    ConfigError, RecoveryMode, Target, TargetConfig, TargetError, TargetKind, TargetMedia,
    TargetReport,
};
use crate::transfer::admit;

impl Target {
    /// Opens the target that `config` describes, and makes it where the configuration says so.
    ///
    /// Errors: [`TargetError`]; a pool that was there is unchanged, unless recovery had begun, and nothing new is
    /// left behind. `Busy` while anybody else has the pool open. Cost: of [`Engine::open`] or [`Engine::create`].
    /// Crash: a new pool is whole or absent; with `override_if_exists` the old or the new one is there.
    pub fn open(config: TargetConfig) -> Result<Target, TargetError> {
        let begun = Instant::now();
        prepare(&config)?;
        let Some(path) = file_of(&config) else {
            return make_in_memory(config, begun);
        };
        if config.override_if_exists {
            return make_file(&path, config, begun);
        }
        match find(&path, &config) {
            Ok(found) => assemble(found, config, false, begun),
            Err(FileError::NotFound { .. })
                if config.makes_missing() && !config.changes_nothing() =>
            {
                make_file(&path, config, begun)
            }
            Err(FileError::NotFound { path }) => Err(TargetError::Missing { path }),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the target that `config` describes. Errors: as [`Target::open`], and `AlreadyExists` where there is
    /// a file and `override_if_exists` is not set.
    pub fn create(config: TargetConfig) -> Result<Target, TargetError> {
        let begun = Instant::now();
        prepare(&config)?;
        match file_of(&config) {
            Some(path) => make_file(&path, config, begun),
            None => make_in_memory(config, begun),
        }
    }
}

fn prepare(config: &TargetConfig) -> Result<(), TargetError> {
    config.check()?;
    if config.catch_sigbus {
        sigbus::install().map_err(|errno| TargetError::NoHandler { errno })?;
    }
    Ok(())
}

/// The file of a target that is no memory.
fn file_of(config: &TargetConfig) -> Option<PathBuf> {
    match config.kind {
        TargetKind::Memory => None,
        TargetKind::Pmem | TargetKind::File => config.path.as_deref().map(path_of),
    }
}

/// A medium that holds a pool, and where it is.
struct Found {
    media: TargetMedia,
    path: Option<PathBuf>,
    /// What the place gives, where the medium is only a private copy.
    place: Option<Durability>,
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
        // A pool that is to grow at open must find room for that.
        reserve_len: config
            .max_size
            .max(config.size.filter(|_| config.grow_if_smaller))
            .map(ByteLen::new),
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
    if config.size.is_none() {
        let why = "a new pool must know its size";
        return Err(ConfigError::Missing { field: "size", why }.into());
    }
    let options = create_options(&config, &path.display().to_string())?;
    let file = file_options(&config);
    let media = if config.kind == TargetKind::File {
        let how = IoConfig {
            capacity: file.reserve_len,
            reserve: config.reserve,
            overwrite: config.override_if_exists,
        };
        let (engine, _) = create_io(&LocalDisk::new(&file), path, &options, &how)?;
        TargetMedia::File(engine.abandon())
    } else {
        let how = FileConfig {
            file,
            reserve: config.reserve,
            overwrite: config.override_if_exists,
        };
        let (engine, _) = create_file(path, &options, &how)?;
        TargetMedia::Pmem(engine.abandon())
    };
    let path = Some(named(&media, path));
    let found = Found {
        media,
        path,
        place: None,
    };
    assemble(found, config, true, begun)
}

/// The path from the root, behind links.
fn named(media: &TargetMedia, path: &Path) -> PathBuf {
    match media {
        TargetMedia::Pmem(file) => file.path().to_path_buf(),
        _ => std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()),
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
    let ram = Ram::try_new(len, config.assume_persistent);
    let media = TargetMedia::Memory(ram.map_err(|error| TargetError::Create {
        place: place.to_owned(),
        error: error.into(),
    })?);
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
    let found = Found {
        media: engine.abandon(),
        path: None,
        place: None,
    };
    assemble(found, config, true, begun)
}

/// Opens the file at `path`, or a private copy of it.
fn find(path: &Path, config: &TargetConfig) -> Result<Found, FileError> {
    let options = file_options(config);
    let (media, place) = match (config.kind, config.changes_nothing()) {
        (TargetKind::File, read_only) => {
            let (media, durability) = find_io(path, &options, read_only)?;
            (media, read_only.then_some(durability))
        }
        (_, false) => (TargetMedia::Pmem(FileMedia::open(path, &options)?), None),
        (_, true) => {
            let copy = FileMedia::open_private(path, &options)?;
            let mut place = durability_of(path)?.durability;
            if config.assume_persistent {
                place.domain = place.domain.max(Domain::MemoryController);
            }
            (TargetMedia::ReadOnly(copy), Some(place))
        }
    };
    // The policy of a private copy is judged by its place.
    if let (Some(required), Some(found)) = (config.require, place)
        && found.domain < required
    {
        return Err(FileError::DomainUnmet {
            path: path.to_path_buf(),
            required,
            found,
        });
    }
    let path = Some(named(&media, path));
    Ok(Found { media, path, place })
}

fn find_io(
    path: &Path,
    options: &FileOptions,
    read_only: bool,
) -> Result<(TargetMedia, Durability), FileError> {
    let disk = LocalDisk::new(options);
    let path = &disk.locate(path)?;
    let failed = |errno| FileError::Io {
        operation: "look up",
        path: path.clone(),
        errno,
    };
    if read_only {
        let file = disk.open(path, Access::Read)?;
        let durability = file.durability();
        let media = IoMedia::private(file).map_err(failed)?;
        return Ok((TargetMedia::File(media), durability));
    }
    let file = disk.open(path, Access::Write)?;
    // Whoever was killed while it made the file may have left a name that is only visible.
    match disk.sync_directory(path.parent().unwrap_or(Path::new("/"))) {
        Ok(()) | Err(FileError::Permission { .. }) => {}
        Err(error) => return Err(error),
    }
    let durability = file.durability();
    let media = IoMedia::new(file, options.reserve_len).map_err(failed)?;
    Ok((TargetMedia::File(media), durability))
}

/// Recovers the pool that was found and puts everything around it.
fn assemble(
    found: Found,
    mut config: TargetConfig,
    created: bool,
    begun: Instant,
) -> Result<Target, TargetError> {
    let Found { media, path, place } = found;
    let name = match &path {
        Some(path) => path.display().to_string(),
        None => config.kind.name().to_owned(),
    };
    let options = OpenOptions {
        layout: config.layout,
        require: config.require.filter(|_| place.is_none()),
        read_only: config.changes_nothing(),
        expected_len: config.size,
        recovery: match config.recovery {
            RecoveryMode::None => Recovery::None {
                forced: config.recovery_force,
            },
            RecoveryMode::Full | RecoveryMode::Checkpoint => Recovery::Replay,
        },
    };
    if let Some(path) = path.as_ref().filter(|_| !created) {
        // Where the pool went was somebody's choice; here it only matters whether it is there.
        let disk = LocalDisk::new(&FileOptions {
            allow_foreign_fs: true,
            ..FileOptions::default()
        });
        admit(&disk, path, &media, !config.changes_nothing())?;
    }
    let recovery = Instant::now();
    let opened = Engine::open(Preserved::new(media), &options);
    let (engine, opened) = opened.map_err(|error| TargetError::open(&name, error))?;
    let recovering = recovery.elapsed();
    let regions = serve(engine, config.recovery, &name)?;
    let grown_from = grow(regions.engine(), &config, &opened, &name)?;
    let count = regions.count();
    let len = regions.engine().pool().geometry().len();
    let report = TargetReport {
        kind: config.kind,
        path: path.clone(),
        created,
        len,
        configured_len: opened.expected_len.filter(|_| grown_from.is_none()),
        grown_from,
        regions: count.map_err(|error| TargetError::regions(&name, error))?,
        recovery: opened.recovery,
        mended_copy: opened.mended_copy,
        durability: place.unwrap_or(opened.durability),
        elapsed: begun.elapsed(),
        recovering,
    };
    // What is in force now: where the pool is and how large; what was there has been replaced already.
    config.path = path;
    config.override_if_exists = false;
    config.create_if_missing = Some(config.makes_missing());
    config.size = Some(len);
    let target = Target {
        regions: Arc::new(regions),
        config,
        report,
        place: name,
    };
    target.still_intact()?;
    Ok(target)
}

/// Grows a pool that is smaller than the configuration says, if it asks for that; answers the length it had.
fn grow(
    engine: &Engine<Preserved<TargetMedia>>,
    config: &TargetConfig,
    opened: &OpenReport,
    name: &str,
) -> Result<Option<u64>, TargetError> {
    match opened.expected_len {
        Some(wanted) if config.grow_if_smaller && wanted > opened.len => {
            engine.grow(wanted).map_err(|error| TargetError::Grow {
                place: name.to_owned(),
                error,
            })?;
            Ok(Some(opened.len))
        }
        _ => Ok(None),
    }
}
