//! What all handles of an open store share.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use everline::engine::Engine;
use everline::layout::Corrupt;
use everline::media::Media;
use everline::tree::{Tree, TreeEdit, TreeOptions, Versions};
use everline::tx::Tx;
use everline::units::Padded;
use everline_region::Regions;
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::background::{Signal, Thread};
use crate::claim::Claim;
use crate::counters::{Counters, Event};
use crate::due::Schedule;
use crate::hash::KeyHash;
use crate::history::{History, Past};
use crate::lead::{Committed, Job};
use crate::space_state::{SpaceState, Spaces};
use crate::stamps::Stamps;
use crate::table::Table;
use crate::waiting::Waiting;
use crate::window::Window;
use crate::{Clock, KvError, StoreOptions};

/// What an operation of a store on `M` answers.
pub(crate) type Outcome<T, M> = Result<T, KvError<<M as Media>::SyncError>>;

/// The answer to a queued commit.
type Answer<M> = Outcome<Committed, M>;

/// An open store.
pub(crate) struct Core<M: Media> {
    pub regions: Arc<Regions<M>>,
    /// By which readers learn that a node is being stored to.
    pub versions: Versions,
    /// For the writer itself, which reads what is there while it has the nodes marked: nobody ever marks these.
    quiet: Versions,
    pub hash: KeyHash,
    pub stamps: Stamps,
    /// The last commit that new snapshots see (K1).
    applied: Padded<AtomicU64>,
    /// Open snapshots; a commit that finds none keeps no old values (K2).
    active: AtomicUsize,
    pub history: Mutex<History>,
    pub table: Mutex<Table>,
    writer: Mutex<Writer>,
    pub waiting: Waiting<Job, Answer<M>>,
    /// Where commits wait in the modes that make them durable later.
    pub window: Option<Window<M::SyncError>>,
    pub spaces: RwLock<Spaces>,
    pub schedule: Schedule,
    pub clock: Clock,
    pub last_checkpoint: Mutex<Duration>,
    pub max_log_size: Option<u64>,
    version_bytes_max: usize,
    pub tree_options: TreeOptions,
    pub recovery_time: Duration,
    pub counters: Counters,
    pub signal: Arc<Signal>,
    /// What does things in time, where anything does.
    pub thread: OnceLock<Thread>,
    closed: AtomicBool,
    /// Given up when the store is closed; locked while it is being closed.
    pub claim: Mutex<Option<Claim>>,
}

/// What only the holder of the writers' lock touches.
#[derive(Debug)]
pub(crate) struct Writer {
    pub edit: TreeEdit,
    /// Names of keyspaces, and where their trees are.
    pub catalogue: Tree,
    /// Memory for values that are read to be changed.
    pub scratch: Vec<u8>,
}

/// The writers' lock. When it is let go of, whoever waits first is woken.
pub(crate) struct WriterGuard<'c, M: Media> {
    core: &'c Core<M>,
    /// Taken out when it is dropped.
    guard: Option<MutexGuard<'c, Writer>>,
}

impl<M: Media> Deref for WriterGuard<'_, M> {
    type Target = Writer;

    #[inline]
    fn deref(&self) -> &Writer {
        match &self.guard {
            Some(guard) => guard,
            None => unreachable!("taken out only when it is dropped"),
        }
    }
}

impl<M: Media> DerefMut for WriterGuard<'_, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Writer {
        match &mut self.guard {
            Some(guard) => guard,
            None => unreachable!("taken out only when it is dropped"),
        }
    }
}

impl<M: Media> Drop for WriterGuard<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.edit.clear(); // what was half done is nobody's
        }
        drop(self.guard.take());
        self.core.waiting.wake_first(); // keeps K6
    }
}

impl<M: Media> Core<M> {
    pub fn new(
        regions: Arc<Regions<M>>,
        catalogue: Tree,
        spaces: Spaces,
        options: &StoreOptions,
        claim: Claim,
    ) -> Self {
        let last = regions.engine().log().status().last_timestamp;
        let schedule = Schedule::new(options);
        let window = schedule
            .has_window()
            .then(|| Window::new(last, options.window_bytes_max));
        Core {
            regions,
            versions: Versions::new(options.stripe_bits),
            quiet: Versions::new(1),
            hash: KeyHash::random(),
            stamps: Stamps::new(options.stripe_bits),
            applied: Padded(AtomicU64::new(last)),
            active: AtomicUsize::new(0),
            history: Mutex::new(History::new(options.version_bytes_max)),
            table: Mutex::default(),
            writer: Mutex::new(Writer {
                edit: TreeEdit::new(),
                catalogue,
                scratch: Vec::new(),
            }),
            waiting: Waiting::default(),
            window,
            spaces: RwLock::new(spaces),
            schedule,
            clock: options.clock.clone(),
            last_checkpoint: Mutex::new(options.clock.now()),
            max_log_size: options.max_log_size,
            version_bytes_max: options.version_bytes_max,
            tree_options: options.tree,
            recovery_time: options.recovery_time,
            counters: Counters::default(),
            signal: Arc::default(),
            thread: OnceLock::new(),
            closed: AtomicBool::new(false),
            claim: Mutex::new(Some(claim)),
        }
    }

    #[inline]
    pub fn engine(&self) -> &Engine<M> {
        self.regions.engine()
    }

    /// Errors: the store is closed, or the pool serves nobody any more.
    #[inline]
    pub fn serving(&self) -> Outcome<(), M> {
        // Relaxed: whoever must not be late asks again under a lock.
        if self.closed.load(Ordering::Relaxed) {
            return Err(KvError::Closed);
        }
        Ok(self.regions.serving()?)
    }

    /// Refuses everything from now on; answers whether it did not do so before.
    pub fn shut(&self) -> bool {
        !self.closed.swap(true, Ordering::SeqCst)
    }

    /// The last commit that everybody sees.
    #[inline]
    pub fn applied(&self) -> u64 {
        self.applied.0.load(Ordering::SeqCst) // see `publish`
    }

    /// The writers' lock, if nobody has it and nobody waits for it.
    #[inline]
    pub fn try_writer(&self) -> Option<WriterGuard<'_, M>> {
        let guard = self.writer.try_lock()?;
        Some(WriterGuard {
            core: self,
            guard: Some(guard),
        })
    }

    /// The writers' lock.
    pub fn writer(&self) -> WriterGuard<'_, M> {
        WriterGuard {
            core: self,
            guard: Some(self.writer.lock()),
        }
    }

    /// A transaction of the core, under the writers' lock.
    #[inline]
    pub fn begin_tx(&self) -> Outcome<Tx<'_, M>, M> {
        self.serving()?;
        Ok(self.regions.begin()?)
    }

    /// Makes what was edited durable and visible; `publish` runs when it is the one and not yet the other. Answers the
    /// timestamp, 0 where nothing was changed.
    #[inline]
    pub fn commit_edit(
        &self,
        edit: &mut TreeEdit,
        mut tx: Tx<'_, M>,
        publish: impl FnOnce(),
    ) -> Outcome<u64, M> {
        if let Err(error) = edit.stage(&mut tx) {
            drop(tx);
            edit.clear();
            return Err(error.into());
        }
        let outcome = tx.commit_between(|_timestamp| {
            let locked = edit.lock(&self.versions);
            publish();
            locked
        });
        edit.clear();
        Ok(outcome?.timestamp)
    }

    /// Tells readers of `count` commits behind `base`, between their wait and their homes (K1, K2, K3).
    ///
    /// The nodes that change are marked by now: whoever gets a snapshot with these commits waits for their homes. Whoever
    /// has an older one is counted in `active` before it read `applied`, so that one of the two sees the other.
    #[inline]
    pub fn publish(&self, base: u64, count: u64, touched: &impl Touched) {
        touched.each(|number, _, hash, _| self.stamps.set(hash, base + 1 + number));
        // SeqCst, as the two in `open_snapshot`: in their one order, either the commit is seen or the snapshot is.
        self.applied.0.store(base + count, Ordering::SeqCst);
        if self.active.load(Ordering::SeqCst) != 0 {
            self.remember(base, touched);
        }
    }

    /// Keeps what the commits behind `base` are about to replace: it is still in its homes.
    #[cold]
    fn remember(&self, base: u64, touched: &impl Touched) {
        let mut replaced = Vec::new();
        touched.each(|number, space, _, key| {
            let value = self.replaced(space, key);
            replaced.push((base + 1 + number, space.id, key.to_vec(), value));
        });
        let mut history = self.history.lock();
        for (sequence, space, key, value) in replaced {
            match value {
                Ok(value) => history.note(sequence, space, &key, value.as_deref()),
                Err(()) => history.lose(sequence),
            }
        }
    }

    /// What lies at `key` now, for the writer. Errors: it cannot be kept. Damage is told to whoever reads it; here it means
    /// that nobody knows what there was.
    fn replaced(&self, space: &SpaceState, key: &[u8]) -> Result<Option<Vec<u8>>, ()> {
        let reader = space.tree.reader(self.engine(), &self.quiet);
        match reader.find(key) {
            Ok(None) => return Ok(None),
            Ok(Some(found)) if found.len <= self.version_bytes_max => {}
            _ => return Err(()),
        }
        let mut old = Vec::new();
        let found = reader.get(key, &mut old).map_err(drop)?;
        Ok(found.then_some(old))
    }

    /// Takes a snapshot: everything up to the answer is seen, nothing behind it.
    pub fn open_snapshot(&self) -> u64 {
        let mut history = self.history.lock();
        self.active.fetch_add(1, Ordering::SeqCst); // before the load; see `publish`
        let snapshot = self.applied();
        history.open(snapshot);
        snapshot
    }

    pub fn close_snapshot(&self, snapshot: u64) {
        let mut history = self.history.lock();
        self.active.fetch_sub(1, Ordering::SeqCst);
        history.close(snapshot);
    }

    /// Whether old values are needed; asked under the lock of the history by whoever publishes under it.
    pub fn has_snapshots(&self) -> bool {
        self.active.load(Ordering::SeqCst) != 0
    }

    /// Publishes `sequence` under the lock of the history.
    pub fn set_applied(&self, sequence: u64) {
        self.applied.0.store(sequence, Ordering::SeqCst);
    }

    /// The newest value of `key`; `false`, and nothing in `into`, where there is none.
    #[inline]
    pub fn get(&self, space: &SpaceState, key: &[u8], into: &mut Vec<u8>) -> Outcome<bool, M> {
        self.counters.add(Event::Reads, 1);
        self.serving()?;
        self.get_newest(space, key, into)
    }

    #[inline]
    pub fn get_newest(
        &self,
        space: &SpaceState,
        key: &[u8],
        into: &mut Vec<u8>,
    ) -> Outcome<bool, M> {
        if let Some(window) = &self.window {
            let hash = self.hash.of(space.id, key);
            if let Some(late) = window.get(space.id, self.stamps.get(hash), key) {
                return Ok(replace(into, late.value.as_deref()));
            }
        }
        let reader = space.tree.reader(self.engine(), &self.versions);
        let found = reader.try_get(key, into);
        match space.still(found)? {
            Some(found) => Ok(found),
            None => self.get_contended(space, key, into),
        }
    }

    /// A big value that others replace while it is read: a snapshot keeps what they replace.
    #[cold]
    fn get_contended(
        &self,
        space: &SpaceState,
        key: &[u8],
        into: &mut Vec<u8>,
    ) -> Outcome<bool, M> {
        loop {
            let snapshot = self.open_snapshot();
            let found = self.get_at(snapshot, space, key, into);
            self.close_snapshot(snapshot);
            match found {
                // Larger than the memory for old values: only a moment without a writer helps.
                Err(KvError::SnapshotTooOld { .. }) => std::thread::yield_now(),
                found => return found,
            }
        }
    }

    /// The value of `key` at `snapshot`, which is open.
    pub fn get_at(
        &self,
        snapshot: u64,
        space: &SpaceState,
        key: &[u8],
        into: &mut Vec<u8>,
    ) -> Outcome<bool, M> {
        let hash = self.hash.of(space.id, key);
        for _ in 0..READS_AT_MOST {
            let now = self.get_and_sequence(space, hash, key, into)?;
            if let Some((found, sequence)) = now
                && sequence <= snapshot
            {
                return Ok(found); // keeps K3
            }
            let history = self.history.lock();
            match (history.at(snapshot, space.id, key), now) {
                (Past::Unchanged, Some((found, _))) => return Ok(found),
                // What is replaced is in the history before its bytes go: only damage comes here again and again.
                (Past::Unchanged, None) => {}
                (Past::Was(value), _) => return Ok(replace(into, value.as_deref())),
                (Past::TooOld, _) => {
                    return Err(KvError::SnapshotTooOld {
                        snapshot,
                        oldest: history.floor(),
                    });
                }
            }
        }
        let what = "the bytes of a value of this tree do not match their checksum";
        Err(Corrupt::new(space.tree.place(), what).into())
    }

    /// The newest value of `key`, and a commit that is not before the last one that changed it; `None` where its bytes are
    /// being replaced.
    fn get_and_sequence(
        &self,
        space: &SpaceState,
        hash: u64,
        key: &[u8],
        into: &mut Vec<u8>,
    ) -> Outcome<Option<(bool, u64)>, M> {
        if let Some(window) = &self.window
            && let Some(late) = window.get(space.id, self.stamps.get(hash), key)
        {
            return Ok(Some((replace(into, late.value.as_deref()), late.sequence)));
        }
        let reader = space.tree.reader(self.engine(), &self.versions);
        let found = space.still(reader.try_get(key, into))?;
        Ok(found.map(|found| (found, self.stamps.get(hash))))
    }
}

/// How often a value is read whose bytes do not match, although nobody has replaced it.
const READS_AT_MOST: u32 = 64;

/// Puts a value, or nothing, in place of what `into` holds; answers whether there is one.
#[inline]
pub(crate) fn replace(into: &mut Vec<u8>, value: Option<&[u8]>) -> bool {
    into.clear();
    into.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

/// The keys that some commits change.
pub(crate) trait Touched {
    /// Calls `visit` with the number of the commit among them, keyspace, hash and key of each.
    fn each(&self, visit: impl FnMut(u64, &SpaceState, u64, &[u8]));
}

/// One key of one commit.
pub(crate) struct OneKey<'k> {
    pub space: &'k SpaceState,
    pub hash: u64,
    pub key: &'k [u8],
}

impl Touched for OneKey<'_> {
    #[inline]
    fn each(&self, mut visit: impl FnMut(u64, &SpaceState, u64, &[u8])) {
        visit(0, self.space, self.hash, self.key);
    }
}
