//! Why an operation of the store was refused. Unless it says otherwise nothing changed, nothing stays locked, and the
//! next operation works.

use everline::alloc::AllocError;
use everline::layout::Corrupt;
use everline::tree::TreeError;
use everline::tx::TxError;
use everline_region::{RegionError, Retirement};

use crate::TxState;

/// Bytes of a key that an error shows.
const SHOWN: usize = 48;

/// Why an operation was refused; `E` is what the medium's fence may fail with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError<E: std::error::Error + 'static> {
    /// Longer than any key.
    #[error("a key has at most {max} bytes, not {len}: shorten it")]
    KeyTooLong {
        /// Bytes of the key.
        len: usize,
        /// The most.
        max: usize,
    },
    /// Longer than any value.
    #[error("a value has at most {max} bytes, not {len}: store it in pieces")]
    ValueTooLong {
        /// Bytes of the value.
        len: usize,
        /// The most.
        max: usize,
    },
    /// Another transaction has changed, since this one began, what it wrote or (serializable) read. It is aborted.
    #[error(
        "transaction {transaction}: another one has changed \"{}\"{} since it began; begin it again",
        shown(.key), in_space(.space)
    )]
    Conflict {
        /// The transaction that is aborted.
        transaction: u64,
        /// The keyspace of the key.
        space: String,
        /// The first such key.
        key: Vec<u8>,
    },
    /// What the snapshot needs was replaced by others, and there was no memory to keep it. Nothing can be read or
    /// committed with it any more.
    #[error(
        "the snapshot {snapshot} is too old, the oldest that can be read is {oldest}: begin again, or give old versions more memory (version_bytes_max)"
    )]
    SnapshotTooOld {
        /// The snapshot.
        snapshot: u64,
        /// The oldest that can still be read.
        oldest: u64,
    },
    /// A transaction that has ended.
    #[error("transaction {id} is {state}: begin another one")]
    Finished {
        /// Which.
        id: u64,
        /// How it ended.
        state: TxState,
    },
    /// No open transaction has this identifier.
    #[error("no open transaction has the identifier {id}: it never began, or it has ended")]
    NotFound {
        /// What was given.
        id: u64,
    },
    /// A savepoint of another transaction, or one that was rolled back over.
    #[error(
        "the savepoint is not one of transaction {id}, or was taken back itself: use an earlier one"
    )]
    UnknownSavepoint {
        /// The transaction.
        id: u64,
    },
    /// No keyspace has this name.
    #[error(
        "no keyspace is named \"{name}\": create it, or list the keyspaces to see which there are"
    )]
    NoSuchSpace {
        /// What was asked for.
        name: String,
    },
    /// A keyspace of another store than the transaction's.
    #[error(
        "the keyspace \"{name}\" belongs to another store than the transaction: take the one of the same name from its own"
    )]
    ForeignSpace {
        /// Its name.
        name: String,
    },
    /// A keyspace has this name already.
    #[error("a keyspace is named \"{name}\" already: use it, drop it, or choose another name")]
    SpaceExists {
        /// What was given.
        name: String,
    },
    /// A name that no keyspace can have.
    #[error("{name:?} cannot name a keyspace: {reason}; choose another name")]
    BadSpaceName {
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A pool that may not be written to, without a key-value store in it.
    #[error("the pool has no key-value store: open it for writing once")]
    NoStore,
    /// The pool, or the device under it, is full.
    #[error("{cause}")]
    NoSpace {
        /// Which of them, and what was asked for.
        cause: AllocError,
    },
    /// A transaction that the log cannot hold.
    #[error(
        "the log is full: {needed} bytes more are needed; use smaller transactions or larger rings"
    )]
    LogFull {
        /// Bytes of log that were needed.
        needed: u64,
    },
    /// The medium failed while a commit waited for it: whether that is durable is unknown until the pool is opened again.
    #[error(
        "the medium failed ({0}): whether the commit is durable is unknown until the pool is opened again"
    )]
    Sync(E),
    /// A fence failed earlier: nothing is stored any more. Reads go on.
    #[error("the pool is poisoned by a failed sync: close it and open it again to recover")]
    Poisoned,
    /// The thread that made this commit together with its own has panicked.
    #[error(
        "the thread that committed this with others panicked: whether it is durable is unknown until the store is opened again"
    )]
    LeaderPanicked,
    /// The pool was opened read-only.
    #[error("the pool is open read-only: open it for writing")]
    ReadOnly,
    /// Commits that were made durable later could not be: until that succeeds there are no new ones, but deletes
    /// where it is room that is wanted.
    #[error(
        "commits of before are not durable yet ({}): make room, then sync; until then nothing but deletes is committed",
        text(.cause)
    )]
    Behind {
        /// Why not.
        cause: Box<KvError<E>>,
    },
    /// The system gives no thread for what the store is to do by itself.
    #[error("no thread for flushes and checkpoints ({reason}); is there a limit on threads?")]
    NoThread {
        /// What the system said.
        reason: String,
    },
    /// The pool has an open store.
    #[error("the pool has an open store: use that one, or close it first")]
    AlreadyOpen,
    /// The store was closed.
    #[error("the store is closed: open it again")]
    Closed,
    /// The pool behind the store is closed, destroyed or moved.
    #[error("{}", RegionError::<E>::Retired { why: *.why })]
    Retired {
        /// Which of them.
        why: Retirement,
    },
    /// Bytes in the pool that cannot be right.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// What an operation on regions in a joint transaction answered.
    #[error(transparent)]
    Region(RegionError<E>),
    /// Anything else that a tree or a transaction of the core refuses.
    #[error(transparent)]
    Tree(TreeError<E>),
}

impl<E: std::error::Error + 'static> KvError<E> {
    /// Whether the pool stores nothing any more until it is opened again.
    pub fn is_fatal(&self) -> bool {
        match self {
            KvError::Behind { cause } => cause.is_fatal(),
            KvError::Sync(_) | KvError::Poisoned | KvError::LeaderPanicked => true,
            _ => false,
        }
    }

    /// Whether the same transaction may succeed when it is begun again.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            KvError::Conflict { .. } | KvError::SnapshotTooOld { .. }
        )
    }
}

impl<E: std::error::Error + 'static> From<TreeError<E>> for KvError<E> {
    fn from(error: TreeError<E>) -> Self {
        match error {
            TreeError::KeyTooLong { len } => KvError::KeyTooLong {
                len,
                max: everline::tree::KEY_BYTES_MAX,
            },
            TreeError::ValueTooLong { len } => KvError::ValueTooLong {
                len,
                max: everline::tree::VALUE_BYTES_MAX,
            },
            TreeError::Corrupt(corrupt) => KvError::Corrupt(corrupt),
            TreeError::Tx(error) => error.into(),
            other => KvError::Tree(other),
        }
    }
}

impl<E: std::error::Error + 'static> From<TxError<E>> for KvError<E> {
    fn from(error: TxError<E>) -> Self {
        match error {
            TxError::ReadOnly => KvError::ReadOnly,
            TxError::Poisoned => KvError::Poisoned,
            TxError::Sync(error) => KvError::Sync(error),
            TxError::LogFull { needed } => KvError::LogFull { needed },
            TxError::Corrupt(corrupt) => KvError::Corrupt(corrupt),
            TxError::Alloc(
                cause @ (AllocError::NoSpace { .. }
                | AllocError::TooLarge { .. }
                | AllocError::Device(_)),
            ) => KvError::NoSpace { cause },
            other => KvError::Tree(TreeError::from(other)),
        }
    }
}

impl<E: std::error::Error + 'static> From<RegionError<E>> for KvError<E> {
    fn from(error: RegionError<E>) -> Self {
        match error {
            RegionError::Tx(error) => error.into(),
            RegionError::ReadOnly => KvError::ReadOnly,
            RegionError::Poisoned => KvError::Poisoned,
            RegionError::NoSpace { cause } => KvError::NoSpace { cause },
            RegionError::Retired { why } => KvError::Retired { why },
            RegionError::Corrupt(corrupt) => KvError::Corrupt(corrupt),
            other => KvError::Region(other),
        }
    }
}

/// An error inside an error of the same kind.
fn text<E: std::error::Error + 'static>(cause: &KvError<E>) -> String {
    cause.to_string()
}

/// A key as a person can read it, cut where it is long.
fn shown(key: &[u8]) -> String {
    let cut = &key[..key.len().min(SHOWN)];
    let more = if key.len() > SHOWN { "…" } else { "" };
    format!("{}{more}", cut.escape_ascii())
}

fn in_space(name: &str) -> String {
    match name {
        "" => String::new(),
        name => format!(" in the keyspace \"{name}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn a_conflict_names_transaction_key_and_cure() {
        let error = KvError::<Infallible>::Conflict {
            transaction: 7,
            space: "stock".into(),
            key: b"n\xFF".to_vec(),
        };
        assert_eq!(
            error.to_string(),
            "transaction 7: another one has changed \"n\\xff\" in the keyspace \"stock\" since it began; begin it again"
        );
        assert!(error.is_retryable() && !error.is_fatal());
    }

    #[test]
    fn a_failed_medium_is_one_error_from_wherever_it_comes() {
        let from_tx = KvError::<Infallible>::from(TxError::Poisoned);
        let from_regions = KvError::<Infallible>::from(RegionError::Poisoned);
        assert_eq!(from_tx, from_regions);
        let behind = KvError::Behind {
            cause: Box::new(from_tx),
        };
        assert!(behind.is_fatal());
    }
}
