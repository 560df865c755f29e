//! Compaction: regions move to lower places and into blocks of their length; identifiers stay.

use everline::media::Media;
use everline::units::ByteOffset;

use crate::chunks::Chunks;
use crate::draft::Draft;
use crate::{RegionError, RegionId, Regions};

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Regions that moved, each time counted.
    pub moved: u64,
    /// Bytes of blocks given back.
    pub freed: u64,
    /// Regions left where they are because views lead into them.
    pub in_use: u64,
}

/// Rounds over all regions: later ones move what earlier ones made room for.
const ROUNDS: u32 = 4;

/// What became of one region.
enum Moved {
    No,
    Yes { freed: u64 },
}

impl<M: Media> Regions<M> {
    /// Moves the region to a lower place, or into a block as small as its length allows, if there is one; answers how
    /// many bytes of its block are free again.
    ///
    /// Errors: [`RegionError::InUse`], [`RegionError::InvalidRegion`]. Cost: two waits and a copy of its bytes, or no
    /// wait where nothing would be gained. Crash: the region is where it was or where it goes, whole.
    pub fn compact(&self, id: RegionId) -> Result<u64, RegionError<M::SyncError>> {
        match self.move_down(id)? {
            Moved::Yes { freed } => Ok(freed),
            Moved::No => Ok(0),
        }
    }

    /// [`Regions::compact`] of every region, the highest first, for as long as it moves any. `progress` learns regions
    /// done and regions in all, round by round. Others work on meanwhile; whoever uses the region that moves waits.
    pub fn compact_all(
        &self,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<CompactReport, RegionError<M::SyncError>> {
        let mut report = CompactReport::default();
        for _round in 0..ROUNDS {
            let mut regions = Vec::new();
            self.for_each(|region| regions.push((region.at(), region.id())))?;
            regions.sort_unstable_by(|a, b| b.cmp(a));
            let (total, before) = (regions.len() as u64, report.moved);
            report.in_use = 0;
            for (done, (_, id)) in regions.into_iter().enumerate() {
                match self.move_down(id) {
                    Ok(Moved::Yes { freed }) => {
                        report.moved += 1;
                        report.freed += freed;
                    }
                    Ok(Moved::No) | Err(RegionError::InvalidRegion { .. }) => {}
                    Err(RegionError::InUse { .. }) => report.in_use += 1,
                    Err(error) => return Err(error),
                }
                progress(done as u64 + 1, total);
            }
            if report.moved == before {
                break;
            }
        }
        Ok(report)
    }

    fn move_down(&self, id: RegionId) -> Result<Moved, RegionError<M::SyncError>> {
        let parts = self.parts(id)?;
        let mut batch = self.batch()?;
        let moved = batch.member(|regions, tx, changes| {
            let found = changes.find(regions, tx, id, parts)?;
            let (at, capacity) = found.entry.block();
            if capacity == 0 {
                return Ok(Moved::No);
            }
            regions.refuse_views(parts.slot, &found)?;
            let chunks = Chunks::read(tx, parts.slot, &found.entry)?;
            let mut draft = Draft::new(parts.slot, found, chunks);
            match draft.len() {
                0 => draft.let_go(tx)?,
                len => {
                    let block = match draft.room(tx, len, len) {
                        // There is no room to move it through.
                        Err(RegionError::NoSpace { .. }) => return Ok(Moved::No),
                        outcome => outcome?,
                    };
                    let (new_at, new_capacity) = (block.start().get(), block.len().get());
                    if new_capacity > capacity || (new_capacity == capacity && new_at > at) {
                        return Ok(Moved::No);
                    }
                    match draft.move_to(tx, block, len) {
                        // Nor for its map, or the device has none for its bytes.
                        Err(RegionError::NoSpace { .. }) => return Ok(Moved::No),
                        outcome => outcome?,
                    }
                }
            }
            let new_capacity = draft.found.entry.block().1;
            draft.stage(tx)?;
            Ok(Moved::Yes {
                freed: capacity - new_capacity,
            })
        })?;
        match moved {
            Moved::Yes { .. } => batch.commit().map(|_receipt| moved),
            Moved::No => batch.abort().map(|()| moved),
        }
    }
}

impl Draft {
    /// Frees the block of a region without bytes.
    fn let_go<M: Media>(
        &mut self,
        tx: &mut everline::tx::Tx<'_, M>,
    ) -> Result<(), RegionError<M::SyncError>> {
        let entry = &mut self.found.entry;
        for place in [entry.block().0, entry.map().0] {
            if place != 0 {
                tx.free(ByteOffset::new(place))?;
            }
        }
        entry.set_block(0, 0);
        entry.set_map(0, 0);
        entry.flags &= !everline::layout::REGION_WRITTEN;
        let slot = self.slot;
        self.found.stage(tx, slot)
    }
}
