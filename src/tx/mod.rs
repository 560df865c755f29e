//! Transactions: undo-log (before-images, stores in place) and staged (one wait), under one commit.
//!
//! ```text
//! begin ─▶ snapshot ─▶ stores in place ─┐
//!     └──▶ write, set, alloc, free ─────┴─▶ commit: COMMIT record, fence, homes        (or abort)
//! ```
//!
//! | path | waits |
//! |---|---|
//! | staged: any ranges, allocations, frees | 1 |
//! | undo, up to 2 KiB in all | 2 |
//! | undo, more | 3 |
//! | empty; abort of a staged one | 0 |
//!
//! Invariants: I2 (log before home), I6, I7, I8, I9, I10 and I11 of `docs/CRASH_MODEL.md` are kept here.
//! Crash: before the commit's fence returns, the old state or (from the record's last line on) the new one; after
//! it the new one.

mod begin;
mod commit;
mod direct;
mod error;
mod group;
mod grow;
mod manager;
mod memory;
mod pause;
mod reserve;
mod staged;
mod undo;

pub use begin::Tx;
pub use commit::Receipt;
pub use error::TxError;
pub use manager::Manager;
pub use pause::Paused;
pub use reserve::Reservation;
pub use staged::Value;
pub use undo::InPlace;

/// Bytes of undo ranges that a commit still writes into its record; more are flushed at home and covered.
/// The record's lines cost 2-3 ns each against one more wait of 160 ns (measured on the development machine).
pub const UNDO_BYTES_IN_RECORD: u64 = 2048;
