//! Changes of one key: what they need to know, and what they come to.

use everline::media::Media;
use everline::tree::TreeEdit;
use everline::tx::Tx;

use crate::core::Outcome;
use crate::space_state::SpaceState;
use crate::{Condition, KvError};

/// What is to be done with a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'c> {
    Put(&'c [u8]),
    Delete,
    PutIf(Condition<'c>, &'c [u8]),
    Append(&'c [u8]),
}

/// The same for whoever waits in a queue.
#[derive(Debug)]
pub(crate) enum OwnedChange {
    Put(Vec<u8>),
    Delete,
    PutIf(Option<bool>, Vec<u8>, Vec<u8>),
    Append(Vec<u8>),
}

/// What became of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Whether the key was put, or was there and is deleted.
    pub changed: bool,
    /// Bytes of the value behind it.
    pub len: u64,
}

impl Done {
    const NOTHING: Done = Done {
        changed: false,
        len: 0,
    };

    fn put(value: &[u8]) -> Self {
        Done {
            changed: true,
            len: value.len() as u64,
        }
    }
}

impl Change<'_> {
    /// Bytes of the value that it brings.
    pub fn value_len(&self) -> usize {
        match self {
            Change::Put(value) | Change::PutIf(_, value) | Change::Append(value) => value.len(),
            Change::Delete => 0,
        }
    }

    pub fn to_owned(self) -> OwnedChange {
        match self {
            Change::Put(value) => OwnedChange::Put(value.to_vec()),
            Change::Delete => OwnedChange::Delete,
            Change::PutIf(Condition::Absent, value) => {
                OwnedChange::PutIf(Some(false), Vec::new(), value.to_vec())
            }
            Change::PutIf(Condition::Present, value) => {
                OwnedChange::PutIf(Some(true), Vec::new(), value.to_vec())
            }
            Change::PutIf(Condition::Equals(old), value) => {
                OwnedChange::PutIf(None, old.to_vec(), value.to_vec())
            }
            Change::Append(bytes) => OwnedChange::Append(bytes.to_vec()),
        }
    }

    /// The value to put behind `old`; `None` leaves the key as it is. `made` lends memory for a value that is made.
    /// Not for deletes.
    pub fn value<'v>(&'v self, old: Option<&[u8]>, made: &'v mut Vec<u8>) -> Option<&'v [u8]> {
        match self {
            Change::Put(value) => Some(value),
            Change::Delete => None,
            Change::PutIf(condition, value) => {
                let holds = match condition {
                    Condition::Absent => old.is_none(),
                    Condition::Present => old.is_some(),
                    Condition::Equals(expected) => old == Some(*expected),
                };
                holds.then_some(*value)
            }
            Change::Append(bytes) => {
                made.clear();
                made.extend_from_slice(old.unwrap_or_default());
                made.extend_from_slice(bytes);
                Some(made)
            }
        }
    }

    /// Does it in `tx`.
    #[inline]
    pub fn apply<M: Media>(
        &self,
        edit: &mut TreeEdit,
        tx: &mut Tx<'_, M>,
        space: &SpaceState,
        key: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Outcome<Done, M> {
        match self {
            Change::Put(value) => {
                edit.put(tx, &space.tree, key, value)?;
                Ok(Done::put(value))
            }
            Change::Delete => Ok(Done {
                changed: edit.remove(tx, &space.tree, key)?,
                len: 0,
            }),
            change => {
                let found = edit.get(tx, &space.tree, key, scratch)?;
                let mut made = Vec::new();
                let Some(value) = change.value(found.then_some(scratch), &mut made) else {
                    return Ok(Done::NOTHING);
                };
                check_value(value.len())?;
                edit.put(tx, &space.tree, key, value)?;
                Ok(Done::put(value))
            }
        }
    }

    /// What it comes to behind `old`: the new value, or none, and what to say.
    pub fn decide<'v>(
        &'v self,
        old: Option<&[u8]>,
        made: &'v mut Vec<u8>,
    ) -> (Option<&'v [u8]>, Done) {
        if let Change::Delete = self {
            let changed = old.is_some();
            return (None, Done { changed, len: 0 });
        }
        match self.value(old, made) {
            Some(value) => (Some(value), Done::put(value)),
            None => (None, Done::NOTHING),
        }
    }
}

impl OwnedChange {
    pub fn as_change(&self) -> Change<'_> {
        match self {
            OwnedChange::Put(value) => Change::Put(value),
            OwnedChange::Delete => Change::Delete,
            OwnedChange::PutIf(Some(false), _, value) => Change::PutIf(Condition::Absent, value),
            OwnedChange::PutIf(Some(true), _, value) => Change::PutIf(Condition::Present, value),
            OwnedChange::PutIf(None, old, value) => Change::PutIf(Condition::Equals(old), value),
            OwnedChange::Append(bytes) => Change::Append(bytes),
        }
    }
}

/// Errors: [`KvError::KeyTooLong`].
#[inline]
pub(crate) fn check_key<E: std::error::Error + 'static>(len: usize) -> Result<(), KvError<E>> {
    match len {
        ..=everline::tree::KEY_BYTES_MAX => Ok(()),
        len => Err(KvError::KeyTooLong {
            len,
            max: everline::tree::KEY_BYTES_MAX,
        }),
    }
}

/// Errors: [`KvError::ValueTooLong`].
#[inline]
pub(crate) fn check_value<E: std::error::Error + 'static>(len: usize) -> Result<(), KvError<E>> {
    match len {
        ..=everline::tree::VALUE_BYTES_MAX => Ok(()),
        len => Err(KvError::ValueTooLong {
            len,
            max: everline::tree::VALUE_BYTES_MAX,
        }),
    }
}
