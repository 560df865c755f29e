//! The log: one engine for undo and redo. Lanes, records, append, checkpoint, recover.
//!
//! ```text
//! lane 0  | COMMIT | UNDO | COMMIT | ... free ... |      heads and cut: the checkpoint slot
//! lane 1  | COMMIT | EXTEND ─┐ ...                |
//! heap                       └▶ | UNDO | COMMIT |
//! ```
//!
//! Each lane is a ring of 64-byte-aligned records written past the cache; a lane is taken for the life of a
//! transaction. The log never allocates: extension blocks are handed in by the transaction.
//!
//! Invariants: I1 (what counts), I3 (reuse), I4 (one order over all lanes), I5 (epoch), I8 (timestamps), I10, I12
//! and I13 of `docs/CRASH_MODEL.md` are kept here.
//! Crash: at any store, recovery yields every transaction whose commit fence returned, and none in part.

#[cfg(feature = "std")]
mod abandon;
mod append;
mod check;
mod checkpoint;
mod damage;
#[cfg(loom)]
#[doc(hidden)]
pub mod door;
mod homes;
mod lane;
mod mask;
mod place;
mod record;
mod recover;
mod renew;
mod replay;
mod skip;
mod slot;
mod view;
mod walk;

#[cfg(feature = "std")]
pub(crate) use abandon::{abandoned, whole_slots};
pub use append::AppendError;
pub(crate) use append::{Framed, Room};
pub(crate) use checkpoint::CheckpointHold;
pub use checkpoint::CheckpointReport;
pub(crate) use lane::Cursor;
pub use recover::{RecoverError, RecoveryReport, recover};
#[cfg(feature = "std")]
pub(crate) use renew::clear_rings;
pub(crate) use renew::{renew, retired};
pub(crate) use replay::undo;
pub use skip::skip;
pub use view::{LogEntry, LogItem};

use crate::layout::{Geometry, PoolId};
use crate::media::Media;
use crate::mem::{Array, LANES_WITHOUT_ALLOC, List};
use crate::persist::Pending;
use crate::sync::{AtomicU64, Lock};
use crate::units::{ByteRange, Padded};
use lane::Lane;
use slot::Slot;

/// Extensions that a build without `alloc` can have at a time.
const EXTENSIONS_WITHOUT_ALLOC: usize = 8;

/// The volatile side of a pool's log.
#[derive(Debug)]
pub struct Log {
    next_timestamp: Padded<AtomicU64>,
    lanes: Array<Padded<Lane>, LANES_WITHOUT_ALLOC>,
    /// Held by a checkpoint from its first step to its last, and by a pause; taken before `checkpoint`.
    gate: Lock<()>,
    checkpoint: Lock<CheckpointState>,
}

/// What only the holder of the checkpoint lock touches.
#[derive(Debug)]
struct CheckpointState {
    slot: Slot,
    extensions: List<Lent, EXTENSIONS_WITHOUT_ALLOC>,
}

/// Where an empty log of another identity goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renewed(Slot);

/// A heap block that a lane's log occupies from its EXTEND on.
#[derive(Clone, Copy, Debug, Default)]
struct Lent {
    lane: u32,
    sequence: u64,
    block: ByteRange,
}

/// The numbers of a log that a person may want to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// Opens of the pool, the present one included.
    pub epoch: u64,
    /// The highest timestamp (LSN) drawn so far.
    pub last_timestamp: u64,
    /// Commits up to this one are durable at home.
    pub cut: u64,
    /// Bytes of log not yet behind a checkpoint, over all lanes.
    pub used_bytes: u64,
    /// Bytes of all rings.
    pub capacity_bytes: u64,
}

/// Step 2 of making a pool: the first checkpoint slot, under the fence of `pending`.
pub fn format<M: Media>(geometry: &Geometry, pool_id: &PoolId, pending: &mut Pending<'_, M>) {
    let slot = Slot {
        index: 1,
        generation: 1,
        epoch: 1,
        cut: 0,
    };
    slot.emit(
        geometry,
        pool_id,
        |_lane| 0,
        |at, bytes| pending.write_nt(at, bytes),
    );
}
