//! A node's bytes, and the search in them.

use core::cmp::Ordering;
use std_alloc::vec::Vec;

use zerocopy::IntoBytes;

use super::record;
use super::source::Source;
use crate::layout::{Corrupt, InnerSlot, LeafSlot, TreeNode, TreeShape, tree_head};
use crate::units::ByteOffset;

/// Memory for the part of a node that is searched.
pub(super) struct Page([u64; TreeShape::SEARCHED_BYTES_MAX / 8]);

impl Page {
    #[inline]
    pub fn new() -> Self {
        Page([0; TreeShape::SEARCHED_BYTES_MAX / 8])
    }

    /// Reads what a search needs of the node at `place`, and believes it (T5).
    #[inline(always)]
    pub fn load<S: Source>(
        &mut self,
        source: &S,
        place: u64,
        shape: TreeShape,
        level: u8,
    ) -> Result<Node<'_>, Corrupt> {
        let bytes = &mut self.0.as_mut_bytes()[..shape.searched_bytes()];
        source.read(place, 0, bytes)?;
        Node {
            bytes,
            shape,
            place,
        }
        .believed(level)
    }
}

/// A node's bytes, all of them or those that a search reads.
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
    /// The node, if its checksum is right and it is of this level (T2, T5).
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

    /// The number of the slot at `position`.
    #[inline(always)]
    pub fn slot(&self, position: usize) -> usize {
        usize::from(self.bytes[self.shape.order().start + position])
    }

    #[inline(always)]
    fn word_within(&self, at: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at + 8)?;
        bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// The head at `position`. A slot that no node has is found out where it is followed.
    #[inline(always)]
    pub fn head(&self, position: usize) -> u64 {
        let at = self.shape.head_at(self.slot(position));
        self.word_within(at).unwrap_or(0)
    }

    #[inline(always)]
    fn word<S: Source>(&self, source: &S, at: usize) -> Result<u64, Corrupt> {
        match self.word_within(at) {
            Some(word) => Ok(word),
            None => source.word(self.place, at),
        }
    }

    /// The leaf's slot at `position`.
    #[inline(always)]
    pub fn leaf_slot(&self, position: usize) -> Result<LeafSlot, Corrupt> {
        let at = self.shape.head_at(self.slot(position));
        let words = [self.word_within(at), self.word_within(at + 8)];
        if let [Some(head), Some(word)] = words {
            if let Some(slot) = LeafSlot::decode([head, word], self.place) {
                return Ok(slot);
            }
        }
        Err(self.fault("a slot of a tree's leaf has a wrong check"))
    }

    /// The inner node's slot at `position`.
    #[inline(always)]
    pub fn inner_slot<S: Source>(&self, source: &S, position: usize) -> Result<InnerSlot, Corrupt> {
        let slot = self.slot(position);
        let words = [
            self.word(source, self.shape.head_at(slot))?,
            self.word(source, self.shape.place_at(slot))?,
            self.word(source, self.shape.tail_at(slot))?,
        ];
        InnerSlot::decode(words, self.place)
            .ok_or_else(|| self.fault("a slot of a tree's inner node has a wrong check"))
    }

    /// Whether the heads of an inner node are what was stored (T5). A node's draft is the writer's own.
    pub fn verify_heads(&self) -> Result<(), Corrupt> {
        let stored =
            u32::from_le_bytes([self.bytes[8], self.bytes[9], self.bytes[10], self.bytes[11]]);
        if stored == TreeNode::heads_crc_of(self.place, self.bytes, self.shape) {
            Ok(())
        } else {
            Err(self.fault("the checksum of the heads of a tree's node does not match"))
        }
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
    fn first(&self, from: usize, to: usize, is_beyond: impl Fn(u64) -> bool) -> usize {
        let (mut base, mut len) = (from, to - from);
        while len > 0 {
            let half = len / 2;
            let before = !is_beyond(self.head(base + half));
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
        let beyond = self.first(1, self.count(), |other| other >= head);
        if beyond == self.count() || self.head(beyond) != head {
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
        let (mut low, mut high) = (from, self.first(from, self.count(), |other| other > head));
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

    /// Where `key` is in this leaf, or belongs. `verify` asks for every slot and record that is looked at to be right (T5).
    pub fn find<S: Source>(
        &self,
        source: &S,
        key: &[u8],
        verify: bool,
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
            let mut order = self.head(middle).cmp(&head);
            if verify || order == Ordering::Equal {
                let slot = self.leaf_slot(middle)?;
                if order == Ordering::Equal {
                    order = record::compare(source, slot.record, key, verify)?;
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

    /// The first position whose head is not below `head`.
    #[inline(always)]
    pub fn lowest(&self, head: u64) -> usize {
        self.first(0, self.count(), |other| other >= head)
    }

    /// The first position that may hold `key`, if there is one and the heads agree.
    #[inline(always)]
    pub fn candidate(&self, key: &[u8]) -> Option<usize> {
        if !matches!(self.side(key), Side::Within) {
            return None;
        }
        let head = tree_head(key, self.skip());
        let position = self.lowest(head);
        (position < self.count() && self.head(position) == head).then_some(position)
    }
}
