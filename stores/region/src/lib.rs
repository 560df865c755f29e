#![doc = include_str!("../README.md")]
//!
//! # How it lies in a pool
//!
//! ```text
//! root slot 0 ─▶ DirectoryRoot { live, blocks[200] } ─▶ block i: 16 * 2^(i/8) entries of 48 bytes
//! entry ─▶ block: the region's bytes      ─▶ map: which chunks of the block are its own
//!       ─▶ tail: name and attributes
//! ```
//!
//! A create does not touch the block: no chunk is the region's own yet, and it reads zero. The first write to a chunk
//! stores its data and zeros around them, and makes the chunk the region's own in the commit behind them.
//!
//! Invariants
//! R1  an entry changes only in the transaction that allocates or frees what it leads to: both happen or neither.
//! R2  bytes that nobody may have read before go straight to their home, durable before a commit that covers them
//!     and makes them the region's own; nothing else of a region is in the log but atomic writes (I6).
//! R3  an identifier names one region for ever: a slot's generation grows with each region that takes it.
//! R4  no two live regions have one name; names are found through a volatile index, built at the first need.
//! R5  the directory's lock, and the locks of the slots that change, are held until the commit has returned (I8);
//!     whoever reads or writes a region's bytes shares its slot, so that its block is not freed under him (I9).
//! R6  bytes of which a log record above the cut may speak are written directly only with a COVER behind them: the
//!     slot's volatile mark is the timestamp of the last such record (I6).
//! R7  a block moves or goes only while no view leads into it.
//! R8  bytes of a chunk that is not the region's own, and those behind its length, mean nothing: reads answer zeros
//!     for the first and never reach the second, and growth zeroes them before it covers them.
//!
//! Locks are taken in one order: lane, index, moves, slots, then what the log takes for itself. Whoever holds a slot
//! waits for no lane, no index and no moves; whoever holds several holds the index too. A block moves under the index
//! or under shared moves, so that whoever has both for himself can follow every place. So nobody waits in a circle: the last of a row
//! of waiters waits for a fence alone.
//!
//! Crash: at every point each region is there with its name and all of its first bytes, or it is not there.
//! Later writes are durable word by word when [`Regions::write`] returns; [`Regions::write_atomic`] is all or nothing.
#![forbid(unsafe_code)]

mod access;
mod batch;
mod check;
mod checked;
mod chunks;
mod compact;
mod copy;
mod counters;
mod directory;
mod draft;
mod error;
mod id;
mod index;
mod lists;
mod mend;
mod open;
mod orphans;
mod persist;
mod repair;
#[cfg(unix)]
mod request;
mod resize;
pub mod salvage;
mod scrub;
mod segments;
mod service;
mod slots;
mod stage;
#[cfg(unix)]
mod target;
#[cfg(unix)]
pub mod transfer;
mod typed;
mod view;
mod write;

pub use access::RegionEntry;
pub use batch::{Batch, RegionOptions};
pub use check::{RegionCheck, RegionProblem};
pub use compact::CompactReport;
pub use copy::CopyError;
pub use counters::Counts;
pub use error::{RegionError, Retirement};
pub use id::{ParseRegionIdError, RegionId};
pub use open::{RegionInfo, Regions};
pub use orphans::{Orphan, OrphanReport, Tracer};
pub use repair::{
    Cure, Finding, Loss, PoolRepair, PoolRepairError, RepairOptions, RepairReport, plan_repair,
    repair, repair_pool,
};
#[cfg(unix)]
pub use request::{
    Answer, BufferAnswer, Completion, Operation, Outcome, Request, Requests, RequestsError, Touch,
    TransferError, wait_all, wait_any,
};
pub use scrub::{BadChunk, ScrubReport};
pub use segments::{Extent, WriteMode};
#[cfg(unix)]
pub use target::{
    Alarm, ConfigError, Measure, OpenMessage, ParseSizeError, Provider, RecoveryMode,
    RequestConfig, Space, Target, TargetConfig, TargetError, TargetKind, TargetMedia,
    TargetRegions, TargetReport, Thresholds, TransferConfig, parse_size, payload_min,
};
pub use view::RegionView;
