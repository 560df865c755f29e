//! The power-failure laboratory: records what a program stores, flushes and fences, and explores what a power cut,
//! a killed process, or a cut inside the recovery after it can leave.
//!
//! A workload runs on a [`CrashMedia`]; an [`Explorer`] then opens every crash state that recovery can tell apart and
//! asks an oracle about each. A structure needs a dozen lines. This one stores a value and a flag that says it is valid,
//! and makes only the flag durable; the laboratory finds it, names the lost store, and prints the line to mend:
//!
//! ```
//! use everline::media::Media;
//! use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
//! use everline_crash::Explorer;
//!
//! let (value, valid) = (ByteOffset::new(0), ByteOffset::new(64));
//! let report = Explorer::new().check(
//!     ByteLen::new(4096),
//!     |media| {
//!         media.store64(value, 7); // not flushed: the line that is wrong
//!         media.store64(valid, 1);
//!         media.flush(LineRange::covering(ByteRange::at(64, 8).expect("small")));
//!         media.fence().expect("no fault asked for");
//!     },
//!     |media| (media.load64(valid) == 1).then(|| media.load64(value)),
//!     |_, seen| if *seen == Some(0) { Err("valid, and the value is lost".into()) } else { Ok(()) },
//! );
//! let told = report.violations[0].to_string();
//! assert!(told.contains("would be prevented by: flush 0x0, and fence, after "), "{told}");
//! ```
//!
//! The model is *word-subset*: after a cut each aligned 8-byte word holds, independently, any value stored to it since
//! it last became durable. A flush covers what was stored before it and counts when the thread that issued it fences.
//! See [`CrashMedia`] for faults, kills and concrete cuts, [`Explorer`] for what is explored, [`Report`] for what a
//! result rests on, [`Replay`] for running one state again.
#![forbid(unsafe_code)]

/// The examples of README.md run too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod cost;
mod depth;
mod event;
mod explore;
mod export;
mod faults;
pub mod files;
pub mod fs;
mod images;
mod lab;
mod media;
mod model;
pub mod raw;
mod record;
mod replay;
mod report;
mod search;
mod subject;
mod suggest;
mod threads;
mod trie;
mod verify;

pub use cost::{Expectation, Ledger, Lint, LintKind, OperationCost};
pub use depth::Depth;
pub use event::on_thread;
pub use explore::{Base, Explorer};
pub use export::UnfitPath;
pub use faults::{
    Answer, Fault, FaultPlan, FaultReport, FaultViolation, Faulted, FenceFaults, Judged, Poisoned,
};
pub use images::CrashPoint;
pub use media::{CrashMedia, CrashSyncError};
pub use model::CrashModel;
pub use raw::{RawRegion, Undeclared};
pub use record::{Cut, Recording};
pub use replay::{Replay, ReplayError, ReplayStep};
pub use report::{Point, PointKind, PortabilityNote, Report, Violation, Word};
pub use subject::{
    Account, Choices, Fate, Finding, Medium, Observed, Oracle, Replayed, Subject, Summary, Trials,
};
pub use suggest::{Advice, Suggestion};
pub use threads::{Interleaving, Race, Shared, Threads};
