//! Merges a node with a neighbour.

use std_alloc::vec::Vec;

use super::super::Outcome;
use super::Work;
use super::put::common_len;
use crate::layout::LeafSlot;
use crate::media::Media;

impl<M: Media> Work<'_, '_, M> {
    /// Merges the child at `position` of `parent` with the one before it or behind it, if both together take no more
    /// than three quarters of a node; answers whether it did.
    pub(super) fn merge_with_neighbour(
        &mut self,
        parent: usize,
        position: usize,
        level: u8,
    ) -> Outcome<bool, M> {
        let count = self.node(parent).count();
        let before = position.checked_sub(1);
        let behind = (position + 1 < count).then_some(position);
        for left_position in [before, behind].into_iter().flatten() {
            let left = self.child_draft(parent, left_position, level)?;
            let right = self.child_draft(parent, left_position + 1, level)?;
            let together = self.node(left).count() + self.node(right).count();
            if together * 4 > self.edit.drafts[left].slots() * 3 {
                continue;
            }
            if level == 0 {
                self.merge_leaves(left, right)?;
            } else {
                self.merge_inner(parent, left_position + 1, left, right)?;
            }
            self.free_node(right)?;
            self.remove_child(parent, left_position + 1)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn child_draft(&mut self, parent: usize, position: usize, level: u8) -> Outcome<usize, M> {
        let slot = self.node(parent).inner_slot(&self.reading(), position)?;
        Ok(self.draft(slot.child, level)?)
    }

    fn merge_leaves(&mut self, left: usize, right: usize) -> Outcome<(), M> {
        let common = common_len(self.node(left).prefix(), self.node(right).prefix());
        self.draft_mut(left).shrink_leaf(common)?;
        self.draft_mut(right).shrink_leaf(common)?;
        for position in 0..self.node(right).count() {
            let slot: LeafSlot = self.node(right).leaf_slot(&self.reading(), position)?;
            let end = self.node(left).count();
            self.draft_mut(left).insert_leaf(end, slot);
        }
        Ok(())
    }

    /// The first child of `right` gets the separator that the parent has before it.
    fn merge_inner(
        &mut self,
        parent: usize,
        right_position: usize,
        left: usize,
        right: usize,
    ) -> Outcome<(), M> {
        let mut separator = Vec::new();
        for position in 0..self.node(right).count() {
            let slot = self.node(right).inner_slot(&self.reading(), position)?;
            let (of, at) = match position {
                0 => (parent, right_position),
                _ => (right, position),
            };
            self.node(of)
                .separator(&self.reading(), at, &mut separator)?;
            self.free_tail(slot)?;
            let end = self.node(left).count();
            self.put_child(left, end, &separator, slot.child)?;
        }
        Ok(())
    }
}
