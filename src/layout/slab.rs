//! Slabs, their classes and the slab map.
//!
//! A slab holds objects of one class: a header line, a bitmap (a set bit is a live object), the objects. A huge
//! object is a run of slabs with no header. The slab map tells which slabs are in use (one bit each), which of
//! them begin a run (one bit each) and what the run is (8 bytes each, meaningful only where both bits are set).

use everline_arch::crc32c;
use zerocopy::IntoBytes;
use zerocopy::byteorder::little_endian::{U32, U64};

use super::field::layout_struct;
use super::{Geometry, PoolId};
use crate::units::{ByteLen, ByteOffset, ByteRange, FLUSH_LINE, round_down, round_up};

/// Bytes of a slab's header; its bitmap follows.
pub const SLAB_HEADER_BYTES: u64 = size_of::<SlabHeader>() as u64;

/// No slab size has more classes than this.
pub const CLASS_COUNT_MAX: usize = 64;

const SLAB_MAGIC: u32 = u32::from_le_bytes(*b"SLAB");
/// Up to here classes are 16 bytes apart; the smallest slab has them all.
const SMALL_BYTES_MAX: u64 = 128;
/// Objects are never aligned further than this on their own.
const OBJECT_ALIGN_MAX: u64 = 4096;

layout_struct! {
    /// First line of a slab; written by the commit that takes the slab into use, never changed while in use.
    pub struct SlabHeader, 64 bytes {
        0 => magic: U32, "`SLAB`";
        4 => class: U32, "class number, as in the slab map";
        8 => slab: U64, "number of this slab";
        16 => object_bytes: U32, "bytes of an object";
        20 => object_count: U32, "objects";
        24 => data_at: U32, "bytes from the slab's start to its first object";
        28 => bitmap_words: U32, "8-byte words of the bitmap behind this line; bit i is object i";
        32 => generation: U64, "the lane sequence of the transaction that took the slab into use";
        40 => zero: [u8; 20], "zero";
        60 => crc: U32, "CRC-32 (IEEE) of pool id and the bytes before it";
    }
}

/// How a slab of one class is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SlabShape {
    /// Bytes of an object.
    pub object_bytes: u32,
    /// Objects in a slab.
    pub object_count: u32,
    /// Bytes from the slab's start to its first object.
    pub data_at: u32,
    /// Words of the bitmap.
    pub bitmap_words: u32,
}

impl SlabShape {
    /// Slabs that ordinary allocations leave free, so that the log can always be extended (I11).
    pub const RESERVED_SLABS: u64 = 1;

    fn of(object_bytes: u64, slab_bytes: u64) -> Option<Self> {
        let align = natural_align(object_bytes).max(FLUSH_LINE);
        let mut count = slab_bytes / object_bytes;
        while count > 0 {
            let words = count.div_ceil(64);
            let data_at = round_up(SLAB_HEADER_BYTES + words * 8, align)?;
            if data_at + count * object_bytes <= slab_bytes {
                return Some(SlabShape {
                    object_bytes: object_bytes as u32,
                    object_count: count as u32,
                    data_at: data_at as u32,
                    bitmap_words: words as u32,
                });
            }
            count -= 1;
        }
        None
    }

    /// The bits of bitmap word `word` that stand for objects.
    pub const fn valid_bits(&self, word: u32) -> u64 {
        let left = self.object_count - word * 64;
        if left >= 64 {
            u64::MAX
        } else {
            (1 << left) - 1
        }
    }

    /// Where object `index` of the slab at `slab_at` lies.
    #[inline]
    pub const fn object_at(&self, slab_at: ByteOffset, index: u32) -> ByteOffset {
        ByteOffset::new(
            slab_at.get() + self.data_at as u64 + index as u64 * self.object_bytes as u64,
        )
    }

    /// The number of the object that begins at `at`; `None` where none does.
    pub const fn index_of(&self, slab_at: ByteOffset, at: ByteOffset) -> Option<u32> {
        let inside = at.get() - slab_at.get();
        if inside < self.data_at as u64 {
            return None;
        }
        let past = inside - self.data_at as u64;
        let index = past / self.object_bytes as u64;
        if past % self.object_bytes as u64 != 0 || index >= self.object_count as u64 {
            return None;
        }
        Some(index as u32)
    }
}

#[inline]
const fn natural_align(object_bytes: u64) -> u64 {
    let align = object_bytes & object_bytes.wrapping_neg();
    if align > OBJECT_ALIGN_MAX {
        OBJECT_ALIGN_MAX
    } else {
        align
    }
}

/// The classes of a slab size: 16-byte steps to 128, four to a doubling up to an eighth of a slab, then the
/// sizes that divide a slab by seven down to two.
#[derive(Clone, Debug)]
pub struct ClassTable {
    shapes: [SlabShape; CLASS_COUNT_MAX],
    len: usize,
}

impl ClassTable {
    /// The classes for slabs of `slab_bytes`.
    pub fn new(slab_bytes: u32) -> Self {
        let slab = u64::from(slab_bytes);
        let mut this = ClassTable {
            shapes: [SlabShape::default(); CLASS_COUNT_MAX],
            len: 0,
        };
        let mut size = 16;
        while size <= slab / 8 {
            this.add(size, slab);
            size += if size < SMALL_BYTES_MAX {
                16
            } else {
                (1 << (63 - size.leading_zeros())) / 4
            };
        }
        for share in (2..=7).rev() {
            this.add(
                round_down((slab - 2 * SLAB_HEADER_BYTES) / share, FLUSH_LINE),
                slab,
            );
        }
        this
    }

    fn add(&mut self, object_bytes: u64, slab: u64) {
        let largest = self.shapes[..self.len]
            .last()
            .map_or(0, |shape| u64::from(shape.object_bytes));
        if object_bytes <= largest || self.len == CLASS_COUNT_MAX {
            return;
        }
        if let Some(shape) = SlabShape::of(object_bytes, slab) {
            self.shapes[self.len] = shape;
            self.len += 1;
        }
    }

    /// The class that fits `bytes` at `align` (a power of two) with the least waste; `None` for huge objects.
    #[inline]
    pub fn class_for(&self, bytes: u64, align: u64) -> Option<u8> {
        let shapes = &self.shapes[..self.len];
        // Small classes are the multiples of 16.
        let first = if bytes <= SMALL_BYTES_MAX {
            bytes.saturating_sub(1) as usize / 16
        } else {
            shapes.partition_point(|shape| u64::from(shape.object_bytes) < bytes)
        };
        let found = shapes[first..]
            .iter()
            .position(|shape| natural_align(shape.object_bytes.into()) >= align)?;
        Some((first + found) as u8)
    }

    /// How a slab of `class` is divided; `None` where there is no such class.
    #[inline]
    pub fn shape(&self, class: u8) -> Option<&SlabShape> {
        self.shapes[..self.len].get(usize::from(class))
    }

    /// All shapes, by class.
    pub fn shapes(&self) -> &[SlabShape] {
        &self.shapes[..self.len]
    }
}

impl SlabHeader {
    /// The header of `slab` in `class`.
    pub fn new(pool_id: &PoolId, slab: u64, class: u8, shape: &SlabShape, generation: u64) -> Self {
        let mut this = SlabHeader {
            magic: SLAB_MAGIC.into(),
            class: u32::from(class).into(),
            slab: slab.into(),
            object_bytes: shape.object_bytes.into(),
            object_count: shape.object_count.into(),
            data_at: shape.data_at.into(),
            bitmap_words: shape.bitmap_words.into(),
            generation: generation.into(),
            zero: [0; 20],
            crc: 0.into(),
        };
        this.crc = this.expected_crc(pool_id).into();
        this
    }

    fn expected_crc(&self, pool_id: &PoolId) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        sum.update(pool_id);
        sum.update(&self.as_bytes()[..60]);
        sum.finalize()
    }

    /// Whether this is the header that [`SlabHeader::new`] would write, whatever its generation.
    pub fn is_right(&self, pool_id: &PoolId, slab: u64, class: u8, shape: &SlabShape) -> bool {
        self.crc.get() == self.expected_crc(pool_id)
            && self.as_bytes()
                == SlabHeader::new(pool_id, slab, class, shape, self.generation.get()).as_bytes()
    }

    /// Whether bytes look like the first ones of a header, right or not.
    pub fn is_marked(bytes: &[u8; 4]) -> bool {
        u32::from_le_bytes(*bytes) == SLAB_MAGIC
    }

    /// The bytes of a slab's header and bitmap.
    pub fn range(geometry: &Geometry, slab: u64, shape: &SlabShape) -> ByteRange {
        let len = SLAB_HEADER_BYTES + u64::from(shape.bitmap_words) * 8;
        ByteRange::new(geometry.slab_at(slab), ByteLen::new(len)).unwrap_or_default()
    }

    /// Where word `word` of a slab's bitmap lies.
    #[inline]
    pub const fn bitmap_word_at(slab_at: ByteOffset, word: u32) -> ByteOffset {
        ByteOffset::new(slab_at.get() + SLAB_HEADER_BYTES + word as u64 * 8)
    }
}

/// What a run of slabs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapEntryKind {
    /// One slab of objects of a class.
    Slab {
        /// Its class.
        class: u8,
    },
    /// One object that fills the run.
    Huge {
        /// Slabs in the run.
        slabs: u32,
    },
}

/// The slab map's word for the head of a run: kind (8 bits), class (8), run length (32), check (16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapEntry(pub u64);

impl MapEntry {
    /// The entry of `slab`.
    pub fn encode(kind: MapEntryKind, slab: u64) -> Self {
        let low = match kind {
            MapEntryKind::Slab { class } => 1 | u64::from(class) << 8 | 1 << 16,
            MapEntryKind::Huge { slabs } => 2 | u64::from(slabs) << 16,
        };
        MapEntry(low | Self::check(low, slab) << 48)
    }

    fn check(low: u64, slab: u64) -> u64 {
        let sum = crc32c(crc32c(0, &low.to_le_bytes()), &slab.to_le_bytes());
        u64::from(sum >> 16 ^ sum & 0xffff)
    }

    /// What the entry of `slab` says; `None` where its check is wrong.
    pub fn decode(self, slab: u64) -> Option<MapEntryKind> {
        let low = self.0 & ((1 << 48) - 1);
        if self.0 >> 48 != Self::check(low, slab) {
            return None;
        }
        let (class, slabs) = ((low >> 8) as u8, (low >> 16) as u32);
        match (low as u8, class, slabs) {
            (1, class, 1) => Some(MapEntryKind::Slab { class }),
            (2, 0, 1..) => Some(MapEntryKind::Huge { slabs }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_grow_and_every_slab_holds_what_its_shape_says() {
        for slab in [4096u32, 16 << 10, 64 << 10, 1 << 20] {
            let table = ClassTable::new(slab);
            let shapes = table.shapes();
            assert!(
                shapes
                    .windows(2)
                    .all(|pair| pair[0].object_bytes < pair[1].object_bytes)
            );
            for shape in shapes {
                assert!(shape.object_count >= 2, "{shape:?}");
                assert!(shape.data_at + shape.object_count * shape.object_bytes <= slab);
                assert!(
                    u64::from(shape.data_at)
                        >= SLAB_HEADER_BYTES + u64::from(shape.bitmap_words) * 8
                );
                assert!(shape.object_count <= shape.bitmap_words * 64);
            }
        }
    }

    #[test]
    fn a_request_gets_the_smallest_class_that_is_aligned_enough() {
        let table = ClassTable::new(64 << 10);
        let bytes = |size, align| {
            table
                .class_for(size, align)
                .and_then(|class| table.shape(class))
                .map(|s| s.object_bytes)
        };
        assert_eq!(bytes(1, 16), Some(16));
        assert_eq!(bytes(80, 16), Some(80));
        assert_eq!(bytes(80, 64), Some(128));
        assert_eq!(bytes(100, 256), Some(256));
        assert_eq!(bytes(5000, 4096), Some(8192));
        assert_eq!(bytes(32705, 64), None);
        let wide = table
            .shape(table.class_for(4096, 4096).expect("a class"))
            .expect("its shape");
        assert_eq!(wide.data_at % 4096, 0);
    }

    #[test]
    fn a_flipped_bit_in_a_map_entry_is_seen() {
        let entry = MapEntry::encode(MapEntryKind::Huge { slabs: 77 }, 5);
        assert_eq!(entry.decode(5), Some(MapEntryKind::Huge { slabs: 77 }));
        assert_eq!(entry.decode(6), None);
        assert!((0..64).all(|bit| MapEntry(entry.0 ^ 1 << bit).decode(5).is_none()));
    }
}
