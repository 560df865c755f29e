//! Lists of ranges and buffers: what they ask for, cut into segments of one range and one slice each.

use std::ops::Range;

use crate::{RegionError, RegionId};

/// A range of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Bytes from the region's start.
    pub at: u64,
    /// Bytes.
    pub len: u64,
}

impl Extent {
    /// `len` bytes at `at`.
    pub const fn new(at: u64, len: u64) -> Self {
        Extent { at, len }
    }
}

/// What a write promises when it returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteMode {
    /// Durable when it returns; a crash before leaves each aligned word old or new.
    #[default]
    Durable,
    /// Visible at once; durable after a persist of the range.
    Volatile,
    /// Durable when it returns; a crash before leaves all of it old or all of it new.
    Atomic,
}

/// Bytes for one place of a region; their end does not overflow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'b> {
    pub at: u64,
    pub bytes: &'b [u8],
}

impl<'b> Segment<'b> {
    pub fn range(&self) -> Range<u64> {
        self.at..self.at + self.bytes.len() as u64
    }

    /// The bytes for `part` of the range.
    pub fn part(&self, part: &Range<u64>) -> &'b [u8] {
        &self.bytes[(part.start - self.at) as usize..(part.end - self.at) as usize]
    }
}

/// What is to be stored, in list order, with the empty ones left out.
pub(crate) fn segments<'b, E: std::error::Error + 'static>(
    id: RegionId,
    pieces: impl Iterator<Item = (u64, &'b [u8])>,
    limit: Limit,
) -> Result<Vec<Segment<'b>>, RegionError<E>> {
    let mut segments = Vec::new();
    for (at, bytes) in pieces {
        limit.check(id, at, bytes.len() as u64)?;
        if !bytes.is_empty() {
            segments.push(Segment { at, bytes });
        }
    }
    Ok(segments)
}

/// How far a region reaches, for reads, or for writes of one that does not grow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub len: u64,
    pub grows: bool,
}

impl Limit {
    /// Refuses a range that leaves the region, or whose end overflows.
    #[inline]
    pub fn check<E: std::error::Error + 'static>(
        &self,
        id: RegionId,
        at: u64,
        len: u64,
    ) -> Result<(), RegionError<E>> {
        match at.checked_add(len) {
            Some(end) if self.grows || end <= self.len => Ok(()),
            _ => Err(RegionError::OutOfBounds {
                id,
                at,
                len,
                region_len: self.len,
            }),
        }
    }
}

/// Cuts one buffer into the extents of a list, in its order.
///
/// Errors: [`RegionError::InvalidArgument`] where the lengths do not sum up to the buffer's.
pub(crate) fn cut<'b, E: std::error::Error + 'static>(
    bytes: &'b [u8],
    extents: &[Extent],
) -> Result<Vec<(u64, &'b [u8])>, RegionError<E>> {
    same_sum(extents, bytes.len() as u64)?;
    let mut rest = bytes;
    let pieces = extents.iter().map(|extent| {
        let (piece, behind) = rest.split_at(extent.len as usize);
        rest = behind;
        (extent.at, piece)
    });
    Ok(pieces.collect())
}

/// Pairs buffers with extents where both sides are cut at will; `take` splits a buffer's first bytes off.
pub(crate) fn pair<B, E: std::error::Error + 'static>(
    buffers: impl Iterator<Item = B>,
    extents: &[Extent],
    len: impl Fn(&B) -> u64,
    take: impl Fn(B, usize) -> (B, B),
) -> Result<Vec<(u64, B)>, RegionError<E>> {
    let buffers: Vec<B> = buffers.collect();
    let sum = buffers
        .iter()
        .try_fold(0u64, |sum, buffer| sum.checked_add(len(buffer)));
    same_sum(extents, sum.unwrap_or(u64::MAX))?;
    let mut extents = extents.iter().copied();
    let mut place = extents.next().unwrap_or_default();
    let mut pairs = Vec::new();
    for mut buffer in buffers {
        while len(&buffer) > 0 {
            while place.len == 0 {
                place = extents.next().unwrap_or_default();
            }
            let step = place.len.min(len(&buffer));
            let (piece, rest) = take(buffer, step as usize);
            pairs.push((place.at, piece));
            // The end of an extent may overflow; whoever bounds the pairs refuses the last one.
            place = Extent::new(place.at.saturating_add(step), place.len - step);
            buffer = rest;
        }
    }
    Ok(pairs)
}

fn same_sum<E: std::error::Error + 'static>(
    extents: &[Extent],
    bytes: u64,
) -> Result<(), RegionError<E>> {
    let sum = extents
        .iter()
        .try_fold(0u64, |sum, extent| sum.checked_add(extent.len));
    match sum == Some(bytes) {
        true => Ok(()),
        false => Err(RegionError::InvalidArgument {
            what: "the lengths of the list do not sum up to those of the buffers",
        }),
    }
}
