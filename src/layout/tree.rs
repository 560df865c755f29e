//! The ordered index: the root object of a tree, its nodes, the records that hold keys and values, and separators that
//! do not fit a node.
//!
//! ```text
//! leaf   | TreeNode 32 B | order, a byte a slot | zeros to 8 | slot 0 {head, record} | slot 1 | ...
//! inner  | TreeNode 32 B | order, a byte a slot | zeros to 8 | heads, 8 B each | {child, tail} 0 | {child, tail} 1 | ...
//! record | TreeRecord 12 B | key | value, or TreeBig 12 B |
//! ```
//!
//! The slots `order[0..count]` are in use, in key order; the rest of `order` names the free ones. A slot carries a check of
//! its own, the head's checksum covers `order`, and another one the heads of an inner node, so that a reader believes no
//! byte that no checksum speaks for and yet reads a small part of a node.

use everline_arch::crc32c;
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::field::layout_struct;

/// Bytes that the keys of a node share and that a node holds once.
pub const TREE_PREFIX_BYTES: usize = 20;

/// Slots of the largest leaf.
pub const TREE_LEAF_SLOTS_MAX: u8 = 60;

/// Slots of the largest inner node.
pub const TREE_INNER_SLOTS_MAX: u8 = 96;

/// The longest value that can lie in its record.
pub const TREE_INLINE_BYTES_MAX: u32 = 1 << 16;

/// Set in [`TreeRecord::flags`]: the value lies in a block of its own.
pub const TREE_RECORD_BIG: u16 = 1;

const MAGIC: [u8; 8] = *b"TREE\0\0\0\x01";

/// Places take this many bits of a word.
const PLACE_BITS: u32 = 48;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;

layout_struct! {
    /// What leads to an ordered index.
    pub struct TreeRoot, 64 bytes {
        0 => magic: [u8; 8], "`TREE`, three zeros and 0x01";
        8 => crc: U32, "CRC-32C, seeded with the place, of bytes 12 to 31";
        12 => height: u8, "levels; 1 where the root node is a leaf";
        13 => leaf_slots: u8, "slots of a leaf, 3 to 60";
        14 => inner_slots: u8, "slots of an inner node, 3 to 96";
        15 => zero: u8, "zero";
        16 => inline_bytes: U32, "longer values lie in a block of their own";
        20 => zero2: U32, "zero";
        24 => root: U64, "place of the root node";
        32 => count: U64, "keys";
        40 => count_crc: U32, "CRC-32C, seeded with the place, of `count`";
        44 => zero3: [u8; 20], "zero";
    }
}

layout_struct! {
    /// Head of a node of an ordered index; `order` follows, then the slots.
    pub struct TreeNode, 32 bytes {
        0 => crc: U32, "CRC-32C, seeded with the place, of everything from `level` to the end of `order`";
        4 => level: u8, "0 for a leaf";
        5 => count: u8, "slots in use";
        6 => skip: u8, "bytes that all keys or separators of the node begin with: the first ones of `prefix`";
        7 => zero: u8, "zero";
        8 => heads_crc: U32, "of an inner node: CRC-32C, seeded with the place, of the heads of all slots; else 0";
        12 => prefix: [u8; 20], "zeros behind the first `skip` bytes";
    }
}

layout_struct! {
    /// Head of a record of an ordered index; the key follows, then the value or a `TreeBig`.
    pub struct TreeRecord, 12 bytes {
        0 => crc: U32, "CRC-32C, seeded with the place, of the rest of the record";
        4 => value_len: U32, "bytes of the value";
        8 => key_len: U16, "bytes of the key, at most 4,096";
        10 => flags: U16, "1: the value lies in a block of its own";
    }
}

layout_struct! {
    /// Where a value lies that has a block of its own.
    pub struct TreeBig, 12 bytes {
        0 => at: U64, "place of the block";
        8 => crc: U32, "CRC-32C of the value";
    }
}

layout_struct! {
    /// Head of a separator that does not fit its slot; its bytes follow.
    pub struct TreeSeparator, 8 bytes {
        0 => crc: U32, "CRC-32C, seeded with the place, of the rest";
        4 => len: U16, "bytes";
        6 => zero: U16, "zero";
    }
}

/// Where a checksum of what lies at `place` begins.
#[inline]
fn seed(place: u64) -> u32 {
    (place >> 4) as u32 ^ (place >> 36) as u32
}

/// The words, little-endian, as bytes for a checksum.
#[inline]
fn check16<const WORDS: usize>(place: u64, words: [u64; WORDS]) -> u64 {
    let crc = crc32c(!seed(place), words.map(u64::to_le).as_bytes());
    u64::from((crc ^ crc >> 16) as u16)
}

impl TreeRoot {
    /// Where the number of keys and its checksum stand in the root.
    pub const COUNT_AT: usize = 32;
    /// Bytes of them.
    pub const COUNT_BYTES: usize = 12;

    /// The root that lies in `bytes`.
    #[inline]
    pub fn from_bytes(bytes: &[u8; size_of::<TreeRoot>()]) -> Self {
        Self::read_from_bytes(bytes).unwrap_or_else(|_| Self::new_zeroed())
    }

    /// An empty tree of such nodes, checksums not set.
    pub fn new(leaf_slots: u8, inner_slots: u8, inline_bytes: u32) -> Self {
        let mut this = TreeRoot::new_zeroed();
        this.magic = MAGIC;
        this.height = 1;
        (this.leaf_slots, this.inner_slots) = (leaf_slots, inner_slots);
        this.inline_bytes = inline_bytes.into();
        this
    }

    fn expected_crc(&self, place: u64) -> u32 {
        crc32c(seed(place), &self.as_bytes()[12..Self::COUNT_AT])
    }

    fn expected_count_crc(&self, place: u64) -> u32 {
        crc32c(!seed(place), self.count.as_bytes())
    }

    /// Sets both checksums.
    pub fn seal(&mut self, place: u64) {
        self.crc = self.expected_crc(place).into();
        self.count_crc = self.expected_count_crc(place).into();
    }

    /// What cannot be right in it, the number of keys left out: that changes while readers read.
    #[inline]
    pub fn fault(&self, place: u64) -> Option<&'static str> {
        if self.magic != MAGIC {
            return Some("this is not the root of a tree");
        }
        if self.crc.get() != self.expected_crc(place) {
            return Some("the checksum of a tree's root does not match");
        }
        let slots = 3..=TREE_LEAF_SLOTS_MAX;
        let inner_slots = 3..=TREE_INNER_SLOTS_MAX;
        if !slots.contains(&self.leaf_slots) || !inner_slots.contains(&self.inner_slots) {
            return Some("a tree's nodes have impossible sizes");
        }
        let zeros = self.zero == 0 && self.zero2.get() == 0 && self.zero3 == [0; 20];
        let impossible =
            self.root.get() > PLACE_MASK || self.inline_bytes.get() > TREE_INLINE_BYTES_MAX;
        if self.height == 0 || !zeros || impossible {
            return Some("the fields of a tree's root do not agree");
        }
        None
    }

    /// The number of keys; `None` where its checksum does not match.
    pub fn keys(&self, place: u64) -> Option<u64> {
        (self.count_crc.get() == self.expected_count_crc(place)).then(|| self.count.get())
    }
}

/// How a node is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeShape {
    slots: usize,
    leaf: bool,
}

/// Where `order` begins in a node.
const ORDER_AT: usize = size_of::<TreeNode>();

impl TreeShape {
    /// Bytes of the longest head with its order.
    pub const ORDER_END_MAX: usize = TreeShape::inner(TREE_INNER_SLOTS_MAX).order().end;

    /// Bytes of the heads of the largest inner node.
    pub const HEADS_BYTES_MAX: usize = 8 * TREE_INNER_SLOTS_MAX as usize;

    /// A leaf of so many slots.
    pub const fn leaf(slots: u8) -> Self {
        TreeShape {
            slots: slots as usize,
            leaf: true,
        }
    }

    /// An inner node of so many slots.
    pub const fn inner(slots: u8) -> Self {
        TreeShape {
            slots: slots as usize,
            leaf: false,
        }
    }

    /// Slots.
    #[inline]
    pub const fn slots(&self) -> usize {
        self.slots
    }

    /// Whether it is a leaf's.
    #[inline]
    pub const fn is_leaf(&self) -> bool {
        self.leaf
    }

    /// Where `order` lies in the node.
    #[inline]
    pub const fn order(&self) -> core::ops::Range<usize> {
        ORDER_AT..ORDER_AT + self.slots
    }

    #[inline]
    const fn slots_at(&self) -> usize {
        (ORDER_AT + self.slots).div_ceil(8) * 8
    }

    /// Bytes of the node.
    #[inline]
    pub const fn bytes(&self) -> usize {
        self.slots_at() + self.slots * if self.leaf { 16 } else { 24 }
    }

    /// Bytes of the node in which a search looks at more than a slot or two: of an inner node up to the children.
    #[inline]
    pub const fn searched_bytes(&self) -> usize {
        if self.leaf {
            self.bytes()
        } else {
            self.slots_at() + self.slots * 8
        }
    }

    /// Where the heads of an inner node lie.
    #[inline]
    pub const fn heads(&self) -> core::ops::Range<usize> {
        self.slots_at()..self.slots_at() + self.slots * 8
    }

    /// Where the head of slot `slot` lies.
    #[inline]
    pub const fn head_at(&self, slot: usize) -> usize {
        self.slots_at() + slot * if self.leaf { 16 } else { 8 }
    }

    /// Where the place of slot `slot` lies: of a record, or of a child with the length of its separator.
    /// The tail of an inner node's slot follows.
    #[inline]
    pub const fn place_at(&self, slot: usize) -> usize {
        if self.leaf {
            self.slots_at() + slot * 16 + 8
        } else {
            self.slots_at() + (self.slots + 2 * slot) * 8
        }
    }
}

impl TreeNode {
    /// The head that lies in `bytes`.
    #[inline]
    pub fn from_bytes(bytes: &[u8; size_of::<TreeNode>()]) -> Self {
        Self::read_from_bytes(bytes).unwrap_or_else(|_| Self::new_zeroed())
    }

    /// The checksum of a node's bytes from its head to the end of `order`.
    #[inline]
    pub fn crc_of(place: u64, node: &[u8], shape: TreeShape) -> u32 {
        crc32c(seed(place), &node[4..shape.order().end])
    }

    /// The checksum of the heads of an inner node's slots.
    #[inline]
    pub fn heads_crc_of(place: u64, heads: &[u8]) -> u32 {
        crc32c(!seed(place), heads)
    }
}

/// A leaf's slot: the head of a key and the place of its record (48 bits) with a check (16 bits) of both, of the node's
/// place and of the slot's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafSlot {
    /// The first 8 bytes of the key behind what the node skips, as a big-endian number.
    pub head: u64,
    /// Place of the record.
    pub record: u64,
}

impl LeafSlot {
    /// The two words of slot `number` of the node at `place`.
    #[inline]
    pub fn encode(&self, place: u64, number: usize) -> [u64; 2] {
        let check = check16(
            place,
            [self.head, self.record | (number as u64) << PLACE_BITS],
        );
        [self.head, self.record | check << PLACE_BITS]
    }

    /// The slot; `None` where the check is wrong.
    #[inline]
    pub fn decode(words: [u64; 2], place: u64, number: usize) -> Option<Self> {
        let slot = LeafSlot {
            head: words[0],
            record: words[1] & PLACE_MASK,
        };
        (slot.encode(place, number)[1] == words[1]).then_some(slot)
    }
}

/// An inner node's slot: a child and the separator before it. The check is of all of it, of the node's place and of the
/// slot's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InnerSlot {
    /// The first 8 bytes of the separator behind what the node skips, as a big-endian number.
    pub head: u64,
    /// Place of the child (48 bits in the word).
    pub child: u64,
    /// Bytes of the separator (16 bits in the same word).
    pub len: u16,
    /// Place of the separator's block, 0 where head and prefix are all of it (48 bits, with a check of 16 bits).
    pub tail: u64,
}

impl InnerSlot {
    /// The slot of a node's first child, which has no separator before it.
    pub const fn first(child: u64) -> Self {
        InnerSlot {
            head: 0,
            child,
            len: 0,
            tail: 0,
        }
    }

    /// The three words of slot `number` of the node at `place`.
    #[inline]
    pub fn encode(&self, place: u64, number: usize) -> [u64; 3] {
        let child = self.child | u64::from(self.len) << PLACE_BITS;
        let tail = self.tail | (number as u64) << PLACE_BITS;
        let check = check16(place, [self.head, child, tail]);
        [self.head, child, self.tail | check << PLACE_BITS]
    }

    /// The slot; `None` where the check is wrong.
    #[inline]
    pub fn decode(words: [u64; 3], place: u64, number: usize) -> Option<Self> {
        let slot = InnerSlot {
            head: words[0],
            child: words[1] & PLACE_MASK,
            len: (words[1] >> PLACE_BITS) as u16,
            tail: words[2] & PLACE_MASK,
        };
        (slot.encode(place, number)[2] == words[2]).then_some(slot)
    }
}

impl TreeRecord {
    /// Where the checksum of a record at `place` begins.
    #[inline]
    pub fn seed(place: u64) -> u32 {
        seed(place)
    }
}

impl TreeSeparator {
    /// The head of a separator at `place`.
    pub fn of(place: u64, bytes: &[u8]) -> Self {
        let mut this = TreeSeparator::new_zeroed();
        this.len = (bytes.len() as u16).into();
        this.crc = crc32c(this.begin(place), bytes).into();
        this
    }

    /// The checksum of what lies before the separator's bytes.
    pub fn begin(&self, place: u64) -> u32 {
        crc32c(seed(place), &self.as_bytes()[4..])
    }
}

/// The first 8 bytes of `key` behind the first `skip`, as a number that sorts as they do; zeros where there are fewer.
#[inline]
pub fn tree_head(key: &[u8], skip: usize) -> u64 {
    let rest = key.get(skip..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: u64 = 0x1234_5670;

    #[test]
    fn heads_sort_as_keys_do_as_far_as_they_reach() {
        let keys: [&[u8]; 7] = [b"", b"\0", b"a", b"a\0", b"ab", b"abcdefgh", b"abcdefghi"];
        for pair in keys.windows(2) {
            assert!(tree_head(pair[0], 0) <= tree_head(pair[1], 0));
        }
        assert_eq!(tree_head(b"xab", 1), tree_head(b"ab", 0));
        assert_eq!(tree_head(b"x", 3), 0);
    }

    #[test]
    fn a_flipped_byte_in_a_slot_is_seen() {
        let leaf = LeafSlot {
            head: 0x0102_0304_0506_0708,
            record: 0xffff_1234_5670,
        };
        let inner = InnerSlot {
            head: 77,
            child: 0x9990,
            len: 300,
            tail: 0x1_0000,
        };
        assert_eq!(
            LeafSlot::decode(leaf.encode(PLACE, 7), PLACE, 7),
            Some(leaf)
        );
        assert_eq!(
            InnerSlot::decode(inner.encode(PLACE, 7), PLACE, 7),
            Some(inner)
        );
        assert_eq!(LeafSlot::decode(leaf.encode(PLACE, 7), PLACE + 16, 7), None);
        assert_eq!(LeafSlot::decode(leaf.encode(PLACE, 7), PLACE, 8), None);
        assert_eq!(LeafSlot::decode([0; 2], PLACE, 7), None);
        for bit in (0..192).step_by(8) {
            for mask in 1..=255u64 {
                let mut words = inner.encode(PLACE, 7);
                words[bit / 64] ^= mask << (bit % 64);
                assert_eq!(InnerSlot::decode(words, PLACE, 7), None, "{bit} {mask}");
                if bit < 128 {
                    let mut words = leaf.encode(PLACE, 7);
                    words[bit / 64] ^= mask << (bit % 64);
                    assert_eq!(LeafSlot::decode(words, PLACE, 7), None, "{bit} {mask}");
                }
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_a_root_is_seen() {
        let mut root = TreeRoot::new(28, 80, 4096);
        root.root = 0x4000.into();
        root.seal(PLACE);
        assert_eq!((root.fault(PLACE), root.keys(PLACE)), (None, Some(0)));
        assert!(root.fault(PLACE + 64).is_some());
        for bit in 0..8 * size_of::<TreeRoot>() {
            let mut flipped = root;
            flipped.as_mut_bytes()[bit / 8] ^= 1 << (bit % 8);
            let seen = flipped.fault(PLACE).is_some() || flipped.keys(PLACE).is_none();
            assert!(seen, "bit {bit}");
        }
    }

    #[test]
    fn nodes_of_default_sizes_fill_their_blocks() {
        assert_eq!(TreeShape::leaf(56).bytes(), 984);
        assert_eq!(TreeShape::inner(39).bytes(), 1008);
    }
}
