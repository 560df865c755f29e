//! Which bytes replay must leave alone: COVERs of greater timestamps, and the blocks of live EXTENDs.

use super::slot::Slot;
#[cfg(not(feature = "alloc"))]
use super::walk::walkers;
use crate::layout::{Corrupt, Geometry};
#[cfg(not(feature = "alloc"))]
use crate::layout::{OpKind, PoolId, RecordKind};
use crate::media::Media;
use crate::units::ByteRange;

/// Masks replay whatever its timestamp (EXTEND).
pub(super) const ALWAYS: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
struct Mask {
    range: ByteRange,
    timestamp: u64,
}

/// Collected by the scan; asked for each op that replay stores.
#[derive(Debug)]
pub(super) struct Masks {
    /// Sorted by start once sealed.
    #[cfg(feature = "alloc")]
    all: std_alloc::vec::Vec<Mask>,
    #[cfg(feature = "alloc")]
    longest: u64,
    /// From the first to the last masked byte, at the greatest timestamp.
    hull: Option<Mask>,
}

impl Masks {
    pub fn new() -> Self {
        Masks {
            #[cfg(feature = "alloc")]
            all: std_alloc::vec::Vec::new(),
            #[cfg(feature = "alloc")]
            longest: 0,
            hull: None,
        }
    }

    pub fn add(&mut self, range: ByteRange, timestamp: u64) {
        let mask = Mask { range, timestamp };
        #[cfg(feature = "alloc")]
        {
            self.all.push(mask);
            self.longest = self.longest.max(range.len().get());
        }
        self.hull = Some(match self.hull {
            None => mask,
            Some(hull) => Mask {
                range: hull_of(hull.range, range),
                timestamp: hull.timestamp.max(timestamp),
            },
        });
    }

    pub fn seal(&mut self) {
        #[cfg(feature = "alloc")]
        self.all.sort_unstable_by_key(|mask| mask.range.start());
    }

    fn may_mask(&self, range: ByteRange, timestamp: u64) -> bool {
        self.hull
            .is_some_and(|hull| hull.timestamp > timestamp && hull.range.intersect(range).is_some())
    }

    /// Visits the parts of `range` that no mask above `timestamp` holds, in order.
    pub fn unmasked(
        &self,
        log: &Source<'_, impl Media>,
        range: ByteRange,
        timestamp: u64,
        visit: &mut impl FnMut(ByteRange),
    ) -> Result<(), Corrupt> {
        if !self.may_mask(range, timestamp) {
            visit(range);
            return Ok(());
        }
        let mut rest = Some(range);
        while let Some(part) = rest {
            rest = match self.first_in(log, part, timestamp)? {
                None => {
                    visit(part);
                    None
                }
                Some(masked) => {
                    if let Some(before) = between(part.start().get(), masked.start().get()) {
                        visit(before);
                    }
                    between(masked.end().get(), part.end().get())
                }
            };
        }
        Ok(())
    }

    /// The first masked bytes of `part`.
    #[cfg(feature = "alloc")]
    fn first_in(
        &self,
        _log: &Source<'_, impl Media>,
        part: ByteRange,
        timestamp: u64,
    ) -> Result<Option<ByteRange>, Corrupt> {
        let reach = part.start().get().saturating_sub(self.longest);
        let first = self
            .all
            .partition_point(|mask| mask.range.start().get() < reach);
        Ok(self.all[first..]
            .iter()
            .take_while(|mask| mask.range.start() < part.end())
            .filter(|mask| mask.timestamp > timestamp)
            .filter_map(|mask| mask.range.intersect(part))
            .min_by_key(|range| range.start()))
    }

    /// The first masked bytes of `part`, by reading the log once more: there is no memory to keep a list in.
    #[cfg(not(feature = "alloc"))]
    fn first_in(
        &self,
        log: &Source<'_, impl Media>,
        part: ByteRange,
        timestamp: u64,
    ) -> Result<Option<ByteRange>, Corrupt> {
        let Source {
            media,
            geometry,
            pool_id,
            slot,
        } = *log;
        let mut first: Option<ByteRange> = None;
        let mut offer = |range: ByteRange, mask_timestamp: u64| {
            if mask_timestamp > timestamp {
                let found = range.intersect(part);
                first = match (first, found) {
                    (Some(a), Some(b)) if b.start() < a.start() => Some(b),
                    (None, found) => found,
                    (first, _) => first,
                };
            }
        };
        let Ok(mut lanes) = walkers(media, geometry, pool_id, slot) else {
            return Ok(None);
        };
        for lane in 0..lanes.len() {
            let Some(walker) = lanes.get_mut(lane) else {
                continue;
            };
            while let Some(record) = walker.next(media, geometry)? {
                match record.kind {
                    RecordKind::Extend => offer(record.extension(media, geometry)?, ALWAYS),
                    RecordKind::Commit => record.ops(media, geometry, |op, _| {
                        if op.kind == OpKind::Cover {
                            offer(op.range, record.timestamp);
                        }
                        Ok(())
                    })?,
                    RecordKind::Undo | RecordKind::Pad => {}
                }
            }
        }
        Ok(first)
    }
}

/// The log that masks come from; read again only where there is no memory for a list.
#[derive(Debug)]
pub(super) struct Source<'s, M> {
    pub media: &'s M,
    pub geometry: &'s Geometry,
    #[cfg(not(feature = "alloc"))]
    #[cfg_attr(
        feature = "alloc",
        allow(dead_code, reason = "read only where the log is read again")
    )]
    pub pool_id: &'s PoolId,
    pub slot: &'s Slot,
}

fn hull_of(a: ByteRange, b: ByteRange) -> ByteRange {
    let start = a.start().min(b.start()).get();
    let end = a.end().max(b.end()).get();
    between(start, end).unwrap_or_default()
}

fn between(start: u64, end: u64) -> Option<ByteRange> {
    if start < end {
        ByteRange::at(start, end - start)
    } else {
        None
    }
}
