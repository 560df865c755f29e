//! The power-failure laboratory: records what a program stores, flushes and fences, and explores what a power cut,
//! a killed process, or a cut inside the recovery after it can leave.
//!
//! A workload runs on a [`CrashMedia`]; an [`Explorer`] then opens every crash state that recovery can tell apart and
//! asks an oracle about each. A structure needs a dozen lines. This one acknowledges a counter and its copy, and
//! forgets that the two lie in different lines; the laboratory finds it and names the lost store:
//!
//! ```
//! use everline::media::Media;
//! use everline::persist::{View, fence};
//! use everline::units::{ByteLen, ByteOffset};
//! use everline_crash::Explorer;
//!
//! let (counter, copy) = (ByteOffset::new(0), ByteOffset::new(64));
//! let report = Explorer::new().check(
//!     ByteLen::new(4096),
//!     |media| {
//!         media.store64(counter, 1);
//!         media.store64(copy, 1); // not flushed: the line that is wrong
//!         fence(View::new(media).store64(counter, 1).expect("inside").flush()).expect("no fault asked for");
//!         media.ack(1);
//!     },
//!     |media| (media.load64(counter), media.load64(copy)),
//!     |point, seen| match (point.acked, *seen) {
//!         ([1], (1, 1)) | ([], _) => Ok(()),
//!         (acked, seen) => Err(format!("{acked:?} was acknowledged, {seen:?} is left")),
//!     },
//! );
//! let lost = &report.violations[0].words.last().expect("a word").lost;
//! assert!(lost[0].line() > 0, "{}", report.violations[0]);
//! ```
//!
//! The model is *word-subset*: after a cut each aligned 8-byte word holds, independently, any value stored to it since
//! it last became durable. A flush covers what was stored before it and counts when the thread that issued it fences.
//! See [`CrashMedia`] for faults, kills and concrete cuts, [`Explorer`] for what is explored, [`Report`] for what a
//! result rests on, [`Replay`] for running one state again.
#![forbid(unsafe_code)]

mod cost;
mod event;
mod explore;
mod images;
mod lab;
mod media;
mod model;
mod record;
mod replay;
mod report;
mod search;
mod trie;
mod verify;

pub use cost::{Expectation, Ledger, Lint, LintKind, OperationCost};
pub use event::on_thread;
pub use explore::{Base, Explorer};
pub use images::CrashPoint;
pub use media::{CrashMedia, CrashSyncError};
pub use model::CrashModel;
pub use record::{Cut, Recording};
pub use replay::{Replay, ReplayError, ReplayStep};
pub use report::{Point, PointKind, PortabilityNote, Report, Violation, Word};
