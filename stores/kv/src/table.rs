//! Open transactions: what each has read and written, and in which state it is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use everline::media::Media;
use everline::tree::TreeEdit;
use everline::tx::Tx;
use parking_lot::Mutex;

use crate::Isolation;
use crate::KvError;
use crate::change::Done;
use crate::core::Outcome;
use crate::history::History;
use crate::reads::ReadSet;
use crate::space_state::SpaceState;
use crate::writes::WriteSet;

/// Where a transaction is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TxState {
    /// It reads and writes.
    Active,
    /// It is being committed.
    Preparing,
    /// It is committed.
    Committed,
    /// It is aborted.
    Aborted,
}

impl fmt::Display for TxState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TxState::Active => "active",
            TxState::Preparing => "preparing",
            TxState::Committed => "committed",
            TxState::Aborted => "aborted",
        })
    }
}

/// A key in a keyspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpaceKey {
    /// The keyspace's name; empty for the default one.
    pub space: String,
    /// The key.
    pub key: Vec<u8>,
}

/// An open transaction, as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionInfo {
    /// Its identifier: unique while the store is open.
    pub id: u64,
    /// Where it is in its life.
    pub state: TxState,
    /// How it sees others.
    pub isolation: Isolation,
    /// The last commit that it sees.
    pub snapshot: u64,
    /// Since it began.
    pub age: Duration,
    /// Keys that it has read, present or not, each once, in order; of a transaction with snapshot isolation a thousand.
    pub reads: Vec<SpaceKey>,
    /// Ranges that it has scanned, and reads that are not listed.
    pub other_reads: u64,
    /// Keys that it has put or deleted, each once, in order.
    pub writes: Vec<SpaceKey>,
}

/// A transaction, as its owner and the store share it.
#[derive(Debug)]
pub(crate) struct TxShared {
    pub id: u64,
    pub isolation: Isolation,
    pub snapshot: u64,
    pub began: Duration,
    pub inner: Mutex<TxInner>,
}

/// What changes of it.
#[derive(Debug)]
pub(crate) struct TxInner {
    pub state: TxState,
    pub writes: WriteSet,
    pub reads: ReadSet,
    /// The keyspaces that it touches.
    spaces: Vec<Arc<SpaceState>>,
    /// Whether its snapshot is open.
    pub has_snapshot: bool,
    /// Savepoints of higher numbers were rolled back over.
    pub savepoints: Vec<u64>,
    pub next_savepoint: u64,
}

impl TxShared {
    pub fn new(id: u64, isolation: Isolation, snapshot: u64, began: Duration) -> Self {
        TxShared {
            id,
            isolation,
            snapshot,
            began,
            inner: Mutex::new(TxInner {
                state: TxState::Active,
                writes: WriteSet::default(),
                reads: ReadSet::default(),
                spaces: Vec::new(),
                has_snapshot: true,
                savepoints: Vec::new(),
                next_savepoint: 0,
            }),
        }
    }

    pub fn is_serializable(&self) -> bool {
        self.isolation == Isolation::Serializable
    }

    /// Errors: [`KvError::Finished`].
    pub fn check_active<E: std::error::Error + 'static>(
        &self,
        inner: &TxInner,
    ) -> Result<(), KvError<E>> {
        match inner.state {
            TxState::Active => Ok(()),
            state => Err(KvError::Finished { id: self.id, state }),
        }
    }

    /// What others may know of it.
    pub fn info(&self, now: Duration) -> TransactionInfo {
        let inner = self.inner.lock();
        let named = |(space, key): (u32, &[u8])| SpaceKey {
            space: inner.space(space).name.clone(),
            key: key.to_vec(),
        };
        let unique = |mut keys: Vec<SpaceKey>| {
            keys.sort();
            keys.dedup();
            keys
        };
        let writes = inner.writes.iter().map(|write| (write.space, write.key));
        TransactionInfo {
            id: self.id,
            state: inner.state,
            isolation: self.isolation,
            snapshot: self.snapshot,
            age: now.saturating_sub(self.began),
            reads: unique(inner.reads.keys().map(named).collect()),
            other_reads: inner.reads.ranges().count() as u64 + inner.reads.unlisted(),
            writes: unique(writes.map(named).collect()),
        }
    }
}

impl TxInner {
    /// Notes that the transaction touches `space`.
    pub fn touch(&mut self, space: &Arc<SpaceState>) {
        if !self.spaces.iter().any(|known| known.id == space.id) {
            self.spaces.push(Arc::clone(space));
        }
    }

    /// A keyspace that it touches.
    pub fn space(&self, id: u32) -> &Arc<SpaceState> {
        match self.spaces.iter().find(|space| space.id == id) {
            Some(space) => space,
            None => unreachable!("noted before anything of it was read or written"),
        }
    }

    /// The keyspaces that it touches.
    pub fn spaces(&self) -> &[Arc<SpaceState>] {
        &self.spaces
    }

    /// Errors: a keyspace that it touches was dropped.
    pub fn spaces_alive<E: std::error::Error + 'static>(&self) -> Result<(), KvError<E>> {
        self.spaces.iter().try_for_each(|space| space.alive())
    }

    /// The first key that others have changed, of those that matter.
    pub fn first_conflict(&self, history: &History, shared: &TxShared) -> Option<(u32, Vec<u8>)> {
        let snapshot = shared.snapshot;
        let own = |(space, key): (u32, &[u8])| (space, key.to_vec());
        let changed = |(space, key): &(u32, &[u8])| history.is_changed(snapshot, *space, key);
        let writes = self.writes.iter().map(|write| (write.space, write.key));
        let written = || writes.into_iter().find(changed).map(own);
        if !shared.is_serializable() {
            return written();
        }
        let in_range = |(space, bounds): (u32, &crate::bounds::Bounds)| {
            let keys = history.range(snapshot, space, bounds)?;
            keys.first().map(|(key, _)| (space, key.to_vec()))
        };
        written()
            .or_else(|| self.reads.keys().find(changed).map(own))
            .or_else(|| self.reads.ranges().find_map(in_range))
    }

    /// Puts and deletes in `tx`, in their order.
    pub fn apply<M: Media>(&self, edit: &mut TreeEdit, tx: &mut Tx<'_, M>) -> Outcome<Done, M> {
        let mut done = Done::default();
        for write in self.writes.iter() {
            let tree = &self.space(write.space).tree;
            let changed = match write.value {
                Some(value) => edit.put(tx, tree, write.key, value).map(|_| true)?,
                None => edit.remove(tx, tree, write.key)?,
            };
            done.changed |= changed;
        }
        Ok(done)
    }

    /// Ends it; what it held in memory goes.
    pub fn end(&mut self, state: TxState) {
        self.state = state;
        self.writes.clear();
        self.reads.clear();
        self.spaces.clear();
        self.savepoints.clear();
    }
}

/// The open transactions of a store.
#[derive(Debug, Default)]
pub(crate) struct Table {
    open: BTreeMap<u64, Arc<TxShared>>,
    last_id: u64,
}

impl Table {
    /// An identifier that no transaction had since the store was opened.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub fn add(&mut self, shared: &Arc<TxShared>) {
        self.open.insert(shared.id, Arc::clone(shared));
    }

    pub fn remove(&mut self, id: u64) {
        self.open.remove(&id);
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn all(&self) -> Vec<Arc<TxShared>> {
        self.open.values().cloned().collect()
    }
}
