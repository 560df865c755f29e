//! Another block for a region: room for it, its bytes in it, and a map that says which of them are its own.

use std::collections::BTreeMap;
use std::ops::Range;

use everline::alloc::{AllocError, Request};
use everline::layout::{
    ChunkSum, DirectoryEntry, MapWord, REGION_SUM_SHIFT, REGION_WRITTEN, SumWord,
};
use everline::media::Media;
use everline::tx::{Tx, TxError};
use everline::units::{ByteOffset, ByteRange};

use super::{Draft, Outcome, common, merge};
use crate::chunks::{Chunks, map_bytes, map_shift};
use crate::directory::behind;
use crate::stage::stage_map;

/// Bytes that are copied at once.
const COPY_BYTES: u64 = 64 << 10;

impl Draft {
    /// Moves the region's first `keep` bytes into a block of `want` bytes, or of `least` where there is no space for so
    /// many; the old block is free once the transaction is committed. Views are the caller's business (R7).
    pub fn relocate<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        want: u64,
        least: u64,
        keep: u64,
    ) -> Outcome<M, ()> {
        let block = self.room(tx, want, least)?;
        self.move_to(tx, block, keep)
    }

    /// A block for the region, whose bytes nobody has touched.
    pub fn room<M: Media>(
        &self,
        tx: &mut Tx<'_, M>,
        want: u64,
        least: u64,
    ) -> Outcome<M, ByteRange> {
        let request = |bytes| {
            let request = Request::new(bytes).sparse();
            let align = self.found.entry.align();
            align.map_or(request, |align| request.with_align(align))
        };
        match tx.alloc(request(want)) {
            Err(TxError::Alloc(AllocError::NoSpace { .. } | AllocError::TooLarge { .. }))
                if least < want =>
            {
                Ok(tx.alloc(request(least))?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// Moves the region's first `keep` bytes into `block`.
    pub fn move_to<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        block: ByteRange,
        keep: u64,
    ) -> Outcome<M, ()> {
        let old = self.rebuild(tx, block, keep, self.slot)?;
        let places = [old.block().0, old.map().0];
        for place in places.into_iter().filter(|place| *place != 0) {
            tx.free(ByteOffset::new(place))?;
        }
        Ok(())
    }

    /// Copies the first `keep` bytes into `block`, with a map for the region of `slot`; answers the entry as it was.
    pub fn rebuild<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        block: ByteRange,
        keep: u64,
        slot: u32,
    ) -> Outcome<M, DirectoryEntry> {
        let mut entry = self.found.entry;
        let old_home = self.home(&(0..keep)).start();
        let written = self.written(tx, 0..keep)?;
        entry.set_block(block.start().get(), block.len().get());
        entry.flags &= !REGION_WRITTEN;
        let shift = match self.is_checked() {
            true => REGION_SUM_SHIFT,
            false => map_shift(block.len().get()),
        };
        entry.set_map(u64::from(shift != 0), shift);
        let sums = self.kept_sums(tx, keep)?;
        self.slot = slot;
        let old = core::mem::replace(&mut self.found.entry, entry);
        self.chunks = match (shift, self.is_checked()) {
            (_, true) => Chunks::Sums,
            (0, _) => Chunks::Blank,
            _ => Chunks::Map(vec![0; (map_bytes(&entry) / 8) as usize].into()),
        };
        self.copy(tx, old_home, &written, keep)?;
        if shift != 0 {
            let words = self.all_words(tx, &sums);
            let at = stage_map(tx, &words)?;
            self.found.entry.set_map(at, shift);
            (self.words, self.sums) = (0..0, BTreeMap::new());
        }
        self.entry_changed = true;
        Ok(old)
    }

    /// Copies what is `written` from the old block to the new one, and zeros between where chunks are shared.
    fn copy<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        from: ByteOffset,
        written: &[Range<u64>],
        keep: u64,
    ) -> Outcome<M, ()> {
        let grid = self.grid();
        let shared = merge(
            written
                .iter()
                .flat_map(|range| grid.indices(range))
                .map(|index| common(&grid.range(index), &(0..keep)))
                .collect(),
        );
        for range in &shared {
            tx.manager().pool().media().back(self.home(range))?;
        }
        let mut buffer = Vec::new();
        for range in &shared {
            tx.mask(self.home(range))?;
            let mut done = range.start;
            for part in written
                .iter()
                .filter(|part| !common(part, range).is_empty())
            {
                tx.zero_beside(self.home(&(done..part.start)))?;
                done = part.start;
                while done < part.end {
                    let step = COPY_BYTES.min(part.end - done);
                    buffer.resize(step as usize, 0);
                    tx.read(behind(from, done), &mut buffer)?;
                    tx.write_beside(self.home(&(done..done + step)).start(), &buffer)?;
                    done += step;
                }
            }
            tx.zero_beside(self.home(&(done..range.end)))?;
        }
        self.own(&shared);
        Ok(())
    }

    fn kept_sums<M: Media>(&self, tx: &Tx<'_, M>, keep: u64) -> Outcome<M, Vec<ChunkSum>> {
        if !self.is_checked() {
            return Ok(Vec::new());
        }
        self.grid()
            .indices(&(0..keep))
            .map(|index| self.sum(tx, index))
            .collect()
    }

    /// Every word of the map or the table.
    fn all_words<M: Media>(&self, tx: &Tx<'_, M>, sums: &[ChunkSum]) -> Vec<u8> {
        let pool_id = tx.manager().pool().id();
        let count = map_bytes(&self.found.entry) / 8;
        let word = |index: u64| match &self.chunks {
            Chunks::Map(bits) => MapWord::encode(bits[index as usize], pool_id, self.slot, index).0,
            _ => {
                let sum = sums.get(index as usize);
                let sum = *sum.unwrap_or(&ChunkSum::Unwritten);
                SumWord::encode(sum, pool_id, self.slot, index).0
            }
        };
        (0..count)
            .flat_map(|index| word(index).to_le_bytes())
            .collect()
    }
}
