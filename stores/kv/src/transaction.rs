//! Transactions: one moment of the store, and writes that become visible and durable together.

use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;

use everline::media::Media;
use parking_lot::MutexGuard;

use crate::bounds::Bounds;
use crate::change::{Change, Done, check_key, check_value};
use crate::core::{Core, Outcome, replace};
use crate::counters::Event;
use crate::lead::Committed;
use crate::scan::Scan;
use crate::space_state::SpaceState;
use crate::table::{TxInner, TxShared};
use crate::writes::Mark;
use crate::{Condition, Direction, Isolation, KvError, Receipt, Space, TxState};

/// A transaction: reads see the moment at which it began and its own writes, and nobody sees these before it commits.
///
/// It owns what it needs and can be sent to another thread. It blocks nobody and nobody blocks it; what others have changed
/// meanwhile is found at [`Transaction::commit`]. Dropping it aborts it, also in a panic. While it is open, old values that it
/// may need stay in memory, up to [`version_bytes_max`](crate::StoreOptions::version_bytes_max).
///
/// Methods without a keyspace mean the default one; [`Transaction::on`] chooses another.
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction<M: Media> {
    pub(crate) core: Arc<Core<M>>,
    pub(crate) shared: Arc<TxShared>,
    default: Arc<SpaceState>,
}

/// A moment in a transaction to which it can return.
#[derive(Clone, Copy, Debug)]
pub struct Savepoint {
    transaction: u64,
    number: u64,
    mark: Mark,
}

/// A transaction in one keyspace.
#[derive(Debug)]
pub struct On<'t, M: Media> {
    tx: &'t Transaction<M>,
    space: Arc<SpaceState>,
    /// Whether the keyspace is one of the transaction's store: others have the same numbers for other trees.
    own: bool,
}

impl<M: Media> fmt::Debug for Transaction<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("id", &self.shared.id)
            .field("snapshot", &self.shared.snapshot)
            .field("isolation", &self.shared.isolation)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl<M: Media> Transaction<M> {
    pub(crate) fn begin(space: &Space<M>, isolation: Isolation) -> Outcome<Self, M> {
        let core = Arc::clone(&space.core);
        core.serving()?;
        let mut table = core.table.lock();
        let snapshot = core.open_snapshot();
        let id = table.next_id();
        let shared = Arc::new(TxShared::new(id, isolation, snapshot, core.clock.now()));
        table.add(&shared);
        drop(table);
        let tx = Transaction {
            core,
            shared,
            default: Arc::clone(&space.state),
        };
        tx.core.serving()?; // closed meanwhile: whoever closes has not seen it
        Ok(tx)
    }

    /// Its identifier: unique while the store is open.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Where it is in its life.
    pub fn state(&self) -> TxState {
        self.shared.inner.lock().state
    }

    /// How it sees others.
    pub fn isolation(&self) -> Isolation {
        self.shared.isolation
    }

    /// The last commit that it sees.
    pub fn snapshot(&self) -> u64 {
        self.shared.snapshot
    }

    /// The transaction in the keyspace `space`. One of another store is refused by every operation, with
    /// [`KvError::ForeignSpace`].
    pub fn on(&self, space: &Space<M>) -> On<'_, M> {
        On {
            tx: self,
            space: Arc::clone(&space.state),
            own: Arc::ptr_eq(&space.core, &self.core),
        }
    }

    fn in_default(&self) -> On<'_, M> {
        On {
            tx: self,
            space: Arc::clone(&self.default),
            own: true,
        }
    }

    /// As [`On::get`], in the default keyspace; so are the following.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Outcome<Option<Vec<u8>>, M> {
        self.in_default().get(key)
    }

    /// As [`On::get_into`].
    pub fn get_into(&self, key: impl AsRef<[u8]>, into: &mut Vec<u8>) -> Outcome<bool, M> {
        self.in_default().get_into(key, into)
    }

    /// As [`On::exists`].
    pub fn exists(&self, key: impl AsRef<[u8]>) -> Outcome<bool, M> {
        self.in_default().exists(key)
    }

    /// As [`On::value_len`].
    pub fn value_len(&self, key: impl AsRef<[u8]>) -> Outcome<Option<u64>, M> {
        self.in_default().value_len(key)
    }

    /// As [`On::count`].
    pub fn count(&self) -> Outcome<u64, M> {
        self.in_default().count()
    }

    /// As [`On::put`].
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Outcome<(), M> {
        self.in_default().put(key, value)
    }

    /// As [`On::delete`].
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Outcome<bool, M> {
        self.in_default().delete(key)
    }

    /// As [`On::put_if`].
    pub fn put_if(
        &self,
        key: impl AsRef<[u8]>,
        condition: Condition<'_>,
        value: impl AsRef<[u8]>,
    ) -> Outcome<bool, M> {
        self.in_default().put_if(key, condition, value)
    }

    /// As [`On::compare_and_swap`].
    pub fn compare_and_swap(
        &self,
        key: impl AsRef<[u8]>,
        old: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
    ) -> Outcome<bool, M> {
        self.in_default().compare_and_swap(key, old, new)
    }

    /// As [`On::append`].
    pub fn append(&self, key: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Outcome<u64, M> {
        self.in_default().append(key, bytes)
    }

    /// As [`On::scan`].
    pub fn scan<K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
        direction: Direction,
    ) -> Scan<'_, M> {
        self.in_default().scan(range, direction)
    }

    /// As [`On::scan_prefix`].
    pub fn scan_prefix(&self, prefix: impl AsRef<[u8]>, direction: Direction) -> Scan<'_, M> {
        self.in_default().scan_prefix(prefix, direction)
    }

    /// Marks this moment: [`Transaction::rollback_to`] takes back what is written behind it. Errors: it has ended.
    pub fn savepoint(&self) -> Outcome<Savepoint, M> {
        let mut inner = self.active()?;
        let number = inner.next_savepoint;
        inner.next_savepoint += 1;
        inner.savepoints.push(number);
        Ok(Savepoint {
            transaction: self.shared.id,
            number,
            mark: inner.writes.mark(),
        })
    }

    /// Takes back what was written since `savepoint`, which can be returned to again. What was read stays read. Errors: it
    /// has ended; the savepoint is another transaction's, or lies behind one that was returned to.
    pub fn rollback_to(&self, savepoint: &Savepoint) -> Outcome<(), M> {
        let mut inner = self.active()?;
        let known = inner
            .savepoints
            .iter()
            .position(|number| *number == savepoint.number);
        let known = known.filter(|_| savepoint.transaction == self.shared.id);
        let Some(at) = known else {
            return Err(KvError::UnknownSavepoint { id: self.shared.id });
        };
        inner.savepoints.truncate(at + 1);
        inner.writes.truncate(savepoint.mark);
        Ok(())
    }

    /// Makes its writes visible, and durable as the store's [`Mode`](crate::Mode) says.
    ///
    /// Errors: [`KvError::Conflict`] and [`KvError::SnapshotTooOld`]; no space, the log cannot hold it, the medium failed. It is
    /// aborted then, and the old state stands, unless the error is [`KvError::Sync`]. Cost: one wait in SYNC, shared with whoever
    /// commits at the same time; one more where a value lies in a block of its own; none where nothing was written. Crash:
    /// all of its writes or none.
    pub fn commit(self) -> Outcome<Receipt<M::SyncError>, M> {
        let core = &*self.core;
        let mut inner = self.active()?;
        if inner.writes.is_empty() {
            drop(inner);
            self.finish(TxState::Committed);
            return Ok(core.receipt(&Committed {
                sequence: self.shared.snapshot,
                ..Committed::default()
            }));
        }
        inner.state = TxState::Preparing;
        let writes = inner.writes.len() as u64;
        drop(inner);
        let started = core.counters.start();
        let outcome = match &core.window {
            None => core.commit_shared(&self.shared),
            Some(window) => core.commit_shared_late(window, &self.shared),
        };
        match outcome {
            Ok(committed) => {
                self.finish(TxState::Committed);
                core.limit_log();
                core.counters.written(writes, started);
                Ok(core.receipt(&committed))
            }
            Err(error) => {
                self.finish(TxState::Aborted);
                Err(error)
            }
        }
    }

    /// Ends it; nothing that it wrote was ever seen. Errors: it has ended already. Cost: no wait.
    pub fn abort(self) -> Outcome<(), M> {
        drop(self.active()?);
        self.finish(TxState::Aborted);
        Ok(())
    }

    /// What is in it. Errors: it has ended.
    pub(crate) fn active(&self) -> Outcome<MutexGuard<'_, TxInner>, M> {
        let inner = self.shared.inner.lock();
        self.shared.check_active(&inner)?;
        Ok(inner)
    }

    pub(crate) fn finish(&self, state: TxState) {
        self.core.finish(&self.shared, state);
    }
}

impl<M: Media> Drop for Transaction<M> {
    fn drop(&mut self) {
        self.finish(TxState::Aborted);
    }
}

impl<M: Media> Core<M> {
    /// Ends a transaction, unless it has ended already.
    pub fn finish(&self, shared: &TxShared, state: TxState) {
        let mut inner = shared.inner.lock();
        if matches!(inner.state, TxState::Committed | TxState::Aborted) {
            return;
        }
        inner.end(state);
        let has_snapshot = std::mem::take(&mut inner.has_snapshot);
        drop(inner);
        if has_snapshot {
            self.close_snapshot(shared.snapshot);
        }
        self.table.lock().remove(shared.id);
        let event = match state {
            TxState::Committed => Event::Committed,
            _ => Event::Aborted,
        };
        self.counters.add(event, 1);
    }

    /// Aborts what is open and not being committed.
    pub fn abort_all(&self) {
        let open = self.table.lock().all();
        for shared in open {
            let active = shared.inner.lock().state == TxState::Active;
            if active {
                self.finish(&shared, TxState::Aborted);
            }
        }
    }
}

impl<'t, M: Media> On<'t, M> {
    /// The value of `key`: what the transaction has written, else what was there when it began.
    ///
    /// Errors: it has ended; [`KvError::SnapshotTooOld`]; the key is too long; the keyspace was dropped; damage. Cost: no wait.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Outcome<Option<Vec<u8>>, M> {
        let mut value = Vec::new();
        Ok(self.get_into(key, &mut value)?.then_some(value))
    }

    /// As [`On::get`], into memory of the caller: the value takes the place of what `into` holds; `false` where there is
    /// none, and `into` is empty then.
    pub fn get_into(&self, key: impl AsRef<[u8]>, into: &mut Vec<u8>) -> Outcome<bool, M> {
        self.tx.core.counters.add(Event::Reads, 1);
        self.read(key.as_ref(), into)
    }

    /// Errors: [`KvError::ForeignSpace`].
    fn check_own(&self) -> Outcome<(), M> {
        match self.own {
            true => Ok(()),
            false => Err(KvError::ForeignSpace {
                name: self.space.name.clone(),
            }),
        }
    }

    fn read(&self, key: &[u8], into: &mut Vec<u8>) -> Outcome<bool, M> {
        check_key(key.len())?;
        self.check_own()?;
        let (core, shared) = (&*self.tx.core, &*self.tx.shared);
        core.serving()?;
        let mut inner = self.tx.active()?;
        inner.touch(&self.space);
        let id = self.space.id;
        inner.reads.key(id, key, shared.is_serializable());
        if !inner.writes.is_empty()
            && let Some(own) = inner.writes.get(id, core.hash.of(id, key), key)
        {
            return Ok(replace(into, own));
        }
        drop(inner);
        core.get_at(shared.snapshot, &self.space, key, into)
    }

    /// Whether `key` is there. As [`On::get`].
    pub fn exists(&self, key: impl AsRef<[u8]>) -> Outcome<bool, M> {
        self.get_into(key, &mut Vec::new())
    }

    /// Bytes of the value of `key`. As [`On::get`].
    pub fn value_len(&self, key: impl AsRef<[u8]>) -> Outcome<Option<u64>, M> {
        Ok(self.get(key)?.map(|value| value.len() as u64))
    }

    /// Keys that the transaction sees. Cost: a scan of all of them.
    pub fn count(&self) -> Outcome<u64, M> {
        let mut scan = self.scan_prefix(b"", Direction::Forward);
        let mut count = 0;
        while scan.next_key()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Puts `value` at `key`; others see it when the transaction is committed. Errors: it has ended; key or value too
    /// long; the keyspace was dropped. Cost: no wait, a copy in memory.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Outcome<(), M> {
        self.write(key.as_ref(), Some(value.as_ref()))
    }

    /// Deletes `key`; `false` where the transaction does not see it. As [`On::put`], with a read.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Outcome<bool, M> {
        let key = key.as_ref();
        let found = self.read(key, &mut Vec::new())?;
        if found {
            self.write(key, None)?;
        }
        Ok(found)
    }

    /// Puts `value` if `condition` holds for what the transaction sees; `false` where it does not. As [`On::put`], with a read.
    pub fn put_if(
        &self,
        key: impl AsRef<[u8]>,
        condition: Condition<'_>,
        value: impl AsRef<[u8]>,
    ) -> Outcome<bool, M> {
        let change = Change::PutIf(condition, value.as_ref());
        Ok(self.change(key.as_ref(), change)?.changed)
    }

    /// Puts `new` if the value is `old`. As [`On::put_if`].
    pub fn compare_and_swap(
        &self,
        key: impl AsRef<[u8]>,
        old: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
    ) -> Outcome<bool, M> {
        self.put_if(key, Condition::Equals(old.as_ref()), new)
    }

    /// Puts `bytes` behind the value that the transaction sees; answers how many bytes it has then. As [`On::put`], with a
    /// read.
    pub fn append(&self, key: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Outcome<u64, M> {
        let change = Change::Append(bytes.as_ref());
        Ok(self.change(key.as_ref(), change)?.len)
    }

    fn change(&self, key: &[u8], change: Change<'_>) -> Outcome<Done, M> {
        let (mut old, mut made) = (Vec::new(), Vec::new());
        let found = self.read(key, &mut old)?;
        let (value, done) = change.decide(found.then_some(&*old), &mut made);
        if done.changed {
            self.write(key, value)?;
        }
        Ok(done)
    }

    fn write(&self, key: &[u8], value: Option<&[u8]>) -> Outcome<(), M> {
        check_key(key.len())?;
        check_value(value.map_or(0, <[u8]>::len))?;
        self.check_own()?;
        self.space.alive()?;
        let mut inner = self.tx.active()?;
        inner.touch(&self.space);
        let id = self.space.id;
        inner
            .writes
            .push(id, self.tx.core.hash.of(id, key), key, value);
        Ok(())
    }

    /// The keys of `range` with their values as the transaction sees them, in order or backwards. Errors: see [`Scan`].
    pub fn scan<K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
        direction: Direction,
    ) -> Scan<'t, M> {
        self.scan_in(Bounds::of(&range), direction)
    }

    /// As [`On::scan`], of all keys that begin with `prefix`.
    pub fn scan_prefix(&self, prefix: impl AsRef<[u8]>, direction: Direction) -> Scan<'t, M> {
        self.scan_in(Bounds::prefix(prefix.as_ref()), direction)
    }

    fn scan_in(&self, bounds: Bounds, direction: Direction) -> Scan<'t, M> {
        Scan::of_transaction(self.tx, &self.space, self.own, bounds, direction)
    }
}
