//! A transaction and how it begins.

use super::TxError;
use super::manager::{LaneState, Manager, Work};
use super::memory::{Stage, Staged};
use crate::alloc::StageFull;
use crate::layout::{RECORD_HEADER_BYTES, RootSlot};
use crate::media::Media;
use crate::persist::Pending;
use crate::sync::Guard;
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// A transaction, bound to a lane and to its thread. Dropping it aborts it.
///
/// Isolation is the caller's: the core gives atomicity and durability, and two open transactions must not change
/// the same bytes. Hold your locks until [`Tx::commit`] or [`Tx::abort`] has returned (I8).
#[must_use = "a transaction that is dropped is aborted"]
pub struct Tx<'e, M: Media> {
    pub(super) manager: &'e Manager<M>,
    pub(super) lane: Guard<'e, LaneState>,
    /// Memory that the caller lent; the lane has its own where there is an allocator.
    pub(super) lent: Option<&'e mut [u8]>,
    /// Non-temporal stores and flushes to fresh blocks that no fence has settled yet.
    pub(super) fresh: Option<Pending<'e, M>>,
    pub(super) floor: Floor,
}

/// Where the running member of a group began: what lies before belongs to members that may outlive it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floor {
    /// Bytes of staged ops.
    pub staged: usize,
    /// Number of ranges with before-images.
    pub ranges: usize,
}

impl Floor {
    /// No member is running.
    const NONE: Floor = Floor {
        staged: RECORD_HEADER_BYTES,
        ranges: 0,
    };
}

/// The least memory that can be lent to a transaction.
const LENT_BYTES_MIN: usize = 512;

impl<M: Media> Manager<M> {
    /// Begins a transaction on a free lane; with `std` waits for one.
    ///
    /// A thread that holds every lane itself would wait for ever: end a transaction before the pool's lanes run
    /// out. Errors: read-only, poisoned. Cost: no wait, but where the only lane's last transaction found no space.
    #[cfg(feature = "alloc")]
    #[inline]
    pub fn begin(&self) -> Result<Tx<'_, M>, TxError<M::SyncError>> {
        self.may_change()?;
        let mut lane = self.take_lane()?;
        if lane.starved {
            lane = self.free_emptied_first(lane)?;
        }
        Ok(self.start(lane, None))
    }

    /// Begins a transaction that stages in `memory`: three quarters for the commit record, a quarter for UNDO
    /// records. Needs no allocator.
    ///
    /// Errors: read-only, poisoned, no free lane (without `std`), fewer than 512 bytes. Cost: no wait.
    pub fn begin_in<'e>(
        &'e self,
        memory: &'e mut [u8],
    ) -> Result<Tx<'e, M>, TxError<M::SyncError>> {
        self.may_change()?;
        if memory.len() < LENT_BYTES_MIN {
            return Err(TxError::StageFull {
                capacity: memory.len(),
            });
        }
        let mut lane = self.take_lane()?;
        if lane.starved {
            lane = self.free_emptied_first(lane)?;
        }
        Ok(self.start_in(lane, memory))
    }

    pub(super) fn start_in<'e>(
        &'e self,
        lane: Guard<'e, LaneState>,
        memory: &'e mut [u8],
    ) -> Tx<'e, M> {
        self.start(lane, Some(memory))
    }

    #[inline]
    fn start<'e>(
        &'e self,
        mut lane: Guard<'e, LaneState>,
        lent: Option<&'e mut [u8]>,
    ) -> Tx<'e, M> {
        lane.begin();
        Tx {
            manager: self,
            lane,
            lent,
            fresh: None,
            floor: Floor::NONE,
        }
    }
}

impl<'e, M: Media> Tx<'e, M> {
    /// The transaction's number: unique in its lane within one open of the pool among those that logged something. One
    /// that ends without a log record may leave its number to the next.
    pub fn id(&self) -> (u32, u64) {
        (self.lane.cursor.lane, self.lane.cursor.transaction)
    }

    /// The manager that the transaction works on.
    pub fn manager(&self) -> &'e Manager<M> {
        self.manager
    }

    /// Everything that the transaction works on.
    #[inline]
    pub(super) fn work(&mut self) -> Work<'_> {
        self.lane.work(&mut self.lent)
    }

    /// The record in the making.
    #[inline]
    pub(super) fn stage(&mut self) -> Stage<'_> {
        self.work().stage
    }

    /// What is staged, to read.
    #[inline]
    pub(super) fn staged(&self) -> Staged<'_> {
        self.lane.staged(&self.lent)
    }

    #[cold]
    pub(super) fn stage_full(&self, _: StageFull) -> TxError<M::SyncError> {
        TxError::StageFull {
            capacity: self.staged().bytes.len(),
        }
    }

    /// What a user's transaction may change: root slots and the heap.
    #[inline]
    pub(super) fn changeable(
        &self,
        at: ByteOffset,
        len: u64,
    ) -> Result<ByteRange, TxError<M::SyncError>> {
        let geometry = &self.manager.pool.geometry();
        let range = ByteRange::new(at, ByteLen::new(len)).unwrap_or_default();
        let roots = || {
            ByteRange::new(RootSlot::REGIONS.at(geometry), ByteLen::new(512)).unwrap_or_default()
        };
        let inside = geometry.heap().contains(range) || roots().contains(range);
        if range.len().get() == len && inside {
            Ok(range)
        } else {
            Err(TxError::OutOfBounds { range })
        }
    }
}
