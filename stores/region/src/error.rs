//! Why an operation on regions was refused. Unless it says otherwise nothing changed.

use everline::alloc::{AllocError, FreeError};
use everline::layout::Corrupt;
use everline::media::SpaceError;
use everline::tx::TxError;

use crate::RegionId;

/// How the end of an open pool came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retirement {
    /// Closed by another handle.
    Closed,
    /// Its file was removed.
    Destroyed,
    /// It lives somewhere else now.
    Moved,
    /// It is on its way; it serves again should that fail.
    Moving,
}

impl Retirement {
    /// What happened, and what to do.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Retirement::Closed => "the pool was closed: open it again",
            Retirement::Destroyed => "the pool was destroyed: make a new one",
            Retirement::Moving => "the pool is being moved: wait until that is over",
            Retirement::Moved => "the pool was moved: open it where it is now",
        }
    }
}

/// Why an operation on regions was refused; `E` is what the medium's fence may fail with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionError<E: std::error::Error + 'static> {
    /// No live region has this identifier.
    #[error(
        "no region of this pool has the identifier {id}: the region was destroyed or replaced, or the identifier is another pool's; look it up by name"
    )]
    InvalidRegion {
        /// What was given.
        id: RegionId,
    },
    /// No region has this name.
    #[error("no region is named \"{name}\": list the regions to see which there are")]
    NotFound {
        /// What was asked for.
        name: String,
    },
    /// A region has this name already.
    #[error("a region is named \"{name}\" already: destroy it, replace it, or choose another name")]
    AlreadyExists {
        /// What was given.
        name: String,
    },
    /// A region of no bytes.
    #[error("a region must have at least one byte")]
    InvalidSize,
    /// A name that does not fit.
    #[error("a region's name has at most {max} bytes, not {len}: choose a shorter one")]
    NameTooLong {
        /// Bytes of the name.
        len: usize,
        /// The most.
        max: usize,
    },
    /// A name that could not be told from others.
    #[error("{name:?} cannot name a region: {reason}; choose another name")]
    BadName {
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An alignment that no block can have.
    #[error("an alignment of {align} bytes is not a power of two up to 4096")]
    BadAlign {
        /// What was asked for.
        align: u64,
    },
    /// A range that leaves the region.
    #[error(
        "{len} bytes at {at} leave the region {id}, which has {region_len}; nothing was touched"
    )]
    OutOfBounds {
        /// Which region.
        id: RegionId,
        /// Where in it.
        at: u64,
        /// How many bytes.
        len: u64,
        /// Bytes of the region.
        region_len: u64,
    },
    /// Somebody looks straight into the region's block, which therefore cannot move or go.
    #[error(
        "{views} views lead into the region {id}: drop them before it is destroyed, resized or moved"
    )]
    InUse {
        /// Which region.
        id: RegionId,
        /// How many views.
        views: u32,
    },
    /// Arguments that do not fit together.
    #[error("{what}; nothing was touched")]
    InvalidArgument {
        /// What is wrong with them.
        what: &'static str,
    },
    /// Attributes that do not fit.
    #[error("a region's attributes have at most {max} bytes, not {len}: keep them in a region")]
    AttributesTooLong {
        /// Bytes of the attributes.
        len: usize,
        /// The most.
        max: usize,
    },
    /// A region without checksums.
    #[error("the region {id} has no checksums: make it with `checked` to have it verified")]
    NotChecked {
        /// Which region.
        id: RegionId,
    },
    /// Bytes of a checked region that do not match their checksum.
    #[error(
        "the {len} bytes at {at} of the region {id} are not what was written there: write them anew from a copy"
    )]
    Damaged {
        /// Which region.
        id: RegionId,
        /// Where in it.
        at: u64,
        /// How many bytes have the checksum.
        len: u64,
    },
    /// The pool, or the device under it, is full.
    #[error("{cause}")]
    NoSpace {
        /// Which of them, and what was asked for.
        cause: AllocError,
    },
    /// The directory has as many slots as it can have.
    #[error("the pool has as many regions as a pool can have: destroy one first")]
    TooMany,
    /// The pool was opened read-only.
    #[error("the pool is open read-only: open it for writing")]
    ReadOnly,
    /// The pool behind this handle is closed, destroyed or moved.
    #[error("{}", .why.text())]
    Retired {
        /// Which of them.
        why: Retirement,
    },
    /// A part of the medium could not be read.
    #[error(
        "bytes of the pool could not be read, and zeros stand in for them: close the pool, look at its file and its device, and open it again"
    )]
    Lost,
    /// An operation panicked on a worker's thread.
    #[error(
        "the operation panicked on its worker, and its buffers are lost: look at what it was to change before it is issued again"
    )]
    Panicked,
    /// A fence failed earlier: nothing is stored any more.
    #[error("the pool is poisoned by a failed sync: close it and open it again to recover")]
    Poisoned,
    /// Metadata that cannot be right.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Anything else that a transaction refuses.
    #[error(transparent)]
    Tx(TxError<E>),
}

impl<E: std::error::Error + 'static> From<TxError<E>> for RegionError<E> {
    fn from(error: TxError<E>) -> Self {
        match error {
            TxError::ReadOnly => RegionError::ReadOnly,
            TxError::Poisoned => RegionError::Poisoned,
            TxError::Corrupt(corrupt)
            | TxError::Alloc(AllocError::Corrupt(corrupt))
            | TxError::Free(FreeError::Corrupt(corrupt)) => RegionError::Corrupt(corrupt),
            TxError::Alloc(
                cause @ (AllocError::NoSpace { .. }
                | AllocError::TooLarge { .. }
                | AllocError::Device(_)),
            ) => RegionError::NoSpace { cause },
            TxError::Alloc(AllocError::BadAlign { align }) => RegionError::BadAlign { align },
            TxError::Free(FreeError::Foreign { at } | FreeError::DoubleFree { at }) => {
                Corrupt::new(at, "the region directory leads to a block that is not live").into()
            }
            TxError::OutOfBounds { range } => Corrupt::new(
                range.start(),
                "the region directory leads out of the pool's heap",
            )
            .into(),
            other => RegionError::Tx(other),
        }
    }
}

impl<E: std::error::Error + 'static> From<SpaceError> for RegionError<E> {
    fn from(error: SpaceError) -> Self {
        TxError::from(AllocError::from(error)).into()
    }
}
