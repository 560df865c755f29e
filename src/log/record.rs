//! Reads records back, and believes only those that belong exactly where they lie (I1).

use everline_arch::crc32c;

use super::place::{Place, Ring, units_of};
use crate::layout::{
    Corrupt, Geometry, Op, OpWord, PoolId, RECORD_HEADER_BYTES, RECORD_UNIT, RecordHeader,
    RecordKind,
};
use crate::media::{Checksum, Media};
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// The checksum's start for records of one lane in one epoch.
pub(crate) fn seed(pool_id: &PoolId, epoch: u64, lane: u32) -> u32 {
    let sum = crc32c(0, pool_id);
    let sum = crc32c(sum, &epoch.to_le_bytes());
    crc32c(sum, &lane.to_le_bytes())
}

/// Checks a record's bytes against the checksum in their first word.
struct RecordSum {
    seed: u32,
    sum: u32,
    stored: u32,
    fed: usize,
}

impl Checksum for RecordSum {
    fn reset(&mut self) {
        self.sum = self.seed;
        self.fed = 0;
    }

    fn update(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if self.fed == 0 {
            if let Some((first, behind)) = bytes.split_first_chunk::<4>() {
                self.stored = u32::from_le_bytes(*first);
                rest = behind;
            }
        }
        self.sum = crc32c(self.sum, rest);
        self.fed += bytes.len();
    }

    fn matches(&self) -> bool {
        self.sum == self.stored
    }
}

/// A record that was found at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub kind: RecordKind,
    pub at: ByteOffset,
    /// Bytes with header, without padding.
    pub len: u64,
    pub timestamp: u64,
    pub transaction: u64,
}

impl Record {
    pub fn units(&self) -> u64 {
        units_of(self.len)
    }

    /// The record at `place`, if its fields say that it belongs there; its checksum is not looked at.
    ///
    /// For records that this process appended and fenced itself.
    pub fn trusted<M: Media>(media: &M, ring: &Ring, place: &Place) -> Option<Record> {
        let room = place.room(ring);
        if room == 0 {
            return None;
        }
        let at = place.at(ring);
        let field = |offset: usize| ByteOffset::new(at.get() + offset as u64);
        let len = u64::from(media.load32(field(core::mem::offset_of!(RecordHeader, len))));
        if len < RECORD_HEADER_BYTES as u64 || units_of(len) > room {
            return None;
        }
        if media.load64(field(core::mem::offset_of!(RecordHeader, sequence))) != place.sequence {
            return None;
        }
        if media.load32(field(core::mem::offset_of!(RecordHeader, unit))) != place.unit() {
            return None;
        }
        let kind = RecordKind::of(media.load16(field(core::mem::offset_of!(RecordHeader, kind))))?;
        let timestamp = media.load64(field(core::mem::offset_of!(RecordHeader, timestamp)));
        let transaction = media.load64(field(core::mem::offset_of!(RecordHeader, transaction)));
        Some(Record {
            kind,
            at,
            len,
            timestamp,
            transaction,
        })
    }

    /// The record at `place`, if it is whole and was written for this place in this epoch (I1).
    pub fn read<M: Media>(media: &M, ring: &Ring, seed: u32, place: &Place) -> Option<Record> {
        if place.room(ring) == 0 {
            return None;
        }
        let at = place.at(ring);
        let len = u64::from(media.load32(ByteOffset::new(at.get() + 4)));
        if len < RECORD_HEADER_BYTES as u64 || units_of(len) > place.room(ring) {
            return None;
        }
        let range = ByteRange::new(at, ByteLen::new(len))?;
        if !media.verify(
            range,
            &mut RecordSum {
                seed,
                sum: seed,
                stored: 0,
                fed: 0,
            },
        ) {
            return None;
        }
        Record::trusted(media, ring, place)
    }

    /// The place at which the lane goes on behind this record, which lies at `place`.
    pub fn next_place<M: Media>(
        &self,
        media: &M,
        geometry: &Geometry,
        ring: &Ring,
        place: &Place,
    ) -> Result<Place, Corrupt> {
        match self.kind {
            RecordKind::Pad => Ok(place.behind(place.room(ring))),
            RecordKind::Undo => Ok(place.behind(self.units())),
            RecordKind::Commit => Ok(place.behind_commit(self.units())),
            RecordKind::Extend => Ok(place.extended_by(self.extension(media, geometry)?)),
        }
    }

    /// The heap block that an EXTEND lends.
    pub fn extension<M: Media>(
        &self,
        media: &M,
        geometry: &Geometry,
    ) -> Result<ByteRange, Corrupt> {
        let word = |index: u64| {
            media.load64(ByteOffset::new(
                self.at.get() + RECORD_HEADER_BYTES as u64 + 8 * index,
            ))
        };
        let wrong = Corrupt::new(self.at, "an EXTEND record names a block outside the heap");
        if self.len != RECORD_HEADER_BYTES as u64 + 16 {
            return Err(wrong);
        }
        match ByteRange::at(word(0), word(1)) {
            Some(block)
                if geometry.heap().contains(block)
                    && block.start().is_aligned(RECORD_UNIT)
                    && block.len().get() >= RECORD_UNIT =>
            {
                Ok(block)
            }
            _ => Err(wrong),
        }
    }

    /// Visits the record's ops and where their values begin, each checked to lie where ops may (I12).
    pub fn ops<M: Media>(
        &self,
        media: &M,
        geometry: &Geometry,
        mut visit: impl FnMut(Op, ByteOffset) -> Result<(), Corrupt>,
    ) -> Result<(), Corrupt> {
        let mut done = RECORD_HEADER_BYTES as u64;
        while done < self.len {
            let at = ByteOffset::new(self.at.get() + done);
            let wrong = Corrupt::new(at, "a log record holds a malformed op");
            let left = self.len - done;
            if left < 8 {
                return Err(wrong);
            }
            let word = OpWord(media.load64(at));
            let long = match word.is_long() {
                true if left < 16 => return Err(wrong),
                true => media.load64(ByteOffset::new(at.get() + 8)),
                false => 0,
            };
            let op = word.decode(long).ok_or(wrong)?;
            if op.range.len().get() > geometry.len() || !may_change(geometry, op.range) {
                return Err(Corrupt::new(
                    at,
                    "a log record speaks of bytes outside roots, slab map and heap",
                ));
            }
            if op.stride() > left {
                return Err(wrong);
            }
            visit(op, ByteOffset::new(at.get() + op.body))?;
            done += op.stride();
        }
        Ok(())
    }
}

/// Whether transactions may change the bytes of `range`: root slots, slab map and heap.
pub(super) fn may_change(geometry: &Geometry, range: ByteRange) -> bool {
    let roots = ByteRange::new(geometry.shared_at(), ByteLen::new(512)).unwrap_or_default();
    let start = geometry.slab_map().start();
    let rest = ByteRange::at(start.get(), geometry.len() - start.get()).unwrap_or_default();
    roots.contains(range) || rest.contains(range)
}
