//! Pool, log, heap and lanes together: what every transaction works on.

#[cfg(feature = "alloc")]
use std_alloc::vec::Vec;

use super::TxError;
use super::memory::{Buffer, Draft, Stage, Staged};
use crate::alloc::{Heap, Kept, LaneCache};
use crate::layout::RootSlot;
use crate::log::{CheckpointReport, Cursor, Log};
use crate::media::Media;
use crate::mem::{Array, List};
use crate::pool::Pool;
use crate::sync::{AtomicUsize, Guard, Lock, Ordering, relax};
use crate::units::{ByteLen, ByteOffset, ByteRange, Padded};

/// Lanes that a build without `alloc` can hold transactions on; recovery serves more.
pub(super) const HOLDERS_WITHOUT_ALLOC: usize = 2;
/// Memory of the transaction that frees emptied slabs: enough for some fifty words of the slab map.
const RECLAIM_BYTES: usize = 2048;
/// Ranges that an undo transaction can snapshot without `alloc`.
const RANGES_WITHOUT_ALLOC: usize = 32;

/// What belongs to whoever holds a lane.
#[derive(Debug)]
pub(super) struct LaneState {
    pub cursor: Cursor,
    pub cache: LaneCache,
    /// What the transaction took, dropped, and still keeps from others.
    pub kept: Kept,
    /// A transaction is open: neither committed nor aborted yet.
    pub open: bool,
    /// A transaction found no space while it held the only lane, so that nobody could free emptied slabs.
    pub starved: bool,
    /// Ranges with before-images, in order of their snapshots.
    pub ranges: List<ByteRange, RANGES_WITHOUT_ALLOC>,
    /// Bytes in `ranges`.
    pub undo_bytes: u64,
    pub draft: Draft,
    /// Memory for the commit record, and for UNDO records, where the caller lends none.
    #[cfg(feature = "alloc")]
    pub memory: [Vec<u8>; 2],
}

/// What a transaction works on, all at once.
pub(super) struct Work<'t> {
    pub cursor: &'t mut Cursor,
    pub cache: &'t mut LaneCache,
    pub kept: &'t mut Kept,
    pub ranges: &'t mut List<ByteRange, RANGES_WITHOUT_ALLOC>,
    pub stage: Stage<'t>,
    /// Memory in which UNDO records are built.
    pub scratch: Buffer<'t>,
}

/// Memory above this is given back to the system when its transaction has ended.
#[cfg(feature = "alloc")]
const KEPT_BYTES: usize = 1 << 20;

impl LaneState {
    fn new(cursor: Cursor) -> Self {
        LaneState {
            cursor,
            cache: LaneCache::new(),
            kept: Kept::default(),
            open: false,
            starved: false,
            ranges: List::new(),
            undo_bytes: 0,
            draft: Draft::EMPTY,
            #[cfg(feature = "alloc")]
            memory: [Vec::new(), Vec::new()],
        }
    }

    /// A new transaction.
    #[inline]
    pub fn begin(&mut self) {
        self.cursor.begin();
        self.ranges.truncate(0);
        self.undo_bytes = 0;
        self.draft = Draft::EMPTY;
        self.open = true;
    }

    /// The transaction has ended.
    #[inline]
    pub fn end(&mut self) {
        self.open = false;
        #[cfg(feature = "alloc")]
        for memory in &mut self.memory {
            if memory.len() > KEPT_BYTES {
                *memory = Vec::new();
            }
        }
    }

    /// Everything, with the memory that the caller lent or else the lane's own: three quarters of what was lent
    /// are for the commit record, a quarter for UNDO records.
    #[inline]
    pub fn work<'t>(&'t mut self, lent: &'t mut Option<&mut [u8]>) -> Work<'t> {
        let (record, scratch) = match lent {
            Some(lent) => {
                let (record, scratch) = lent.split_at_mut(record_bytes(lent));
                (Buffer::Lent(record), Buffer::Lent(scratch))
            }
            #[cfg(feature = "alloc")]
            None => {
                let [record, scratch] = &mut self.memory;
                (Buffer::Grows(record), Buffer::Grows(scratch))
            }
            #[cfg(not(feature = "alloc"))]
            None => (Buffer::Lent(&mut []), Buffer::Lent(&mut [])),
        };
        Work {
            cursor: &mut self.cursor,
            cache: &mut self.cache,
            kept: &mut self.kept,
            ranges: &mut self.ranges,
            stage: Stage {
                draft: &mut self.draft,
                buffer: record,
            },
            scratch,
        }
    }

    /// What is staged, to read.
    #[inline]
    pub fn staged<'t>(&'t self, lent: &'t Option<&mut [u8]>) -> Staged<'t> {
        let bytes = match lent {
            Some(lent) => &lent[..record_bytes(lent)],
            #[cfg(feature = "alloc")]
            None => &self.memory[0],
            #[cfg(not(feature = "alloc"))]
            None => &[],
        };
        Staged {
            draft: &self.draft,
            bytes,
        }
    }
}

/// How much of lent memory is for the commit record.
fn record_bytes(lent: &[u8]) -> usize {
    lent.len() / 4 * 3
}

/// Pool, log, heap and lanes of an open pool.
#[derive(Debug)]
pub struct Manager<M> {
    pub(super) pool: Pool<M>,
    pub(super) log: Log,
    pub(super) heap: Heap,
    pub(super) lanes: Array<Padded<Lock<LaneState>>, HOLDERS_WITHOUT_ALLOC>,
    /// How many threads wait for a moment without transactions.
    pub(super) pausing: AtomicUsize,
    read_only: bool,
}

impl<M: Media> Manager<M> {
    /// Ready for transactions on a recovered pool.
    pub fn new(pool: Pool<M>, log: Log, read_only: bool) -> Self {
        let heap = Heap::new(&pool.geometry());
        let count = if cfg!(feature = "alloc") {
            usize::MAX
        } else {
            HOLDERS_WITHOUT_ALLOC
        };
        let count = count.min(log.lane_count() as usize);
        let lanes = Array::from_fn(count, |lane| {
            let lane = lane as u32;
            Padded(Lock::new(LaneState::new(Cursor::new(lane, log.tail(lane)))))
        });
        let Ok(lanes) = lanes else {
            unreachable!("`count` was chosen to fit")
        };
        Manager {
            pool,
            log,
            heap,
            lanes,
            pausing: AtomicUsize::new(0),
            read_only,
        }
    }

    /// The pool.
    pub fn pool(&self) -> &Pool<M> {
        &self.pool
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The heap.
    pub fn heap(&self) -> &Heap {
        &self.heap
    }

    /// Whether every change is refused.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Gives the pool back; no transaction is open, since those borrow the manager.
    pub fn into_pool(self) -> Pool<M> {
        self.pool
    }

    /// Reads committed bytes. Errors: outside the pool. Cost: no wait.
    pub fn read(&self, at: ByteOffset, into: &mut [u8]) -> Result<(), TxError<M::SyncError>> {
        let range = self.in_pool(at, into.len() as u64)?;
        self.pool.media().read(range.start(), into);
        Ok(())
    }

    /// Reads an aligned committed word. Errors: outside the pool or misaligned. Cost: no wait.
    pub fn load64(&self, at: ByteOffset) -> Result<u64, TxError<M::SyncError>> {
        let range = self.in_pool(at, 8)?;
        if !at.is_aligned(8) {
            return Err(TxError::OutOfBounds { range });
        }
        Ok(self.pool.media().load64(at))
    }

    /// The place that a root slot leads to; 0 is none.
    pub fn root(&self, slot: RootSlot) -> ByteOffset {
        ByteOffset::new(self.pool.media().load64(slot.at(&self.pool.geometry())))
    }

    #[inline]
    fn in_pool(&self, at: ByteOffset, len: u64) -> Result<ByteRange, TxError<M::SyncError>> {
        let range = ByteRange::new(at, ByteLen::new(len)).unwrap_or_default();
        if range.len().get() == len && self.pool.geometry().whole().contains(range) {
            Ok(range)
        } else {
            Err(TxError::OutOfBounds { range })
        }
    }

    /// Retires what the log can retire. Errors: poisoned, or a fence failed. Cost: two waits, or none.
    pub fn checkpoint(&self) -> Result<CheckpointReport, TxError<M::SyncError>> {
        self.may_change()?;
        self.log
            .checkpoint(&self.pool, &mut |block| self.heap.retire(&self.pool, block))
            .map_err(TxError::Sync)
    }

    #[inline]
    pub(super) fn may_change(&self) -> Result<(), TxError<M::SyncError>> {
        if self.read_only {
            return Err(TxError::ReadOnly);
        }
        if self.pool.health().is_poisoned() {
            return Err(TxError::Poisoned);
        }
        Ok(())
    }

    /// A lane that nobody holds: with `std` waits for one.
    #[inline]
    pub(super) fn take_lane(&self) -> Result<Guard<'_, LaneState>, TxError<M::SyncError>> {
        // Relaxed: a courtesy; the lanes' locks decide.
        if self.pausing.load(Ordering::Relaxed) != 0 {
            self.give_way();
        }
        let count = self.lanes.len();
        let own = preferred_lane();
        let own = if own < count { own } else { own % count };
        match self.lanes.get(own).and_then(|lane| lane.0.try_lock()) {
            Some(guard) => Ok(guard),
            None => self.take_any_lane(own),
        }
    }

    /// Where there is one lane only: frees emptied slabs on it before its next transaction, since none could be
    /// freed beside the one that needed them.
    #[cold]
    #[inline(never)]
    pub(super) fn free_emptied_first<'e>(
        &'e self,
        mut lane: Guard<'e, LaneState>,
    ) -> Result<Guard<'e, LaneState>, TxError<M::SyncError>> {
        lane.starved = false;
        drop(lane);
        while self.free_emptied() {}
        self.take_lane()
    }

    /// Whether a transaction leaves no lane for another one.
    pub(super) fn has_one_lane(&self) -> bool {
        self.lanes.len() == 1
    }

    /// As [`Manager::take_lane`], where another thread holds the lane of choice.
    #[cold]
    #[inline(never)]
    fn take_any_lane(&self, own: usize) -> Result<Guard<'_, LaneState>, TxError<M::SyncError>> {
        let mut turn = 0;
        loop {
            for index in 0..self.lanes.len() {
                let lane = self.lanes.get((own + index) % self.lanes.len());
                if let Some(guard) = lane.and_then(|lane| lane.0.try_lock()) {
                    return Ok(guard);
                }
            }
            if !cfg!(feature = "std") {
                return Err(TxError::NoLane);
            }
            relax(turn);
            turn = turn.saturating_add(1);
        }
    }

    /// Under pressure: takes back what the log borrowed and needs no more, what lanes without a transaction keep of
    /// the heap, and slabs without live objects, in a transaction of its own on a lane that happens to be free.
    /// Answers whether slabs became free; there may be more of them. Cost: up to three waits, or none.
    pub(super) fn free_emptied(&self) -> bool {
        let retired = self.heap.has_lent()
            && self
                .checkpoint()
                .is_ok_and(|report| report.retired_bytes > 0);
        for lane in self.lanes.iter() {
            if let Some(mut state) = lane.0.try_lock() {
                self.heap.release(&self.pool.geometry(), &mut state.cache);
            }
        }
        let mut memory = [0u8; RECLAIM_BYTES];
        let Some(lane) = self.lanes.iter().find_map(|lane| lane.0.try_lock()) else {
            return retired;
        };
        let mut tx = self.start_in(lane, &mut memory);
        match tx.stage_emptied() {
            Ok(1..) => tx.commit().is_ok(),
            _ => retired,
        }
    }
}

/// The lane at which this thread begins to look: threads keep to their own while there are enough.
#[cfg(all(feature = "std", not(loom)))]
#[inline]
fn preferred_lane() -> usize {
    use core::cell::Cell;

    const NONE: usize = usize::MAX;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    std::thread_local! {
        static OWN: Cell<usize> = const { Cell::new(NONE) };
    }
    OWN.with(|own| {
        if own.get() == NONE {
            // Relaxed: only distinct numbers matter.
            own.set(NEXT.fetch_add(1, Ordering::Relaxed) % NONE);
        }
        own.get()
    })
}

#[cfg(not(all(feature = "std", not(loom))))]
fn preferred_lane() -> usize {
    0
}
