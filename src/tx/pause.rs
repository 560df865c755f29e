//! A moment in which no transaction is under way: for whoever copies a pool's bytes, or reads several of its structures
//! as one.

use super::Manager;
use super::manager::{HOLDERS_WITHOUT_ALLOC, LaneState};
use crate::log::CheckpointHold;
use crate::media::Media;
use crate::mem::Array;
use crate::sync::{Guard, Ordering, relax};

/// Keeps transactions, checkpoints and growth out until it is dropped; stays on its thread.
///
/// Every commit that has returned is in its home; nothing is in flight. Reads go on, and so do stores that need no
/// transaction ([`Manager::write_durable`], [`Manager::write_volatile`], a reservation's): whoever does those has locks
/// of his own, and pauses with them held.
#[must_use = "a pause ends when it is dropped"]
#[derive(Debug)]
pub struct Paused<'e> {
    // Dropped in this order: what was taken last goes first.
    _len: Guard<'e, u64>,
    _checkpoint: CheckpointHold<'e>,
    _lanes: Array<Option<Guard<'e, LaneState>>, HOLDERS_WITHOUT_ALLOC>,
}

impl<M: Media> Manager<M> {
    /// Waits until no transaction is under way, and keeps new ones waiting as long as the answer lives. Without `std`
    /// those are refused meanwhile ([`TxError::NoLane`](super::TxError::NoLane)).
    ///
    /// A thread that has a transaction open itself would wait for ever, and so would one that begins a transaction,
    /// checkpoints, grows the pool or pauses again before it ends the pause. Works on read-only and poisoned pools too. Cost:
    /// no wait of its own; as long as the longest transaction under way. Crash: stores nothing.
    pub fn pause(&self) -> Paused<'_> {
        // Relaxed: a courtesy; the lanes' locks decide.
        self.pausing.fetch_add(1, Ordering::Relaxed);
        let lanes = self.take_all_lanes();
        self.pausing.fetch_sub(1, Ordering::Relaxed); // Relaxed: as above
        Paused {
            _lanes: lanes,
            _checkpoint: self.log.hold_checkpoints(),
            _len: self.pool.hold_len(),
        }
    }

    /// All lanes or none: a thread that has one and wants another, to reserve a block say, is not kept from it.
    fn take_all_lanes(&self) -> Array<Option<Guard<'_, LaneState>>, HOLDERS_WITHOUT_ALLOC> {
        let mut turn = 0;
        loop {
            let mut all = true;
            let lanes = Array::from_fn(self.lanes.len(), |index| {
                let lane = self.lanes.get(index).filter(|_| all)?;
                let guard = lane.0.try_lock();
                all = guard.is_some();
                guard
            });
            let Ok(lanes) = lanes else {
                unreachable!("as many guards as lanes")
            };
            if all {
                return lanes;
            }
            drop(lanes);
            relax(turn);
            turn = turn.saturating_add(1);
        }
    }

    /// Lets a pause go first, for some 10 ms at most: whoever has a transaction open and begins another one would hold
    /// up the pause that it waits for.
    #[cold]
    #[inline(never)]
    pub(super) fn give_way(&self) {
        const TURNS: u32 = if cfg!(loom) {
            1
        } else if cfg!(feature = "std") {
            1200
        } else {
            0
        };
        for turn in 0..TURNS {
            // Relaxed: a courtesy.
            if self.pausing.load(Ordering::Relaxed) == 0 {
                return;
            }
            relax(turn);
        }
    }
}
