//! Removes a key, and the nodes that become too empty by it.

use super::super::Outcome;
use super::super::node::Goal;
use super::Work;
use crate::media::Media;

impl<M: Media> Work<'_, '_, M> {
    pub(super) fn remove(&mut self, key: &[u8]) -> Outcome<bool, M> {
        let leaf = self.descend(Goal::At(key))?;
        let (position, Some(old)) = self.look_for(leaf, key)? else {
            return Ok(false);
        };
        self.free_record(&old)?;
        self.draft_mut(leaf).remove(position);
        self.count_keys(|keys| keys.checked_sub(1))?;
        self.rebalance(leaf)?;
        Ok(true)
    }

    /// Takes an empty node out of the tree, merges one that is under a quarter with a neighbour, and goes on with the node
    /// above. `path` ends with the parent of `node`, a leaf.
    pub(super) fn rebalance(&mut self, leaf: usize) -> Outcome<(), M> {
        let (mut node, mut level) = (leaf, 0);
        loop {
            let Some(step) = self.edit.path.pop() else {
                return self.lower_root(node, level);
            };
            let (count, slots) = (self.node(node).count(), self.edit.drafts[node].slots());
            if count * 4 > slots && (level == 0 || count > 1) {
                return Ok(());
            }
            let parent = self.draft(step.place, level + 1)?;
            if count == 0 {
                self.free_node(node)?;
                self.remove_child(parent, step.position)?;
            } else if !self.merge_with_neighbour(parent, step.position, level)? {
                return Ok(());
            }
            (node, level) = (parent, level + 1);
        }
    }

    /// As long as the root node has one child only, that child is the root node.
    fn lower_root(&mut self, root: usize, level: u8) -> Outcome<(), M> {
        let (mut node, mut level) = (root, level);
        while level > 0 && self.node(node).count() == 1 {
            let child = self.node(node).inner_slot(&self.reading(), 0)?.child;
            self.free_node(node)?;
            self.reshape(child, level);
            level -= 1;
            if level > 0 {
                node = self.draft(child, level)?;
            }
        }
        Ok(())
    }
}
