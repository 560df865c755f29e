//! Another length, another block, another region with the same bytes.

use everline::layout::REGION_GROWABLE;
use everline::media::Media;

use crate::batch::Batch;
use crate::chunks::Chunks;
use crate::directory::Tail;
use crate::draft::{Draft, How};
use crate::segments::Segment;
use crate::stage::insert_twin;
use crate::{RegionError, RegionId, RegionOptions, Regions};

impl<M: Media> Regions<M> {
    /// Gives the region another length: its first bytes stay, new ones read zero, also where it was longer before.
    ///
    /// Errors: [`RegionError::InvalidSize`] for no bytes of a region that does not grow, [`RegionError::NoSpace`]
    /// (where it must move both blocks need space), [`RegionError::InUse`], [`RegionError::InvalidRegion`]. Cost:
    /// one wait to shrink, one or two to grow, and a copy of its bytes where its block is too small. Crash: the old
    /// length or the new one, with all of the bytes that both have.
    pub fn resize(&self, id: RegionId, new_len: u64) -> Result<(), RegionError<M::SyncError>> {
        self.change(|batch| batch.resize(id, new_len))
    }

    /// Makes another region with the same bytes and the same options; it has no name.
    ///
    /// Errors: [`RegionError::NoSpace`], [`RegionError::InvalidRegion`]. Cost: two waits. Crash: the whole copy, or
    /// nothing of it.
    pub fn copy(&self, id: RegionId) -> Result<RegionId, RegionError<M::SyncError>> {
        self.change(|batch| batch.copy(id))
    }
}

impl<M: Media> Batch<'_, M> {
    /// As [`Regions::resize`]; others see it once the batch is committed.
    pub fn resize(&mut self, id: RegionId, new_len: u64) -> Result<(), RegionError<M::SyncError>> {
        let parts = self.regions().parts(id)?;
        self.member(|regions, tx, changes| {
            let found = changes.find(regions, tx, id, parts)?;
            if new_len == 0 && !found.entry.has(REGION_GROWABLE) {
                return Err(RegionError::InvalidSize);
            }
            regions.refuse_views(parts.slot, &found)?;
            let chunks = Chunks::read(tx, parts.slot, &found.entry)?;
            let mut draft = Draft::new(parts.slot, found, chunks);
            let old_len = draft.len();
            // What the record holds of the present block would come over bytes that go straight there.
            let logged = changes.logged.contains(&parts.slot);
            let room = new_len.max(old_len);
            let moves = new_len > draft.capacity() || (logged && room > 0);
            if moves {
                draft.relocate(tx, room, room, old_len)?;
            }
            if new_len < old_len {
                draft.cut(tx, id, new_len)?;
            } else {
                let fresh = draft.fresh(tx, std::iter::empty(), new_len)?;
                if draft.is_checked() {
                    draft.refuse_damaged(tx, id, &[], &fresh)?;
                }
                draft.store(tx, &[], &fresh, new_len, How::Logged)?;
                if draft.is_checked() {
                    draft.seal(tx, fresh.into_iter())?;
                }
            }
            draft.stage(tx)?;
            if moves {
                changes.forget_logged(parts.slot);
            }
            Ok(())
        })
    }

    /// As [`Regions::write_atomic`], always through the log; others see it once the batch is committed.
    pub fn write_atomic(
        &mut self,
        id: RegionId,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        let parts = self.regions().parts(id)?;
        self.member(|regions, tx, changes| {
            let found = changes.find(regions, tx, id, parts)?;
            let limit = crate::segments::Limit {
                len: found.entry.len.get(),
                grows: found.entry.has(REGION_GROWABLE),
            };
            limit.check(id, at, bytes.len() as u64)?;
            if bytes.is_empty() {
                return Ok(());
            }
            let chunks = Chunks::read(tx, parts.slot, &found.entry)?;
            let mut draft = Draft::new(parts.slot, found, chunks);
            let (segment, end) = (Segment { at, bytes }, at + bytes.len() as u64);
            let (len, new_len) = (draft.len(), draft.len().max(end));
            let moves = end > draft.capacity();
            if moves {
                regions.refuse_views(parts.slot, &found)?;
                let want = end.max(draft.capacity().saturating_mul(2));
                draft.relocate(tx, want, end, len)?;
            }
            let fresh = draft.fresh(tx, [segment.range()].into_iter(), new_len)?;
            if draft.is_checked() {
                draft.refuse_damaged(tx, id, &[segment], &fresh)?;
            }
            draft.store(tx, &[segment], &fresh, new_len, How::Logged)?;
            if draft.is_checked() {
                draft.seal(tx, [segment.range()].into_iter().chain(fresh))?;
            }
            draft.stage(tx)?;
            if moves {
                changes.forget_logged(parts.slot);
            }
            if draft.logged {
                changes.logged.push(parts.slot);
            }
            changes.tally.write(bytes.len() as u64);
            changes.tally.atomic_writes += 1;
            Ok(())
        })
    }

    /// As [`Regions::copy`]; valid once the batch is committed.
    pub fn copy(&mut self, id: RegionId) -> Result<RegionId, RegionError<M::SyncError>> {
        let parts = self.regions().parts(id)?;
        self.member(|regions, tx, changes| {
            let found = changes.find(regions, tx, id, parts)?;
            let tail = Tail::read(tx, parts.slot, &found.entry)?;
            let chunks = Chunks::read(tx, parts.slot, &found.entry)?;
            let draft = Draft::new(parts.slot, found, chunks);
            let options = RegionOptions {
                attributes: Some(tail.attributes()),
                ..RegionOptions::default()
            };
            changes.tally.creates += 1;
            insert_twin(regions, tx, changes, draft, &options)
        })
    }
}
