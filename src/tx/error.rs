//! Why a transaction's step was refused. Unless it says otherwise the transaction goes on and nothing changed.

use crate::alloc::{AllocError, FreeError};
use crate::layout::Corrupt;
use crate::units::ByteRange;

/// Why a transaction's step was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxError<E: core::error::Error + 'static> {
    /// Transactions change root slots and the heap only.
    #[error("{range} lies outside the root slots and the heap")]
    OutOfBounds {
        /// What was to be changed or read.
        range: ByteRange,
    },
    /// A store in place to bytes without a before-image.
    #[error("{range} is not part of a snapshot of this transaction: call `snapshot` first")]
    NotSnapshotted {
        /// What was to be stored to.
        range: ByteRange,
    },
    /// Nothing was allocated.
    #[error(transparent)]
    Alloc(#[from] AllocError),
    /// Nothing was freed.
    #[error(transparent)]
    Free(#[from] FreeError),
    /// The log has no room and no block to go on in. From `commit` and `abort`: the old state stands.
    #[error(
        "the log is full: {needed} bytes more are needed; use smaller transactions or larger rings"
    )]
    LogFull {
        /// Bytes of log that were needed.
        needed: u64,
    },
    /// The memory that the caller provided for staging is full.
    #[error("the transaction's staging memory of {capacity} bytes is full: provide more")]
    StageFull {
        /// Bytes of it.
        capacity: usize,
    },
    /// The pool was opened read-only.
    #[error("the pool is open read-only")]
    ReadOnly,
    /// A fence failed earlier: nothing is stored any more.
    #[error("the pool is poisoned by a failed sync: close it and open it again to recover")]
    Poisoned,
    /// Every lane is taken and this build cannot wait.
    #[error("every lane is taken: end a transaction first")]
    NoLane,
    /// Metadata that cannot be right.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// A fence failed. The outcome of this transaction is unknown until the pool is opened again; it is poisoned.
    #[error(
        "the medium failed ({0}): whether the transaction is durable is unknown until the pool is opened again"
    )]
    Sync(E),
}
