//! Checked regions: a checksum for each 4 KiB of their bytes.
//!
//! ```text
//! unwritten ──first write──▶ sealed ──write through the log──▶ sealed        data and sum in one COMMIT
//!                              │  └──large or volatile write──▶ unsealed      durable before the first byte changes
//!                              └────◀── data durable, then the sum ──┘
//! ```
//!
//! Invariants
//! S1  a sealed chunk's bytes change only in the commit that changes its sum, so that a crash raises no false alarm;
//! S2  a chunk is sealed anew only where every byte of it is known to be right: it was verified, or is stored to
//!     wholly, so that a flipped bit is never sealed in;
//! S3  bytes of an unsealed chunk are durable before it is sealed.

use std::collections::BTreeSet;
use std::ops::Range;

use everline::layout::{ChunkSum, REGION_CHECKED, REGION_SUM_SHIFT, REGION_WRITTEN, SumWord};
use everline::media::Media;
use everline::tx::Tx;
use everline::units::{ByteOffset, ByteRange};

use crate::chunks::map_bytes;
use crate::directory::{Found, View, behind};
use crate::draft::{Draft, merge};
use crate::segments::{Segment, WriteMode};
use crate::stage::stage_map;
use crate::write::{Step, Write};
use crate::{RegionError, RegionId};

type Outcome<M, R> = Result<R, RegionError<<M as Media>::SyncError>>;

/// Bytes of a write that go through the log, so that data and sums take one wait. More lines, stored twice at 2-3 ns each,
/// would cost more than the two further waits of 160 ns and the record of the broken seals.
pub(crate) const LOGGED_BYTES: u64 = 16 << 10;

/// CRC-32 of `range` of the pool.
pub(crate) fn crc_of<M: Media>(view: &impl View<M>, range: ByteRange) -> Outcome<M, u32> {
    const PIECE: u64 = 1 << REGION_SUM_SHIFT;
    let mut buffer = [0; PIECE as usize];
    let mut sum = crc32fast::Hasher::new();
    let mut done = 0;
    while done < range.len().get() {
        let step = PIECE.min(range.len().get() - done);
        let piece = &mut buffer[..step as usize];
        view.bytes(behind(range.start(), done), piece)?;
        sum.update(piece);
        done += step;
    }
    Ok(sum.finalize())
}

/// Stages the table of a checked region whose bytes have just been stored.
pub(crate) fn seal_new<M: Media>(
    tx: &mut Tx<'_, M>,
    slot: u32,
    found: &mut Found,
) -> Outcome<M, ()> {
    let entry = &mut found.entry;
    if !entry.has(REGION_CHECKED) || !entry.has(REGION_WRITTEN) {
        return Ok(());
    }
    let (len, block) = (entry.len.get(), ByteOffset::new(entry.block().0));
    entry.flags &= !REGION_WRITTEN;
    // Its bytes depend on whether it has a table.
    entry.set_map(1, REGION_SUM_SHIFT);
    let pool_id = *tx.manager().pool().id();
    let mut words = Vec::new();
    for index in 0..map_bytes(entry) / 8 {
        let start = index << REGION_SUM_SHIFT;
        let bytes = len.saturating_sub(start).min(1 << REGION_SUM_SHIFT);
        let range = ByteRange::at(behind(block, start).get(), bytes).unwrap_or_default();
        let sum = match bytes {
            0 => ChunkSum::Unwritten,
            _ => ChunkSum::Sealed(crc_of(tx, range)?),
        };
        words.extend(SumWord::encode(sum, &pool_id, slot, index).0.to_le_bytes());
    }
    entry.set_map(stage_map(tx, &words)?, REGION_SUM_SHIFT);
    Ok(())
}

impl Draft {
    /// Whether so small a write of a checked region goes through the log.
    pub fn logs(&self, bytes: u64) -> bool {
        self.is_checked() && (1..=LOGGED_BYTES).contains(&bytes)
    }

    /// The bytes of chunk `index` that the region reaches.
    fn chunk(&self, index: u64) -> Range<u64> {
        let range = self.grid().range(index);
        range.start.min(self.len())..range.end.min(self.len())
    }

    /// Refuses to go on with a sealed chunk whose bytes are not what was sealed (S2).
    fn verify<M: Media>(&self, tx: &Tx<'_, M>, id: RegionId, index: u64) -> Outcome<M, ()> {
        let range = self.chunk(index);
        match self.sum(tx, index)? {
            ChunkSum::Sealed(sum) if crc_of(tx, self.home(&range))? != sum => {
                Err(RegionError::Damaged {
                    id,
                    at: range.start,
                    len: range.end - range.start,
                })
            }
            _ => Ok(()),
        }
    }

    /// Verifies the chunks that a change stores to in part.
    pub fn refuse_damaged<M: Media>(
        &self,
        tx: &Tx<'_, M>,
        id: RegionId,
        segments: &[Segment<'_>],
        fresh: &[Range<u64>],
    ) -> Outcome<M, ()> {
        let stored: Vec<Range<u64>> = segments.iter().map(Segment::range).collect();
        for index in self.indices(stored.iter().chain(fresh)) {
            let chunk = self.chunk(index);
            let whole = stored
                .iter()
                .any(|range| range.start <= chunk.start && chunk.end <= range.end);
            if !whole {
                self.verify(tx, id, index)?;
            }
        }
        Ok(())
    }

    fn indices<'i>(&self, ranges: impl Iterator<Item = &'i Range<u64>>) -> BTreeSet<u64> {
        let grid = self.grid();
        ranges.flat_map(|range| grid.indices(range)).collect()
    }

    /// Unseals the chunks whose bytes will change at home, if any is sealed: that must be durable first (S1). What
    /// goes through the log or into a new block breaks no seal. Answers what is left to do once that is committed:
    /// the write again, or only its stores; `None` where nothing stands in its way.
    pub fn unseal_first<M: Media>(
        &mut self,
        tx: &Tx<'_, M>,
        id: RegionId,
        write: &Write<'_>,
    ) -> Outcome<M, Option<Step>> {
        let all = write.segments.iter().map(Segment::range);
        let end = all.clone().map(|range| range.end).max().unwrap_or(0);
        let bytes: u64 = all.clone().map(|range| range.end - range.start).sum();
        let volatile = write.mode == WriteMode::Volatile;
        let logged = write.mode == WriteMode::Atomic || (!volatile && self.logs(bytes));
        if logged || end > self.capacity() {
            return Ok(None);
        }
        let known: Vec<Range<u64>> = all
            .map(|range| range.start..range.end.min(self.len()))
            .collect();
        let (mut any, mut fresh) = (false, end > self.len());
        for index in self.indices(known.iter()) {
            match self.sum(tx, index)? {
                ChunkSum::Unwritten => fresh = true,
                ChunkSum::Sealed(_) => {
                    self.verify(tx, id, index)?;
                    self.sums.insert(index, ChunkSum::Unsealed);
                    any = true;
                }
                ChunkSum::Unsealed => {}
            }
        }
        Ok(match (volatile && !fresh, any) {
            (true, _) => Some(Step::Store),
            (false, true) => Some(Step::Again),
            (false, false) => None,
        })
    }

    /// Seals the chunks of `ranges`, as they are now.
    pub fn seal<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        ranges: impl Iterator<Item = Range<u64>>,
    ) -> Outcome<M, ()> {
        let ranges: Vec<Range<u64>> = ranges.collect();
        let mut indices = self.indices(ranges.iter());
        indices.retain(|index| !self.chunk(*index).is_empty());
        let mut unsealed = Vec::new();
        for index in &indices {
            if self.sum(tx, *index)? == ChunkSum::Unsealed {
                unsealed.push(self.chunk(*index));
            }
        }
        // In few pieces: each makes every look through the transaction longer.
        for range in merge(unsealed) {
            let home = self.home(&range);
            tx.mask(home)?;
            tx.flush_beside(home)?; // keeps S3
        }
        for index in indices {
            let sum = crc_of(tx, self.home(&self.chunk(index)))?;
            self.sums.insert(index, ChunkSum::Sealed(sum));
        }
        Ok(())
    }

    /// Makes the unsealed chunks of `range` durable and seals them.
    pub fn reseal<M: Media>(&mut self, tx: &mut Tx<'_, M>, range: Range<u64>) -> Outcome<M, ()> {
        let grid = self.grid();
        let mut unsealed = Vec::new();
        for index in grid.indices(&range) {
            if self.sum(tx, index)? == ChunkSum::Unsealed {
                unsealed.push(grid.range(index));
            }
        }
        self.seal(tx, unsealed.into_iter())
    }

    /// Makes the region `new_len` long, which is less than it was.
    pub fn cut<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        id: RegionId,
        new_len: u64,
    ) -> Outcome<M, ()> {
        let last = self.grid().indices(&(0..new_len)).end.saturating_sub(1);
        let reseal =
            self.is_checked() && new_len > 0 && matches!(self.sum(tx, last)?, ChunkSum::Sealed(_));
        if reseal {
            self.verify(tx, id, last)?;
        }
        self.disown_behind(tx, new_len)?;
        self.set_len(new_len);
        if reseal {
            self.seal(tx, [self.grid().range(last)].into_iter())?;
        }
        Ok(())
    }
}
