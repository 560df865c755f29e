//! The ordered index: a B+tree of byte strings in the pool, one writer at a time, readers without a lock.
//!
//! ```text
//!             TreeRoot {height, root node, number of keys}
//!                 |
//!             inner {separator, child} ...            prefix that all separators share, once
//!              /     \
//!         leaf        leaf {head of the key, record} ...
//!          |            |
//!   record {key, value}   record {key, place of a big value} ─▶ block
//! ```
//!
//! A transaction changes a tree through a [`TreeEdit`], which keeps drafts of the changed nodes in memory and stages only
//! the bytes that differ. An insert is one slot, a piece of the node's order, the node's head, the record and the number of
//! keys; a value of the same size class is stored over the old one and touches no node. There are no links between
//! leaves: a scan descends again at the fence of the leaf before, so a split and a merge change one parent only.
//!
//! Readers descend without storing anything. Each node has a version ([`Versions`]); who commits marks the nodes whose
//! bytes, or whose records' bytes, are about to change between the commit's wait and the homes
//! ([`Tx::commit_between`](crate::tx::Tx::commit_between)), and a reader that met such a moment reads again.
//!
//! Invariants
//! T1  the slots in use of a node are in key order; every key of a leaf, and every separator below an inner node, lies
//!     between the separators around it in the parent: not below the one before, below the one behind.
//! T2  all leaves have the same depth, the root's `height`; a node's `level` is its distance from the leaves.
//! T3  every node, record, block of a big value and block of a separator has one owner, and what the tree gave up is free
//!     in the commit that gave it up.
//! T4  the root's `count` is the number of keys.
//! T5  nothing read is believed before a checksum spoke for it: an order by the node's, a slot by its own, a separator's block,
//!     a record and a big value by theirs. A key is absent only where every slot that the search looked at was right.
//! T6  a reader believes what it read of a node, and of the records that the node leads to, only if the node's version is
//!     what it was before; a child only if the parent's version held after the child's was read.
//! T7  whoever stores to homes of a node, or to a record, has marked the node's version before, and nobody waits while it
//!     is marked.
//! Crash: a tree changes with the transaction that changes it. Nothing is recovered here, and nothing volatile is needed to
//! open one.

mod error;
mod versions;

pub use error::TreeError;
pub use versions::Versions;

/// Bytes of the longest key.
pub const KEY_BYTES_MAX: usize = 4096;

/// Bytes of the longest value.
pub const VALUE_BYTES_MAX: usize = 1 << 30;

use core::ops::Bound;
use std_alloc::vec::Vec;

use crate::media::Media;
use crate::tx::{Manager, Tx};
use crate::units::{ByteOffset, ByteRange};

/// A tree in a pool: where its root lies, and what never changes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    place: ByteOffset,
    options: TreeOptions,
}

/// The shape of a tree, fixed when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeOptions {
    /// Slots of a leaf, 3 to 60.
    pub leaf_slots: u8,
    /// Slots of an inner node, 3 to 96.
    pub inner_slots: u8,
    /// Values of more bytes lie in a block of their own, which costs the commit one more wait; at most 65,536.
    pub inline_bytes: u32,
}

impl Default for TreeOptions {
    fn default() -> Self {
        TreeOptions {
            leaf_slots: 28,
            inner_slots: 80,
            inline_bytes: 4096,
        }
    }
}

type Outcome<T, M> = Result<T, TreeError<<M as Media>::SyncError>>;

impl Tree {
    /// Creates an empty tree in `tx`. Its place is to be stored where it is found again.
    pub fn create<M: Media>(tx: &mut Tx<'_, M>, options: &TreeOptions) -> Outcome<Tree, M> {
        let _ = (tx, options);
        unimplemented!()
    }

    /// The tree whose root lies at `place`.
    pub fn open<M: Media>(manager: &Manager<M>, place: ByteOffset) -> Outcome<Tree, M> {
        let _ = (manager, place);
        unimplemented!()
    }

    /// Where its root lies.
    pub fn place(&self) -> ByteOffset {
        self.place
    }

    /// Reads the tree without a lock.
    pub fn reader<'p, M: Media>(
        &self,
        manager: &'p Manager<M>,
        versions: &'p Versions,
    ) -> TreeReader<'p, M> {
        TreeReader {
            tree: *self,
            manager,
            versions,
        }
    }

    /// Verifies T1 to T5 of a tree that nobody changes meanwhile, and visits every object it owns.
    pub fn check<M: Media>(
        &self,
        manager: &Manager<M>,
        visit: &mut dyn FnMut(ByteRange),
    ) -> Outcome<TreeCheck, M> {
        let _ = (manager, visit);
        unimplemented!()
    }
}

/// What a check saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeCheck {
    /// Keys.
    pub keys: u64,
    /// Levels.
    pub height: u8,
    /// Leaves.
    pub leaves: u64,
    /// Nodes above the leaves.
    pub inner_nodes: u64,
    /// Values with a block of their own.
    pub big_values: u64,
    /// Bytes of keys and values.
    pub payload_bytes: u64,
}

/// Reads a tree without a lock and without a store to anything shared.
#[derive(Debug)]
pub struct TreeReader<'p, M> {
    tree: Tree,
    manager: &'p Manager<M>,
    versions: &'p Versions,
}

/// Where a value lies that has a block of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BigValue {
    place: ByteOffset,
    len: usize,
    crc: u32,
}

/// What is known of a value before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Bytes of the value.
    pub len: usize,
    /// Its block, if it has one of its own.
    pub big: Option<BigValue>,
}

impl<M: Media> TreeReader<'_, M> {
    /// The value of `key`, put in place of what `into` holds; `false` where there is none, and `into` is as it was.
    pub fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Outcome<bool, M> {
        let _ = (key, into, self.tree, self.manager, self.versions);
        unimplemented!()
    }

    /// What is known of the value of `key`.
    pub fn find(&self, key: &[u8]) -> Outcome<Option<Found>, M> {
        let _ = key;
        unimplemented!()
    }

    /// Reads a big value; `false` where its bytes are no longer there (its key was changed since), or are damaged: whoever knows
    /// that the key was not changed tells.
    pub fn read_big(&self, value: &BigValue, into: &mut Vec<u8>) -> Outcome<bool, M> {
        let _ = (value, into);
        unimplemented!()
    }

    /// The number of keys.
    pub fn count(&self) -> Outcome<u64, M> {
        unimplemented!()
    }

    /// The entries of the leaf that `from` belongs to, from it on, in key order.
    pub fn chunk_from(&self, from: Bound<&[u8]>, chunk: &mut Chunk) -> Outcome<(), M> {
        let _ = (from, chunk);
        unimplemented!()
    }

    /// The entries of the leaf that holds what comes right before `to`, up to it, in key order.
    pub fn chunk_before(&self, to: Bound<&[u8]>, chunk: &mut Chunk) -> Outcome<(), M> {
        let _ = (to, chunk);
        unimplemented!()
    }
}

/// A value in a [`Chunk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'c> {
    /// Its bytes.
    Inline(&'c [u8]),
    /// It has a block of its own: [`TreeReader::read_big`].
    Big(BigValue),
}

/// Entries of one leaf, copied out.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
}

impl Chunk {
    /// Entries.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no entry in it; there may be some further on.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Key and value of entry `index`, in key order.
    pub fn entry(&self, index: usize) -> (&[u8], Value<'_>) {
        let _ = index;
        unimplemented!()
    }

    /// The lowest key that the leaf may hold; `None` for the first leaf.
    /// Backwards a scan goes on with `chunk_before(Bound::Excluded(lower))`.
    pub fn lower(&self) -> Option<&[u8]> {
        unimplemented!()
    }

    /// The lowest key that is too great for the leaf; `None` for the last leaf.
    /// A scan goes on with `chunk_from(Bound::Included(upper))`.
    pub fn upper(&self) -> Option<&[u8]> {
        unimplemented!()
    }
}

/// Changes to trees in one transaction. One writer at a time.
#[derive(Debug, Default)]
pub struct TreeEdit {}

impl TreeEdit {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `value` at `key`; answers whether there was a value before.
    pub fn put<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        tree: &Tree,
        key: &[u8],
        value: &[u8],
    ) -> Outcome<bool, M> {
        let _ = (tx, tree, key, value);
        unimplemented!()
    }

    /// Removes `key`; answers whether there was a value.
    pub fn remove<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        tree: &Tree,
        key: &[u8],
    ) -> Outcome<bool, M> {
        let _ = (tx, tree, key);
        unimplemented!()
    }

    /// The value of `key` as the transaction sees it.
    pub fn get<M: Media>(
        &self,
        tx: &Tx<'_, M>,
        tree: &Tree,
        key: &[u8],
        into: &mut Vec<u8>,
    ) -> Outcome<bool, M> {
        let _ = (tx, tree, key, into);
        unimplemented!()
    }

    /// Frees a tree, at most about `keys_max` keys of it in this transaction; answers whether nothing is left of it.
    /// Until then it is a tree with fewer keys.
    pub fn drop_tree<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        tree: &Tree,
        keys_max: usize,
    ) -> Outcome<bool, M> {
        let _ = (tx, tree, keys_max);
        unimplemented!()
    }

    /// Stages what has changed since the last call: the last step before the commit.
    pub fn stage<M: Media>(&mut self, tx: &mut Tx<'_, M>) -> Outcome<(), M> {
        let _ = tx;
        unimplemented!()
    }

    /// Marks the versions of what is about to change: to be called in
    /// [`Tx::commit_between`](crate::tx::Tx::commit_between).
    pub fn lock(&self, versions: &Versions) {
        let _ = versions;
        unimplemented!()
    }

    /// Takes the marks away: to be called when the commit has returned, whatever it answered.
    pub fn unlock(&self, versions: &Versions) {
        let _ = versions;
        unimplemented!()
    }

    /// Forgets everything, and keeps the memory for the next transaction.
    pub fn clear(&mut self) {
        unimplemented!()
    }
}
