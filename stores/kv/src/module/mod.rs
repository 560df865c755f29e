//! The store in the shape of OMNIXAN's persistent memory module: one configuration, ten asynchronous operations, and one
//! door for JSON.
//!
//! ```text
//! PMEMConfig ─▶ PersistentMemoryModule ─ initialize ─▶ Target ─▶ Store ─ put, get, delete, transactions … ─ shutdown
//!                        └─ execute(json): the same operations by name
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `config.rs` | the eight fields, their defaults and ranges |
//! | `life.rs` | initialize, shutdown, and what is open in between |
//! | `operations.rs` | one method for each operation |
//! | `execute.rs`, `bytes.rs` | the same as JSON, with any bytes |
//! | `metrics.rs` | the numbers that are told |
//! | `work.rs` | threads for what waits, so that no runtime is needed and none is blocked |
//!
//! A thin face: keys, transactions, durability and recovery are the [`Store`](crate::Store)'s. Where the module that
//! lent the shape kept `data.pmem`, `index.json` and `wal.log` in its directory, here is one file, `pool.pmem`: index, data
//! and log change in one commit or not at all. `everline kv dump` and `everline log` show the other two.
//!
//! Invariants
//! P1  an operation outside the time from `initialize` to `shutdown` is refused with `NotInitialized`.
//! P2  a transaction leaves the table of open ones before it commits or aborts: it ends once.
//! P3  work that has begun ends, also where its future is dropped; `shutdown` aborts what is open, and what was
//!     committed before it stays.
//! Crash: as the store's. An operation whose future has answered is as durable as the persistence mode says.

pub mod bytes;
mod config;
mod error;
mod execute;
mod life;
mod metrics;
mod operations;
mod work;

pub use config::{INTERVAL_S_MAX, PMEMConfig, PersistenceMode, SIZE_BYTES_MIN};
pub use error::ModuleError;
pub use life::{Initialized, PersistentMemoryModule};
pub use metrics::PMEMMetrics;
