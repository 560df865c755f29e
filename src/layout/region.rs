//! What belongs to one region beside its entry: name and attributes, and the words that tell which chunks of its block
//! are its own.

use zerocopy::byteorder::little_endian::{U16, U32};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::PoolId;
use super::field::layout_struct;

/// Bytes of the longest name of a region.
pub const REGION_NAME_BYTES_MAX: usize = 255;

/// Bytes of the longest attributes of a region.
pub const REGION_ATTRIBUTES_BYTES_MAX: usize = 1024;

/// Bytes of the smallest chunk that a map of written chunks tells apart.
pub const REGION_CHUNK_BYTES_MIN: u64 = 64 << 10;

/// Chunks that a map of written chunks can have: it takes no more than 4 KiB.
pub const REGION_CHUNKS_MAX: u64 = 16 << 10;

/// Shift of the chunks of a checked region.
pub const REGION_SUM_SHIFT: u8 = 12;

layout_struct! {
    /// Name and attributes of a region; the name's bytes follow, then those of the attributes.
    pub struct RegionTail, 8 bytes {
        0 => crc: U32, "CRC-32 (IEEE) of pool id, slot (4 bytes) and everything from `name_len` to the last byte";
        4 => name_len: u8, "bytes of the name, UTF-8; 0 for none";
        5 => zero: u8, "zero";
        6 => attributes_len: U16, "bytes of the attributes, at most 1,024";
    }
}

impl RegionTail {
    /// The longest tail.
    pub const BYTES_MAX: usize =
        size_of::<RegionTail>() + REGION_NAME_BYTES_MAX + REGION_ATTRIBUTES_BYTES_MAX;

    /// Head, name and attributes with their checksum, put into `into`; answers how many bytes. Longer ones are cut.
    pub fn encode(
        name: &[u8],
        attributes: &[u8],
        pool_id: &PoolId,
        slot: u32,
        into: &mut [u8; Self::BYTES_MAX],
    ) -> usize {
        let name = &name[..name.len().min(REGION_NAME_BYTES_MAX)];
        let attributes = &attributes[..attributes.len().min(REGION_ATTRIBUTES_BYTES_MAX)];
        let head = size_of::<RegionTail>();
        let end = head + name.len() + attributes.len();
        into[head..head + name.len()].copy_from_slice(name);
        into[head + name.len()..end].copy_from_slice(attributes);
        let mut tail = RegionTail::new_zeroed();
        tail.name_len = name.len() as u8;
        tail.attributes_len = (attributes.len() as u16).into();
        into[..head].copy_from_slice(tail.as_bytes());
        let crc = crc_of(pool_id, slot, &into[4..end]);
        into[..4].copy_from_slice(&crc.to_le_bytes());
        end
    }

    /// Bytes of the whole tail by its head.
    pub fn bytes_of(head: &[u8; size_of::<RegionTail>()]) -> usize {
        let (name, attributes) = Self::lens(head);
        head.len() + name + attributes.min(REGION_ATTRIBUTES_BYTES_MAX)
    }

    fn lens(head: &[u8; size_of::<RegionTail>()]) -> (usize, usize) {
        let tail = Self::read_from_bytes(head).unwrap_or_else(|_| Self::new_zeroed());
        (
            usize::from(tail.name_len),
            usize::from(tail.attributes_len.get()),
        )
    }

    /// Name and attributes in `bytes`, a whole tail; else what cannot be right in it.
    pub fn decode<'b>(
        bytes: &'b [u8],
        pool_id: &PoolId,
        slot: u32,
    ) -> Result<(&'b str, &'b [u8]), &'static str> {
        let (head, rest) = bytes
            .split_first_chunk()
            .ok_or("a region's name and attributes are cut off")?;
        let (name, attributes) = Self::lens(head);
        if head[..4] != crc_of(pool_id, slot, &bytes[4..]).to_le_bytes() {
            return Err("the checksum of a region's name and attributes does not match");
        }
        if head[5] != 0 || name + attributes != rest.len() {
            return Err("the lengths of a region's name and attributes do not agree");
        }
        // Such a tail is never stored, and other eight bytes with a checksum could pass for one.
        if rest.is_empty() {
            return Err("a region's name and attributes are both empty");
        }
        let (name, attributes) = rest.split_at(name);
        match core::str::from_utf8(name) {
            Ok(name) => Ok((name, attributes)),
            Err(_) => Err("a region's name is not UTF-8"),
        }
    }
}

/// A word of a map of written chunks: 32 bits, one a chunk, and their check, which is never zero: a page of zeros in the place
/// of a map is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapWord(pub u64);

impl MapWord {
    /// Chunks that a word speaks of.
    pub const CHUNKS: u64 = 32;

    /// Word `index` of the map of the region in `slot`.
    pub fn encode(bits: u32, pool_id: &PoolId, slot: u32, index: u64) -> MapWord {
        let check = check(bits, 0, pool_id, slot, index).max(1);
        MapWord(u64::from(bits) | u64::from(check) << 32)
    }

    /// The bits; `None` where the check is wrong.
    pub fn decode(self, pool_id: &PoolId, slot: u32, index: u64) -> Option<u32> {
        let bits = self.0 as u32;
        (self == Self::encode(bits, pool_id, slot, index)).then_some(bits)
    }
}

/// What is known of a chunk of a checked region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkSum {
    /// It was never written and reads zero.
    Unwritten,
    /// CRC-32 (IEEE) of its bytes up to the region's end.
    Sealed(u32),
    /// It is being changed: no sum is known.
    Unsealed,
}

/// A word of a checked region's table: the sum, what it means (2 bits) and a check (30 bits), which is never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumWord(pub u64);

impl SumWord {
    /// Word `index` of the table of the region in `slot`.
    pub fn encode(sum: ChunkSum, pool_id: &PoolId, slot: u32, index: u64) -> SumWord {
        let (sum, kind) = match sum {
            ChunkSum::Unwritten => (0, 0),
            ChunkSum::Sealed(sum) => (sum, 1),
            ChunkSum::Unsealed => (0, 2),
        };
        let check = (check(sum, kind, pool_id, slot, index) >> 2).max(1);
        SumWord(u64::from(sum) << 32 | u64::from(check) << 2 | u64::from(kind))
    }

    /// What it says; `None` where the check is wrong.
    pub fn decode(self, pool_id: &PoolId, slot: u32, index: u64) -> Option<ChunkSum> {
        let sum = match self.0 & 3 {
            0 => ChunkSum::Unwritten,
            1 => ChunkSum::Sealed((self.0 >> 32) as u32),
            _ => ChunkSum::Unsealed,
        };
        (self == Self::encode(sum, pool_id, slot, index)).then_some(sum)
    }
}

fn crc_of(pool_id: &PoolId, slot: u32, bytes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(pool_id);
    sum.update(&slot.to_le_bytes());
    sum.update(bytes);
    sum.finalize()
}

fn check(bits: u32, kind: u8, pool_id: &PoolId, slot: u32, index: u64) -> u32 {
    let mut bytes = [0; 13];
    bytes[..4].copy_from_slice(&bits.to_le_bytes());
    bytes[4] = kind;
    bytes[5..].copy_from_slice(&index.to_le_bytes());
    crc_of(pool_id, slot, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_what_was_put_in_and_a_flipped_bit_is_seen() {
        let pool_id = [3; 16];
        for (name, attributes) in [
            ("name", &b""[..]),
            ("", b"attributes"),
            ("both", b"of them"),
        ] {
            let mut bytes = [0; RegionTail::BYTES_MAX];
            let end = RegionTail::encode(name.as_bytes(), attributes, &pool_id, 9, &mut bytes);
            let head = bytes.first_chunk().expect("longer");
            assert_eq!(RegionTail::bytes_of(head), end);
            let whole = &mut bytes[..end];
            assert_eq!(
                RegionTail::decode(whole, &pool_id, 9),
                Ok((name, attributes))
            );
            assert!(RegionTail::decode(whole, &pool_id, 8).is_err());
            for bit in 0..8 * end {
                whole[bit / 8] ^= 1 << (bit % 8);
                assert!(RegionTail::decode(whole, &pool_id, 9).is_err(), "bit {bit}");
                whole[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_a_map_or_a_table_is_seen() {
        let pool_id = [3; 16];
        let word = MapWord::encode(0b1011, &pool_id, 2, 5);
        assert_eq!(word.decode(&pool_id, 2, 5), Some(0b1011));
        assert_eq!(word.decode(&pool_id, 2, 6), None);
        let none = MapWord::encode(0, &pool_id, 2, 5);
        assert_eq!(none.decode(&pool_id, 2, 5), Some(0));
        assert_eq!(MapWord(0).decode(&pool_id, 2, 5), None);
        for kind in [
            ChunkSum::Sealed(77),
            ChunkSum::Unsealed,
            ChunkSum::Unwritten,
        ] {
            let sum = SumWord::encode(kind, &pool_id, 2, 5);
            assert_eq!(sum.decode(&pool_id, 2, 5), Some(kind));
            for bit in 0..64 {
                assert_eq!(SumWord(sum.0 ^ 1 << bit).decode(&pool_id, 2, 5), None);
                assert_eq!(MapWord(word.0 ^ 1 << bit).decode(&pool_id, 2, 5), None);
            }
        }
        assert_eq!(SumWord(0).decode(&pool_id, 2, 5), None);
    }
}
