//! Commits of the weaker modes: they end in memory, and become durable later, in their order and whole.
//!
//! ```text
//! commit   order ─▶ validate ─▶ history: note what is replaced ─▶ overlay, stamps, applied ─▶ receipt with ticket
//! flush    writers' lock ─▶ front of the queue ─▶ one transaction of the core ─▶ flushed, overlay, tickets
//! ```
//!
//! A reader looks into the overlay only where the stamp of its key is above `flushed`; elsewhere it takes no lock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use everline::media::Media;
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::KvError;
use crate::change::{Change, check_value};
use crate::core::{Core, Outcome, Writer};
use crate::lead::Committed;
use crate::overlay::{Late, LateCommit, LateWrite, Overlay};
use crate::space_state::SpaceState;
use crate::table::TxShared;
use crate::ticket::Progress;

/// Bytes that one transaction of the core makes durable, unless a single commit has more.
const FLUSH_BYTES_MAX: usize = 4 << 20;

/// What waits in memory.
#[derive(Debug)]
pub(crate) struct Window<E: std::error::Error + 'static> {
    /// Held by whoever commits, from its validation to its place in the overlay; taken after the writers' lock.
    order: Mutex<()>,
    pub overlay: RwLock<Overlay>,
    /// Commits up to this one are in the trees.
    flushed: AtomicU64,
    pub progress: Arc<Progress<E>>,
    bytes_max: usize,
}

impl<E: std::error::Error + Clone + 'static> Window<E> {
    pub fn new(last: u64, bytes_max: usize) -> Self {
        Window {
            order: Mutex::new(()),
            overlay: RwLock::default(),
            flushed: AtomicU64::new(last),
            progress: Arc::new(Progress::new(last)),
            bytes_max,
        }
    }

    /// What a waiting commit says about a key whose stamp is `stamp`.
    #[inline]
    pub fn get(&self, space: u32, stamp: u64, key: &[u8]) -> Option<Late> {
        // Acquire pairs with the release in `settle`: what is flushed is in the tree.
        if stamp <= self.flushed.load(Ordering::Acquire) {
            return None;
        }
        self.overlay.read().get(space, key).cloned()
    }

    /// Keeps commits out.
    pub fn lock(&self) -> MutexGuard<'_, ()> {
        self.order.lock()
    }

    /// Commits up to `sequence` are durable and in the trees.
    pub fn settle(&self, sequence: u64) {
        self.flushed.store(sequence, Ordering::Release); // pairs with `get`
        self.overlay.write().drop_through(sequence);
        self.progress.reach(sequence);
    }

    /// Errors: [`KvError::Behind`]. Where there is only no room, whoever `frees` some goes on.
    fn keeps_up(&self, frees: bool) -> Result<(), KvError<E>> {
        match self.progress.failure() {
            Some(cause) if frees && is_full(&cause) => Ok(()),
            Some(cause) => Err(KvError::Behind {
                cause: Box::new(cause),
            }),
            None => Ok(()),
        }
    }
}

impl<M: Media> Core<M> {
    /// One change by itself, not durable yet.
    pub fn commit_single_late(
        &self,
        window: &Window<M::SyncError>,
        space: &Arc<SpaceState>,
        key: &[u8],
        change: Change<'_>,
    ) -> Outcome<Committed, M> {
        let order = window.lock();
        self.may_commit_late(window, matches!(change, Change::Delete))?;
        space.alive()?;
        let mut old = Vec::new();
        let found = match change {
            Change::Put(_) => false,
            _ => self.get_newest(space, key, &mut old)?,
        };
        let mut made = Vec::new();
        let (value, done) = change.decide(found.then_some(&*old), &mut made);
        let mut committed = Committed {
            done,
            sequence: self.applied(),
            lsn: 0,
        };
        if done.changed {
            check_value(value.map_or(0, <[u8]>::len))?;
            let write = LateWrite {
                space: Arc::clone(space),
                key: Arc::from(key),
                value: value.map(Arc::from),
            };
            committed.sequence = self.append_late(window, vec![write]);
        }
        drop(order);
        self.crowded(window)?;
        Ok(committed)
    }

    /// A transaction, not durable yet; its snapshot is closed in any case.
    pub fn commit_shared_late(
        &self,
        window: &Window<M::SyncError>,
        shared: &TxShared,
    ) -> Outcome<Committed, M> {
        let order = window.lock();
        self.validate(shared, true)?;
        let writes = late_writes(shared);
        self.may_commit_late(window, writes.iter().all(|write| write.value.is_none()))?;
        let sequence = self.append_late(window, writes);
        drop(order);
        self.crowded(window)?;
        Ok(Committed {
            sequence,
            ..Committed::default()
        })
    }

    /// Errors: what is committed now would never become durable.
    fn may_commit_late(&self, window: &Window<M::SyncError>, frees: bool) -> Outcome<(), M> {
        self.serving()?;
        window.keeps_up(frees)?;
        if self.engine().is_read_only() {
            return Err(KvError::ReadOnly);
        }
        match self.engine().pool().health().is_poisoned() {
            true => Err(KvError::Poisoned),
            false => Ok(()),
        }
    }

    /// Puts a commit behind the others; `order` is held. It cannot fail: nothing is noted of a commit that is not there (K8).
    fn append_late(&self, window: &Window<M::SyncError>, writes: Vec<LateWrite>) -> u64 {
        let sequence = self.applied() + 1;
        let mut replaced = None;
        // Whoever takes a snapshot does so before this commit or behind it; what it replaces is read without the lock.
        let mut history = loop {
            let history = self.history.lock();
            if replaced.is_some() || !self.has_snapshots() {
                break history;
            }
            drop(history);
            replaced = Some(self.replaced_late(&writes));
        };
        for (write, old) in writes.iter().zip(replaced.into_iter().flatten()) {
            match old {
                Ok(old) => history.note(sequence, write.space.id, &write.key, old.as_deref()),
                Err(()) => history.lose(sequence),
            }
        }
        let mut overlay = window.overlay.write();
        let first = overlay.is_empty();
        for write in &writes {
            let hash = self.hash.of(write.space.id, &write.key);
            self.stamps.set(hash, sequence); // readers that see it wait for the overlay
        }
        overlay.push(self.clock.now(), sequence, writes);
        self.set_applied(sequence);
        drop(overlay);
        drop(history);
        if first {
            self.signal.poke();
        }
        sequence
    }

    /// What lies at the keys of `writes` now; `order` is held. Damage is told to whoever reads it: here it only means that
    /// nobody knows what there was.
    fn replaced_late(&self, writes: &[LateWrite]) -> Vec<Result<Option<Vec<u8>>, ()>> {
        let read = |write: &LateWrite| {
            let mut old = Vec::new();
            let found = self.get_newest(&write.space, &write.key, &mut old);
            found.map(|found| found.then_some(old)).map_err(drop)
        };
        writes.iter().map(read).collect()
    }

    /// Flushes at once what takes too much memory.
    fn crowded(&self, window: &Window<M::SyncError>) -> Outcome<(), M> {
        if window.overlay.read().bytes() <= window.bytes_max {
            return Ok(());
        }
        // The commit stands; that it cannot be made durable is told by its ticket and to whoever commits next.
        let _behind = self.flush(window);
        Ok(())
    }

    /// Makes every commit before the call durable. Errors: [`KvError::Behind`].
    pub fn flush(&self, window: &Window<M::SyncError>) -> Outcome<(), M> {
        let mut writer = self.writer();
        self.flush_with(window, &mut writer)
    }

    /// The same for whoever has the writers' lock.
    pub fn flush_with(&self, window: &Window<M::SyncError>, writer: &mut Writer) -> Outcome<(), M> {
        let through = self.applied();
        let mut most = usize::MAX;
        loop {
            let mut commits = window.overlay.read().front(through, FLUSH_BYTES_MAX);
            commits.truncate(most);
            let Some(last) = commits.last() else {
                return Ok(());
            };
            let flushed = match self.flush_commits(writer, &commits) {
                Ok(_) => Ok(last.sequence),
                // Perhaps fewer fit into the log.
                Err(error) if commits.len() > 1 && !error.is_fatal() => {
                    most = commits.len() / 2;
                    continue;
                }
                Err(cause) if is_full(&cause) => self.flush_all(window, writer, through, cause),
                Err(cause) => Err(cause),
            };
            match flushed {
                Ok(sequence) => {
                    window.settle(sequence);
                    self.limit_log();
                }
                Err(cause) => {
                    window.progress.fail(cause.clone());
                    let cause = Box::new(cause);
                    return Err(KvError::Behind { cause });
                }
            }
        }
    }

    /// Everything that waits in one transaction, since the first commit by itself has no room: a later one may have deleted
    /// what it puts. Answers the last one. Errors: `cause`, where there is no other commit, or why not all of them.
    fn flush_all(
        &self,
        window: &Window<M::SyncError>,
        writer: &mut Writer,
        through: u64,
        cause: KvError<M::SyncError>,
    ) -> Outcome<u64, M> {
        let commits = window.overlay.read().front(through, usize::MAX);
        match &*commits {
            [_, .., last] => self.flush_commits(writer, &commits).map(|_| last.sequence),
            _ => Err(cause),
        }
    }

    /// Whole commits in one transaction of the core; of a key only the last write.
    fn flush_commits(&self, writer: &mut Writer, commits: &[Arc<LateCommit>]) -> Outcome<u64, M> {
        let mut last = BTreeMap::new();
        for write in commits.iter().flat_map(|commit| &commit.writes) {
            last.insert((write.space.id, &write.key), write);
        }
        let mut tx = self.regions.begin()?;
        let edit = &mut writer.edit;
        let applied = last.values().try_for_each(|write| {
            let tree = &write.space.tree;
            match &write.value {
                Some(value) => edit.put(&mut tx, tree, &write.key, value)?,
                None => edit.remove(&mut tx, tree, &write.key)?,
            };
            Ok(())
        });
        if let Err(error) = applied {
            drop(tx);
            edit.clear();
            return Err(error);
        }
        self.commit_edit(edit, tx, || {})
    }
}

/// Whether commits fail for want of room, and not of anything else.
fn is_full<E: std::error::Error + 'static>(error: &KvError<E>) -> bool {
    matches!(error, KvError::NoSpace { .. } | KvError::LogFull { .. })
}

/// The last write of each key.
fn late_writes(shared: &TxShared) -> Vec<LateWrite> {
    let inner = shared.inner.lock();
    let mut writes = Vec::with_capacity(inner.writes.len());
    for space in inner.spaces() {
        for write in inner.writes.sorted(space.id) {
            writes.push(LateWrite {
                space: Arc::clone(space),
                key: Arc::from(write.key),
                value: write.value.map(Arc::from),
            });
        }
    }
    writes
}
