//! The store of regions over an open pool.

use std::fmt;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use everline::engine::Engine;
use everline::layout::{REGION_CHECKED, REGION_GROWABLE};
use everline::media::Media;
use everline::tx::Receipt;
use everline::units::ByteOffset;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::chunks::{Chunks, Grid};
use crate::counters::{Counters, Counts};
use crate::directory::{self, Found, Tail, View};
use crate::id::IdParts;
use crate::index::Index;
use crate::service::Service;
use crate::slots::{Live, Slot, Slots};
use crate::{RegionError, RegionId};

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
    /// Whether it grows with its writes.
    pub growable: bool,
    /// Whether it has checksums.
    pub checked: bool,
    /// The alignment that was asked for; 1 for none.
    pub align: u64,
    /// Bytes of its attributes.
    pub attributes_len: u64,
    /// Bytes of those of its chunks that were ever written; the others have no bytes of their own and read zero. 0 where
    /// the map that tells them cannot be right.
    pub written: u64,
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
    /// Shared by whoever moves a block and does not hold the index; exclusive while all that entries lead to is followed.
    moves: RwLock<()>,
    /// What is volatile of each slot, its lock among it (R5).
    slots: Slots,
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
            moves: RwLock::default(),
            slots: Slots::new(),
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

    /// Errors: [`RegionError::Lost`] where zeros stand in for bytes that could not be read.
    #[inline]
    pub(crate) fn intact(&self) -> Result<(), RegionError<M::SyncError>> {
        match self.engine.pool().media().intact() {
            true => Ok(()),
            false => Err(RegionError::Lost),
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

    /// The directory, and every place that it leads to, stay as they are.
    pub(crate) fn lock_all(&self) -> (RwLockWriteGuard<'_, ()>, MutexGuard<'_, Index>) {
        let index = self.lock_index();
        let moves = self.moves.write();
        (moves, index)
    }

    /// Blocks may move without the index (R5); taken between lane and slot.
    pub(crate) fn lock_moves(&self) -> RwLockReadGuard<'_, ()> {
        self.moves.read()
    }

    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Whether a log record above the cut may speak of the bytes of the slot's region (R6).
    #[inline]
    pub(crate) fn is_logged(&self, slot: &Slot) -> bool {
        slot.is_logged(|| self.engine.log().status().cut)
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

    /// The live entry that `id` names, as `view` sees it; its slot is the caller's business.
    pub(crate) fn find(
        &self,
        view: &impl View<M>,
        id: RegionId,
        parts: IdParts,
    ) -> Result<Found, RegionError<M::SyncError>> {
        directory::entry(view, parts.slot)?
            .filter(|found| {
                found.entry.is_live() && found.entry.generation.get() == parts.generation
            })
            .ok_or(RegionError::InvalidRegion { id })
    }

    /// Whether a write may change the region's length; yes where that cannot be told. Takes no lock.
    pub(crate) fn may_grow(&self, id: RegionId) -> bool {
        let found = self
            .parts(id)
            .and_then(|parts| self.find(&self.engine, id, parts));
        match found {
            Ok(found) => found.entry.has(REGION_GROWABLE),
            // Nothing can be written to it.
            Err(RegionError::InvalidRegion { .. } | RegionError::Retired { .. }) => false,
            // An entry that is being changed may be read in part.
            Err(_) => true,
        }
    }

    /// The region that `id` names, its slot shared (R5).
    #[inline]
    pub(crate) fn enter(&self, id: RegionId) -> Result<Inside<'_>, RegionError<M::SyncError>> {
        if let Some(slot) = self.slots.get(id.slot_hint()) {
            let state = slot.share();
            if state.as_ref().is_some_and(|live| live.id == id) {
                self.in_service()?; // with the slot shared: whoever moves the pool waits for us, or we see him
                return Ok(Inside { slot, state });
            }
        }
        // Where zeros stand in for an entry, that is the reason, and not the identifier.
        let entered = self.enter_anew(id);
        entered.map_err(|error| self.intact().err().unwrap_or(error))
    }

    #[cold]
    fn enter_anew(&self, id: RegionId) -> Result<Inside<'_>, RegionError<M::SyncError>> {
        loop {
            let held = self.hold(id)?;
            let slot = held.slot;
            drop(held);
            let state = slot.share();
            if state.as_ref().is_some_and(|live| live.id == id) {
                self.in_service()?;
                return Ok(Inside { slot, state });
            }
        }
    }

    /// The region that `id` names, its slot held. Whoever needs a lane takes it first (R5).
    pub(crate) fn hold(&self, id: RegionId) -> Result<Held<'_>, RegionError<M::SyncError>> {
        let parts = self.parts(id)?;
        let no_region = RegionError::InvalidRegion { id };
        if directory::place_of(&self.engine, parts.slot)?.is_none() {
            return Err(no_region);
        }
        let slot = self.slots.get_or_make(parts.slot);
        let mut state = slot.hold();
        self.in_service_still()?;
        if state.as_ref().is_none_or(|live| live.id != id) {
            let found = self.find(&self.engine, id, parts)?;
            let chunks = Chunks::read(&self.engine, parts.slot, &found.entry)?;
            *state = Some(Live {
                id,
                number: parts.slot,
                ready: chunks.ready(&found.entry),
                entry_at: found.at,
                entry: found.entry,
                chunks,
            });
        }
        Ok(Held { slot, state })
    }

    /// Refuses to move or free the block of a slot that is held, while views lead into it (R7).
    pub(crate) fn refuse_views(
        &self,
        slot: u32,
        found: &Found,
    ) -> Result<(), RegionError<M::SyncError>> {
        match self.slots.get(slot).map_or(0, Slot::views) {
            0 => Ok(()),
            views => Err(RegionError::InUse {
                id: self.id_of(slot, found.entry.generation.get()),
                views,
            }),
        }
    }

    pub(crate) fn info_of(
        &self,
        slot: u32,
        found: &Found,
        tail: &Tail,
    ) -> Result<RegionInfo, RegionError<M::SyncError>> {
        let entry = &found.entry;
        let (at, capacity) = entry.block();
        let name = tail.name();
        Ok(RegionInfo {
            id: self.id_of(slot, entry.generation.get()),
            name: (!name.is_empty()).then(|| name.to_owned()),
            len: entry.len.get(),
            capacity,
            at: ByteOffset::new(at),
            created_s: entry.created_s.get().into(),
            growable: entry.has(REGION_GROWABLE),
            checked: entry.has(REGION_CHECKED),
            align: entry.align().unwrap_or(1),
            attributes_len: tail.attributes().len() as u64,
            // What a damaged map speaks of is told by whoever reads there, and by a check.
            written: self.written(slot, found).unwrap_or(0),
        })
    }

    /// Bytes of the chunks that were ever written.
    fn written(&self, slot: u32, found: &Found) -> Result<u64, RegionError<M::SyncError>> {
        let len = found.entry.len.get();
        let grid = Grid::of(&found.entry);
        let chunks = Chunks::read(&self.engine, slot, &found.entry)?;
        let mut written = 0;
        for index in grid.indices(&(0..len)) {
            if self.is_written(slot, &found.entry, &chunks, index)? {
                let range = grid.range(index);
                written += range.end.min(len) - range.start;
            }
        }
        Ok(written)
    }

    /// Whether a chunk is the region's own, as committed.
    pub(crate) fn is_written(
        &self,
        slot: u32,
        entry: &everline::layout::DirectoryEntry,
        chunks: &Chunks,
        index: u64,
    ) -> Result<bool, RegionError<M::SyncError>> {
        match chunks {
            Chunks::Sums => {
                let sum = crate::chunks::sum(&self.engine, slot, entry, index)?;
                Ok(sum != everline::layout::ChunkSum::Unwritten)
            }
            chunks => Ok(chunks.is_written(index)),
        }
    }
}

/// A region whose slot is shared: its block stays where it is, and its entry as it is (R5).
pub(crate) struct Inside<'r> {
    pub slot: &'r Slot,
    state: RwLockReadGuard<'r, Option<Live>>,
}

impl Deref for Inside<'_> {
    type Target = Live;

    #[inline]
    fn deref(&self) -> &Live {
        match &*self.state {
            Some(live) => live,
            None => unreachable!("made only of a state that is known"),
        }
    }
}

/// A region whose slot is held: nobody else reads, writes or changes it (R5).
pub(crate) struct Held<'r> {
    pub slot: &'r Slot,
    state: RwLockWriteGuard<'r, Option<Live>>,
}

impl Held<'_> {
    pub fn live(&self) -> &Live {
        match &*self.state {
            Some(live) => live,
            None => {
                unreachable!("made only of a state that is known, and left by whoever forgets it")
            }
        }
    }

    /// What is known now, that a commit has changed it; `None` where that must be read again.
    pub fn set(mut self, found: Option<(Found, Chunks)>) {
        let old = self.state.take();
        *self.state = old.zip(found).map(|(old, (found, chunks))| Live {
            ready: chunks.ready(&found.entry),
            entry_at: found.at,
            entry: found.entry,
            chunks,
            ..old
        });
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
        let inside = regions.enter(id).expect("there");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                regions.destroy(id).expect("there");
                done.send(()).expect("somebody waits");
            });
            // keeps R5
            assert!(waiting.recv_timeout(Duration::from_millis(100)).is_err());
            assert!(
                directory::entry(&regions.engine, slot)
                    .is_ok_and(|found| { found.is_some_and(|found| found.entry.is_live()) })
            );
            drop(inside);
            assert_eq!(waiting.recv(), Ok(()));
        });
        assert!(!regions.exists(id));
    }
}
