//! A node that a transaction changes: its bytes as they will be, and which of them differ from the medium's.

use core::ops::Range;
use std_alloc::vec::Vec;

use zerocopy::IntoBytes;

use super::super::node::Node;
use super::super::source::{Nowhere, Source};
use crate::layout::{Corrupt, InnerSlot, LeafSlot, TREE_PREFIX_BYTES, TreeNode, TreeShape};
use crate::media::Media;
use crate::tx::{Tx, TxError};
use crate::units::ByteOffset;

/// Where the head's checksums and fields end, and the prefix begins.
const PREFIX_AT: usize = 12;

/// A node's draft.
#[derive(Debug)]
pub(in super::super) struct Draft {
    pub(super) place: u64,
    shape: TreeShape,
    bytes: Vec<u8>,
    /// Readers must not believe what they read of it while the commit's homes are stored (Y7).
    pub(super) marked: bool,
    pub(super) freed: bool,
    /// It is in use by the transaction.
    pub(super) serves: bool,
    changed: Changed,
}

/// What differs from the medium.
#[derive(Clone, Debug, Default)]
struct Changed {
    head: bool,
    prefix: bool,
    /// Everything that a fresh block lacks.
    all: bool,
    order: Range<usize>,
    slots: u128,
}

impl Default for Draft {
    fn default() -> Self {
        Draft {
            place: 0,
            shape: TreeShape::leaf(3),
            bytes: Vec::new(),
            marked: false,
            freed: false,
            serves: false,
            changed: Changed::default(),
        }
    }
}

impl Draft {
    fn reset(&mut self, place: u64, shape: TreeShape) {
        self.place = place;
        self.shape = shape;
        (self.marked, self.freed, self.serves) = (false, false, false);
        self.changed = Changed::default();
    }

    /// An empty node in a fresh block.
    pub fn begin(&mut self, place: u64, level: u8, shape: TreeShape) {
        self.reset(place, shape);
        self.bytes.clear();
        self.bytes.resize(shape.bytes(), 0);
        self.bytes[4] = level;
        for (byte, slot) in self.bytes[shape.order()].iter_mut().zip(0..) {
            *byte = slot;
        }
        self.changed.head = true;
        self.changed.prefix = true;
        self.changed.all = true;
        self.changed.order = 0..shape.slots();
    }

    /// The node at `place`, if it can be believed (Y2, Y5).
    #[inline]
    pub(super) fn load<S: Source>(
        &mut self,
        source: &S,
        place: u64,
        level: u8,
        shape: TreeShape,
    ) -> Result<(), Corrupt> {
        self.reset(place, shape);
        self.bytes.resize(shape.bytes(), 0);
        source.window(place, shape.bytes())?;
        source.read(place, 0, &mut self.bytes)?;
        let node = self.node().believed(level)?;
        node.verify_own_heads()?;
        let mut named = 0u128;
        for slot in &node.bytes[shape.order()] {
            named |= 1u128.checked_shl(u32::from(*slot)).unwrap_or(0);
        }
        if named == (1 << shape.slots()) - 1 {
            Ok(())
        } else {
            Err(node.fault("the order of a tree's node names a slot twice"))
        }
    }

    /// The node, to read.
    #[inline]
    pub(super) fn node(&self) -> Node<'_> {
        Node {
            bytes: &self.bytes,
            shape: self.shape,
            place: self.place,
        }
    }

    /// Whether the medium holds the same, or will with this transaction: nothing is left to stage.
    pub(super) fn is_staged(&self) -> bool {
        let Changed {
            head, all, slots, ..
        } = self.changed;
        !head && !all && slots == 0
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        self.node().count()
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.count() == self.shape.slots()
    }

    #[inline]
    pub(super) fn slots(&self) -> usize {
        self.shape.slots()
    }

    #[inline]
    fn change_order(&mut self, range: Range<usize>) {
        let old = &self.changed.order;
        self.changed.order = match old.is_empty() {
            true => range,
            false => old.start.min(range.start)..old.end.max(range.end),
        };
        (self.changed.head, self.marked) = (true, true);
    }

    /// Makes room at `position`; answers the number of the slot that is now there. The node is not full.
    #[inline]
    fn open(&mut self, position: usize) -> usize {
        let count = self.count();
        let order = self.shape.order().start;
        let slot = self.bytes[order + count];
        self.bytes
            .copy_within(order + position..order + count, order + position + 1);
        self.bytes[order + position] = slot;
        self.bytes[5] = count as u8 + 1;
        self.change_order(position..count + 1);
        usize::from(slot)
    }

    /// Takes the slot at `position` out of use.
    pub(super) fn remove(&mut self, position: usize) {
        let count = self.count();
        let order = self.shape.order().start;
        let slot = self.bytes[order + position];
        self.bytes
            .copy_within(order + position + 1..order + count, order + position);
        self.bytes[order + count - 1] = slot;
        self.bytes[5] = count as u8 - 1;
        self.change_order(position..count);
    }

    /// Keeps the first `count` slots in use.
    pub(super) fn truncate(&mut self, count: usize) {
        self.bytes[5] = count as u8;
        (self.changed.head, self.marked) = (true, true);
    }

    #[inline]
    fn put(&mut self, at: usize, word: u64) {
        self.bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }

    #[inline]
    fn store_leaf(&mut self, slot: usize, content: LeafSlot) {
        let at = self.shape.head_at(slot);
        let [head, record] = content.encode(self.place, slot);
        self.put(at, head);
        self.put(at + 8, record);
        self.changed.slots |= 1 << slot;
        self.marked = true;
    }

    fn store_inner(&mut self, slot: usize, content: InnerSlot) {
        let [head, child, tail] = content.encode(self.place, slot);
        self.put(self.shape.head_at(slot), head);
        let at = self.shape.place_at(slot);
        self.put(at, child);
        self.put(at + 8, tail);
        self.changed.slots |= 1 << slot;
        (self.changed.head, self.marked) = (true, true);
    }

    /// Inserts into a leaf that is not full.
    #[inline]
    pub(super) fn insert_leaf(&mut self, position: usize, content: LeafSlot) {
        let slot = self.open(position);
        self.store_leaf(slot, content);
    }

    /// Replaces a leaf's slot.
    pub(super) fn set_leaf(&mut self, position: usize, content: LeafSlot) {
        let slot = self.node().slot(position);
        self.store_leaf(slot, content);
    }

    /// Inserts into an inner node that is not full.
    pub(super) fn insert_inner(&mut self, position: usize, content: InnerSlot) {
        let slot = self.open(position);
        self.store_inner(slot, content);
    }

    /// Replaces an inner node's slot.
    pub(super) fn set_inner(&mut self, position: usize, content: InnerSlot) {
        let slot = self.node().slot(position);
        self.store_inner(slot, content);
    }

    /// Changes what the node skips; the slots' heads are the caller's business.
    pub(super) fn set_prefix(&mut self, prefix: &[u8]) {
        let prefix = &prefix[..prefix.len().min(TREE_PREFIX_BYTES)];
        self.bytes[6] = prefix.len() as u8;
        let field = &mut self.bytes[PREFIX_AT..PREFIX_AT + TREE_PREFIX_BYTES];
        field.fill(0);
        field[..prefix.len()].copy_from_slice(prefix);
        (self.changed.head, self.changed.prefix, self.marked) = (true, true, true);
    }

    /// Makes a leaf skip no more than `skip` bytes: the heads follow from the prefix, and no record is read.
    pub(super) fn shrink_leaf(&mut self, skip: usize) -> Result<(), Corrupt> {
        let old = self.node().skip();
        if skip >= old {
            return Ok(());
        }
        let mut prefix = [0; TREE_PREFIX_BYTES];
        prefix[..old].copy_from_slice(self.node().prefix());
        for position in 0..self.count() {
            let slot = self.node().leaf_slot(&Nowhere, position)?;
            let mut key = [0; TREE_PREFIX_BYTES + 8];
            key[..old].copy_from_slice(&prefix[..old]);
            key[old..old + 8].copy_from_slice(&slot.head.to_be_bytes());
            let head = crate::layout::tree_head(&key, skip);
            self.set_leaf(position, LeafSlot { head, ..slot });
        }
        self.set_prefix(&prefix[..skip]);
        Ok(())
    }

    fn seal(&mut self) {
        let heads_change = self.changed.slots != 0 || self.changed.all;
        if heads_change && !self.shape.is_leaf() {
            let heads = TreeNode::heads_crc_of(self.place, &self.bytes[self.shape.heads()]);
            self.bytes[8..12].copy_from_slice(&heads.to_le_bytes());
        }
        let crc = TreeNode::crc_of(self.place, &self.bytes, self.shape);
        self.bytes[..4].copy_from_slice(&crc.to_le_bytes());
    }

    /// Stages the bytes that differ from the medium's.
    #[inline]
    pub fn stage<M: Media>(&mut self, tx: &mut Tx<'_, M>) -> Result<(), TxError<M::SyncError>> {
        if self.changed.head {
            self.seal();
            self.stage_head(tx)?;
        }
        let slots = match self.changed.all {
            true => self.used(),
            false => self.changed.slots,
        };
        if self.shape.is_leaf() {
            self.stage_runs(tx, slots, 16, |slot| self.shape.head_at(slot))?;
        } else {
            match self.changed.all {
                true => self.write(tx, self.shape.heads())?,
                false => self.stage_runs(tx, slots, 8, |slot| self.shape.head_at(slot))?,
            }
            self.stage_runs(tx, slots, 16, |slot| self.shape.place_at(slot))?;
        }
        self.changed = Changed::default();
        Ok(())
    }

    fn used(&self) -> u128 {
        let node = self.node();
        (0..node.count()).fold(0, |used, position| used | 1 << node.slot(position))
    }

    #[inline]
    fn stage_head<M: Media>(&self, tx: &mut Tx<'_, M>) -> Result<(), TxError<M::SyncError>> {
        let start = self.shape.order().start;
        let order = start + self.changed.order.start..start + self.changed.order.end;
        if self.changed.all {
            // A fresh block holds anything: the zeros behind the order are stored with it.
            return self.write(tx, 0..self.shape.head_at(0));
        }
        if self.changed.prefix {
            let end = if order.is_empty() { start } else { order.end };
            return self.write(tx, 0..end);
        }
        self.write(tx, 0..if self.shape.is_leaf() { 8 } else { PREFIX_AT })?;
        self.write(tx, order)
    }

    /// Stages neighbouring slots together; `at` tells where the word or words of a slot begin.
    #[inline]
    fn stage_runs<M: Media>(
        &self,
        tx: &mut Tx<'_, M>,
        slots: u128,
        bytes: usize,
        at: impl Fn(usize) -> usize,
    ) -> Result<(), TxError<M::SyncError>> {
        let mut left = slots;
        while left != 0 {
            let first = left.trailing_zeros() as usize;
            let len = (left >> first).trailing_ones() as usize;
            self.write(tx, at(first)..at(first) + len * bytes)?;
            left &= !(((1 << len) - 1) << first);
        }
        Ok(())
    }

    #[inline]
    fn write<M: Media>(
        &self,
        tx: &mut Tx<'_, M>,
        range: Range<usize>,
    ) -> Result<(), TxError<M::SyncError>> {
        if range.is_empty() {
            return Ok(());
        }
        let at = ByteOffset::new(self.place + range.start as u64);
        tx.write(at, self.bytes[range].as_bytes())
    }
}
