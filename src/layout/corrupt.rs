//! What a reader says of bytes that cannot be right.

use crate::units::ByteOffset;

/// The medium lies: bytes at a place do not hold what the format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("corrupt pool: {what} at {at}; restore from a copy, or salvage what is readable")]
pub struct Corrupt {
    /// Where.
    pub at: ByteOffset,
    /// What is wrong there.
    pub what: &'static str,
}

impl Corrupt {
    /// `what` is wrong at `at`.
    pub const fn new(at: ByteOffset, what: &'static str) -> Self {
        Corrupt { at, what }
    }
}
