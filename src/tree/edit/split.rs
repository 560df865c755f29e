//! Splits a full node; the tree grows at its root.

use std_alloc::vec::Vec;

use super::super::{Outcome, record};
use super::put::common_len;
use super::{Step, Work};
use crate::layout::{Corrupt, InnerSlot, LeafSlot, TREE_PREFIX_BYTES, tree_head};
use crate::media::Media;

/// Bytes that a node must skip more than before for its slots to be written anew.
pub(super) const WORTHWHILE_BYTES: usize = 4;

impl<M: Media> Work<'_, '_, M> {
    /// Splits a full leaf, inserts `slot` at `position` of the whole, and tells the parent.
    ///
    /// Where keys come in ascending order, the full leaf stays full.
    pub(super) fn split_leaf(
        &mut self,
        leaf: usize,
        position: usize,
        slot: LeafSlot,
    ) -> Outcome<(), M> {
        let count = self.node(leaf).count();
        let appends = self.edit.rightmost && position == count;
        let cut = if appends { count } else { count / 2 };
        let right = self.new_node(0)?;
        let mut prefix = [0; TREE_PREFIX_BYTES];
        let skip = self.node(leaf).skip();
        prefix[..skip].copy_from_slice(self.node(leaf).prefix());
        self.draft_mut(right).set_prefix(&prefix[..skip]);
        for (to, from) in (cut..count).enumerate() {
            let moved = self.node(leaf).leaf_slot(&self.reading(), from)?;
            self.draft_mut(right).insert_leaf(to, moved);
        }
        self.draft_mut(leaf).truncate(cut);
        if position <= cut && !appends {
            self.draft_mut(leaf).insert_leaf(position, slot);
        } else {
            self.draft_mut(right).insert_leaf(position - cut, slot);
        }
        let separator = self.leaf_separator(leaf, right)?;
        self.grow_leaf_prefix(leaf)?;
        self.grow_leaf_prefix(right)?;
        let right = self.edit.drafts[right].place;
        self.insert_child(separator, right)
    }

    /// The shortest bytes above every key of `left`, and not above any of `right`; their prefixes are the same.
    fn leaf_separator(&mut self, left: usize, right: usize) -> Result<Vec<u8>, Corrupt> {
        let last = self
            .node(left)
            .leaf_slot(&self.reading(), self.node(left).count() - 1)?;
        let first = self.node(right).leaf_slot(&self.reading(), 0)?;
        let differing = (last.head ^ first.head).leading_zeros() as usize / 8;
        let mut separator = Vec::new();
        if differing < 8 {
            // The byte that differs is above another one, so it is a key's own and no zero behind its end.
            separator.extend_from_slice(self.node(right).prefix());
            separator.extend_from_slice(&first.head.to_be_bytes()[..=differing]);
            return Ok(separator);
        }
        let mut below = Vec::new();
        record::read_key(&self.reading(), last.record, &mut below)?;
        record::read_key(&self.reading(), first.record, &mut separator)?;
        separator.truncate(common_len(&below, &separator) + 1);
        Ok(separator)
    }

    /// Where all heads of a leaf begin alike, lets it skip what its keys share.
    fn grow_leaf_prefix(&mut self, leaf: usize) -> Result<(), Corrupt> {
        let node = self.node(leaf);
        let (count, skip) = (node.count(), node.skip());
        if count < 2 || skip + WORTHWHILE_BYTES > TREE_PREFIX_BYTES {
            return Ok(());
        }
        let reading = self.reading();
        let (first, last) = (
            node.leaf_slot(&reading, 0)?,
            node.leaf_slot(&reading, count - 1)?,
        );
        if !share_enough(first.head, last.head) {
            return Ok(());
        }
        let (mut low, mut key) = (Vec::new(), Vec::new());
        record::read_key(&self.reading(), first.record, &mut low)?;
        record::read_key(&self.reading(), last.record, &mut key)?;
        let common = common_len(&low, &key).min(TREE_PREFIX_BYTES);
        if common < skip + WORTHWHILE_BYTES {
            return Ok(());
        }
        for position in 0..count {
            let slot = self.node(leaf).leaf_slot(&self.reading(), position)?;
            record::read_key(&self.reading(), slot.record, &mut key)?;
            let head = tree_head(&key, common);
            self.draft_mut(leaf)
                .set_leaf(position, LeafSlot { head, ..slot });
        }
        self.draft_mut(leaf).set_prefix(&low[..common]);
        Ok(())
    }

    /// Inserts `child` with the separator before it behind the child that was descended to, and splits as far up as it
    /// takes. `path` ends with the node that gets it.
    fn insert_child(&mut self, mut separator: Vec<u8>, mut child: u64) -> Outcome<(), M> {
        let mut level = 1;
        loop {
            let Some(Step { place, position }) = self.edit.path.pop() else {
                return self.grow_root(&separator, child);
            };
            let parent = self.draft(place, level)?;
            if !self.edit.drafts[parent].is_full() {
                return self.put_child(parent, position + 1, &separator, child);
            }
            (separator, child) = self.split_inner(parent, position + 1, &separator, child)?;
            level += 1;
        }
    }

    /// A new root above the old one and `child`.
    fn grow_root(&mut self, separator: &[u8], child: u64) -> Outcome<(), M> {
        let height = self.root_mut().root.height;
        let Some(higher) = height.checked_add(1) else {
            return Err(self
                .root_fault("a tree cannot be as high as its root says")
                .into());
        };
        let root = self.new_node(height)?;
        let first = InnerSlot::first(self.root_mut().root.root.get());
        self.draft_mut(root).insert_inner(0, first);
        self.put_child(root, 1, separator, child)?;
        let place = self.edit.drafts[root].place;
        self.reshape(place, higher);
        Ok(())
    }

    /// Splits a full inner node and inserts `child`; answers what the node above gets.
    fn split_inner(
        &mut self,
        left: usize,
        position: usize,
        separator: &[u8],
        child: u64,
    ) -> Outcome<(Vec<u8>, u64), M> {
        let count = self.node(left).count();
        let appends = self.edit.rightmost && position == count;
        let cut = if appends { count - 1 } else { count / 2 };
        let level = self.node(left).level();
        let right = self.new_node(level)?;
        let prefix = self.node(left).prefix().to_vec();
        self.draft_mut(right).set_prefix(&prefix);
        let mut upper = Vec::new();
        self.node(left)
            .separator(&self.reading(), cut, &mut upper)?;
        for (to, from) in (cut..count).enumerate() {
            let slot = self.node(left).inner_slot(&self.reading(), from)?;
            if to > 0 {
                self.draft_mut(right).insert_inner(to, slot);
                continue;
            }
            // Its separator goes up.
            self.free_tail(slot)?;
            self.draft_mut(right)
                .insert_inner(0, InnerSlot::first(slot.child));
        }
        self.draft_mut(left).truncate(cut);
        if position <= cut {
            self.put_child(left, position, separator, child)?;
        } else {
            self.put_child(right, position - cut, separator, child)?;
        }
        self.grow_inner_prefix(left)?;
        self.grow_inner_prefix(right)?;
        Ok((upper, self.edit.drafts[right].place))
    }
}

/// Whether all heads between the two begin with enough bytes in common.
pub(super) fn share_enough(first: u64, last: u64) -> bool {
    (first ^ last).leading_zeros() as usize >= 8 * WORTHWHILE_BYTES
}
