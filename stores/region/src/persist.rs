//! Makes durable what was stored and is not known to be.

use everline::media::Media;
use everline::units::ByteRange;

use crate::directory::Found;
use crate::draft::Draft;
use crate::segments::Extent;
use crate::{RegionError, RegionId, Regions};

impl<M: Media> Regions<M> {
    /// Makes `len` bytes from `at` on durable as they are; [`Regions::write`] has done so already.
    ///
    /// Errors: [`RegionError::OutOfBounds`], [`RegionError::InvalidRegion`]. Cost: one wait; two behind a
    /// [`Regions::write_atomic`] until the next checkpoint, and in a checked region where chunks are unsealed.
    pub fn persist(
        &self,
        id: RegionId,
        at: u64,
        len: u64,
    ) -> Result<(), RegionError<M::SyncError>> {
        self.persist_list(id, &[Extent::new(at, len)])
    }

    /// As [`Regions::persist`] for several ranges. Errors: one of them is refused, then none is made durable.
    /// Cost: that of one range.
    pub fn persist_list(
        &self,
        id: RegionId,
        extents: &[Extent],
    ) -> Result<(), RegionError<M::SyncError>> {
        self.persist_extents(id, extents)?;
        self.counters.persist();
        Ok(())
    }

    fn persist_extents(
        &self,
        id: RegionId,
        extents: &[Extent],
    ) -> Result<(), RegionError<M::SyncError>> {
        let inside = self.enter(id)?;
        for extent in extents {
            inside.read_limit().check(id, extent.at, extent.len)?;
        }
        let mut ranges = extents.iter().filter(|extent| extent.len > 0);
        if ranges.clone().next().is_none() {
            return Ok(());
        }
        let checked = inside.entry.has(everline::layout::REGION_CHECKED);
        if ranges.all(|extent| extent.at + extent.len <= inside.ready)
            && !self.is_logged(inside.slot)
        {
            let homes = extents
                .iter()
                .map(|extent| inside.home_range(extent.at, extent.len))
                .filter(|range: &ByteRange| !range.is_empty());
            return Ok(self.engine().persist_all(homes)?); // keeps I6
        }
        drop(inside);
        self.persist_in_transaction(id, extents, checked)
    }

    /// Persists ranges of which the log holds older bytes, or whose sums are to be set, or that were not all written.
    fn persist_in_transaction(
        &self,
        id: RegionId,
        extents: &[Extent],
        checked: bool,
    ) -> Result<(), RegionError<M::SyncError>> {
        let mut tx = self.begin()?;
        let held = self.hold(id)?;
        let live = held.live();
        for extent in extents {
            live.read_limit().check(id, extent.at, extent.len)?;
        }
        let found = Found {
            at: live.entry_at,
            entry: live.entry,
        };
        let mut draft = Draft::new(live.number, found, live.chunks.clone());
        let logged = self.is_logged(held.slot);
        for extent in extents {
            let range = extent.at..extent.at + extent.len;
            if checked {
                draft.reseal(&mut tx, range)?;
                continue;
            }
            // What was never written reads zero whatever a crash leaves there.
            for part in draft.written(&tx, range)? {
                let home = draft.home(&part);
                if logged {
                    tx.mask(home)?; // keeps I6
                }
                tx.flush_beside(home)?;
            }
        }
        draft.stage(&mut tx)?;
        tx.commit()?;
        Ok(())
    }
}
