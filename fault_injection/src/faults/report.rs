//! What faults came to.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;

use super::plan::Fault;

/// What is to be said of data that was answered in spite of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is the right data.
    Right,
    /// It is not, and that is stated: with the reason, which the report counts.
    Excused(&'static str),
}

/// A fault that wrong data, a panic or a hang came of.
#[derive(Clone, Debug)]
pub struct FaultViolation {
    /// The fault.
    pub fault: Fault,
    /// Whether the medium was open when it came.
    pub while_open: bool,
    /// Events of the recording before the power went.
    pub event: usize,
    /// The last store to the line that it hit.
    pub place: Option<&'static Location<'static>>,
    /// What is wrong.
    pub reason: String,
    /// What was answered.
    pub observation: String,
    /// Runs it again: [`Explorer::replay_fault`](crate::Explorer::replay_fault).
    pub line: String,
}

impl fmt::Display for FaultViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = match self.while_open {
            true => "while the medium was open",
            false => "before the medium was opened",
        };
        writeln!(f, "{}", self.reason)?;
        write!(f, "  {} at {}, {when}", self.fault.kind(), self.fault.at())?;
        if let Some(place) = self.place {
            write!(f, "; that line was last stored at {place}")?;
        }
        writeln!(f, "\n  answered {}", self.observation)?;
        write!(f, "  replay: {}", self.line)
    }
}

/// What was tried and what came of it.
#[derive(Clone, Debug, Default)]
pub struct FaultReport {
    /// Faults tried.
    pub tried: u64,
    /// Of each kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Answered by an error.
    pub errors: u64,
    /// A load met poison: the process would have ended.
    pub died: u64,
    /// Answered by the right data.
    pub right: u64,
    /// Answered by other data, for a reason that was stated.
    pub excused: BTreeMap<&'static str, u64>,
    /// The first violations.
    pub violations: Vec<FaultViolation>,
    /// All of them.
    pub violations_met: u64,
    /// Where all sampling came from.
    pub seed: u64,
}

impl FaultReport {
    /// Whether something was tried and nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.tried > 0 && self.violations_met == 0
    }

    /// Panics with the report unless it is clean.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }
}

impl fmt::Display for FaultReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} faults {:?}: {} errors, {} met poison, {} right, excused {:?}, seed {:#x}",
            self.tried, self.kinds, self.errors, self.died, self.right, self.excused, self.seed
        )?;
        if self.tried == 0 {
            write!(f, "\nnothing ran")?;
        }
        if self.violations_met > 0 {
            write!(f, "\n{} violations, the first:", self.violations_met)?;
        }
        for violation in self.violations.iter().take(3) {
            write!(f, "\n{violation}")?;
        }
        Ok(())
    }
}
