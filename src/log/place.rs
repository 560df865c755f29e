//! Where a record lies: in a lane's ring, or in a heap block that an EXTEND lent to the lane.

use crate::layout::{Geometry, RECORD_UNIT};
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// The ring of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ring {
    pub lane: u32,
    pub at: ByteOffset,
    pub units: u64,
}

impl Ring {
    pub fn of(geometry: &Geometry, lane: u32) -> Self {
        Ring {
            lane,
            at: geometry.ring_at(lane),
            units: geometry.ring_units(),
        }
    }

    /// The unit of the ring that `sequence` stands for: rings are powers of two.
    #[inline]
    fn index(&self, sequence: u64) -> u64 {
        sequence & (self.units - 1)
    }
}

/// A heap block in which a lane's log goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub block: ByteRange,
    /// Units in the extensions chained before this one.
    pub before: u64,
    /// Units taken in this one.
    pub taken: u64,
}

/// A place for a record. `sequence` is the ring's; in an extension it is that of the EXTEND in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub sequence: u64,
    pub extension: Option<Extension>,
}

impl Place {
    #[inline]
    pub const fn in_ring(sequence: u64) -> Self {
        Place {
            sequence,
            extension: None,
        }
    }

    /// Where a record here begins.
    #[inline]
    pub fn at(&self, ring: &Ring) -> ByteOffset {
        match self.extension {
            None => ByteOffset::new(ring.at.get() + ring.index(self.sequence) * RECORD_UNIT),
            Some(extension) => {
                ByteOffset::new(extension.block.start().get() + extension.taken * RECORD_UNIT)
            }
        }
    }

    /// The number in a record's `unit` field: 0 in the ring, counted from 1 through chained extensions.
    #[inline]
    pub fn unit(&self) -> u32 {
        match self.extension {
            None => 0,
            Some(extension) => (extension.before + extension.taken) as u32 + 1,
        }
    }

    /// Units from here to the end of the ring or block.
    #[inline]
    pub fn room(&self, ring: &Ring) -> u64 {
        match self.extension {
            None => ring.units - ring.index(self.sequence),
            Some(extension) => extension.block.len().get() / RECORD_UNIT - extension.taken,
        }
    }

    /// Behind a record of `units` units that does not end an extension.
    #[inline]
    pub fn behind(&self, units: u64) -> Self {
        match self.extension {
            None => Place::in_ring(self.sequence + units),
            Some(extension) => Place {
                sequence: self.sequence,
                extension: Some(Extension {
                    taken: extension.taken + units,
                    ..extension
                }),
            },
        }
    }

    /// Behind a COMMIT of `units` units: one in an extension leads back to the ring, behind the EXTEND.
    #[inline]
    pub fn behind_commit(&self, units: u64) -> Self {
        match self.extension {
            None => self.behind(units),
            Some(_) => self.back_in_ring(),
        }
    }

    /// The first place of `block`, lent by an EXTEND that lies here.
    pub fn extended_by(&self, block: ByteRange) -> Self {
        let before = self
            .extension
            .map_or(0, |extension| extension.before + extension.taken + 1);
        Place {
            sequence: self.sequence,
            extension: Some(Extension {
                block,
                before,
                taken: 0,
            }),
        }
    }

    /// The place in the ring at which the lane goes on once the present transaction has ended.
    #[inline]
    pub fn back_in_ring(&self) -> Self {
        Place::in_ring(self.sequence + u64::from(self.extension.is_some()))
    }
}

/// Units that a record of `len` bytes takes.
#[inline]
pub(crate) const fn units_of(len: u64) -> u64 {
    len.div_ceil(RECORD_UNIT)
}

/// The bytes that a record of `len` bytes at `at` takes with its padding.
pub(crate) fn padded_range(at: ByteOffset, len: u64) -> ByteRange {
    ByteRange::new(at, ByteLen::new(units_of(len) * RECORD_UNIT)).unwrap_or_default()
}
