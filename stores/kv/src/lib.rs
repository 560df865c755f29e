#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! ```text
//!  get, scan          put, delete          Transaction: writes and reads in memory          Joint: regions too
//!     |                   |                             |  commit                                |
//!     |                   +------- change.rs -----------+------- validate against the history ---+
//!     |                   |                             |                                        |
//!     |            SYNC: lead.rs                 weaker modes: window.rs                         |
//!     |            lock or queue                 overlay, queue of commits ─▶ flush              |
//!     v                   v                             v                                        v
//!  TreeReader <── TreeEdit ─▶ one transaction of the core ─▶ wait ─▶ publish ─▶ homes
//!
//!  pool:      root slot 1 ─▶ catalogue: a tree ─▶ name ─▶ a tree for each keyspace
//!  volatile:  stamps, history, overlay, open transactions, versions of nodes
//! ```
//!
//! The pool holds the newest committed state and nothing else. What snapshots need of the past, what is not durable yet, and who
//! has conflicted with whom, is in memory: a crash leaves no transaction that could ask.
//!
//! Invariants
//! K1  commits have one order, that of their sequence numbers, in which they are decided, published and made durable. A
//!     snapshot is such a number: it sees that commit and all before it, none behind it.
//! K2  whoever publishes a commit while a snapshot before it is open has put what the commit replaces into the history first, or
//!     does so before its homes are stored, while readers of its nodes wait. Publisher and snapshot each write one word and
//!     then read the other's, all four in one order, so that one of them sees the other.
//! K3  a stamp is at least the number of the last commit that changed a key of its stripe, from before its homes are stored. What
//!     was read before a stamp at or below the snapshot was read is what the snapshot sees.
//! K4  the history has every commit behind the oldest open snapshot with all of its keys, or that snapshot is told that it is too
//!     old. It takes no more memory than it was given.
//! K5  commits of the weaker modes reach the pool in their order and whole; their keys leave the overlay after their homes are
//!     stored. So the pool always holds a prefix, and a reader finds a key in the one or the other.
//! K6  nobody sleeps in the queue of commits while the writers' lock is free.
//! K7  a keyspace is marked as dropped before the first of its blocks is freed; whoever read of it asks for the mark behind
//!     his read.
//! K8  a commit that fails leaves tree, history, stamps and overlay as they were, and no lock taken; only a failed sync leaves it
//!     open whether the commit is durable, and then nothing is committed until the pool is opened again.
//!
//! Locks are taken in one order: the writers' lock, the order of the window, a lane of the core and what regions take behind
//! it, the writes of a transaction, the history, the overlay. The list of transactions comes before the history and is held with no
//! other. Whoever holds a lane waits for none of the locks before it. Reads by themselves take none of them; in the weaker modes a
//! key that is not durable yet is read under the overlay's, shared.
//!
//! Crash: in SYNC every commit that has returned is there, and each that had not is there whole or not at all. In the other modes
//! a prefix of the commits is there. Keyspaces are there with their trees, or not at all. Nothing is recovered here but the
//! freeing of keyspaces that were being dropped.
#![forbid(unsafe_code)]

mod background;
mod bounds;
mod catalogue;
mod change;
mod check;
mod claim;
mod clock;
mod core;
mod counters;
mod due;
mod error;
mod hash;
mod histogram;
mod history;
mod joint;
mod lead;
mod metrics;
#[cfg(unix)]
pub mod module;
#[cfg(unix)]
mod open;
mod options;
mod overlay;
mod reads;
mod scan;
mod space;
mod space_state;
mod stamps;
mod store;
mod table;
mod ticket;
mod transaction;
#[cfg(unix)]
mod verify;
mod waiting;
mod window;
mod writes;

pub use catalogue::SPACE_NAME_BYTES_MAX;
pub use check::{StoreCheck, check_pool, own_objects};
pub use clock::{Clock, ManualClock};
pub use error::KvError;
pub use histogram::Percentiles;
pub use joint::Joint;
pub use metrics::Metrics;
#[cfg(unix)]
pub use open::{OpenError, OpenStore, POOL_BYTES_DEFAULT, StoreConfig, TargetStore, open};
pub use options::{Condition, Direction, Isolation, Mode, StoreOptions};
pub use scan::{Entry, Scan};
pub use space::Space;
pub use store::Store;
pub use table::{SpaceKey, TransactionInfo, TxState};
pub use ticket::{Receipt, Ticket};
pub use transaction::{On, Savepoint, Transaction};
#[cfg(unix)]
pub use verify::verify;

/// Bytes of the longest key.
pub use everline::tree::KEY_BYTES_MAX;
/// The shape of a keyspace's tree.
pub use everline::tree::TreeOptions;
/// Bytes of the longest value.
pub use everline::tree::VALUE_BYTES_MAX;
