//! Every byte on media, version 1: plain little-endian structs, constants and the geometry they imply. No logic
//! that stores anything.
//!
//! ```text
//! | superblock A | superblock B | slot A | slot B | shared | lane rings | slab map | heap ... |
//! 0              4096           8192
//! ```
//!
//! Invariants
//! L1  no other folder declares a `repr(C)` struct or a magic number.
//! L2  `docs/FORMAT.md` is printed from these declarations and a test compares it.
//! L3  every gap is a named field that is zero, and readers check it.

mod corrupt;
mod directory;
#[cfg(feature = "alloc")]
mod document;
mod field;
mod gaps;
mod geometry;
mod record;
mod region;
mod shared;
mod slab;
mod slot;
mod superblock;
mod tree;

pub use corrupt::Corrupt;
pub use directory::{
    DIRECTORY_BLOCK_ENTRIES, DIRECTORY_BLOCKS_MAX, DirectoryEntry, DirectoryRoot, EntryState,
    REGION_CHECKED, REGION_GROWABLE, REGION_WRITTEN,
};
#[cfg(feature = "alloc")]
pub use document::format_document;
pub use field::{Field, Table};
pub use geometry::{Geometry, GeometryError};
pub use record::{
    Op, OpKind, OpWord, RECORD_HEADER_BYTES, RECORD_UNIT, RecordHeader, RecordKind, VALUE_BYTES_MAX,
};
pub use region::{
    ChunkSum, MapWord, REGION_ATTRIBUTES_BYTES_MAX, REGION_CHUNK_BYTES_MIN, REGION_CHUNKS_MAX,
    REGION_NAME_BYTES_MAX, REGION_SUM_SHIFT, RegionTail, SumWord,
};
pub use shared::{RootSlot, Shared};
pub use slab::{
    CLASS_COUNT_MAX, ClassTable, MapEntry, MapEntryKind, SLAB_HEADER_BYTES, SlabHeader, SlabShape,
};
pub use slot::SlotHeader;
pub use superblock::{
    Compat, CopyError, FORMAT_VERSION, Incompat, LayoutName, PoolId, RoCompat, Superblock,
};

pub use tree::{
    InnerSlot, LeafSlot, TREE_INLINE_BYTES_MAX, TREE_INNER_SLOTS_MAX, TREE_LEAF_SLOTS_MAX,
    TREE_PREFIX_BYTES, TREE_RECORD_BIG, TreeBig, TreeNode, TreeRecord, TreeRoot, TreeSeparator,
    TreeShape, tree_head,
};

/// Pages of this size separate what a page-granular medium must not tear together.
pub const META_PAGE: u64 = 4096;

/// The smallest pool.
pub const POOL_BYTES_MIN: u64 = 64 * 1024;
