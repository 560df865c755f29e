//! Notices that the newer checkpoint slot was whole once and is damaged now.
//!
//! One slot that is not whole is normal: a power cut tore it before anything was built on it. But a log can hold
//! records that could be written only once that slot was durable. The other slot does not lead to them, so that
//! committed transactions would be lost in silence, or an open one taken for committed. Two kinds of record tell:
//!
//! - one of the next epoch, since the slot of an open is durable before the first record (I5);
//! - one that reaches past a lane's head by more than its ring, since ring space is reused only after a durable slot
//!   has let go of it (I3).
//!
//! Reads nothing where both slots are whole; each ring once where one is not.

use super::place::{Place, Ring};
use super::record::{Record, seed};
use super::slot::Slot;
use crate::layout::{Corrupt, Geometry, PoolId, RECORD_UNIT, RecordHeader};
use crate::media::Media;
use crate::units::ByteOffset;

/// Whether `slot` may be believed to be the newest. Errors: the other one is damaged, and was newer.
pub(super) fn check<M: Media>(
    media: &M,
    geometry: &Geometry,
    pool_id: &PoolId,
    slot: &Slot,
) -> Result<(), Corrupt> {
    let other = 1 - slot.index;
    if Slot::load(media, geometry, pool_id, other).is_some() {
        return Ok(());
    }
    for lane in 0..geometry.lane_count() {
        let ring = Ring::of(geometry, lane);
        let end = slot.head(media, geometry, lane) + ring.units;
        let [this_epoch, next_epoch] =
            [slot.epoch, slot.epoch + 1].map(|epoch| seed(pool_id, epoch, lane));
        for unit in 0..ring.units {
            let place = Place::in_ring(sequence_at(media, &ring, unit));
            if place.sequence % ring.units != unit {
                continue;
            }
            let reused = Record::read(media, &ring, this_epoch, &place)
                .is_some_and(|record| place.sequence.saturating_add(record.units()) > end);
            if reused || Record::read(media, &ring, next_epoch, &place).is_some() {
                return Err(Corrupt::new(
                    geometry.slot_at(other),
                    "the newer checkpoint slot is damaged, and the log went on behind it",
                ));
            }
        }
    }
    Ok(())
}

/// What the header of a record at `unit` of the ring has as its sequence, if there is one.
fn sequence_at<M: Media>(media: &M, ring: &Ring, unit: u64) -> u64 {
    let field = core::mem::offset_of!(RecordHeader, sequence) as u64;
    media.load64(ByteOffset::new(ring.at.get() + unit * RECORD_UNIT + field))
}
