//! Pool, log, heap and lanes together: what every transaction works on.

#[cfg(feature = "alloc")]
use std_alloc::vec::Vec;

use super::TxError;
use crate::alloc::{Heap, Kept, LaneCache};
use crate::layout::RootSlot;
use crate::log::{CheckpointReport, Cursor, Log};
use crate::media::Media;
use crate::mem::{Array, List};
use crate::pool::Pool;
use crate::sync::{Guard, Lock, relax};
use crate::units::{ByteLen, ByteOffset, ByteRange, Padded};

/// Lanes that a build without `alloc` can hold transactions on; recovery serves more.
const HOLDERS_WITHOUT_ALLOC: usize = 2;
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
    /// Ranges with before-images, in order of their snapshots.
    pub ranges: List<ByteRange, RANGES_WITHOUT_ALLOC>,
    /// Memory of the last transaction, for the next one.
    #[cfg(feature = "alloc")]
    pub memory: [Vec<u8>; 2],
}

/// Pool, log, heap and lanes of an open pool.
#[derive(Debug)]
pub struct Manager<M> {
    pub(super) pool: Pool<M>,
    pub(super) log: Log,
    pub(super) heap: Heap,
    lanes: Array<Padded<Lock<LaneState>>, HOLDERS_WITHOUT_ALLOC>,
    read_only: bool,
}

impl<M: Media> Manager<M> {
    /// Ready for transactions on a recovered pool.
    pub fn new(pool: Pool<M>, log: Log, read_only: bool) -> Self {
        let heap = Heap::new(pool.geometry());
        let count = if cfg!(feature = "alloc") {
            usize::MAX
        } else {
            HOLDERS_WITHOUT_ALLOC
        };
        let count = count.min(log.lane_count() as usize);
        let lanes = Array::from_fn(count, |lane| {
            let lane = lane as u32;
            Padded(Lock::new(LaneState {
                cursor: Cursor::new(lane, log.tail(lane)),
                cache: LaneCache::new(),
                kept: Kept::default(),
                ranges: List::new(),
                #[cfg(feature = "alloc")]
                memory: [Vec::new(), Vec::new()],
            }))
        });
        let Ok(lanes) = lanes else {
            unreachable!("`count` was chosen to fit")
        };
        Manager {
            pool,
            log,
            heap,
            lanes,
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
        ByteOffset::new(self.pool.media().load64(slot.at(self.pool.geometry())))
    }

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
    pub(super) fn take_lane(&self) -> Result<Guard<'_, LaneState>, TxError<M::SyncError>> {
        let first = preferred_lane();
        let mut turn = 0;
        loop {
            for index in 0..self.lanes.len() {
                let lane = self.lanes.get((first + index) % self.lanes.len());
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
                self.heap.release(self.pool.geometry(), &mut state.cache);
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
fn preferred_lane() -> usize {
    use crate::sync::{AtomicUsize, Ordering};
    use std::sync::OnceLock;

    static NEXT: OnceLock<AtomicUsize> = OnceLock::new();
    std::thread_local! {
        // Relaxed: only distinct numbers matter.
        static OWN: usize = NEXT.get_or_init(|| AtomicUsize::new(0)).fetch_add(1, Ordering::Relaxed);
    }
    OWN.with(|own| *own)
}

#[cfg(any(not(feature = "std"), loom))]
fn preferred_lane() -> usize {
    0
}
