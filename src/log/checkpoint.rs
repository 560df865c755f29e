//! Checkpoint: makes homes durable up to a cut, then retires the log up to it in one atomic step (I3).
//!
//! 1. choose the cut: below every timestamp in flight;
//! 2. flush every line that a commit up to the cut dirtied, fence;
//! 3. write the standby slot {generation + 1, epoch, cut, heads}, fence;
//! 4. only then let ring space and extension blocks be reused.
//!
//! The lines come from the lists of `homes.rs`, or off the records where there is no list. Crash: before step 3 is
//! durable the old slot and the old log are untouched; after it the homes are durable.

use super::Log;
use super::place::Place;
use super::record::Record;
use super::slot::Slot;
use crate::layout::RecordKind;
use crate::media::Media;
use crate::mem::{Array, LANES_WITHOUT_ALLOC};
use crate::persist::Pending;
use crate::pool::Pool;
use crate::sync::{Guard, relax};
use crate::units::ByteRange;

/// What a checkpoint did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckpointReport {
    /// Commits up to this timestamp (LSN) are durable at home.
    pub cut: u64,
    /// Bytes of log that were retired.
    pub retired_bytes: u64,
}

/// Keeps checkpoints out until it is dropped.
#[derive(Debug)]
pub(crate) struct CheckpointHold<'l> {
    _gate: Guard<'l, ()>,
}

impl Log {
    /// Waits for the checkpoint that is running, if one is, and keeps others waiting.
    pub(crate) fn hold_checkpoints(&self) -> CheckpointHold<'_> {
        CheckpointHold {
            _gate: self.gate.lock(),
        }
    }

    /// Retires what can be retired. `retired` learns each heap block that the log gives back.
    ///
    /// Errors: a failed fence poisons the pool. Cost: two waits; none where there is nothing to retire.
    pub(crate) fn checkpoint<M: Media>(
        &self,
        pool: &Pool<M>,
        retired: &mut dyn FnMut(ByteRange),
    ) -> Result<CheckpointReport, M::SyncError> {
        let _gate = self.gate.lock();
        self.run(pool, retired)
    }

    /// As [`Log::checkpoint`], unless one is running or kept out.
    pub(crate) fn try_checkpoint<M: Media>(
        &self,
        pool: &Pool<M>,
        retired: &mut dyn FnMut(ByteRange),
    ) -> Result<(), M::SyncError> {
        match self.gate.try_lock() {
            Some(_gate) => self.run(pool, retired).map(|_report| ()),
            None => Ok(()),
        }
    }

    /// Retires everything that `lane` has settled, however long other lanes' commits hold the cut back.
    pub(super) fn checkpoint_past<M: Media>(
        &self,
        pool: &Pool<M>,
        lane: u32,
        retired: &mut dyn FnMut(ByteRange),
    ) -> Result<(), M::SyncError> {
        let lane = self.lane(lane);
        let done = lane.done();
        let mut turn = 0;
        while lane.head() < done && !pool.health().is_poisoned() {
            let report = self.checkpoint(pool, retired)?;
            // Nothing retired: a commit on another lane is between its timestamp and its homes. It has its log
            // space, so it ends without us.
            if report.retired_bytes == 0 {
                relax(turn);
                turn = turn.saturating_add(1);
            }
        }
        Ok(())
    }

    fn run<M: Media>(
        &self,
        pool: &Pool<M>,
        retired: &mut dyn FnMut(ByteRange),
    ) -> Result<CheckpointReport, M::SyncError> {
        let mut state = self.checkpoint.lock();
        let geometry = &pool.geometry();
        let cut = self.cut();
        let Ok(mut heads) = Array::<u64, LANES_WITHOUT_ALLOC>::from_fn(self.lanes.len(), |lane| {
            self.lane(lane as u32).head()
        }) else {
            unreachable!("as many heads as lanes")
        };
        let mut units = 0;
        for lane in 0..heads.len() {
            if let Some(head) = heads.get_mut(lane) {
                let new = self.head_at(pool, lane as u32, *head, cut);
                units += new - *head;
                *head = new;
            }
        }
        let mut report = CheckpointReport {
            cut: state.slot.cut,
            retired_bytes: 0,
        };
        if units == 0 {
            return Ok(report);
        }
        let mut homes = Pending::new(pool.media());
        for (lane, head) in (0..).zip(heads.iter()) {
            self.flush_homes(pool, lane, *head, &mut homes);
        }
        pool.health().settle(homes.fence())?;
        let old = state.slot;
        let slot = Slot {
            index: 1 - old.index,
            generation: old.generation + 1,
            epoch: old.epoch,
            cut,
        };
        let head_of = |lane: u32| heads.get(lane as usize).copied().unwrap_or(0);
        let mut standby = Pending::new(pool.media());
        slot.emit(geometry, pool.id(), head_of, |at, bytes| {
            standby.write_nt(at, bytes)
        });
        pool.health().settle(standby.fence())?;

        state.slot = slot;
        for lane in 0..self.lane_count() {
            self.lane(lane).pass_head(head_of(lane));
        }
        state.extensions.retain(|lent| {
            let live = lent.sequence >= head_of(lent.lane);
            if !live {
                retired(lent.block);
            }
            live
        });
        report.cut = cut;
        report.retired_bytes = units * crate::layout::RECORD_UNIT;
        Ok(report)
    }

    /// Where `lane`'s head goes: behind its last commit up to `cut`.
    fn head_at<M: Media>(&self, pool: &Pool<M>, lane: u32, head: u64, cut: u64) -> u64 {
        let done = self.lane(lane).done();
        // Read after `done`, so that it is the last commit before `done` or a later one. A lane without a commit
        // since open has nothing before `done`.
        if self.lane(lane).homes().last_commit() <= cut {
            return done;
        }
        let mut new_head = head;
        self.walk(pool, lane, done, |record, behind| {
            let below = record.timestamp <= cut;
            if below {
                new_head = behind;
            }
            below
        });
        new_head
    }

    /// Starts write-back of what `lane`'s commits before `head`, and perhaps later ones, have stored to.
    fn flush_homes<M: Media>(
        &self,
        pool: &Pool<M>,
        lane: u32,
        head: u64,
        homes: &mut Pending<'_, M>,
    ) {
        if self.lane(lane).head() == head {
            return;
        }
        #[cfg(feature = "alloc")]
        self.lane(lane).homes().take(|range| homes.flush(range));
        #[cfg(not(feature = "alloc"))]
        self.walk(pool, lane, head, |record, _| {
            let flushed = record.ops(pool.media(), &pool.geometry(), |op, _| {
                if op.kind != crate::layout::OpKind::Cover {
                    homes.flush(op.range);
                }
                Ok(())
            });
            flushed.is_ok()
        });
        #[cfg(feature = "alloc")]
        let _ = pool;
    }

    /// Visits `lane`'s COMMITs from its head up to `end` with the sequence behind each, as long as `visit` says so.
    fn walk<M: Media>(
        &self,
        pool: &Pool<M>,
        lane: u32,
        end: u64,
        mut visit: impl FnMut(&Record, u64) -> bool,
    ) {
        let (media, geometry) = (pool.media(), &pool.geometry());
        let lane = self.lane(lane);
        let mut place = Place::in_ring(lane.head());
        while place.extension.is_some() || place.sequence < end {
            let Some(record) = Record::trusted(media, &lane.ring, &place) else {
                break;
            };
            let Ok(next) = record.next_place(media, geometry, &lane.ring, &place) else {
                break;
            };
            place = next;
            if record.kind == RecordKind::Commit && !visit(&record, place.sequence) {
                break;
            }
        }
    }
}
