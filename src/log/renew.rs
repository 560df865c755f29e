//! The log of a pool that gets another identity: empty before, and empty under the new one.

use super::damage;
use super::recover::newest_slot;
use super::slot::Slot;
use super::walk::walkers;
use super::{RecoverError, Renewed};
use crate::layout::{Geometry, PoolId};
use crate::media::Media;
use crate::persist::Pending;
use crate::pool::Pool;
use crate::units::ByteRange;

/// Where the log of `pool` stands, if a checkpoint has retired all of it; `None` where there is something to recover.
///
/// Errors: as recovery's. Reads only.
pub(crate) fn retired<M: Media>(
    pool: &Pool<M>,
) -> Result<Option<Renewed>, RecoverError<M::SyncError>> {
    let (media, geometry) = (pool.media(), &pool.geometry());
    let slot = newest_slot(pool)?;
    damage::check(media, geometry, pool.id(), &slot)?;
    let lanes = walkers(media, geometry, pool.id(), &slot);
    let mut lanes = lanes.map_err(|_full| RecoverError::TooManyLanes(geometry.lane_count()))?;
    for index in 0..lanes.len() {
        if let Some(walker) = lanes.get_mut(index) {
            if walker.next(media, geometry)?.is_some() {
                return Ok(None);
            }
        }
    }
    Ok(Some(Renewed(Slot {
        index: 1 - slot.index,
        generation: slot.generation + 1,
        epoch: slot.epoch + 1,
        cut: slot.cut,
    })))
}

/// Zeros both slots and every ring, so that no old record is ever looked at, and stores the slot of an empty log under
/// the new identity. Timestamps and epochs go on from where they stood.
pub(crate) fn renew<M: Media>(
    geometry: &Geometry,
    pool_id: &PoolId,
    Renewed(slot): &Renewed,
    pending: &mut Pending<'_, M>,
) {
    let (first, end) = (geometry.slot_at(0).get(), geometry.shared_at().get());
    pending.fill(ByteRange::at(first, end - first).unwrap_or_default(), 0);
    clear_rings(geometry, pending);
    let head_of = |_lane| 0;
    // Both, so that the next open finds neither damaged.
    let older = Slot {
        index: 1 - slot.index,
        generation: slot.generation - 1,
        ..*slot
    };
    for slot in [&older, slot] {
        slot.emit(geometry, pool_id, head_of, |at, bytes| {
            pending.write_nt(at, bytes)
        });
    }
}

/// Zeros every ring; all their records are retired.
pub(crate) fn clear_rings<M: Media>(geometry: &Geometry, pending: &mut Pending<'_, M>) {
    let first = geometry.ring_at(0).get();
    let end = geometry.ring_at(geometry.lane_count()).get();
    pending.fill(ByteRange::at(first, end - first).unwrap_or_default(), 0);
}
