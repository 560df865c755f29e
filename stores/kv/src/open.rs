//! A store with a pool of its own: opened by its path, or as a configuration says.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use everline::media::Errno;
use everline::media::preserve::Preserved;
use everline_region::{Target, TargetConfig, TargetError, TargetMedia};

use crate::{KvError, Store, StoreOptions, verify};

/// Bytes of a pool that [`open`] makes; the file takes what is used.
pub const POOL_BYTES_DEFAULT: u64 = 64 << 20;

/// A store on a target, whatever keeps its bytes.
pub type TargetStore = Store<Preserved<TargetMedia>>;

/// How a pool with a store is opened.
#[derive(Clone, Debug, Default)]
pub struct StoreConfig {
    /// The pool: a mapped file, a file, memory.
    pub target: TargetConfig,
    /// The store in it.
    pub options: StoreOptions,
}

/// Why a pool with a store was not opened or closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The pool.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The store in it.
    #[error(transparent)]
    Store(#[from] KvError<Errno>),
}

/// A store and the pool that was opened for it. Dereferences to [`Store`].
///
/// Dropping it stores nothing; the pool's lock goes with the last handle of the store.
#[derive(Debug)]
pub struct OpenStore {
    store: TargetStore,
    target: Target,
}

/// Opens the store at `path`: a file, or a directory whose `pool.pmem` is meant. Where there is none, a pool of 64 MiB is made.
///
/// Errors: as of [`StoreConfig::open`].
pub fn open(path: impl Into<PathBuf>) -> Result<OpenStore, OpenError> {
    let config = StoreConfig {
        target: TargetConfig::pmem(path).with_size(POOL_BYTES_DEFAULT),
        options: StoreOptions::default(),
    };
    config.open()
}

impl StoreConfig {
    /// Opens pool and store, and makes them where the configuration says so.
    ///
    /// Errors: as of [`Target::open`] and [`Store::open`]. Cost and crash: the same.
    pub fn open(self) -> Result<OpenStore, OpenError> {
        let begun = std::time::Instant::now();
        let target = Target::open(self.target)?;
        let options = StoreOptions {
            recovery_time: self.options.recovery_time + begun.elapsed(),
            ..self.options
        };
        OpenStore::on(target, &options)
    }
}

impl OpenStore {
    /// The store in a pool that is open; where its configuration says recovery `full`, every keyspace is verified first.
    /// Errors: as of [`verify`] and [`Store::open`].
    pub fn on(target: Target, options: &StoreOptions) -> Result<Self, OpenError> {
        verify(&target)?;
        let store = Store::open(Arc::clone(target.regions()), options)?;
        Ok(OpenStore { store, target })
    }

    /// The pool.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// A handle to the store that outlives this one.
    pub fn store(&self) -> &TargetStore {
        &self.store
    }

    /// Closes store and pool: see [`Store::close`] and [`Target::close`].
    pub fn close(self) -> Result<(), OpenError> {
        self.store.close()?;
        Ok(self.target.close()?)
    }
}

impl Deref for OpenStore {
    type Target = TargetStore;

    fn deref(&self) -> &TargetStore {
        &self.store
    }
}
