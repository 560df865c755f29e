#![doc = include_str!("../README.md")]
//!
//! # How it lies in a pool
//!
//! ```text
//! root slot 0 ─▶ DirectoryRoot { live, blocks[28] } ─▶ block i: 16 * 2^i entries ─▶ the region's heap block
//! ```
//!
//! Invariants
//! R1  an entry changes only in the transaction that allocates or frees its block: both happen or neither.
//! R2  a region's bytes are never in the log: they go straight to a block whose commit carried a COVER (I6).
//! R3  an identifier names one region for ever: a slot's generation grows with each region that takes it.
//! R4  no two live regions have one name; names are found through a volatile index, built at the first need.
//! R5  the directory's lock, and the gates of the slots that change, are held until the commit has returned (I8);
//!     whoever reads or writes a region's bytes holds its gate, so that its block is not freed under him (I9).
//!
//! Crash: at every point each region is there with its name and all of its first bytes, or it is not there.
//! Later writes are durable word by word when [`Regions::write`] returns, and not atomic.
#![forbid(unsafe_code)]

mod access;
mod batch;
mod check;
mod counters;
mod directory;
mod error;
mod id;
mod index;
mod open;
#[cfg(unix)]
mod request;
mod stage;
#[cfg(unix)]
mod target;

pub use batch::{Batch, RegionOptions};
pub use check::{RegionCheck, RegionProblem};
pub use counters::Counts;
pub use error::{RegionError, Retirement};
pub use id::{ParseRegionIdError, RegionId};
pub use open::{RegionInfo, Regions};
#[cfg(unix)]
pub use request::{
    Answer, BufferAnswer, Completion, Operation, Outcome, Request, Requests, RequestsError, Touch,
    TransferError, wait_all, wait_any,
};
#[cfg(unix)]
pub use target::{
    Alarm, ConfigError, Measure, OpenMessage, ParseSizeError, Provider, RequestConfig, Space,
    Target, TargetConfig, TargetError, TargetKind, TargetMedia, TargetRegions, TargetReport,
    Thresholds, TransferConfig, parse_size, payload_min,
};
