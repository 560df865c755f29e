//! Why an operation on a tree was refused.

use super::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::alloc::{AllocError, FreeError};
use crate::layout::Corrupt;
use crate::tx::TxError;
use crate::units::ByteOffset;

/// Why an operation on a tree was refused. After an error of a [`TreeEdit`](super::TreeEdit) its transaction is to be
/// dropped and the edit cleared; nothing was changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError<E: core::error::Error + 'static> {
    /// Longer than any key.
    #[error("a key of {len} bytes is longer than {KEY_BYTES_MAX}: shorten it")]
    KeyTooLong {
        /// Bytes of the key.
        len: usize,
    },
    /// Longer than any value.
    #[error("a value of {len} bytes is longer than {VALUE_BYTES_MAX}: store it in pieces")]
    ValueTooLong {
        /// Bytes of the value.
        len: usize,
    },
    /// Nodes of so many slots, or values of so many bytes in their records, are not possible.
    #[error("impossible shape of a tree: {what}")]
    Options {
        /// What cannot be.
        what: &'static str,
    },
    /// The transaction has dropped the tree.
    #[error("the tree at {place} was dropped in this transaction: create another one")]
    Dropped {
        /// Where its root lay.
        place: ByteOffset,
    },
    /// The medium lies.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// The transaction refused.
    #[error(transparent)]
    Tx(TxError<E>),
}

/// Corrupt metadata stays one case, however deep it was found.
impl<E: core::error::Error + 'static> From<TxError<E>> for TreeError<E> {
    fn from(error: TxError<E>) -> Self {
        match error {
            TxError::Corrupt(corrupt)
            | TxError::Alloc(AllocError::Corrupt(corrupt))
            | TxError::Free(FreeError::Corrupt(corrupt)) => TreeError::Corrupt(corrupt),
            other => TreeError::Tx(other),
        }
    }
}
