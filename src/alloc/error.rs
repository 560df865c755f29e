//! Why an allocation or a free was refused; nothing changed.

use crate::layout::Corrupt;
use crate::media::SpaceError;
use crate::units::ByteOffset;

/// Why nothing was allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllocError {
    /// An object of no bytes.
    #[error("an object must have at least one byte")]
    ZeroSize,
    /// Not a power of two up to 4,096.
    #[error("an alignment of {align} bytes is not a power of two up to 4096")]
    BadAlign {
        /// What was asked for.
        align: u64,
    },
    /// Larger than any object in this pool can be.
    #[error(
        "no space: {bytes} bytes are more than an object in this pool can have ({most}); make a larger pool"
    )]
    TooLarge {
        /// What was asked for.
        bytes: u64,
        /// The most.
        most: u64,
    },
    /// No free object or run of slabs is large enough.
    #[error("no space for {bytes} bytes in the pool: free something or make a larger pool")]
    NoSpace {
        /// What was asked for.
        bytes: u64,
    },
    /// The device behind a sparse pool is full, or refused to reserve.
    #[error("cannot secure space behind the pool: {0}")]
    Device(#[from] SpaceError),
    /// Too many reservations at a time for a build without `alloc`.
    #[error("too many reservations at a time for a build without `alloc`")]
    TooMany,
    /// Metadata that cannot be right.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// Why nothing was freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FreeError {
    /// No object of this pool begins there.
    #[error("no object of this pool begins at {at}")]
    Foreign {
        /// Where.
        at: ByteOffset,
    },
    /// The object is free already, or is being freed by another transaction.
    #[error("the object at {at} is free already, or being freed")]
    DoubleFree {
        /// Where.
        at: ByteOffset,
    },
    /// Too many frees at a time for a build without `alloc`.
    #[error("too many frees at a time for a build without `alloc`")]
    TooMany,
    /// Metadata that cannot be right.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}
