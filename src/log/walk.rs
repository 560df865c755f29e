//! Walks a lane from its durable head to the first record that does not belong (I1).

use super::place::{Place, Ring};
use super::record::{Record, seed};
use super::slot::Slot;
use crate::layout::{Corrupt, Geometry, PoolId, RecordKind};
use crate::media::Media;
use crate::mem::{Array, Full, LANES_WITHOUT_ALLOC};

/// A position in a lane, moving from record to record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walker {
    ring: Ring,
    seed: u32,
    place: Place,
    /// The sequence that no record of this lap can pass: head + ring.
    end: u64,
}

impl Walker {
    pub fn new(ring: Ring, seed: u32, head: u64) -> Self {
        Walker {
            ring,
            seed,
            place: Place::in_ring(head),
            end: head.saturating_add(ring.units),
        }
    }

    /// Where the walk stands.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The next record; `None` at the end of the lane, for good.
    pub fn next<M: Media>(
        &mut self,
        media: &M,
        geometry: &Geometry,
    ) -> Result<Option<Record>, Corrupt> {
        if self.place.extension.is_none() && self.place.sequence >= self.end {
            return Ok(None);
        }
        let Some(record) = Record::read(media, &self.ring, self.seed, &self.place) else {
            return Ok(None);
        };
        let next = record.next_place(media, geometry, &self.ring, &self.place)?;
        if self.place.extension.is_none() && next.sequence > self.end {
            return Ok(None);
        }
        self.place = next;
        Ok(Some(record))
    }

    /// The next COMMIT above `cut`.
    pub fn next_commit<M: Media>(
        &mut self,
        media: &M,
        geometry: &Geometry,
        cut: u64,
    ) -> Result<Option<Record>, Corrupt> {
        while let Some(record) = self.next(media, geometry)? {
            if record.kind == RecordKind::Commit && record.timestamp > cut {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// A walker for each lane, at the heads of `slot`.
pub(super) fn walkers<M: Media>(
    media: &M,
    geometry: &Geometry,
    pool_id: &PoolId,
    slot: &Slot,
) -> Result<Array<Walker, LANES_WITHOUT_ALLOC>, Full> {
    Array::from_fn(geometry.lane_count() as usize, |lane| {
        let lane = lane as u32;
        let head = slot.head(media, geometry, lane);
        Walker::new(
            Ring::of(geometry, lane),
            seed(pool_id, slot.epoch, lane),
            head,
        )
    })
}
