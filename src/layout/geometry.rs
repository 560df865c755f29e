//! Where everything lies: a pure function of five numbers in the superblock.

use super::slab::SlabShape;
use super::{META_PAGE, POOL_BYTES_MIN, RECORD_UNIT, Shared, SlotHeader, Superblock};
use crate::units::{ByteLen, ByteOffset, ByteRange, round_up};

/// Most lanes a pool can have.
const LANE_COUNT_MAX: u32 = 1024;
/// Offsets in log records have 48 bits.
const CAPACITY_MAX: u64 = 1 << 48;
const RING_BYTES: (u64, u64) = (1024, 1 << 30);
const SLAB_BYTES: (u32, u32) = (4096, 1 << 20);
/// Room for growth that a new pool gets unless told otherwise, as a multiple of its size.
const GROWTH: u64 = 16;

/// The defaults by pool size: from this size on, lanes, ring bytes, slab bytes.
const DEFAULTS: [(u64, u32, u64, u32); 4] = [
    (256 << 20, 16, 128 << 10, 64 << 10),
    (16 << 20, 8, 64 << 10, 64 << 10),
    (1 << 20, 4, 16 << 10, 16 << 10),
    (0, 2, 4 << 10, 4 << 10),
];

/// Why no pool can have this shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// Below the smallest pool.
    #[error("a pool of {len} bytes is too small: the least here is {least} bytes")]
    TooSmall {
        /// Bytes asked for.
        len: u64,
        /// The least that fits lanes, map and one slab beside the emergency reserve.
        least: u64,
    },
    /// Above what offsets of 48 bits reach.
    #[error("a pool of {len} bytes is too large: the most is {most} bytes")]
    TooLarge {
        /// Bytes asked for.
        len: u64,
        /// The most.
        most: u64,
    },
    /// A number that must be a power of two, or lie in a range, does not.
    #[error("{what} must be {rule}, not {found}")]
    Value {
        /// Which number.
        what: &'static str,
        /// What it must be.
        rule: &'static str,
        /// What it is.
        found: u64,
    },
}

/// The shape of a pool and the place of each of its areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    len: u64,
    capacity_max: u64,
    lane_count: u32,
    ring_bytes: u64,
    slab_bytes: u32,
    slots_at: u64,
    slot_stride: u64,
    shared_at: u64,
    lanes_at: u64,
    entries_at: u64,
    used_at: u64,
    heads_at: u64,
    heap_at: u64,
}

impl Geometry {
    /// The shape of a pool of `len` bytes by the table of defaults; zero or `None` where a default is wanted.
    pub fn with_defaults(
        len: u64,
        capacity_max: Option<u64>,
        lanes: Option<u32>,
        ring_bytes: Option<u64>,
        slab_bytes: Option<u32>,
    ) -> Result<Self, GeometryError> {
        let (_, default_lanes, default_ring, default_slab) = DEFAULTS
            .into_iter()
            .find(|row| len >= row.0)
            .unwrap_or(DEFAULTS[3]);
        let capacity_max = capacity_max.unwrap_or(len.saturating_mul(GROWTH).min(CAPACITY_MAX));
        Self::new(
            len,
            capacity_max,
            lanes.unwrap_or(default_lanes),
            ring_bytes.unwrap_or(default_ring),
            slab_bytes.unwrap_or(default_slab),
        )
    }

    /// The shape with these numbers.
    pub fn new(
        len: u64,
        capacity_max: u64,
        lane_count: u32,
        ring_bytes: u64,
        slab_bytes: u32,
    ) -> Result<Self, GeometryError> {
        if len < POOL_BYTES_MIN {
            return Err(GeometryError::TooSmall {
                len,
                least: POOL_BYTES_MIN,
            });
        }
        if len > CAPACITY_MAX || capacity_max > CAPACITY_MAX {
            return Err(GeometryError::TooLarge {
                len: len.max(capacity_max),
                most: CAPACITY_MAX,
            });
        }
        if capacity_max < len {
            let rule = "at least the size of the pool";
            return Err(GeometryError::Value {
                what: "the capacity",
                rule,
                found: capacity_max,
            });
        }
        if lane_count == 0 || lane_count > LANE_COUNT_MAX {
            let rule = "1 to 1024";
            return Err(GeometryError::Value {
                what: "the number of lanes",
                rule,
                found: lane_count.into(),
            });
        }
        if !ring_bytes.is_power_of_two() || ring_bytes < RING_BYTES.0 || ring_bytes > RING_BYTES.1 {
            let rule = "a power of two from 1 KiB to 1 GiB";
            return Err(GeometryError::Value {
                what: "the size of a ring",
                rule,
                found: ring_bytes,
            });
        }
        if !slab_bytes.is_power_of_two() || slab_bytes < SLAB_BYTES.0 || slab_bytes > SLAB_BYTES.1 {
            let rule = "a power of two from 4 KiB to 1 MiB";
            return Err(GeometryError::Value {
                what: "the size of a slab",
                rule,
                found: slab_bytes.into(),
            });
        }
        Self::place(len, capacity_max, lane_count, ring_bytes, slab_bytes)
    }

    fn place(
        len: u64,
        capacity_max: u64,
        lane_count: u32,
        ring_bytes: u64,
        slab_bytes: u32,
    ) -> Result<Self, GeometryError> {
        // Nothing below overflows: every summand is under 2^48 by the checks in `new`.
        let page = |bytes: u64| round_up(bytes, META_PAGE).unwrap_or(u64::MAX);
        let lanes = u64::from(lane_count);
        let slab_count_max = capacity_max / u64::from(slab_bytes) + 1;
        let bitmap_bytes = slab_count_max.div_ceil(64) * 8;

        let slots_at = 2 * META_PAGE;
        let slot_stride = page(SlotHeader::slot_bytes(lane_count));
        let shared_at = slots_at + 2 * slot_stride;
        let lanes_at = shared_at + page(Shared::bytes(lane_count));
        let entries_at = lanes_at + lanes * ring_bytes;
        let used_at = entries_at + slab_count_max * 8;
        let heads_at = used_at + bitmap_bytes;
        let heap_at = page(heads_at + bitmap_bytes);
        let this = Geometry {
            len,
            capacity_max,
            lane_count,
            ring_bytes,
            slab_bytes,
            slots_at,
            slot_stride,
            shared_at,
            lanes_at,
            entries_at,
            used_at,
            heads_at,
            heap_at,
        };
        let least = heap_at + 2 * u64::from(slab_bytes);
        if len < least {
            Err(GeometryError::TooSmall { len, least })
        } else {
            Ok(this)
        }
    }

    /// The shape that a superblock describes.
    pub fn of(superblock: &Superblock) -> Result<Self, GeometryError> {
        Self::new(
            superblock.len.get(),
            superblock.capacity_max.get(),
            superblock.lane_count.get(),
            superblock.ring_bytes.get(),
            superblock.slab_bytes.get(),
        )
    }

    /// The same pool with another length, which the caller has found to lie between the present one and the capacity.
    #[inline]
    pub(crate) const fn with_len(self, len: u64) -> Self {
        Geometry { len, ..self }
    }

    /// Bytes of the pool.
    #[inline]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Never: the smallest pool has 64 KiB.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes to which the pool can grow.
    pub const fn capacity_max(&self) -> u64 {
        self.capacity_max
    }

    /// Number of lanes.
    pub const fn lane_count(&self) -> u32 {
        self.lane_count
    }

    /// Bytes of a lane's ring.
    pub const fn ring_bytes(&self) -> u64 {
        self.ring_bytes
    }

    /// A lane's ring in record units.
    #[inline]
    pub const fn ring_units(&self) -> u64 {
        self.ring_bytes / RECORD_UNIT
    }

    /// Bytes of a slab.
    #[inline]
    pub const fn slab_bytes(&self) -> u32 {
        self.slab_bytes
    }

    /// Checkpoint slot 0 or 1.
    pub const fn slot_at(&self, index: usize) -> ByteOffset {
        ByteOffset::new(self.slots_at + (index as u64 & 1) * self.slot_stride)
    }

    /// Root slots, reader table and apply sequences.
    #[inline]
    pub const fn shared_at(&self) -> ByteOffset {
        ByteOffset::new(self.shared_at)
    }

    /// The ring of `lane`.
    pub const fn ring_at(&self, lane: u32) -> ByteOffset {
        ByteOffset::new(self.lanes_at + lane as u64 * self.ring_bytes)
    }

    /// The slab map's entry for `slab`.
    pub const fn entry_at(&self, slab: u64) -> ByteOffset {
        ByteOffset::new(self.entries_at + slab * 8)
    }

    /// Slabs that a pool of this capacity can have at most: as many entries and bits has the slab map.
    pub const fn slab_count_max(&self) -> u64 {
        self.capacity_max / self.slab_bytes as u64 + 1
    }

    /// The word of the bitmap of used slabs that holds `slab`'s bit.
    pub const fn used_word_at(&self, slab: u64) -> ByteOffset {
        ByteOffset::new(self.used_at + slab / 64 * 8)
    }

    /// The word of the bitmap of run heads that holds `slab`'s bit.
    pub const fn head_word_at(&self, slab: u64) -> ByteOffset {
        ByteOffset::new(self.heads_at + slab / 64 * 8)
    }

    /// Where the heap begins: everything before it is metadata.
    #[inline]
    pub const fn heap_at(&self) -> ByteOffset {
        ByteOffset::new(self.heap_at)
    }

    /// Whole slabs in the heap.
    #[inline]
    pub const fn slab_count(&self) -> u64 {
        self.slabs_in(self.len - self.heap_at)
    }

    /// Whole slabs in so many bytes: a slab is a power of two, and this is on the way of every write.
    #[inline]
    const fn slabs_in(&self, bytes: u64) -> u64 {
        bytes >> self.slab_bytes.trailing_zeros()
    }

    /// Where `slab` begins.
    #[inline]
    pub const fn slab_at(&self, slab: u64) -> ByteOffset {
        ByteOffset::new(self.heap_at + slab * self.slab_bytes as u64)
    }

    /// The slab that holds the byte at `at`; `None` outside the heap's whole slabs.
    #[inline]
    pub const fn slab_of(&self, at: ByteOffset) -> Option<u64> {
        if at.get() < self.heap_at {
            return None;
        }
        let slab = self.slabs_in(at.get() - self.heap_at);
        if slab < self.slab_count() {
            Some(slab)
        } else {
            None
        }
    }

    /// The heap's whole slabs.
    #[inline]
    pub const fn heap(&self) -> ByteRange {
        match ByteRange::at(self.heap_at, self.slab_count() * self.slab_bytes as u64) {
            Some(range) => range,
            None => unreachable!(),
        }
    }

    /// Slots, shared area and rings: written with zeros at create. The slab map follows up to the heap.
    pub const fn zeroed_at_create(&self) -> ByteRange {
        match ByteRange::at(0, self.entries_at) {
            Some(range) => range,
            None => unreachable!(),
        }
    }

    /// The slab map: entries, bitmap of used slabs, bitmap of run heads.
    #[inline]
    pub const fn slab_map(&self) -> ByteRange {
        match ByteRange::at(self.entries_at, self.heap_at - self.entries_at) {
            Some(range) => range,
            None => unreachable!(),
        }
    }

    /// The largest object: a run of all slabs but the emergency reserve.
    pub const fn object_bytes_max(&self) -> u64 {
        self.slab_count().saturating_sub(SlabShape::RESERVED_SLABS) * self.slab_bytes as u64
    }

    /// The pool's range.
    #[inline]
    pub const fn whole(&self) -> ByteRange {
        match ByteRange::new(ByteOffset::ZERO, ByteLen::new(self.len)) {
            Some(range) => range,
            None => unreachable!(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_pool_has_room_for_a_slab_beside_the_reserve() {
        let geometry =
            Geometry::with_defaults(POOL_BYTES_MIN, None, None, None, None).expect("smallest pool");
        assert!(geometry.slab_count() >= 4, "{geometry:?}");
    }

    #[test]
    fn areas_follow_each_other_and_end_in_the_pool() {
        for len in [
            64 << 10,
            1 << 20,
            16 << 20,
            64 << 20,
            1 << 30,
            8 << 30,
            1u64 << 40,
        ] {
            let geometry =
                Geometry::with_defaults(len, None, None, None, None).expect("a common size");
            let mut places = [
                geometry.slot_at(0),
                geometry.slot_at(1),
                geometry.shared_at(),
                geometry.ring_at(0),
                geometry.ring_at(geometry.lane_count()),
                geometry.used_word_at(0),
                geometry.head_word_at(0),
                geometry.heap_at(),
            ];
            let in_order = places;
            places.sort();
            assert_eq!(places, in_order);
            assert!(geometry.heap().end().get() <= len);
            assert!(
                geometry.slab_count() * u64::from(geometry.slab_bytes()) * 100 >= len * 50,
                "{geometry:?}"
            );
        }
    }
}
