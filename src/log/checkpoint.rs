//! Checkpoint: makes homes durable up to a cut, then retires the log up to it in one atomic step (I3).
//!
//! 1. choose the cut: below every timestamp in flight;
//! 2. flush every line that a commit up to the cut dirtied, fence;
//! 3. write the standby slot {generation + 1, epoch, cut, heads}, fence;
//! 4. only then let ring space and extension blocks be reused.
//!
//! The lines are read off the records themselves, so there is no list to keep. Crash: before step 3 is durable
//! the old slot and the old log are untouched; after it the homes are durable.

use super::place::Place;
use super::record::Record;
use super::slot::Slot;
use super::{CheckpointState, Log};
use crate::layout::{OpKind, RecordKind};
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

impl Log {
    /// Retires what can be retired. `retired` learns each heap block that the log gives back.
    ///
    /// Errors: a failed fence poisons the pool. Cost: two waits; none where there is nothing to retire.
    pub(crate) fn checkpoint<M: Media>(
        &self,
        pool: &Pool<M>,
        retired: &mut dyn FnMut(ByteRange),
    ) -> Result<CheckpointReport, M::SyncError> {
        let state = self.checkpoint.lock();
        self.run(pool, state, retired)
    }

    /// As [`Log::checkpoint`], unless one is running.
    pub(crate) fn try_checkpoint<M: Media>(
        &self,
        pool: &Pool<M>,
        retired: &mut dyn FnMut(ByteRange),
    ) -> Result<(), M::SyncError> {
        match self.checkpoint.try_lock() {
            Some(state) => self.run(pool, state, retired).map(|_report| ()),
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
        mut state: Guard<'_, CheckpointState>,
        retired: &mut dyn FnMut(ByteRange),
    ) -> Result<CheckpointReport, M::SyncError> {
        let geometry = pool.geometry();
        let cut = self.cut();
        let mut homes = Pending::new(pool.media());
        let Ok(mut heads) = Array::<u64, LANES_WITHOUT_ALLOC>::from_fn(self.lanes.len(), |lane| {
            self.lane(lane as u32).head()
        }) else {
            unreachable!("as many heads as lanes")
        };
        let mut units = 0;
        for lane in 0..heads.len() {
            if let Some(head) = heads.get_mut(lane) {
                let new = self.flush_homes(pool, lane as u32, *head, cut, &mut homes);
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

    /// Flushes the homes of the commits up to `cut` that `lane` has settled; answers the lane's new head.
    fn flush_homes<M: Media>(
        &self,
        pool: &Pool<M>,
        lane: u32,
        head: u64,
        cut: u64,
        homes: &mut Pending<'_, M>,
    ) -> u64 {
        let (media, geometry) = (pool.media(), pool.geometry());
        let lane = self.lane(lane);
        let done = lane.done();
        let mut new_head = head;
        let mut place = Place::in_ring(head);
        while place.extension.is_some() || place.sequence < done {
            let Some(record) = Record::trusted(media, &lane.ring, &place) else {
                break;
            };
            let Ok(next) = record.next_place(media, geometry, &lane.ring, &place) else {
                break;
            };
            place = next;
            if record.kind == RecordKind::Commit {
                if record.timestamp > cut {
                    break;
                }
                let flushed = record.ops(media, geometry, |op, _| {
                    if op.kind != OpKind::Cover {
                        homes.flush(op.range);
                    }
                    Ok(())
                });
                if flushed.is_err() {
                    break;
                }
                new_head = place.sequence;
            }
        }
        new_head
    }
}
