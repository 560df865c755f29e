//! A node's bytes, and the search in them.

use core::cmp::Ordering;
use std_alloc::vec::Vec;

use zerocopy::IntoBytes;

use super::record;
use super::source::{Nowhere, Source};
use crate::layout::{Corrupt, InnerSlot, LeafSlot, TreeNode, TreeShape, tree_head};
use crate::units::ByteOffset;

/// Nodes below this level are many, and so seldom in the cache: all lines that a search may meet are fetched at once.
const COLD_LEVELS: u8 = 2;

/// Memory for the head and the order of a node.
pub(super) struct Page([u64; TreeShape::ORDER_END_MAX / 8]);

impl Page {
    #[inline]
    pub fn new() -> Self {
        Page([0; TreeShape::ORDER_END_MAX / 8])
    }

    /// Reads head and order of the node at `place`, and believes them (Y5). The slots stay where they are.
    #[inline(always)]
    pub fn load<S: Source>(
        &mut self,
        source: &S,
        place: u64,
        shape: TreeShape,
        level: u8,
    ) -> Result<Node<'_>, Corrupt> {
        source.window(place, shape.bytes())?;
        if level < COLD_LEVELS {
            source.fetch(place, shape.searched_bytes());
        }
        let bytes = &mut self.0.as_mut_bytes()[..shape.order().end];
        source.read(place, 0, bytes)?;
        Node {
            bytes,
            shape,
            place,
        }
        .believed(level)
    }
}

/// A node: head and order, or all of its bytes where they are a draft's. Other bytes are the source's.
#[derive(Clone, Copy)]
pub(super) struct Node<'b> {
    pub bytes: &'b [u8],
    pub shape: TreeShape,
    pub place: u64,
}

/// What a search looks for: positions are counted in key order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal<'k> {
    /// The first child.
    First,
    /// The last one.
    Last,
    /// The one that may hold the key.
    At(&'k [u8]),
    /// The one that may hold what comes right before the key.
    Before(&'k [u8]),
}

/// Where a key lies among those that share a prefix.
enum Side {
    Below,
    Within,
    Above,
}

/// A position among the slots in use, and the number of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// The key is there.
    Found(usize),
    /// It is not, and belongs there.
    Absent(usize),
}

impl<'b> Node<'b> {
    /// The node, if its checksum is right and it is of this level (Y2, Y5).
    #[inline(always)]
    pub fn believed(self, level: u8) -> Result<Self, Corrupt> {
        let stored =
            u32::from_le_bytes([self.bytes[0], self.bytes[1], self.bytes[2], self.bytes[3]]);
        if stored != TreeNode::crc_of(self.place, self.bytes, self.shape) {
            return Err(self.fault("the checksum of a tree's node does not match"));
        }
        let count = self.count();
        let empty = count == 0 && !self.shape.is_leaf();
        let wrong = empty || count > self.shape.slots() || self.skip() > self.bytes[12..32].len();
        if wrong || self.bytes[4] != level {
            return Err(self.fault("the fields of a tree's node do not agree"));
        }
        Ok(self)
    }

    #[cold]
    pub fn fault(&self, what: &'static str) -> Corrupt {
        Corrupt::new(ByteOffset::new(self.place), what)
    }

    /// Slots in use.
    #[inline(always)]
    pub fn count(&self) -> usize {
        usize::from(self.bytes[5])
    }

    /// Distance from the leaves.
    pub fn level(&self) -> u8 {
        self.bytes[4]
    }

    #[inline(always)]
    pub fn skip(&self) -> usize {
        usize::from(self.bytes[6])
    }

    /// What all keys or separators begin with.
    #[inline(always)]
    pub fn prefix(&self) -> &'b [u8] {
        &self.bytes[12..12 + self.skip()]
    }

    /// The number of the slot at `position`. No number leads out of the node.
    #[inline(always)]
    pub fn slot(&self, position: usize) -> usize {
        let slot = self.bytes[self.shape.order().start + position];
        usize::from(slot).min(self.shape.slots() - 1)
    }

    #[inline(always)]
    fn word<S: Source>(&self, source: &S, at: usize) -> u64 {
        match self.bytes.get(at..at + 8).and_then(<[u8]>::first_chunk) {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => source.word(self.place, at),
        }
    }

    /// The head at `position`.
    #[inline(always)]
    pub fn head<S: Source>(&self, source: &S, position: usize) -> u64 {
        self.word(source, self.shape.head_at(self.slot(position)))
    }

    /// The leaf's slot at `position`.
    #[inline(always)]
    pub fn leaf_slot<S: Source>(&self, source: &S, position: usize) -> Result<LeafSlot, Corrupt> {
        let slot = self.slot(position);
        let at = self.shape.head_at(slot);
        let words = [self.word(source, at), self.word(source, at + 8)];
        LeafSlot::decode(words, self.place, slot)
            .ok_or_else(|| self.fault("a slot of a tree's leaf has a wrong check"))
    }

    /// The inner node's slot at `position`.
    #[inline(always)]
    pub fn inner_slot<S: Source>(&self, source: &S, position: usize) -> Result<InnerSlot, Corrupt> {
        let slot = self.slot(position);
        let at = self.shape.place_at(slot);
        let words = [
            self.word(source, self.shape.head_at(slot)),
            self.word(source, at),
            self.word(source, at + 8),
        ];
        InnerSlot::decode(words, self.place, slot)
            .ok_or_else(|| self.fault("a slot of a tree's inner node has a wrong check"))
    }

    /// Whether the heads of an inner node on the medium are what was stored (Y5).
    #[inline(never)]
    pub fn verify_heads<S: Source>(&self, source: &S) -> Result<(), Corrupt> {
        let mut heads = [0; TreeShape::HEADS_BYTES_MAX];
        let range = self.shape.heads();
        let heads = &mut heads[..range.len()];
        source.read(self.place, range.start, heads)?;
        self.compare_heads(TreeNode::heads_crc_of(self.place, heads))
    }

    /// As [`Node::verify_heads`], where all of the node's bytes are at hand. A leaf's slots have checks of their own.
    pub fn verify_own_heads(&self) -> Result<(), Corrupt> {
        self.compare_heads(match self.shape.is_leaf() {
            true => 0,
            false => TreeNode::heads_crc_of(self.place, &self.bytes[self.shape.heads()]),
        })
    }

    fn compare_heads(&self, expected: u32) -> Result<(), Corrupt> {
        let stored =
            u32::from_le_bytes([self.bytes[8], self.bytes[9], self.bytes[10], self.bytes[11]]);
        if stored == expected {
            Ok(())
        } else {
            Err(self.fault("the checksum of the heads of a tree's node does not match"))
        }
    }

    /// Checksum and fields: no change of an inner node leaves them as they were.
    #[inline(always)]
    pub fn stamp(&self) -> u64 {
        self.word(&Nowhere, 0)
    }

    #[inline(always)]
    fn side(&self, key: &[u8]) -> Side {
        let prefix = self.prefix();
        if prefix.is_empty() || key.starts_with(prefix) {
            Side::Within
        } else if key < prefix {
            Side::Below
        } else {
            Side::Above
        }
    }

    /// The first position from `from` on, and before `to`, for which `is_beyond` says so; `to` where there is none.
    #[inline(always)]
    fn first<S: Source>(
        &self,
        source: &S,
        from: usize,
        to: usize,
        is_beyond: impl Fn(u64) -> bool,
    ) -> usize {
        let (mut base, mut len) = (from, to - from);
        while len > 0 {
            let half = len / 2;
            let before = !is_beyond(self.head(source, base + half));
            base = if before { base + half + 1 } else { base };
            len = if before { len - half - 1 } else { half };
        }
        base
    }

    /// The position of the child that `goal` leads to.
    #[inline(always)]
    pub fn child<S: Source>(&self, source: &S, goal: Goal<'_>) -> Result<usize, Corrupt> {
        let (key, strictly) = match goal {
            Goal::First => return Ok(0),
            Goal::Last => return Ok(self.count() - 1),
            Goal::At(key) => (key, false),
            Goal::Before(key) => (key, true),
        };
        match self.side(key) {
            Side::Below => return Ok(0),
            Side::Above => return Ok(self.count() - 1),
            Side::Within => {}
        }
        let head = tree_head(key, self.skip());
        let beyond = self.first(source, 1, self.count(), |other| other >= head);
        if beyond == self.count() || self.head(source, beyond) != head {
            return Ok(beyond - 1);
        }
        self.child_among_equals(source, beyond, key, strictly)
    }

    /// As [`Node::child`], where the heads from `from` on equal the key's.
    #[cold]
    #[inline(never)]
    fn child_among_equals<S: Source>(
        &self,
        source: &S,
        from: usize,
        key: &[u8],
        strictly: bool,
    ) -> Result<usize, Corrupt> {
        let head = tree_head(key, self.skip());
        let (mut low, mut high) = (
            from,
            self.first(source, from, self.count(), |other| other > head),
        );
        while low < high {
            let middle = usize::midpoint(low, high);
            let order = self.compare_separator(source, middle, key)?;
            let before = order == Ordering::Less || (order == Ordering::Equal && !strictly);
            (low, high) = if before {
                (middle + 1, high)
            } else {
                (low, middle)
            };
        }
        Ok(low - 1)
    }

    /// How the separator at `position`, whose head is the key's, compares with the key.
    fn compare_separator<S: Source>(
        &self,
        source: &S,
        position: usize,
        key: &[u8],
    ) -> Result<Ordering, Corrupt> {
        let slot = self.inner_slot(source, position)?;
        if slot.tail == 0 {
            // Equal heads: the shorter of the two is the other's beginning, but for zeros.
            return Ok(usize::from(slot.len).cmp(&key.len()));
        }
        record::compare_separator(source, slot.tail, slot.len, key)
    }

    /// Puts the separator at `position`, which is not the first, into `into`.
    pub fn separator<S: Source>(
        &self,
        source: &S,
        position: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), Corrupt> {
        let slot = self.inner_slot(source, position)?;
        if slot.tail != 0 {
            return record::read_separator(source, slot.tail, slot.len, into);
        }
        let behind = usize::from(slot.len).checked_sub(self.skip());
        let Some(behind) = behind.filter(|behind| *behind <= 8) else {
            return Err(self.fault("a separator in a tree's node has an impossible length"));
        };
        into.clear();
        into.extend_from_slice(self.prefix());
        into.extend_from_slice(&slot.head.to_be_bytes()[..behind]);
        Ok(())
    }

    /// Where `key` is in this leaf, or belongs. `verify` asks for every slot and record that is looked at to be right (Y5).
    pub fn find<S: Source>(
        &self,
        source: &S,
        key: &[u8],
        verify: bool,
    ) -> Result<Position, Corrupt> {
        self.find_by(source, key, verify, |record| {
            record::compare(source, record, key, verify)
        })
    }

    /// As [`Node::find`]; `compare` tells how the key of a record, whose head is the key's, compares with it.
    #[inline(always)]
    pub fn find_by<S: Source>(
        &self,
        source: &S,
        key: &[u8],
        verify: bool,
        mut compare: impl FnMut(u64) -> Result<Ordering, Corrupt>,
    ) -> Result<Position, Corrupt> {
        match self.side(key) {
            Side::Below => return Ok(Position::Absent(0)),
            Side::Above => return Ok(Position::Absent(self.count())),
            Side::Within => {}
        }
        let head = tree_head(key, self.skip());
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = usize::midpoint(low, high);
            let mut order = self.head(source, middle).cmp(&head);
            if verify || order == Ordering::Equal {
                let slot = self.leaf_slot(source, middle)?;
                if order == Ordering::Equal {
                    order = compare(slot.record)?;
                }
            }
            match order {
                Ordering::Equal => return Ok(Position::Found(middle)),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Ok(Position::Absent(low))
    }

    /// The first position that may hold `key`, if there is one and the heads agree.
    #[inline(always)]
    pub fn candidate<S: Source>(&self, source: &S, key: &[u8]) -> Option<usize> {
        if !matches!(self.side(key), Side::Within) {
            return None;
        }
        let head = tree_head(key, self.skip());
        let position = self.first(source, 0, self.count(), |other| other >= head);
        (position < self.count() && self.head(source, position) == head).then_some(position)
    }
}
