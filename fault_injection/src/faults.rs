//! Faults of the medium: bytes that change, stores that went elsewhere or nowhere, memory that cannot be read, fences
//! that fail. Whoever reads gets an error or the right data: never wrong data, no panic, no hang.
//!
//! | fault | the medium |
//! |---|---|
//! | bit flip | one bit is the other way round |
//! | lost write | a line that was durable holds what it held before |
//! | misdirected write | a line holds what it held before, and another one holds its bytes |
//! | stale page | a page of 4 KiB holds what it held before |
//! | poison | a unit cannot be loaded until it is wholly stored anew |
//! | failed fence | what it should have made durable is not, and is clean ([`Explorer::fence_faults`](crate::Explorer::fence_faults)) |
//!
//! The contract of [`Media`](everline::media::Media) has no way to say that a load met poison, as a load instruction
//! has none: it panics, which stands for the bus error that ends a process, and counts as an error. A program that asks
//! first, as it would ask the system for its list of bad blocks, asks [`CrashMedia::try_read`](crate::CrashMedia::try_read).

mod fences;
mod history;
mod inject;
mod line;
mod plan;
mod report;
mod run;

pub use fences::FenceFaults;
pub use inject::Poisoned;
pub use plan::{Fault, FaultPlan};
pub use report::{FaultReport, FaultViolation, Judged};
pub use run::{Answer, Faulted};

pub(crate) use inject::Poison;
