#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod background;
mod bounds;
mod catalogue;
mod change;
mod check;
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
