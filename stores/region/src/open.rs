//! The store of regions over an open pool.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use everline::engine::Engine;
use everline::layout::EntryState;
use everline::media::Media;
use everline::tx::Receipt;
use everline::units::{ByteOffset, Padded};

use crate::counters::{Counters, Counts};
use crate::directory::{self, Found, View};
use crate::id::IdParts;
use crate::index::Index;
use crate::service::Service;
use crate::{RegionError, RegionId};

/// Locks that readers and writers of regions share by slot number.
const GATES: usize = 64;

/// What a region is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionInfo {
    /// Its identifier.
    pub id: RegionId,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its bytes.
    pub len: u64,
    /// Bytes of its block in the pool.
    pub capacity: u64,
    /// Where its block begins in the pool; 0 for a region without bytes.
    pub at: ByteOffset,
    /// Seconds since 1970 at create; 0 where no clock was at hand.
    pub created_s: u64,
}

/// The regions of a pool.
///
/// Every operation that changes the directory is one transaction on a lane of its own, durable when it returns.
/// Operations of several threads run in parallel; changes of the directory commit one after another.
pub struct Regions<M: Media> {
    engine: Engine<M>,
    namespace: u32,
    /// Held by whoever changes the directory, until its commit has returned (R5).
    index: Mutex<Index>,
    /// Shared by whoever uses a region's bytes; exclusive while a commit changes its entry (R5).
    gates: Box<[Padded<RwLock<()>>]>,
    service: Service,
    pub(crate) counters: Counters,
}

impl<M: Media> fmt::Debug for Regions<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Regions")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl<M: Media> Regions<M> {
    /// The regions of an open pool; a pool without any gets its directory with the first one.
    ///
    /// Errors: the directory cannot be right. Cost: reads the directory's root, no wait.
    pub fn open(engine: Engine<M>) -> Result<Self, RegionError<M::SyncError>> {
        let namespace = match directory::root(&engine)? {
            Some((_, root)) => root.namespace.get(),
            None => {
                let [a, b, c, d, ..] = *engine.pool().id();
                u32::from_le_bytes([a, b, c, d])
            }
        };
        Ok(Regions {
            engine,
            namespace,
            index: Mutex::default(),
            gates: (0..GATES).map(|_| Padded::default()).collect(),
            service: Service::default(),
            counters: Counters::default(),
        })
    }

    /// The pool underneath.
    pub fn engine(&self) -> &Engine<M> {
        &self.engine
    }

    /// Gives the pool back.
    pub fn into_engine(self) -> Engine<M> {
        self.engine
    }

    /// What everything that returned before this call has reached: the highest timestamp (LSN) drawn, and the
    /// durability domain. Operations that change the directory draw a timestamp; direct writes add none.
    /// Cost: no wait.
    pub fn receipt(&self) -> Receipt {
        Receipt {
            timestamp: self.engine.log().status().last_timestamp,
            durability: self.engine.pool().media().durability(),
        }
    }

    /// Operations since the pool was opened.
    pub fn counts(&self) -> Counts {
        self.counters.counts()
    }

    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// Waits for everybody who was inside a region when this was called.
    pub(crate) fn wait_until_nobody_is_inside(&self) {
        for gate in &self.gates {
            drop(gate.0.write().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Live regions. Errors: the directory's root cannot be reached. Cost: one word of the root, which open has
    /// checked; no wait.
    pub fn count(&self) -> Result<u64, RegionError<M::SyncError>> {
        self.in_service()?;
        directory::live(&self.engine)
    }

    pub(crate) fn namespace(&self) -> u32 {
        self.namespace
    }

    pub(crate) fn lock_index(&self) -> MutexGuard<'_, Index> {
        // Whoever panicked while holding it has taken its changes back.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn gate(&self, slot: u32) -> RwLockReadGuard<'_, ()> {
        let gate = &self.gates[slot as usize % GATES].0;
        gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the gates of `slots`, each once, in order.
    pub(crate) fn close_gates(&self, slots: &[u32]) -> Vec<RwLockWriteGuard<'_, ()>> {
        let mut gates: Vec<usize> = slots.iter().map(|slot| *slot as usize % GATES).collect();
        gates.sort_unstable();
        gates.dedup();
        let closed = gates.into_iter().map(|gate| self.gates[gate].0.write());
        closed
            .map(|gate| gate.unwrap_or_else(PoisonError::into_inner))
            .collect()
    }

    /// The identifier of the region that a live entry describes.
    pub(crate) fn id_of(&self, slot: u32, generation: u32) -> RegionId {
        let pool = self.engine.pool();
        let parts = IdParts {
            namespace: self.namespace,
            slot,
            generation,
        };
        RegionId::seal(parts, pool.key(), pool.id())
    }

    /// Slot and generation in an identifier of this pool.
    pub(crate) fn parts(&self, id: RegionId) -> Result<IdParts, RegionError<M::SyncError>> {
        self.in_service()?;
        let pool = self.engine.pool();
        id.open(pool.key(), pool.id())
            .filter(|parts| parts.namespace == self.namespace)
            .ok_or(RegionError::InvalidRegion { id })
    }

    /// The live entry that `id` names, as `view` sees it; its gate is the caller's business.
    pub(crate) fn find(
        &self,
        view: &impl View<M>,
        id: RegionId,
        parts: IdParts,
    ) -> Result<Found, RegionError<M::SyncError>> {
        directory::entry(view, parts.slot)?
            .filter(|found| {
                found.entry.state() == Some(EntryState::Live)
                    && found.entry.generation.get() == parts.generation
            })
            .ok_or(RegionError::InvalidRegion { id })
    }

    pub(crate) fn info_of(&self, slot: u32, found: &Found) -> RegionInfo {
        let entry = &found.entry;
        let name = String::from_utf8_lossy(entry.name());
        RegionInfo {
            id: self.id_of(slot, entry.generation.get()),
            name: (!name.is_empty()).then(|| name.into_owned()),
            len: entry.len.get(),
            capacity: entry.capacity.get(),
            at: ByteOffset::new(entry.at.get()),
            created_s: entry.created_s.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use everline::engine::CreateOptions;
    use everline::media::Ram;
    use everline::units::ByteLen;

    use super::*;

    #[test]
    fn a_block_is_not_freed_under_whoever_is_inside_the_region() {
        let ram = Ram::new(ByteLen::new(1 << 20));
        let engine = Engine::create(ram, &CreateOptions::default()).expect("a pool");
        let regions = Regions::open(engine).expect("no regions yet");
        let id = regions.put("name", b"bytes").expect("space");
        let slot = regions.parts(id).expect("just made").slot;
        let (done, waiting) = channel();
        let inside = regions.gate(slot);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                regions.destroy(id).expect("there");
                done.send(()).expect("somebody waits");
            });
            // keeps R5
            assert!(waiting.recv_timeout(Duration::from_millis(100)).is_err());
            assert!(directory::entry(&regions.engine, slot).is_ok_and(|found| {
                found.is_some_and(|found| found.entry.state() == Some(EntryState::Live))
            }));
            drop(inside);
            assert_eq!(waiting.recv(), Ok(()));
        });
        assert!(!regions.exists(id));
    }
}
