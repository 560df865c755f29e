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
//! leaves: a scan descends again at the separator behind a leaf, so a split and a merge change one parent only.
//!
//! Readers descend without storing anything. Each node has a version ([`Versions`]); who commits marks the nodes whose
//! bytes, or whose records' bytes, are about to change between the commit's wait and the homes
//! ([`Tx::commit_between`](crate::tx::Tx::commit_between)), and a reader that met such a moment reads again.
//!
//! Invariants
//! Y1  the slots in use of a node are in key order; every key of a leaf, and every separator below an inner node, lies
//!     between the separators around it in the parent: not below the one before, below the one behind.
//! Y2  all leaves have the same depth, the root's `height`; a node's `level` is its distance from the leaves.
//! Y3  every node, record, block of a big value and block of a separator has one owner, and what the tree gave up is free
//!     in the commit that gave it up.
//! Y4  the root's `count` is the number of keys.
//! Y5  nothing read is believed before a checksum spoke for it: an order by the node's, a slot by its own, a separator's block,
//!     a record and a big value by theirs. A key is absent only where every slot that the search looked at was right.
//! Y6  a reader believes what it read of a node, and of the records that the node leads to, only if the node's version is
//!     what it was before; a child only if the parent's version held after the child's was read.
//! Y7  whoever stores to homes of a node, or to a record, has marked the node's version before, and nobody waits while it
//!     is marked.
//! Crash: a tree changes with the transaction that changes it. Nothing is recovered here, and nothing volatile is needed to
//! open one.

mod check;
mod edit;
mod error;
mod node;
mod reader;
mod record;
mod scan;
mod source;
mod versions;

pub use check::TreeCheck;
pub use edit::{Locked, TreeEdit};
pub use error::TreeError;
pub use reader::{Found, TreeReader};
pub use scan::{Chunk, Value};
pub use versions::Versions;

/// Bytes of the longest key.
pub const KEY_BYTES_MAX: usize = 4096;

/// Bytes of the longest value.
pub const VALUE_BYTES_MAX: usize = 1 << 30;

use zerocopy::{FromZeros, IntoBytes};

use crate::alloc::Request;
use crate::layout::{
    Corrupt, TREE_INLINE_BYTES_MAX, TREE_INNER_SLOTS_MAX, TREE_LEAF_SLOTS_MAX, TreeRoot, TreeShape,
};
use crate::media::Media;
use crate::tx::{Manager, Tx};
use crate::units::{ByteOffset, ByteRange};
use edit::Draft;
use source::{Medium, Source};

/// A tree in a pool: where its root lies, and what never changes of it.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    place: ByteOffset,
    options: TreeOptions,
    /// The transaction that creates it: until it ends, only it can read the tree.
    created_in: Option<(u32, u64)>,
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

/// Nodes of a KiB. With a million keys the nodes above the leaves then stay in a cache of the second level: a lookup took 1.0 µs
/// where 28 slots and 80 took 1.2, on the development machine, two of its lines cold.
impl Default for TreeOptions {
    fn default() -> Self {
        TreeOptions {
            leaf_slots: 56,
            inner_slots: 39,
            inline_bytes: 4096,
        }
    }
}

/// Where a value lies that has a block of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BigValue {
    place: ByteOffset,
    len: usize,
    crc: u32,
}

impl BigValue {
    /// Bytes of the value.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

type Outcome<T, M> = Result<T, TreeError<<M as Media>::SyncError>>;

impl Tree {
    /// Creates an empty tree in `tx`. Its place is to be stored where it is found again.
    ///
    /// Errors: [`TreeError::Options`]; those of the transaction. Cost: no wait.
    pub fn create<M: Media>(tx: &mut Tx<'_, M>, options: &TreeOptions) -> Outcome<Tree, M> {
        if let Some(what) = options.fault() {
            return Err(TreeError::Options { what });
        }
        let place = tx
            .alloc(Request::new(size_of::<TreeRoot>() as u64))?
            .start();
        let shape = TreeShape::leaf(options.leaf_slots);
        let leaf = tx.alloc(Request::new(shape.bytes() as u64))?.start();
        let mut draft = Draft::default();
        draft.begin(leaf.get(), 0, shape);
        draft.stage(tx)?;
        let mut root = TreeRoot::new(
            options.leaf_slots,
            options.inner_slots,
            options.inline_bytes,
        );
        root.root = leaf.get().into();
        root.seal(place.get());
        tx.write(place, root.as_bytes())?;
        Ok(Tree {
            place,
            options: *options,
            created_in: Some(tx.id()),
        })
    }

    /// The tree whose root lies at `place`. Errors: [`TreeError::Corrupt`], where no root of a tree lies there.
    pub fn open<M: Media>(manager: &Manager<M>, place: ByteOffset) -> Outcome<Tree, M> {
        let root = read_root(&Medium::new(manager.pool()), place.get())?;
        let options = TreeOptions {
            leaf_slots: root.leaf_slots,
            inner_slots: root.inner_slots,
            inline_bytes: root.inline_bytes.get(),
        };
        Ok(Tree {
            place,
            options,
            created_in: None,
        })
    }

    /// Where its root lies.
    pub fn place(&self) -> ByteOffset {
        self.place
    }

    /// The shape it was created with.
    pub fn options(&self) -> &TreeOptions {
        &self.options
    }

    /// Reads the tree without a lock. A tree that is being created can be read once its transaction has committed.
    #[inline]
    pub fn reader<'p, M: Media>(
        &self,
        manager: &'p Manager<M>,
        versions: &'p Versions,
    ) -> TreeReader<'p, M> {
        TreeReader::new(*self, manager, versions)
    }

    /// Verifies Y1 to Y5 of a tree that nobody changes meanwhile, and visits every object that it owns (Y3).
    ///
    /// Errors: [`TreeError::Corrupt`], the first thing that is wrong. Cost: reads everything.
    pub fn check<M: Media>(
        &self,
        manager: &Manager<M>,
        visit: &mut dyn FnMut(ByteRange),
    ) -> Outcome<TreeCheck, M> {
        check::check(self, manager, visit)
    }

    /// The root, as `source` has it.
    #[inline(always)]
    fn root<S: Source>(&self, source: &S) -> Result<TreeRoot, Corrupt> {
        read_root(source, self.place.get())
    }

    #[inline(always)]
    fn leaf_shape(&self) -> TreeShape {
        TreeShape::leaf(self.options.leaf_slots)
    }

    #[inline(always)]
    fn inner_shape(&self) -> TreeShape {
        TreeShape::inner(self.options.inner_slots)
    }

    #[inline(always)]
    fn shape(&self, level: u8) -> TreeShape {
        match level {
            0 => self.leaf_shape(),
            _ => self.inner_shape(),
        }
    }
}

#[inline(always)]
fn read_root<S: Source>(source: &S, place: u64) -> Result<TreeRoot, Corrupt> {
    let mut root = TreeRoot::new_zeroed();
    source.read(place, 0, root.as_mut_bytes())?;
    match root.fault(place) {
        None => Ok(root),
        Some(what) => Err(Corrupt::new(ByteOffset::new(place), what)),
    }
}

impl TreeOptions {
    fn fault(&self) -> Option<&'static str> {
        if !(3..=TREE_LEAF_SLOTS_MAX).contains(&self.leaf_slots) {
            return Some("a leaf has 3 to 60 slots");
        }
        if !(3..=TREE_INNER_SLOTS_MAX).contains(&self.inner_slots) {
            return Some("an inner node has 3 to 96 slots");
        }
        if self.inline_bytes > TREE_INLINE_BYTES_MAX {
            return Some("at most 65,536 bytes of a value lie in its record");
        }
        None
    }
}
