//! Marks on the versions of what a commit is about to store.

use super::super::Versions;
use super::TreeEdit;

/// Readers of what an edit changes wait until this is dropped.
#[derive(Debug)]
#[must_use = "what is locked is free again when it is dropped"]
pub struct Locked<'l> {
    edit: &'l TreeEdit,
    versions: &'l Versions,
}

impl TreeEdit {
    /// Marks the versions of what is about to change, until the answer is dropped (Y7): what the call of
    /// [`Tx::commit_between`](crate::tx::Tx::commit_between) is to answer.
    pub fn lock<'l>(&'l self, versions: &'l Versions) -> Locked<'l> {
        self.each_marked(|place| versions.lock(place));
        versions.locked();
        self.committed.set(true);
        Locked {
            edit: self,
            versions,
        }
    }

    fn each_marked(&self, mut see: impl FnMut(u64)) {
        let drafts = self.used.iter().map(|number| &self.drafts[*number]);
        for draft in drafts.filter(|draft| draft.marked) {
            see(draft.place);
        }
        for root in self.roots.iter().filter(|root| root.marked) {
            see(root.place);
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.edit.each_marked(|place| self.versions.unlock(place));
    }
}
