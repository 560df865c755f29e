//! What is known of each byte of one region.

use std::ops::Range;

use everline::layout::{
    ChunkSum, DirectoryEntry, MapWord, PoolId, REGION_CHECKED, REGION_GROWABLE, REGION_SUM_SHIFT,
    REGION_WRITTEN, RegionTail, SumWord,
};

use super::{Readable, SalvagedRegion};
use crate::chunks::{Grid, map_bytes};
use crate::mend;

/// What is known of a piece of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It was never written and is zero.
    Unwritten,
    /// Its bytes match their checksum.
    Verified,
    /// It lies where the directory says; its bytes have no checksum.
    Unchecked,
    /// Its bytes do not match their checksum.
    Mismatch,
    /// Whether these bytes are the region's is not known, or they were being changed.
    Unknown,
    /// It cannot be read at all; zeros stand in.
    Unreadable,
}

impl Trust {
    /// Whether nothing speaks against it.
    pub fn is_good(self) -> bool {
        matches!(self, Trust::Unwritten | Trust::Verified | Trust::Unchecked)
    }

    /// In a word, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Trust::Unwritten => "unwritten",
            Trust::Verified => "verified",
            Trust::Unchecked => "unchecked",
            Trust::Mismatch => "mismatch",
            Trust::Unknown => "unknown",
            Trust::Unreadable => "unreadable",
        }
    }
}

/// A piece of a region of which the same is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of the region.
    pub range: Range<u64>,
    /// What is known of them.
    pub trust: Trust,
}

/// The region that `entry` describes.
pub(super) fn region(
    source: &(impl Readable + ?Sized),
    pool_id: &PoolId,
    slot: u32,
    entry: &DirectoryEntry,
    notes: &mut Vec<String>,
) -> SalvagedRegion {
    let mut region = SalvagedRegion {
        slot,
        generation: entry.generation.get(),
        id: None,
        name: None,
        attributes: Vec::new(),
        name_lost: false,
        mended: false,
        checked: entry.has(REGION_CHECKED),
        growable: entry.has(REGION_GROWABLE),
        len: entry.len.get(),
        created_s: entry.created_s.get().into(),
        pieces: Vec::new(),
        at: entry.block().0,
    };
    if entry.tail() != 0 {
        match tail(source, pool_id, slot, entry.tail()) {
            Some((name, attributes)) => {
                region.name = Some(name).filter(|name| !name.is_empty());
                region.attributes = attributes;
            }
            None => {
                region.name_lost = true;
                notes.push(format!(
                    "name and attributes of the region of slot {slot} cannot be read at {:#x}",
                    entry.tail()
                ));
            }
        }
    }
    let (at, capacity) = entry.block();
    let inside = at
        .checked_add(capacity)
        .is_some_and(|end| end <= source.len());
    let reach = source.len().saturating_sub(at).min(region.len);
    let mut pieces = Pieces::default();
    if entry.map().0 != 0 {
        chunks(source, pool_id, slot, entry, &mut pieces);
    } else {
        let written = entry.has(REGION_WRITTEN);
        let trust = if written {
            Trust::Unchecked
        } else {
            Trust::Unwritten
        };
        pieces.add(0..region.len, trust);
    }
    region.pieces = pieces.0;
    if !inside {
        region.pieces = cut(region.pieces, reach);
        notes.push(format!(
            "the region of slot {slot} reaches behind the end of the pool"
        ));
    }
    region
}

/// Makes what lies behind `reach` unreadable, unless it was never written.
fn cut(pieces: Vec<Piece>, reach: u64) -> Vec<Piece> {
    let mut kept = Pieces::default();
    for piece in pieces {
        let Range { start, end } = piece.range;
        if piece.trust == Trust::Unwritten {
            kept.add(start..end, piece.trust);
        } else {
            let middle = reach.clamp(start, end);
            kept.add(start..middle, piece.trust);
            kept.add(middle..end, Trust::Unreadable);
        }
    }
    kept.0
}

#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn add(&mut self, range: Range<u64>, trust: Trust) {
        if range.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.trust == trust && last.range.end == range.start => {
                last.range.end = range.end;
            }
            _ => self.0.push(Piece { range, trust }),
        }
    }
}

fn tail(
    source: &(impl Readable + ?Sized),
    pool_id: &PoolId,
    slot: u32,
    at: u64,
) -> Option<(String, Vec<u8>)> {
    let room = source.len().saturating_sub(at);
    let mut bytes = vec![0; room.min(RegionTail::BYTES_MAX as u64) as usize];
    if !source.read(at, &mut bytes) {
        return None;
    }
    let end = RegionTail::bytes_of(bytes.first_chunk()?);
    let whole = bytes.get(..end)?;
    match RegionTail::decode(whole, pool_id, slot) {
        Ok((name, attributes)) => Some((name.to_owned(), attributes.to_vec())),
        Err(_) => mend::tail(&bytes, pool_id, slot),
    }
}

/// The pieces of a region that has a map or a table of sums.
fn chunks(
    source: &(impl Readable + ?Sized),
    pool_id: &PoolId,
    slot: u32,
    entry: &DirectoryEntry,
    pieces: &mut Pieces,
) {
    let (len, map, grid) = (entry.len.get(), entry.map().0, Grid::of(entry));
    let words = map_bytes(entry) / 8;
    let mut known = None;
    for index in grid.indices(&(0..len)) {
        let range = grid.range(index);
        let range = range.start..range.end.min(len);
        let number = match entry.has(REGION_CHECKED) {
            true => index,
            false => index / MapWord::CHUNKS,
        };
        // One look at each word, however many chunks it speaks of.
        if known.is_none_or(|(last, _)| last != number) {
            let mut bytes = [0; 8];
            let read = number < words && source.read(map.saturating_add(8 * number), &mut bytes);
            known = Some((number, read.then_some(u64::from_le_bytes(bytes))));
        }
        let word = known.and_then(|(_, word)| word);
        let trust = match word {
            None => Trust::Unknown,
            Some(word) if entry.has(REGION_CHECKED) => {
                summed(source, pool_id, slot, entry, index, word, &range)
            }
            Some(word) => marked(pool_id, slot, number, word, index),
        };
        pieces.add(range, trust);
    }
}

fn marked(pool_id: &PoolId, slot: u32, number: u64, word: u64, index: u64) -> Trust {
    let right = |word: u64| MapWord(word).decode(pool_id, slot, number);
    let word = match right(word) {
        Some(_) => Some(word),
        None => mend::word(word, |word| right(word).is_some()),
    };
    match word.and_then(right) {
        None => Trust::Unknown,
        Some(bits) if bits >> (index % MapWord::CHUNKS) & 1 == 1 => Trust::Unchecked,
        Some(_) => Trust::Unwritten,
    }
}

fn summed(
    source: &(impl Readable + ?Sized),
    pool_id: &PoolId,
    slot: u32,
    entry: &DirectoryEntry,
    index: u64,
    word: u64,
    range: &Range<u64>,
) -> Trust {
    let right = |word: u64| SumWord(word).decode(pool_id, slot, index);
    let mut bytes = [0; 1 << REGION_SUM_SHIFT];
    let Some(bytes) = bytes.get_mut(..(range.end - range.start) as usize) else {
        return Trust::Unknown;
    };
    if !source.read(entry.block().0.saturating_add(range.start), bytes) {
        return Trust::Unreadable;
    }
    let now = crc32fast::hash(bytes);
    let said = right(word).or_else(|| {
        let mended = mend::word(word, |word| right(word).is_some());
        mended.and_then(right)
    });
    match said {
        Some(ChunkSum::Unwritten) => Trust::Unwritten,
        Some(ChunkSum::Sealed(sum)) if sum == now => Trust::Verified,
        Some(ChunkSum::Sealed(_)) => Trust::Mismatch,
        None if word >> 32 == u64::from(now) => Trust::Verified,
        Some(ChunkSum::Unsealed) | None => Trust::Unknown,
    }
}
