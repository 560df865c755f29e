//! The allocator: classes, slabs, bitmaps. A set bit is a live object; there is nothing else on media to agree
//! with it: no object headers, no free lists.
//!
//! ```text
//! slab map | used bits | head bits | entries |      heap | slab: header, bitmap, objects | huge run ....... |
//! ```
//!
//! Allocations and frees are SET and CLEAR ops in their transaction's COMMIT: no wait of their own. What is
//! volatile here is only what no commit has settled yet: bits reserved, bits being freed, runs being taken.
//!
//! Invariants
//! H1  a bit is handed out only if it is clear at home and not reserved; it stays reserved until its
//!     transaction has ended (commit: set at home; abort: free again).
//! H2  a slab's header and bitmap are written by the commit that takes the slab into use, together with its map
//!     bits; until then only that transaction allocates from it.
//! H3  a freed object is found again only at home, after its CLEAR was durable and stored there (I9), and its free was
//!     settled: until then a free of what takes its place would pass for a second free of it.
//! H4  the last slab of the heap is lent to the log only, so that aborts and frees never lack space (I11). When the
//!     pool grows, the new last slab takes over; the old one is as good as any other once the log has given it back.
//! H5  space behind a slab is secured before the slab is handed out: a full device is `NoSpace`, never SIGBUS. Behind a
//!     sparse run it is secured by its owner, before his first store to each part.
//! H6  what a transaction took and dropped again, after it logged images, stays taken until it has ended: an image may
//!     be of those bytes, and an abort or a recovery restores it.
//! Crash: an object is live if and only if the commit that allocated it is durable and none that freed it is.

mod bits;
mod cache;
mod check;
mod error;
mod extent;
mod free;
mod object;
mod partial;
#[cfg(feature = "std")]
mod repair;
mod reseal;
mod run;
mod stats;

pub use error::{AllocError, FreeError};
pub use extent::{Extent, ExtentKind};
#[cfg(feature = "std")]
pub use repair::HeapRepair;
#[cfg(feature = "std")]
pub(crate) use repair::Mending;
pub use stats::{HeapStats, LiveObject};

pub(crate) use cache::LaneCache;
pub(crate) use free::UngrantError;
pub(crate) use object::{Grant, GrantError};

use crate::layout::{ClassTable, Geometry};
use crate::mem::List;
use crate::sync::Lock;
use crate::units::{ByteOffset, FLUSH_LINE};
use bits::Bits;
use partial::Partials;
use run::Run;

/// What is asked for: bytes and alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    bytes: u64,
    align: u64,
    sparse: bool,
}

impl Request {
    /// `bytes` bytes; from 64 bytes on they begin at a flush line, below that at 16 bytes.
    pub const fn new(bytes: u64) -> Self {
        Request {
            bytes,
            align: if bytes >= FLUSH_LINE { FLUSH_LINE } else { 16 },
            sparse: false,
        }
    }

    /// Another alignment, a power of two up to 4,096. A smaller one than the default wastes less.
    pub const fn with_align(self, align: u64) -> Self {
        Request { align, ..self }
    }

    /// Leaves the space behind a run of slabs to whoever stores there: he calls
    /// [`Media::back`](crate::media::Media::back) for each range before his first store to it (H5).
    pub const fn sparse(self) -> Self {
        Request {
            sparse: true,
            ..self
        }
    }

    /// Bytes asked for.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What a transaction has staged, as the allocator reads it.
pub(crate) trait Overlay {
    /// What a word will be once the ops staged so far are applied to `home`.
    fn overlay64(&self, at: ByteOffset, home: u64) -> u64;
}

/// Ops that a transaction takes from the allocator.
pub(crate) trait Staging: Overlay {
    /// Bytes for a range.
    fn write(&mut self, at: ByteOffset, bytes: &[u8]) -> Result<(), StageFull>;
    /// Bits to set.
    fn set(&mut self, word: ByteOffset, mask: u64) -> Result<(), StageFull>;
    /// Bits to clear.
    fn clear(&mut self, word: ByteOffset, mask: u64) -> Result<(), StageFull>;
    /// How much is staged so far; what is staged later can be dropped by itself.
    fn mark(&self) -> u64;
    /// Drops what was staged from `mark` on.
    fn drop_from(&mut self, mark: u64);
}

/// The transaction's staging memory is full (only where the caller provided it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StageFull;

/// Dropped bits that a build without `alloc` remembers; more stay taken until the pool is opened anew.
const KEPT_WITHOUT_ALLOC: usize = 32;

/// What a transaction dropped and keeps from others until it ends (H6): words and masks.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    any: bool,
    bits: List<(ByteOffset, u64), KEPT_WITHOUT_ALLOC>,
}

impl Kept {
    /// Whether there is anything to release.
    #[inline]
    pub fn any(&self) -> bool {
        self.any
    }
}

/// The volatile side of a pool's heap.
#[derive(Debug)]
pub struct Heap {
    classes: ClassTable,
    state: Lock<HeapState>,
}

#[derive(Debug)]
struct HeapState {
    /// Object bits that are clear at home and yet not to be handed out (H1).
    reserved: Bits,
    /// Live bits, of objects or run heads, whose CLEAR no commit has settled yet.
    freeing: Bits,
    /// Slabs that no commit has settled yet (H2), and those lent to the log.
    runs: List<Run, 8>,
    partials: Partials,
    /// Slabs before this one were looked at since open.
    scanned: u64,
    /// No slab before this one is free.
    first_free: u64,
}

impl Heap {
    /// The heap of a pool, nothing known of it yet.
    pub(crate) fn new(geometry: &Geometry) -> Self {
        let state = HeapState {
            reserved: Bits::new(),
            freeing: Bits::new(),
            runs: List::new(),
            partials: Partials::new(),
            scanned: 0,
            first_free: 0,
        };
        Heap {
            classes: ClassTable::new(geometry.slab_bytes()),
            state: Lock::new(state),
        }
    }

    /// The classes of the pool's slab size.
    pub fn classes(&self) -> &ClassTable {
        &self.classes
    }
}
