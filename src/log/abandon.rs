//! A log that cannot be recovered is given up: what stands at its homes is what there is.

use super::Renewed;
use super::slot::Slot;
use crate::layout::{Geometry, PoolId, RECORD_UNIT};
use crate::media::Media;
use crate::pool::Pool;

/// Where an empty log goes on in place of one that cannot be read: behind everything that it can have drawn.
pub(crate) fn abandoned<M: Media>(pool: &Pool<M>) -> Renewed {
    /// Timestamps and epochs where no slot tells any.
    const BEHIND_ALL: u64 = 1 << 40;
    /// A number that a slot can hold; see recovery.
    const SANE: u64 = 1 << 61;
    let geometry = &pool.geometry();
    let slots = [0, 1].map(|index| Slot::load(pool.media(), geometry, pool.id(), index));
    let numbers = |of: fn(&Slot) -> u64| {
        let whole = slots
            .iter()
            .flatten()
            .map(of)
            .filter(|number| *number < SANE);
        whole.max().unwrap_or(BEHIND_ALL)
    };
    // Every commit above the cut of a slot takes a record's place in a ring.
    let units = u64::from(geometry.lane_count()) * geometry.ring_bytes() / RECORD_UNIT;
    let generation = numbers(|slot| slot.generation) + 2;
    Renewed(Slot {
        index: (generation & 1) as usize,
        generation,
        epoch: numbers(|slot| slot.epoch) + 2,
        cut: numbers(|slot| slot.cut) + 2 * units,
    })
}

/// How many of the two slots are whole under this geometry and identity.
pub(crate) fn whole_slots<M: Media>(media: &M, geometry: &Geometry, pool_id: &PoolId) -> u64 {
    let slots = [0, 1].map(|index| Slot::load(media, geometry, pool_id, index));
    slots.iter().flatten().count() as u64
}
