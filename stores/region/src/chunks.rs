//! Which parts of a region's block are the region's own: the others hold what was there before, and read zero (R8).

use std::ops::Range;

use everline::layout::{
    ChunkSum, Corrupt, DirectoryEntry, MapWord, REGION_CHECKED, REGION_CHUNK_BYTES_MIN,
    REGION_CHUNKS_MAX, REGION_SUM_SHIFT, REGION_WRITTEN, SumWord,
};
use everline::media::Media;
use everline::units::ByteOffset;

use crate::RegionError;
use crate::directory::{View, behind};

/// What the entry and its map say; bytes of a written chunk behind the region's end mean nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chunks {
    /// Every byte of the block is the region's own.
    Whole,
    /// None is; there is no map, since there is one chunk.
    Blank,
    /// A bit for each chunk.
    Map(Box<[u32]>),
    /// A checked region's table tells, which is not kept in memory.
    Sums,
}

/// How a block is cut into chunks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    shift: u8,
    capacity: u64,
}

impl Grid {
    pub fn of(entry: &DirectoryEntry) -> Self {
        Grid {
            shift: entry.map().1,
            capacity: entry.block().1,
        }
    }

    pub fn index(&self, at: u64) -> u64 {
        match self.shift {
            0 => 0,
            shift => at >> shift,
        }
    }

    pub fn range(&self, index: u64) -> Range<u64> {
        match self.shift {
            0 => 0..self.capacity,
            shift => {
                let start = index << shift;
                start..(start + (1 << shift)).min(self.capacity)
            }
        }
    }

    /// Chunks that hold a byte of `range`.
    pub fn indices(&self, range: &Range<u64>) -> Range<u64> {
        if range.is_empty() {
            return 0..0;
        }
        self.index(range.start)..self.index(range.end - 1) + 1
    }
}

/// The shift of the chunks of a block of so many bytes; 0 for one chunk, which needs no map.
pub(crate) fn map_shift(capacity: u64) -> u8 {
    if capacity <= REGION_CHUNK_BYTES_MIN {
        return 0;
    }
    let chunk = capacity.div_ceil(REGION_CHUNKS_MAX).next_power_of_two();
    chunk.max(REGION_CHUNK_BYTES_MIN).ilog2() as u8
}

/// Bytes of the map of a block, or of the table of a checked one.
pub(crate) fn map_bytes(entry: &DirectoryEntry) -> u64 {
    let chunks = |shift: u8| entry.block().1.div_ceil(1 << shift);
    match entry.map() {
        (0, _) => 0,
        _ if entry.has(REGION_CHECKED) => 8 * chunks(REGION_SUM_SHIFT),
        (_, shift) => 8 * chunks(shift).div_ceil(MapWord::CHUNKS),
    }
}

fn word_at(entry: &DirectoryEntry, index: u64) -> ByteOffset {
    behind(ByteOffset::new(entry.map().0), 8 * index)
}

fn load<M: Media>(
    view: &impl View<M>,
    entry: &DirectoryEntry,
    index: u64,
) -> Result<u64, RegionError<M::SyncError>> {
    let mut bytes = [0; 8];
    view.bytes(word_at(entry, index), &mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// What the table of a checked region says of a chunk.
pub(crate) fn sum<M: Media>(
    view: &impl View<M>,
    slot: u32,
    entry: &DirectoryEntry,
    index: u64,
) -> Result<ChunkSum, RegionError<M::SyncError>> {
    let word = SumWord(load(view, entry, index)?);
    let wrong = || {
        Corrupt::new(
            word_at(entry, index),
            "a word of a region's table of sums has a wrong check",
        )
    };
    Ok(word
        .decode(view.pool().id(), slot, index)
        .ok_or_else(wrong)?)
}

impl Chunks {
    /// What is on media, as `view` sees it.
    pub fn read<M: Media>(
        view: &impl View<M>,
        slot: u32,
        entry: &DirectoryEntry,
    ) -> Result<Self, RegionError<M::SyncError>> {
        if entry.has(REGION_CHECKED) {
            return Ok(Chunks::Sums);
        }
        if entry.map().0 == 0 {
            return Ok(match entry.has(REGION_WRITTEN) {
                true => Chunks::Whole,
                false => Chunks::Blank,
            });
        }
        let mut words = vec![0u8; map_bytes(entry) as usize];
        view.bytes(word_at(entry, 0), &mut words)?;
        let decode = |(index, word): (usize, &[u8])| {
            let index = index as u64;
            let word = MapWord(u64::from_le_bytes(word.try_into().unwrap_or_default()));
            let wrong = Corrupt::new(
                word_at(entry, index),
                "a word of a region's map has a wrong check",
            );
            word.decode(view.pool().id(), slot, index).ok_or(wrong)
        };
        let bits: Result<_, Corrupt> = words.chunks_exact(8).enumerate().map(decode).collect();
        Ok(Chunks::Map(bits?))
    }

    /// Whether chunk `index` is the region's own; a table is not asked here.
    pub fn is_written(&self, index: u64) -> bool {
        match self {
            Chunks::Whole => true,
            Chunks::Blank | Chunks::Sums => false,
            Chunks::Map(bits) => bits
                .get((index / MapWord::CHUNKS) as usize)
                .is_some_and(|word| word >> (index % MapWord::CHUNKS) & 1 == 1),
        }
    }

    /// Bytes from the start that are the region's own.
    pub fn ready(&self, entry: &DirectoryEntry) -> u64 {
        let len = entry.len.get();
        match self {
            Chunks::Whole => len,
            Chunks::Blank | Chunks::Sums => 0,
            Chunks::Map(_) => {
                let grid = Grid::of(entry);
                let mut chunks = grid.indices(&(0..len));
                let first = chunks.find(|index| !self.is_written(*index));
                first.map_or(len, |index| grid.range(index).start)
            }
        }
    }
}
