//! A region under change in a transaction: its block, its chunks and what its entry will say.
//!
//! ```text
//! block | written chunk | unwritten: reads zero | written |----- capacity
//!       0                                   old length  new length
//! ```
//!
//! What nobody may have read before goes straight to its home and becomes the region's own with the commit: unwritten
//! chunks, and what lies behind the old length. Those are *fresh* ranges: zeroed where nothing is stored, durable
//! before the record, covered by it (R2, R8).

mod relocate;

use std::collections::BTreeMap;
use std::ops::Range;

use everline::layout::{ChunkSum, MapWord, REGION_CHECKED, REGION_WRITTEN, SumWord};
use everline::media::Media;
use everline::tx::Tx;
use everline::units::{ByteLen, ByteOffset, ByteRange};

use crate::RegionError;
use crate::chunks::{self, Chunks, Grid};
use crate::directory::{Found, behind};
use crate::segments::Segment;

/// Where stored bytes go that somebody may have read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Into the record: all or nothing.
    Logged,
    /// Straight home; `masked` where a record above the cut may speak of them (R6).
    Home { masked: bool },
}

/// A region under change.
pub(crate) struct Draft {
    pub slot: u32,
    /// Its entry as it will be.
    pub found: Found,
    pub chunks: Chunks,
    /// Sums that differ from the table's.
    pub sums: BTreeMap<u64, ChunkSum>,
    /// Whether bytes of it went into the record.
    pub logged: bool,
    /// First word of the map that changed, and the one behind the last.
    words: Range<u64>,
    entry_changed: bool,
}

type Outcome<M, R> = Result<R, RegionError<<M as Media>::SyncError>>;

/// Sorted, and joined where they touch.
pub(crate) fn merge(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

fn common(a: &Range<u64>, b: &Range<u64>) -> Range<u64> {
    a.start.max(b.start)..a.end.min(b.end)
}

impl Draft {
    pub fn new(slot: u32, found: Found, chunks: Chunks) -> Self {
        Draft {
            slot,
            found,
            chunks,
            sums: BTreeMap::new(),
            logged: false,
            words: 0..0,
            entry_changed: false,
        }
    }

    pub fn len(&self) -> u64 {
        self.found.entry.len.get()
    }

    pub fn capacity(&self) -> u64 {
        self.found.entry.block().1
    }

    pub fn is_checked(&self) -> bool {
        self.found.entry.has(REGION_CHECKED)
    }

    pub fn grid(&self) -> Grid {
        Grid::of(&self.found.entry)
    }

    /// Where a range of the region lies in the pool.
    pub fn home(&self, range: &Range<u64>) -> ByteRange {
        let at = behind(ByteOffset::new(self.found.entry.block().0), range.start);
        let len = range.end.saturating_sub(range.start);
        ByteRange::new(at, ByteLen::new(len)).unwrap_or_default()
    }

    /// What is known of a chunk of a checked region.
    pub fn sum<M: Media>(&self, tx: &Tx<'_, M>, index: u64) -> Outcome<M, ChunkSum> {
        match self.sums.get(&index) {
            Some(sum) => Ok(*sum),
            None => chunks::sum(tx, self.slot, &self.found.entry, index),
        }
    }

    pub fn is_written<M: Media>(&self, tx: &Tx<'_, M>, index: u64) -> Outcome<M, bool> {
        match self.chunks {
            Chunks::Sums => Ok(self.sum(tx, index)? != ChunkSum::Unwritten),
            _ => Ok(self.chunks.is_written(index)),
        }
    }

    /// Ranges of `within` whose chunks are the region's own.
    pub fn written<M: Media>(
        &self,
        tx: &Tx<'_, M>,
        within: Range<u64>,
    ) -> Outcome<M, Vec<Range<u64>>> {
        let grid = self.grid();
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for index in grid.indices(&within) {
            if !self.is_written(tx, index)? {
                continue;
            }
            let range = common(&grid.range(index), &within);
            match ranges.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => ranges.push(range),
            }
        }
        Ok(ranges)
    }

    /// What nobody may have read before, of a change that stores to `touched` and makes the region `new_len` long.
    pub fn fresh<M: Media>(
        &self,
        tx: &Tx<'_, M>,
        touched: impl Iterator<Item = Range<u64>>,
        new_len: u64,
    ) -> Outcome<M, Vec<Range<u64>>> {
        let (grid, mut fresh) = (self.grid(), Vec::new());
        for range in touched {
            for index in grid.indices(&range) {
                if !self.is_written(tx, index)? {
                    fresh.push(common(&grid.range(index), &(0..new_len)));
                }
            }
        }
        fresh.extend(self.written(tx, self.len().min(new_len)..new_len)?);
        Ok(merge(fresh))
    }

    /// Stores `segments`, and zeros to the rest of the `fresh` ranges; the region is `new_len` long afterwards.
    pub fn store<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        segments: &[Segment<'_>],
        fresh: &[Range<u64>],
        new_len: u64,
        how: How,
    ) -> Outcome<M, ()> {
        for range in fresh {
            // keeps H5: the space behind a sparse block is there before the first store
            tx.manager().pool().media().back(self.home(range))?;
        }
        for range in fresh {
            tx.mask(self.home(range))?;
            self.zero_around(tx, segments, range)?;
        }
        for segment in segments {
            self.store_segment(tx, segment, fresh, how)?;
        }
        self.own(fresh);
        self.set_len(new_len);
        Ok(())
    }

    /// Zeros to what no segment stores to, or where there are several perhaps to more.
    fn zero_around<M: Media>(
        &self,
        tx: &mut Tx<'_, M>,
        segments: &[Segment<'_>],
        fresh: &Range<u64>,
    ) -> Outcome<M, ()> {
        let whole = segments
            .iter()
            .map(Segment::range)
            .any(|range| range.start <= fresh.start && fresh.end <= range.end);
        let parts = match segments {
            _ if whole => return Ok(()),
            [one] => {
                let stored = common(&one.range(), fresh);
                match stored.is_empty() {
                    true => [fresh.clone(), 0..0],
                    false => [fresh.start..stored.start, stored.end..fresh.end],
                }
            }
            _ => [fresh.clone(), 0..0],
        };
        for part in parts.iter().filter(|part| !part.is_empty()) {
            tx.zero_beside(self.home(part))?;
        }
        Ok(())
    }

    fn store_segment<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        segment: &Segment<'_>,
        fresh: &[Range<u64>],
        how: How,
    ) -> Outcome<M, ()> {
        let range = segment.range();
        let mut done = range.start;
        let mut next = fresh.partition_point(|known| known.end <= done);
        while done < range.end {
            let (end, is_fresh) = match fresh.get(next) {
                Some(known) if known.start <= done => (known.end, true),
                Some(known) => (known.start, false),
                None => (range.end, false),
            };
            let part = done..end.min(range.end);
            let bytes = segment.part(&part);
            let home = self.home(&part);
            match how {
                _ if is_fresh => tx.write_beside(home.start(), bytes)?,
                How::Logged => {
                    tx.write(home.start(), bytes)?;
                    self.logged = true;
                }
                How::Home { masked } => {
                    if masked {
                        tx.mask(home)?;
                    }
                    tx.write_beside(home.start(), bytes)?;
                }
            }
            done = part.end;
            next += usize::from(is_fresh);
        }
        Ok(())
    }

    /// The chunks of `ranges` are the region's own from now on.
    fn own(&mut self, ranges: &[Range<u64>]) {
        let grid = self.grid();
        match &mut self.chunks {
            Chunks::Whole | Chunks::Sums => {}
            Chunks::Blank if ranges.is_empty() => {}
            Chunks::Blank => {
                self.chunks = Chunks::Whole;
                self.found.entry.flags |= REGION_WRITTEN;
                self.entry_changed = true;
            }
            Chunks::Map(bits) => {
                for index in ranges.iter().flat_map(|range| grid.indices(range)) {
                    let word = (index / MapWord::CHUNKS) as usize;
                    let (old, bit) = (bits[word], 1 << (index % MapWord::CHUNKS));
                    bits[word] = old | bit;
                    if old & bit == 0 {
                        note(&mut self.words, word as u64);
                    }
                }
            }
        }
    }

    /// Gives up the chunks that lie wholly behind `end`.
    pub fn disown_behind<M: Media>(&mut self, tx: &Tx<'_, M>, end: u64) -> Outcome<M, ()> {
        let grid = self.grid();
        let behind = |index: &u64| grid.range(*index).start >= end;
        let all = grid.indices(&(0..self.capacity()));
        let first = all.clone().find(behind).unwrap_or(all.end);
        if matches!(self.chunks, Chunks::Sums) {
            for index in first..grid.indices(&(0..self.len())).end {
                if self.sum(tx, index)? != ChunkSum::Unwritten {
                    self.sums.insert(index, ChunkSum::Unwritten);
                }
            }
        }
        if let Chunks::Map(bits) = &mut self.chunks {
            for index in first..all.end {
                let word = (index / MapWord::CHUNKS) as usize;
                let (old, bit) = (bits[word], 1 << (index % MapWord::CHUNKS));
                bits[word] = old & !bit;
                if old & bit != 0 {
                    note(&mut self.words, word as u64);
                }
            }
        }
        Ok(())
    }

    pub fn set_len(&mut self, len: u64) {
        self.entry_changed |= self.len() != len;
        self.found.entry.len = len.into();
    }

    /// Stages entry, map and sums as they have become.
    pub fn stage<M: Media>(&mut self, tx: &mut Tx<'_, M>) -> Outcome<M, ()> {
        let pool_id = *tx.manager().pool().id();
        if let Chunks::Map(bits) = &self.chunks {
            let words: Vec<u8> = self
                .words
                .clone()
                .flat_map(|index| {
                    let bits = bits[index as usize];
                    MapWord::encode(bits, &pool_id, self.slot, index)
                        .0
                        .to_le_bytes()
                })
                .collect();
            if !words.is_empty() {
                let map = ByteOffset::new(self.found.entry.map().0);
                tx.write(behind(map, 8 * self.words.start), &words)?;
            }
        }
        let table = ByteOffset::new(self.found.entry.map().0);
        for (index, sum) in &self.sums {
            let word = SumWord::encode(*sum, &pool_id, self.slot, *index);
            tx.write(behind(table, 8 * index), &word.0.to_le_bytes())?;
        }
        if self.entry_changed {
            self.found.stage(tx, self.slot)?;
        }
        Ok(())
    }
}

fn note(words: &mut Range<u64>, word: u64) {
    *words = match words.is_empty() {
        true => word..word + 1,
        false => words.start.min(word)..words.end.max(word + 1),
    };
}
