//! Looks for bytes of checked regions that were changed behind their back; reads only.

use everline::layout::{ChunkSum, REGION_CHECKED, REGION_SUM_SHIFT};
use everline::media::Media;

use crate::checked::crc_of;
use crate::open::Inside;
use crate::{RegionError, RegionId, Regions};

/// A chunk whose bytes do not match its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadChunk {
    /// Of which region.
    pub id: RegionId,
    /// Where in it.
    pub at: u64,
    /// Bytes that have the checksum.
    pub len: u64,
}

/// What a scrub looked at and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Checked regions.
    pub regions: u64,
    /// Chunks whose sum was compared.
    pub verified: u64,
    /// Chunks that are being changed, or were when the process died: nothing is known of them.
    pub unsealed: u64,
    /// Chunks that were never written.
    pub unwritten: u64,
    /// Chunks that do not match.
    pub bad: u64,
}

/// Chunks that are looked at while writers wait.
const AT_ONCE: u64 = 64;

impl<M: Media> Regions<M> {
    /// Compares every chunk of a checked region with its sum. `progress` learns bytes done and bytes in all; `bad` each
    /// chunk that does not match.
    ///
    /// Errors: [`RegionError::NotChecked`], [`RegionError::InvalidRegion`], [`RegionError::Corrupt`] where the table
    /// itself cannot be right. Cost: reads the region, no wait; writers wait for 256 KiB of it at most.
    pub fn scrub(
        &self,
        id: RegionId,
        mut progress: impl FnMut(u64, u64),
        mut bad: impl FnMut(BadChunk),
    ) -> Result<ScrubReport, RegionError<M::SyncError>> {
        let mut report = ScrubReport {
            regions: 1,
            ..ScrubReport::default()
        };
        let mut next = 0;
        loop {
            let inside = self.enter(id)?;
            if !inside.entry.has(REGION_CHECKED) {
                return Err(RegionError::NotChecked { id });
            }
            let len = inside.entry.len.get();
            let count = len.div_ceil(1 << REGION_SUM_SHIFT);
            let end = count.min(next + AT_ONCE);
            for index in next..end {
                self.scrub_chunk(&inside, index, &mut report, &mut bad)?;
            }
            next = end;
            progress(len.min(next << REGION_SUM_SHIFT), len);
            if next >= count {
                return Ok(report);
            }
        }
    }

    fn scrub_chunk(
        &self,
        inside: &Inside<'_>,
        index: u64,
        report: &mut ScrubReport,
        bad: &mut impl FnMut(BadChunk),
    ) -> Result<(), RegionError<M::SyncError>> {
        match self.verify_chunk(inside, index)? {
            Verdict::Unwritten => report.unwritten += 1,
            Verdict::Unsealed => report.unsealed += 1,
            Verdict::Right => report.verified += 1,
            Verdict::Bad(chunk) => {
                report.verified += 1;
                report.bad += 1;
                bad(chunk);
            }
        }
        Ok(())
    }

    fn verify_chunk(
        &self,
        inside: &Inside<'_>,
        index: u64,
    ) -> Result<Verdict, RegionError<M::SyncError>> {
        let sum = crate::chunks::sum(self.engine(), inside.number, &inside.entry, index)?;
        let sum = match sum {
            ChunkSum::Unwritten => return Ok(Verdict::Unwritten),
            ChunkSum::Unsealed => return Ok(Verdict::Unsealed),
            ChunkSum::Sealed(sum) => sum,
        };
        let at = index << REGION_SUM_SHIFT;
        let len = (inside.entry.len.get() - at).min(1 << REGION_SUM_SHIFT);
        let id = inside.id;
        match crc_of(self.engine(), inside.home_range(at, len))? == sum {
            true => Ok(Verdict::Right),
            false => Ok(Verdict::Bad(BadChunk { id, at, len })),
        }
    }

    /// [`Regions::scrub`] of every checked region there is when it begins; those destroyed meanwhile are left out.
    pub fn scrub_all(
        &self,
        mut progress: impl FnMut(u64, u64),
        mut bad: impl FnMut(BadChunk),
    ) -> Result<ScrubReport, RegionError<M::SyncError>> {
        let mut checked = Vec::new();
        self.for_each(|region| {
            if region.checked() {
                checked.push((region.id(), region.len()));
            }
        })?;
        let total = checked.iter().map(|(_, len)| len).sum();
        let (mut all, mut before) = (ScrubReport::default(), 0);
        for (id, len) in checked {
            match self.scrub(
                id,
                |done, _| progress(before + done.min(len), total),
                &mut bad,
            ) {
                Ok(report) => {
                    all.regions += 1;
                    all.verified += report.verified;
                    all.unsealed += report.unsealed;
                    all.unwritten += report.unwritten;
                    all.bad += report.bad;
                }
                Err(RegionError::InvalidRegion { .. }) => {}
                Err(error) => return Err(error),
            }
            before += len;
        }
        Ok(all)
    }

    /// As [`Regions::read`] of a checked region, with every chunk of the range compared with its sum before; one that
    /// is being changed by volatile writes has none and is read as it is.
    ///
    /// Errors: [`RegionError::Damaged`] names the first chunk that does not match, and nothing was read;
    /// [`RegionError::NotChecked`]; else as of [`Regions::read`].
    pub fn read_verified(
        &self,
        id: RegionId,
        at: u64,
        into: &mut [u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        let inside = self.enter(id)?;
        inside.read_limit().check(id, at, into.len() as u64)?;
        if !inside.entry.has(REGION_CHECKED) {
            return Err(RegionError::NotChecked { id });
        }
        let end = at + into.len() as u64;
        for index in at >> REGION_SUM_SHIFT..end.div_ceil(1 << REGION_SUM_SHIFT) {
            if let Verdict::Bad(BadChunk { at, len, .. }) = self.verify_chunk(&inside, index)? {
                return Err(RegionError::Damaged { id, at, len });
            }
        }
        self.read_inside(&inside, at, into)?;
        self.counters.read(into.len() as u64);
        Ok(())
    }
}

/// What a chunk's sum says.
enum Verdict {
    Unwritten,
    Unsealed,
    Right,
    Bad(BadChunk),
}
