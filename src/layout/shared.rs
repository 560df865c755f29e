//! Root slots, and what format version 1 reserves for readers beside a writer.

use zerocopy::byteorder::little_endian::U64;

use super::Geometry;
use super::field::layout_struct;
use crate::units::ByteOffset;

layout_struct! {
    /// Root slots, then the reader table; one line for each lane follows.
    pub struct Shared, 2048 bytes {
        0 => roots: [U64; 64], "places of root objects: 0 region directory, 1 key-value store, 2 typed root, 3-15 reserved, 16-63 the application's; 0 is none";
        512 => zero: [u8; 512], "zero";
        1024 => readers: [u8; 1024], "reserved for a table of readers; zero in version 1, never checked";
    }
}

impl Shared {
    /// Bytes of the area: [`Shared`] and a line (reserved for apply sequences) for each lane.
    pub const fn bytes(lane_count: u32) -> u64 {
        size_of::<Shared>() as u64 + 64 * lane_count as u64
    }
}

/// One of the 64 words from which everything else is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootSlot(u8);

impl RootSlot {
    /// The directory of regions.
    pub const REGIONS: RootSlot = RootSlot(0);
    /// The key-value store.
    pub const KEYS: RootSlot = RootSlot(1);
    /// The typed root object.
    pub const OBJECT: RootSlot = RootSlot(2);

    /// One of the application's own 48 slots.
    pub const fn user(index: u8) -> Option<RootSlot> {
        if index < 48 {
            Some(RootSlot(16 + index))
        } else {
            None
        }
    }

    /// Where the word lies.
    pub const fn at(self, geometry: &Geometry) -> ByteOffset {
        ByteOffset::new(geometry.shared_at().get() + self.0 as u64 * 8)
    }
}
