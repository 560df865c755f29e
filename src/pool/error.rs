//! Why a pool could not be made or opened: what, where, and what to do.

use crate::layout::{Corrupt, GeometryError, LayoutName};
use crate::media::{Domain, Durability, SpaceError};

/// Why no pool was made; the medium holds none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError<E: core::error::Error + 'static> {
    /// No pool can have this shape.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// The medium is shorter than the pool.
    #[error("the medium has {found} bytes, the pool needs {needed}")]
    MediumTooShort {
        /// Bytes of the medium.
        found: u64,
        /// Bytes of the pool.
        needed: u64,
    },
    /// The device is full, or refuses to reserve space.
    #[error("cannot secure space for the pool's metadata: {0}")]
    Space(#[from] SpaceError),
    /// A fence failed.
    #[error("the medium could not make the new pool durable: {0}")]
    Sync(E),
    /// The new pool cannot be read back, or this build cannot serve so many lanes.
    #[error(
        "the new pool cannot be read back: the medium does not hold what was stored, or has too many lanes for this build"
    )]
    NotReadBack,
}

/// Why a pool did not grow. Unless it says otherwise the pool has its old length and goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrowError<E: core::error::Error + 'static> {
    /// The pool was opened read-only.
    #[error("the pool is open read-only: open it for writing to grow it")]
    ReadOnly,
    /// A fence failed earlier: nothing is stored any more.
    #[error("the pool is poisoned by a failed sync: close it and open it again to recover")]
    Poisoned,
    /// Shorter than it is.
    #[error("the pool has {len} bytes, more than {asked}: pools only grow")]
    Smaller {
        /// Bytes of the pool.
        len: u64,
        /// Bytes asked for.
        asked: u64,
    },
    /// Longer than its slab map reaches.
    #[error(
        "the pool can grow to {capacity_max} bytes, not to {asked}: its capacity was fixed when it was created"
    )]
    BeyondCapacity {
        /// Bytes to which it can grow.
        capacity_max: u64,
        /// Bytes asked for.
        asked: u64,
    },
    /// The device is full, or the medium cannot become longer.
    #[error("the medium cannot be made longer: {0}")]
    Space(#[from] SpaceError),
    /// A pool that is open can only grow where a machine has 64-bit atomics.
    #[error("this machine has no 64-bit atomics: grow the pool on another one")]
    NoWideAtomics,
    /// The slab map claims slabs that the pool does not have yet.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// A fence failed. The pool has its old length for as long as it is open, and is poisoned; the next open finds the
    /// old or the new one.
    #[error("the medium failed while the pool grew: {0}; close it and open it again")]
    Sync(E),
}

/// Why a pool was not opened; no byte of it was changed unless [`OpenError::Sync`] says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError<E: core::error::Error + 'static> {
    /// Too short for any pool.
    #[error("{len} bytes are too short for a pool: is this the right file?")]
    TooShort {
        /// Bytes of the medium.
        len: u64,
    },
    /// No superblock.
    #[error("not a pool: the first bytes are {found:02x?}; is this the right file?")]
    NotAPool {
        /// What stands where a pool has its magic.
        found: [u8; 8],
    },
    /// Written on a machine of the other byte order.
    #[error("a pool of the other byte order: open it on such a machine and copy its contents")]
    OtherEndian,
    /// A format that this code does not know.
    #[error(
        "format version {found} is not known here (newest known: {newest}): use a newer release"
    )]
    Version {
        /// The pool's version.
        found: u32,
        /// The newest that this code knows.
        newest: u32,
    },
    /// Features that this code does not know.
    #[error(
        "the pool uses features unknown here (incompatible {incompat:#x}, read-only {ro_compat:#x}): use a newer release"
    )]
    Features {
        /// Unknown bits without which nothing may be read.
        incompat: u64,
        /// Unknown bits without which nothing may be written.
        ro_compat: u64,
    },
    /// The pool belongs to another application.
    #[error("the pool's layout is \"{found}\", not \"{wanted}\": is this the right pool?")]
    LayoutMismatch {
        /// The name in the pool.
        found: LayoutName,
        /// The name asked for.
        wanted: LayoutName,
    },
    /// The medium is shorter than the pool it holds.
    #[error(
        "the pool is truncated: it has {pool} bytes, the medium only {medium}; restore the missing end"
    )]
    Truncated {
        /// Bytes of the pool.
        pool: u64,
        /// Bytes of the medium.
        medium: u64,
    },
    /// Bytes that cannot be right.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// The medium does not reach the required durability domain.
    #[error(
        "durability \"{required}\" is required, the medium gives {found}: use another medium or relax the policy"
    )]
    DomainUnmet {
        /// What was asked for.
        required: Domain,
        /// What there is.
        found: Durability,
    },
    /// A fence failed during recovery; the pool is as recoverable as before.
    #[error("the medium failed while recovering: {0}; open again when it works")]
    Sync(E),
    /// It was to be opened without recovery, and there is something to recover.
    #[error(
        "the log holds {bytes} bytes that wait for recovery, which was not asked for: open with recovery, or force the open to see what stands there without it"
    )]
    NotRecovered {
        /// Bytes of log that nobody has replayed.
        bytes: u64,
    },
    /// This build has no memory for so many lanes.
    #[error(
        "the pool has {lanes} lanes, more than a build without `alloc` can serve: open it with another build"
    )]
    TooManyLanes {
        /// Lanes of the pool.
        lanes: u32,
    },
    /// Replay met a range for which the device has no space; the pool is as recoverable as before.
    #[error("no space to recover: {0}; free some and open again")]
    Space(#[from] SpaceError),
}
