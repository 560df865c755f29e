//! The checkpoint slot: cut, epoch and the heads of all lanes, durable in one atomic step because one of two
//! slots is always whole.

use zerocopy::byteorder::little_endian::{U32, U64};

use super::Geometry;
use super::field::layout_struct;
use crate::units::{ByteLen, ByteOffset, ByteRange};

layout_struct! {
    /// Head of a checkpoint slot; the lanes' heads follow as 8-byte sequences.
    pub struct SlotHeader, 64 bytes {
        0 => generation: U64, "grows by one with every checkpoint; the greater valid slot counts; it lies in slot generation mod 2";
        8 => epoch: U64, "grows by one with every open; seeds the checksum of records";
        16 => cut: U64, "commits up to this timestamp are durable at home";
        24 => lane_count: U32, "lanes, as in the superblock";
        28 => crc: U32, "CRC-32 (IEEE) of pool id, the other fields and the heads";
        32 => zero: [u8; 32], "zero";
    }
}

impl SlotHeader {
    /// Bytes of a slot for `lane_count` lanes.
    pub const fn slot_bytes(lane_count: u32) -> u64 {
        size_of::<SlotHeader>() as u64 + 8 * lane_count as u64
    }

    /// The bytes of slot `index`.
    pub fn slot_range(geometry: &Geometry, index: usize) -> ByteRange {
        let len = ByteLen::new(Self::slot_bytes(geometry.lane_count()));
        ByteRange::new(geometry.slot_at(index), len).unwrap_or_default()
    }

    /// Where the head of `lane` lies in slot `index`.
    pub const fn head_at(geometry: &Geometry, index: usize, lane: u32) -> ByteOffset {
        ByteOffset::new(
            geometry.slot_at(index).get() + size_of::<SlotHeader>() as u64 + lane as u64 * 8,
        )
    }
}
