//! Frees a tree leaf by leaf from its end, so that it is a tree at every commit.

use super::super::Outcome;
use super::super::node::Goal;
use super::Work;
use crate::media::Media;

impl<M: Media> Work<'_, '_, M> {
    /// Frees leaves until `keys_max` keys are gone; answers whether the root is gone too.
    pub(super) fn drop_tree(&mut self, keys_max: usize) -> Outcome<bool, M> {
        let mut keys = 0;
        loop {
            let leaf = self.descend(Goal::Last)?;
            let count = self.node(leaf).count();
            for position in 0..count {
                let record = self.node(leaf).leaf_slot(&self.reading(), position)?.record;
                let old = self.old_record(record)?;
                self.free_record(&old)?;
            }
            self.draft_mut(leaf).truncate(0);
            self.count_keys(|keys| keys.checked_sub(count as u64))?;
            keys += count;
            if self.edit.path.is_empty() {
                self.free_node(leaf)?;
                let root = self.root_mut();
                (root.dropped, root.marked) = (true, true);
                self.tx.free(self.tree.place)?;
                return Ok(true);
            }
            self.rebalance(leaf)?;
            if keys >= keys_max {
                return Ok(false);
            }
        }
    }
}
