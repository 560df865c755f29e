//! A keyspace: operations by themselves, each a commit of its own, and reads of what is newest.

use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;

use everline::media::Media;

use crate::bounds::Bounds;
use crate::change::{Change, check_key, check_value};
use crate::core::{Core, Outcome};
use crate::counters::Event;
use crate::lead::Committed;
use crate::scan::Scan;
use crate::space_state::SpaceState;
use crate::{Condition, Direction, Receipt};

/// A keyspace of a store. Cheap to clone; `Send` and `Sync`.
///
/// Operations here are commits of their own: durable as the store's [`Mode`](crate::Mode) says. Reads see what is newest,
/// take no lock and store to nothing that threads share. Every error leaves the state as it was.
pub struct Space<M: Media> {
    pub(crate) core: Arc<Core<M>>,
    pub(crate) state: Arc<SpaceState>,
}

impl<M: Media> Clone for Space<M> {
    fn clone(&self) -> Self {
        Space {
            core: Arc::clone(&self.core),
            state: Arc::clone(&self.state),
        }
    }
}

impl<M: Media> fmt::Debug for Space<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space")
            .field("name", &self.state.name)
            .finish_non_exhaustive()
    }
}

impl<M: Media> Space<M> {
    /// Its name; empty for the default keyspace.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// The value of `key`. An empty value is not an absent one.
    ///
    /// Errors: the key is too long; what lies there is damaged. Cost: no wait, no lock, and one allocation: the answer.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Outcome<Option<Vec<u8>>, M> {
        let mut value = Vec::new();
        let found = self.core.get(&self.state, key.as_ref(), &mut value)?;
        Ok(found.then_some(value))
    }

    /// As [`Space::get`], into memory of the caller: the value takes the place of what `into` holds; `false` where there is
    /// none, and `into` is empty then.
    #[inline]
    pub fn get_into(&self, key: impl AsRef<[u8]>, into: &mut Vec<u8>) -> Outcome<bool, M> {
        self.core.get(&self.state, key.as_ref(), into)
    }

    /// Whether `key` is there. Errors and cost: as of [`Space::get`], without the value.
    pub fn exists(&self, key: impl AsRef<[u8]>) -> Outcome<bool, M> {
        Ok(self.value_len(key)?.is_some())
    }

    /// Bytes of the value of `key`. Errors and cost: as of [`Space::get`], without the value.
    pub fn value_len(&self, key: impl AsRef<[u8]>) -> Outcome<Option<u64>, M> {
        let (core, space, key) = (&self.core, &self.state, key.as_ref());
        core.counters.add(Event::Reads, 1);
        core.serving()?;
        if let Some(window) = &core.window {
            let stamp = core.stamps.get(core.hash.of(space.id, key));
            if let Some(late) = window.get(space.id, stamp, key) {
                return Ok(late.value.map(|value| value.len() as u64));
            }
        }
        let reader = space.tree.reader(core.engine(), &core.versions);
        let found = space.still(reader.find(key))?;
        Ok(found.map(|found| found.len as u64))
    }

    /// Keys. Cost: one read in SYNC; in the weaker modes a look at each commit that is not durable yet, under the writers'
    /// lock.
    pub fn count(&self) -> Outcome<u64, M> {
        let (core, space) = (&self.core, &self.state);
        core.serving()?;
        let reader = space.tree.reader(core.engine(), &core.versions);
        let Some(window) = &core.window else {
            return space.still(reader.count());
        };
        let _still = core.writer(); // nothing moves from the window to the tree
        let overlay = window.overlay.read();
        let mut count = space.still(reader.count())?;
        for (key, late) in overlay.range(space.id, &Bounds::prefix(b"")) {
            let found = space.still(reader.find(key))?;
            match (found.is_some(), late.value.is_some()) {
                (false, true) => count += 1,
                (true, false) => count -= 1,
                _ => {}
            }
        }
        Ok(count)
    }

    /// Puts `value` at `key`, in place of what is there.
    ///
    /// Errors: key or value too long, no space, the log cannot hold it, the medium failed. Cost: one wait in SYNC, shared
    /// with whoever commits at the same time, two for a value of more bytes than lie in a record; none in the weaker
    /// modes. Crash: the old value or the new one.
    #[inline]
    pub fn put(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Outcome<Receipt<M::SyncError>, M> {
        let committed = self.change(key.as_ref(), Change::Put(value.as_ref()))?;
        Ok(self.core.receipt(&committed))
    }

    /// Deletes `key`; `false` where it was not there, and nothing is committed. Errors, cost and crash: as of [`Space::put`].
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Outcome<bool, M> {
        let committed = self.change(key.as_ref(), Change::Delete)?;
        Ok(committed.done.changed)
    }

    /// Puts `value` if `condition` holds; `false` where it does not, and nothing is committed. Nobody comes in between.
    /// Errors, cost and crash: as of [`Space::put`].
    pub fn put_if(
        &self,
        key: impl AsRef<[u8]>,
        condition: Condition<'_>,
        value: impl AsRef<[u8]>,
    ) -> Outcome<bool, M> {
        let change = Change::PutIf(condition, value.as_ref());
        Ok(self.change(key.as_ref(), change)?.done.changed)
    }

    /// Puts `new` if the value is `old`: [`Space::put_if`] with [`Condition::Equals`].
    pub fn compare_and_swap(
        &self,
        key: impl AsRef<[u8]>,
        old: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
    ) -> Outcome<bool, M> {
        self.put_if(key, Condition::Equals(old.as_ref()), new)
    }

    /// Puts `bytes` behind the value of `key`, which becomes one where there is none; answers how many bytes it has then.
    /// Nobody comes in between. Errors, cost and crash: as of [`Space::put`]; the value is written as a whole.
    pub fn append(&self, key: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Outcome<u64, M> {
        let change = Change::Append(bytes.as_ref());
        Ok(self.change(key.as_ref(), change)?.done.len)
    }

    /// The keys of `range` with their values, as they are at this moment, in order or backwards.
    ///
    /// It keeps a snapshot until it is dropped; see [`Scan`] for its errors. Cost: no wait.
    pub fn scan<K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
        direction: Direction,
    ) -> Scan<'_, M> {
        Scan::newest(&self.core, &self.state, Bounds::of(&range), direction)
    }

    /// As [`Space::scan`], of all keys that begin with `prefix`.
    pub fn scan_prefix(&self, prefix: impl AsRef<[u8]>, direction: Direction) -> Scan<'_, M> {
        let bounds = Bounds::prefix(prefix.as_ref());
        Scan::newest(&self.core, &self.state, bounds, direction)
    }

    #[inline]
    fn change(&self, key: &[u8], change: Change<'_>) -> Outcome<Committed, M> {
        let core = &*self.core;
        check_key(key.len())?;
        check_value(change.value_len())?;
        core.serving()?;
        let started = core.counters.start();
        let committed = match &core.window {
            None => core.commit_single(&self.state, key, change)?,
            Some(window) => core.commit_single_late(window, &self.state, key, change)?,
        };
        core.limit_log();
        // A delete of nothing was a delete all the same; a put whose condition failed was none.
        let counts = committed.done.changed || matches!(change, Change::Delete);
        core.counters.written(counts.into(), started);
        Ok(committed)
    }
}
