//! Leaves a log as it lies: what a checkpoint has not retired is counted, and neither replayed nor believed.
//!
//! For whoever must not change a byte of the medium and yet wants to see what stands at the homes. Reads only. Without a
//! record in the log the homes are the committed state; with one, a commit above the cut may be there in part, and an
//! open transaction in place of what it will be rolled back to.

use super::Log;
use super::damage;
use super::recover::{RecoverError, RecoveryReport, log_at, newest_slot};
use super::walk::walkers;
use crate::layout::{RECORD_UNIT, RecordKind};
use crate::media::Media;
use crate::mem::{Array, Full, LANES_WITHOUT_ALLOC};
use crate::pool::Pool;

/// The log of `pool` as it lies; the report's `log_bytes` are what nobody has replayed, and nothing else was done.
///
/// Only for reading: a transaction would go on behind records that count.
///
/// Errors: [`RecoverError::Corrupt`] and [`RecoverError::TooManyLanes`]. Cost: reads every record above the heads, stores
/// nothing, no wait. Crash: nothing to lose.
pub fn skip<M: Media>(pool: &Pool<M>) -> Result<(Log, RecoveryReport), RecoverError<M::SyncError>> {
    let (media, geometry) = (pool.media(), &pool.geometry());
    let slot = newest_slot(pool)?;
    damage::check(media, geometry, pool.id(), &slot)?;
    let too_many = |Full| RecoverError::TooManyLanes(geometry.lane_count());
    let mut report = RecoveryReport {
        last_timestamp: slot.cut,
        epoch: slot.epoch,
        ..RecoveryReport::default()
    };
    let mut lanes = walkers(media, geometry, pool.id(), &slot).map_err(too_many)?;
    let mut tails =
        Array::<u64, LANES_WITHOUT_ALLOC>::from_fn(lanes.len(), |_| 0).map_err(too_many)?;
    for index in 0..lanes.len() {
        if let (Some(walker), Some(tail)) = (lanes.get_mut(index), tails.get_mut(index)) {
            while let Some(record) = walker.next(media, geometry)? {
                report.log_bytes += record.units() * RECORD_UNIT;
                if record.kind == RecordKind::Commit {
                    report.last_timestamp = report.last_timestamp.max(record.timestamp);
                }
            }
            *tail = walker.place().back_in_ring().sequence;
        }
    }
    let log = log_at(pool, slot, report.last_timestamp, |lane| {
        tails.get(lane as usize).map_or(0, |tail| *tail)
    });
    let log = log.map_err(too_many)?;
    for index in 0..log.lane_count() {
        // What lies between head and tail counts as used: it still waits for its recovery.
        log.lane(index).pass_head(slot.head(media, geometry, index));
    }
    Ok((log, report))
}
