//! Changes to trees within one transaction.
//!
//! ```text
//! put, remove ─▶ drafts of nodes, records to be ─▶ stage: only what differs ─▶ commit_between(lock) ─▶ clear
//! ```
//!
//! Blocks are taken and given back in the transaction at once; bytes are staged at the end, so that a hundred changes to
//! one leaf are one change of it, and nobody reads back what was staged.

mod draft;
mod drop;
mod inner;
mod locked;
mod merge;
mod places;
mod put;
mod reading;
mod remove;
mod root;
mod split;
mod written;

use core::cell::Cell;
use std_alloc::vec::Vec;

use super::node::{Goal, Node, Position};
use super::source::{Medium, Source};
use super::{Outcome, Tree, TreeError, record};
use crate::alloc::Request;
use crate::layout::Corrupt;
use crate::media::Media;
use crate::tx::Tx;
use crate::units::ByteOffset;
pub(super) use draft::Draft;
pub use locked::Locked;
use places::Places;
use reading::Reading;
use root::Root;
use written::Written;

/// Changes to any number of trees in one transaction. One writer at a time, who keeps his edit for its memory.
///
/// Every change is followed by [`TreeEdit::stage`] before the commit, which answers [`TreeEdit::lock`] in
/// [`Tx::commit_between`](crate::tx::Tx::commit_between), and the commit by [`TreeEdit::clear`]. After an error the transaction is to be dropped and the edit cleared. Between two calls of
/// `clear` an edit serves one transaction. As long as a pool is open, a tree is changed through one edit only, which knows
/// its inner nodes from one transaction to the next.
#[derive(Debug, Default)]
pub struct TreeEdit {
    drafts: Vec<Draft>,
    /// Drafts that serve this transaction.
    used: Vec<usize>,
    /// Drafts that serve nobody, kept for their memory.
    spare: Vec<usize>,
    /// Drafts by the places of their nodes; those of inner nodes stay for later transactions.
    nodes: Places,
    written: Written,
    roots: Vec<Root>,
    path: Vec<Step>,
    /// The transaction is durable.
    committed: Cell<bool>,
    /// Nothing lies beyond the leaf that was descended to.
    rightmost: bool,
    scratch: Vec<u8>,
}

/// Inner nodes that are kept for later transactions: some megabytes.
const KEPT_DRAFTS_MAX: usize = 2048;

/// An inner node on the way down, and where it was left.
#[derive(Clone, Copy, Debug)]
struct Step {
    place: u64,
    position: usize,
}

/// One change of one tree: the transaction, the tree, and the number of its root.
struct Work<'w, 'e, M: Media> {
    tx: &'w mut Tx<'e, M>,
    edit: &'w mut TreeEdit,
    tree: Tree,
    root: usize,
}

impl TreeEdit {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `value` at `key`; answers whether there was a value before.
    ///
    /// Errors: [`TreeError::KeyTooLong`], [`TreeError::ValueTooLong`], [`TreeError::Corrupt`], those of the transaction.
    /// Cost: no wait; a value beyond [`TreeOptions::inline_bytes`](super::TreeOptions::inline_bytes) one more at commit.
    pub fn put<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        tree: &Tree,
        key: &[u8],
        value: &[u8],
    ) -> Outcome<bool, M> {
        if value.len() > super::VALUE_BYTES_MAX {
            return Err(TreeError::ValueTooLong { len: value.len() });
        }
        self.work(tx, tree, key)?.put(key, value)
    }

    /// Removes `key`; answers whether there was a value. As [`TreeEdit::put`].
    pub fn remove<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        tree: &Tree,
        key: &[u8],
    ) -> Outcome<bool, M> {
        self.work(tx, tree, key)?.remove(key)
    }

    /// The value of `key` as the transaction sees it, put in place of what `into` holds. As [`TreeEdit::put`].
    pub fn get<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        tree: &Tree,
        key: &[u8],
        into: &mut Vec<u8>,
    ) -> Outcome<bool, M> {
        self.work(tx, tree, key)?.get(key, into)
    }

    /// The number of keys as the transaction sees it.
    pub fn count<M: Media>(&mut self, tx: &mut Tx<'_, M>, tree: &Tree) -> Outcome<u64, M> {
        let work = self.work(tx, tree, &[])?;
        Ok(work.edit.roots[work.root].root.count.get())
    }

    /// Frees a tree, in this transaction some `keys_max` keys of it; answers whether nothing is left. Until then it is a
    /// tree with fewer keys, its last ones gone. As [`TreeEdit::put`].
    pub fn drop_tree<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        tree: &Tree,
        keys_max: usize,
    ) -> Outcome<bool, M> {
        self.work(tx, tree, &[])?.drop_tree(keys_max)
    }

    /// Stages what has changed since the last call: the last step before the commit. Errors: those of the transaction.
    pub fn stage<M: Media>(&mut self, tx: &mut Tx<'_, M>) -> Outcome<(), M> {
        self.written.stage(tx)?;
        for number in &self.used {
            let draft = &mut self.drafts[*number];
            if draft.marked && !draft.freed {
                draft.stage(tx)?;
            }
        }
        for root in self.roots.iter_mut().filter(|root| !root.dropped) {
            root.stage(tx)?;
        }
        Ok(())
    }

    /// Ends the transaction's part, and keeps memory for the next one. It keeps what it knows of inner nodes, too, but for
    /// what did not commit, and compares it with the medium before it is believed again.
    pub fn clear(&mut self) {
        let committed = self.committed.take();
        for number in self.used.drain(..) {
            let draft = &mut self.drafts[number];
            let known = !draft.freed && self.nodes.get(draft.place) == Some(number);
            let is_true = committed || !draft.marked;
            if is_true && known && draft.is_staged() && draft.node().level() > 0 {
                (draft.marked, draft.serves) = (false, false);
                continue;
            }
            if known {
                self.nodes.remove(draft.place);
            }
            self.spare.push(number);
        }
        let kept = self.drafts.len() - self.spare.len();
        if kept > KEPT_DRAFTS_MAX || self.nodes.is_crowded() {
            self.nodes.clear();
            self.spare.clear();
            self.spare.extend(0..self.drafts.len());
        }
        self.written.clear();
        self.roots.clear();
    }

    /// Begins a change of `tree` that is about `key`.
    #[inline]
    fn work<'w, 'e, M: Media>(
        &'w mut self,
        tx: &'w mut Tx<'e, M>,
        tree: &Tree,
        key: &[u8],
    ) -> Outcome<Work<'w, 'e, M>, M> {
        if key.len() > super::KEY_BYTES_MAX {
            return Err(TreeError::KeyTooLong { len: key.len() });
        }
        let place = tree.place.get();
        let root = match self.roots.iter().position(|root| root.place == place) {
            Some(root) => root,
            None => {
                self.roots.push(Root::load(tx, tree)?);
                self.roots.len() - 1
            }
        };
        Ok(Work {
            tx,
            edit: self,
            tree: *tree,
            root,
        })
    }
}

impl<'e, M: Media> Work<'_, 'e, M> {
    #[inline]
    fn reading(&self) -> Reading<'_, 'e, M> {
        Reading {
            tx: self.tx,
            medium: Medium::new(self.tx.manager().pool()),
            written: &self.edit.written,
            overlaid: self.edit.roots[self.root].overlaid,
        }
    }

    #[inline]
    fn root_mut(&mut self) -> &mut Root {
        &mut self.edit.roots[self.root]
    }

    #[inline]
    fn draft_mut(&mut self, draft: usize) -> &mut Draft {
        &mut self.edit.drafts[draft]
    }

    #[inline]
    fn node(&self, draft: usize) -> Node<'_> {
        self.edit.drafts[draft].node()
    }

    /// Changes the number of keys (Y4).
    fn count_keys(&mut self, change: impl FnOnce(u64) -> Option<u64>) -> Result<(), Corrupt> {
        let root = self.root_mut();
        let what = "a tree's number of keys cannot be right";
        let count = change(root.root.count.get());
        let count = count.ok_or(Corrupt::new(ByteOffset::new(root.place), what))?;
        root.root.count = count.into();
        root.counted = true;
        Ok(())
    }

    /// A draft that serves nobody.
    fn spare_draft(&mut self) -> usize {
        self.edit.spare.pop().unwrap_or_else(|| {
            self.edit.drafts.push(Draft::default());
            self.edit.drafts.len() - 1
        })
    }

    /// The draft of the node at `place`, to be changed.
    #[inline]
    fn draft(&mut self, place: u64, level: u8) -> Result<usize, Corrupt> {
        let number = self.known(place, level)?;
        if !self.edit.drafts[number].serves {
            self.edit.drafts[number].serves = true;
            self.edit.used.push(number);
        }
        Ok(number)
    }

    /// The draft of the node at `place`, to be read. What is left of an earlier transaction is compared with the medium.
    #[inline]
    fn known(&mut self, place: u64, level: u8) -> Result<usize, Corrupt> {
        let number = match self.edit.nodes.get(place) {
            Some(number) => {
                let draft = &self.edit.drafts[number];
                if draft.serves {
                    return Ok(number);
                }
                let (reading, shape) = (self.reading(), self.tree.shape(level));
                reading.window(place, shape.bytes())?;
                let node = draft.node();
                let same = node.shape == shape && node.level() == level;
                if same && node.stamp() == reading.word(place, 0) {
                    return Ok(number);
                }
                number
            }
            None => self.spare_draft(),
        };
        let mut draft = core::mem::take(&mut self.edit.drafts[number]);
        let loaded = draft.load(&self.reading(), place, level, self.tree.shape(level));
        self.edit.drafts[number] = draft;
        match loaded {
            Ok(()) => self.edit.nodes.set(place, number),
            Err(corrupt) => {
                self.edit.nodes.remove(place);
                self.edit.spare.push(number);
                return Err(corrupt);
            }
        }
        Ok(number)
    }

    /// An empty node.
    fn new_node(&mut self, level: u8) -> Outcome<usize, M> {
        let shape = self.tree.shape(level);
        let place = self.tx.alloc(Request::new(shape.bytes() as u64))?.start();
        let known = self.edit.nodes.get(place.get());
        let number = known.unwrap_or_else(|| self.spare_draft());
        let draft = &mut self.edit.drafts[number];
        draft.begin(place.get(), level, shape);
        (draft.marked, draft.serves) = (true, true);
        self.edit.nodes.set(place.get(), number);
        self.edit.used.push(number);
        Ok(number)
    }

    /// Gives a node up; readers that are in it are told.
    fn free_node(&mut self, draft: usize) -> Outcome<(), M> {
        let draft = &mut self.edit.drafts[draft];
        (draft.freed, draft.marked) = (true, true);
        self.edit.nodes.remove(draft.place);
        Ok(self.tx.free(ByteOffset::new(draft.place))?)
    }

    /// Gives a record or a separator's block up.
    fn free_block(&mut self, place: u64) -> Outcome<(), M> {
        self.edit.written.forget(place);
        Ok(self.tx.free(ByteOffset::new(place))?)
    }

    /// Descends to the leaf that `goal` leads to, and notes the way. Every slot on the way was verified (Y5).
    #[inline]
    fn descend(&mut self, goal: Goal<'_>) -> Result<usize, Corrupt> {
        let root = &self.edit.roots[self.root].root;
        let (mut place, mut level) = (root.root.get(), root.height - 1);
        self.edit.path.clear();
        self.edit.rightmost = true;
        while level > 0 {
            let number = self.known(place, level)?;
            let (node, reading) = (self.node(number), self.reading());
            let position = node.child(&reading, goal)?;
            let rightmost = position + 1 == node.count();
            let child = node.inner_slot(&reading, position)?.child;
            self.edit.path.push(Step { place, position });
            self.edit.rightmost &= rightmost;
            place = child;
            level -= 1;
        }
        self.draft(place, 0)
    }

    fn get(&mut self, key: &[u8], into: &mut Vec<u8>) -> Outcome<bool, M> {
        into.clear();
        let leaf = self.descend(Goal::At(key))?;
        let (node, reading) = (self.node(leaf), self.reading());
        let Position::Found(position) = node.find(&reading, key, true)? else {
            return Ok(false);
        };
        let record = node.leaf_slot(&reading, position)?.record;
        let found = record::take(&reading, record, key, Some(into))?;
        let Some(value) = found.and_then(|found| found.big) else {
            return Ok(true);
        };
        // What went straight to its home is read there, whoever stored it.
        match record::read_big(&reading.medium, &value, into)? {
            true => Ok(true),
            false => Err(record::big_mismatch(&value).into()),
        }
    }
}
