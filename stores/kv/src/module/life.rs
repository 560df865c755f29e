//! From `initialize` to `shutdown`, and again.
//!
//! ```text
//! closed ─ initialize ─▶ open ─ shutdown ─▶ closed, with the last metrics
//! ```
//!
//! Both run on a worker and hold the gate, so that two callers at once do it one after another.

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use everline::engine::Identity;
use everline::media::preserve::Preserved;
use everline_region::{Target, TargetConfig, TargetError, TargetMedia};
use parking_lot::Mutex;

use super::work::Workers;
use super::{ModuleError, PMEMConfig, PMEMMetrics, PersistenceMode};
use crate::{Clock, Mode, Store, StoreOptions, Transaction, verify};

/// Threads for operations that wait: commits that run at a time share a sync.
const WORKERS: usize = 4;

/// How long a shutdown waits for operations that are under way, and how often it looks.
const ALONE_WITHIN: Duration = Duration::from_secs(5);
const TURN: Duration = Duration::from_micros(200);

/// What keeps the bytes of a module's pool.
pub(super) type Medium = Preserved<TargetMedia>;

/// A transaction in the table: taken out by whoever ends it (P2).
pub(super) type Slot = Arc<Mutex<Option<Transaction<Medium>>>>;

/// What `initialize` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initialized {
    /// It made a new pool.
    Created,
    /// It opened and recovered the pool that was there.
    Opened,
    /// Nothing: the module was initialized already, and goes on as it was.
    Already,
}

/// A key-value store with asynchronous operations; see the module's documentation.
///
/// `Send` and `Sync`: tasks share it. Operations that wait for the medium run on threads of its own. Dropping it waits for
/// work under way, aborts open transactions and gives the pool's lock back; what was acknowledged stays as durable as it was.
#[derive(Debug)]
pub struct PersistentMemoryModule {
    config: PMEMConfig,
    workers: OnceLock<Workers>,
    shared: Arc<Shared>,
}

/// What the module shares with work under way.
#[derive(Debug, Default)]
struct Shared {
    /// Held while the module opens or closes.
    gate: Mutex<()>,
    state: Mutex<State>,
    clock: Option<Clock>,
}

#[derive(Debug)]
enum State {
    Closed { last: PMEMMetrics },
    Open(Arc<Live>),
}

impl Default for State {
    fn default() -> Self {
        let last = PMEMMetrics::default();
        State::Closed { last }
    }
}

/// What is there between `initialize` and `shutdown`.
#[derive(Debug)]
pub(super) struct Live {
    pub store: Store<Medium>,
    pub transactions: Mutex<HashMap<String, Slot>>,
    /// Before the number of every transaction, so that no identifier of another time is taken for one of now.
    pub session: [u8; 8],
    target: Mutex<Option<Target>>,
}

impl Shared {
    fn live(&self) -> Option<Arc<Live>> {
        match &*self.state.lock() {
            State::Open(live) => Some(Arc::clone(live)),
            State::Closed { .. } => None,
        }
    }

    fn initialize(&self, config: &PMEMConfig) -> Result<Initialized, ModuleError> {
        let _gate = self.gate.lock();
        if self.live().is_some() {
            return Ok(Initialized::Already);
        }
        let live = open(config, self.clock.as_ref())?;
        let created = live
            .target
            .lock()
            .as_ref()
            .is_some_and(|target| target.report().created);
        *self.state.lock() = State::Open(Arc::new(live));
        Ok(match created {
            true => Initialized::Created,
            false => Initialized::Opened,
        })
    }

    fn shutdown(&self) -> Result<PMEMMetrics, ModuleError> {
        let _gate = self.gate.lock();
        let live = self.live().ok_or(ModuleError::NotInitialized)?;
        // From here on every operation is refused (P1); those under way have the store or are told that it is closed.
        *self.state.lock() = State::default();
        live.abort_all();
        let last = live.metrics();
        let closed = live.close();
        live.wait_until_alone();
        let last = last?;
        *self.state.lock() = State::Closed { last };
        closed.map(|()| last)
    }
}

impl Live {
    fn metrics(&self) -> Result<PMEMMetrics, ModuleError> {
        Ok(PMEMMetrics::of(&self.store.metrics()?))
    }

    /// Aborts every open transaction (P3).
    fn abort_all(&self) {
        let open: Vec<Slot> = self
            .transactions
            .lock()
            .drain()
            .map(|(_, slot)| slot)
            .collect();
        for slot in open {
            // Dropped is aborted.
            drop(slot.lock().take());
        }
    }

    /// Waits until nobody else has the pool, so that its lock goes with this. Operations that were under way are refused by
    /// the closed store, and end at once.
    fn wait_until_alone(self: &Arc<Self>) {
        let begun = std::time::Instant::now();
        while (Arc::strong_count(self) > 1 || self.store.is_shared())
            && begun.elapsed() < ALONE_WITHIN
        {
            std::thread::sleep(TURN);
        }
    }

    /// What was committed is made durable, the log is emptied, and the pool's lock given back.
    fn close(&self) -> Result<(), ModuleError> {
        let closed = self.store.close();
        let target = self.target.lock().take();
        let ended = target.map_or(Ok(()), Target::close);
        closed?;
        Ok(ended?)
    }
}

/// Opens the pool of a configuration, or makes it.
fn open(config: &PMEMConfig, clock: Option<&Clock>) -> Result<Live, ModuleError> {
    config.check()?;
    let target = Target::open(TargetConfig {
        recovery: config.recovery_mode,
        ..TargetConfig::pmem(file_in(&config.storage_path)).with_size(config.size)
    })?;
    let options = StoreOptions {
        mode: match config.persistence_mode {
            PersistenceMode::Sync => Mode::Sync,
            PersistenceMode::Async => Mode::Async,
            PersistenceMode::Periodic => Mode::Periodic,
        },
        flush_interval: config.flush_every(),
        checkpoint_interval: Some(config.checkpoint_every()),
        max_log_size: Some(config.max_log_size),
        enable_wal: config.enable_wal,
        clock: clock.cloned().unwrap_or_else(Clock::system),
        recovery_time: target.report().recovering,
        ..StoreOptions::default()
    };
    verify(&target)?;
    let store = Store::open(Arc::clone(target.regions()), &options)?;
    let random = Identity::random().map_err(|error| TargetError::NoIdentity {
        place: config.storage_path.display().to_string(),
        reason: error.to_string(),
    })?;
    let [a, b, c, d, e, f, g, h, ..] = random.pool_id;
    Ok(Live {
        store,
        transactions: Mutex::default(),
        session: [a, b, c, d, e, f, g, h],
        target: Mutex::new(Some(target)),
    })
}

/// The one file of a storage path.
fn file_in(storage: &Path) -> PathBuf {
    match storage.is_file() {
        true => storage.to_path_buf(),
        false => storage.join("pool.pmem"),
    }
}

impl PersistentMemoryModule {
    /// A module that is not initialized: no file is touched. Errors are told by `initialize`.
    pub fn new(config: PMEMConfig) -> Self {
        PersistentMemoryModule {
            config,
            workers: OnceLock::new(),
            shared: Arc::default(),
        }
    }

    /// The same with a clock that a test advances; nothing runs in the background then, see
    /// [`Store::run_due`](crate::Store::run_due).
    pub fn with_clock(config: PMEMConfig, clock: Clock) -> Self {
        let clock = Some(clock);
        PersistentMemoryModule {
            shared: Arc::new(Shared {
                clock,
                ..Shared::default()
            }),
            ..Self::new(config)
        }
    }

    /// What it was made with.
    pub fn config(&self) -> &PMEMConfig {
        &self.config
    }

    /// Whether operations are served.
    pub fn is_initialized(&self) -> bool {
        self.shared.live().is_some()
    }

    /// Opens the pool in `storage_path`, recovers it, and begins to serve; makes it where there is none. Once it is
    /// initialized, another call does nothing and says so.
    ///
    /// Errors: a field that is out of its range, by name; somebody else has the pool open; what
    /// [`Target::open`](everline_region::Target::open) refuses. Cost: recovery, on a thread of the module's. Crash: a new
    /// pool is whole or absent.
    pub async fn initialize(&self) -> Result<Initialized, ModuleError> {
        let (shared, config) = (Arc::clone(&self.shared), self.config.clone());
        self.work(move || shared.initialize(&config))?.await
    }

    /// Aborts what is open, makes everything durable that was committed, empties the log, and gives the pool's lock back.
    /// Answers the last metrics. The module can be initialized again.
    ///
    /// Errors: [`ModuleError::NotInitialized`]; a medium that fails: the module is closed all the same, and what was
    /// acknowledged before stays as durable as it was.
    pub async fn shutdown(&self) -> Result<PMEMMetrics, ModuleError> {
        let shared = Arc::clone(&self.shared);
        self.work(move || shared.shutdown())?.await
    }

    /// The numbers since `initialize`; after `shutdown` the last ones, before `initialize` zeros.
    ///
    /// Errors: the pool's metadata cannot be right. Cost: reads every bitmap of the heap, no wait for the medium.
    pub fn get_metrics(&self) -> Result<PMEMMetrics, ModuleError> {
        let live = match &*self.shared.state.lock() {
            State::Open(live) => Arc::clone(live),
            State::Closed { last } => return Ok(*last),
        };
        live.metrics()
    }

    /// What is open. Errors: nothing is (P1).
    pub(super) fn live(&self) -> Result<Arc<Live>, ModuleError> {
        self.shared.live().ok_or(ModuleError::NotInitialized)
    }

    /// Has `work` done on a thread of the module's.
    pub(super) fn work<T, F>(
        &self,
        work: F,
    ) -> Result<impl Future<Output = Result<T, ModuleError>> + Send + use<T, F>, ModuleError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, ModuleError> + Send + 'static,
    {
        let workers = match self.workers.get() {
            Some(workers) => workers,
            None => {
                let started = Workers::start(WORKERS).map_err(|error| ModuleError::NoThread {
                    reason: error.to_string(),
                })?;
                // Of two that start at once, one is dropped without work.
                self.workers.get_or_init(|| started)
            }
        };
        let answer = workers.run(work);
        Ok(async move { answer.await.unwrap_or(Err(ModuleError::Panicked)) })
    }
}
