//! What a recording asked of the medium: the ledger of stores, flushes and fences, and what among them was for nothing
//! or is missing.
//!
//! | part | what |
//! |---|---|
//! | `count` | the ledger of a stretch of a recording, of each operation, of some work on a medium |
//! | `expect` | [`expect_cost!`](crate::expect_cost): a budget that a test asserts |
//! | `watch` | follows each line from its store over flush and fence to the acknowledgement |
//! | `lint` | what the watch reports |

mod count;
mod expect;
mod lint;
mod watch;

use std::fmt;

use everline::media::Cost;
use everline::units::FLUSH_LINE;

use crate::event::{Event, Kind, Place};

pub use count::OperationCost;
pub use expect::Expectation;
pub(crate) use lint::Hint;
pub use lint::{Lint, LintKind};

/// What was asked of a medium. Field names are those of [`Cost`], but that its `lines` are `flush_lines` here.
///
/// Made from a recording, an operation of one, a medium, or the [`Cost`] of a counting medium, which does not know
/// all of it: what it does not count is 0 here and [`expect_cost!`](crate::expect_cost) refuses to compare it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Stores of all kinds: typed, bulk, fills, non-temporal, and read-modify-writes that stored.
    pub stores: u64,
    /// Bytes stored, temporal and non-temporal; a read-modify-write counts 8.
    pub bytes: u64,
    /// Lines touched by non-temporal stores.
    pub nt_lines: u64,
    /// Bytes of non-temporal stores.
    pub nt_bytes: u64,
    /// Calls to flush.
    pub flushes: u64,
    /// Lines flushed.
    pub flush_lines: u64,
    /// Fences in all, those that failed included.
    pub fences: u64,
    /// Fences whose thread had something pending.
    pub waits: u64,
    /// Locked read-modify-writes.
    pub rmw: u64,
    /// Fences that failed.
    pub syncs_failed: u64,
    steps: Vec<Step>,
    counted_by_medium: bool,
}

/// Where flushes or fences were issued.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    fence: bool,
    place: Place,
    times: u64,
    lines: u64,
}

impl Ledger {
    fn step(&mut self, fence: bool, place: Place, lines: u64) {
        let known = |step: &&mut Step| step.fence == fence && step.place == place;
        match self.steps.iter_mut().find(known) {
            Some(step) => {
                step.times += 1;
                step.lines += lines;
            }
            None => self.steps.push(Step {
                fence,
                place,
                times: 1,
                lines,
            }),
        }
    }
}

impl From<Cost> for Ledger {
    fn from(cost: Cost) -> Self {
        Ledger {
            waits: cost.waits,
            fences: cost.fences,
            flush_lines: cost.lines,
            nt_lines: cost.nt_lines,
            bytes: cost.bytes,
            counted_by_medium: true,
            ..Ledger::default()
        }
    }
}

impl From<&Cost> for Ledger {
    fn from(cost: &Cost) -> Self {
        (*cost).into()
    }
}

impl From<&Ledger> for Ledger {
    fn from(ledger: &Ledger) -> Self {
        ledger.clone()
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ledger {
            flush_lines,
            fences,
            waits,
            nt_lines,
            bytes,
            ..
        } = self;
        if self.counted_by_medium {
            return write!(
                f,
                "{flush_lines} lines flushed, {fences} fences ({waits} waits), {nt_lines} lines past the cache, {bytes} bytes"
            );
        }
        write!(
            f,
            "{flush_lines} lines flushed in {} flushes, {fences} fences ({waits} waits, {} failed), {} stores of {bytes} \
             bytes, of which {} bytes on {nt_lines} lines past the cache, {} read-modify-writes",
            self.flushes, self.syncs_failed, self.stores, self.nt_bytes, self.rmw
        )?;
        for step in &self.steps {
            let Step { place, times, .. } = step;
            match step.fence {
                true => write!(f, "\n  {times} fences at {place}")?,
                false => write!(f, "\n  {times} flushes of {} lines at {place}", step.lines)?,
            }
        }
        Ok(())
    }
}

/// Offset and length of what an event stores to; none where it stores nothing.
pub(crate) fn stored(event: &Event) -> Option<(u64, u64)> {
    let len = match event.kind {
        Kind::Store => u64::from(event.size),
        Kind::Rmw if event.len == 1 => 8,
        Kind::Write | Kind::WriteNt | Kind::Fill => u64::from(event.len),
        _ => return None,
    };
    Some((event.at, len))
}

/// Where the lines that `len` bytes from `at` touch begin.
pub(crate) fn lines(at: u64, len: u64) -> impl Iterator<Item = u64> {
    let first = everline::units::round_down(at, FLUSH_LINE);
    (first..at + len).step_by(FLUSH_LINE as usize)
}
