//! What went wrong, with the shortest workload on which it does.

use std::fmt;

use crate::report::Violation;
use crate::search::NOT_ONCE;

/// Which promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Oracle {
    /// An acknowledged operation did not survive.
    LostAck,
    /// What is left is no state that whole operations lead to.
    Atomicity,
    /// Recovery refuses a medium that holds an engine.
    Refused,
    /// A second recovery tells something else than the first.
    Idempotence,
    /// The engine does not work on after recovery.
    Unusable,
    /// Live and free blocks overlap, or do not add up to the heap.
    Account,
    /// Less or more room than without a crash.
    Leak,
    /// Recovery panics.
    Panic,
    /// Recovery does not end.
    Endless,
    /// Recovery does other things after equal reads, or the workload when it runs again.
    NotDeterministic,
    /// Engine and model differ without any crash, or an operation fails without a fault.
    Clean,
    /// Threads wait for one another for ever.
    Deadlock,
}

impl Oracle {
    const ALL: [Oracle; 12] = [
        Oracle::LostAck,
        Oracle::Atomicity,
        Oracle::Refused,
        Oracle::Idempotence,
        Oracle::Unusable,
        Oracle::Account,
        Oracle::Leak,
        Oracle::Panic,
        Oracle::Endless,
        Oracle::NotDeterministic,
        Oracle::Clean,
        Oracle::Deadlock,
    ];

    fn text(self) -> &'static str {
        match self {
            Oracle::LostAck => "an acknowledged operation is lost",
            Oracle::Atomicity => "not all or nothing",
            Oracle::Refused => "recovery refuses the medium",
            Oracle::Idempotence => "recovery twice is not recovery once",
            Oracle::Unusable => "the engine does not work on after recovery",
            Oracle::Account => "the heap does not add up",
            Oracle::Leak => "room was lost or won",
            Oracle::Panic => "recovery panicked",
            Oracle::Endless => "recovery panicked: recovery does not end",
            Oracle::NotDeterministic => "recovery is not deterministic",
            Oracle::Clean => "without any crash",
            Oracle::Deadlock => "threads wait for one another",
        }
    }

    /// The oracle that a reason names: the most exact one.
    pub(crate) fn of(reason: &str) -> Oracle {
        if reason.starts_with(NOT_ONCE) {
            return Oracle::Idempotence;
        }
        let named = Oracle::ALL.into_iter();
        named
            .filter(|oracle| reason.starts_with(oracle.text()))
            .max_by_key(|oracle| oracle.text().len())
            .unwrap_or(Oracle::Atomicity)
    }
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// How far an operation was when the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It must survive.
    Acknowledged,
    /// It may have happened.
    InFlight,
    /// It had not begun.
    NotBegun,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fate::Acknowledged => "acknowledged",
            Fate::InFlight => "in flight",
            Fate::NotBegun => "not begun",
        })
    }
}

/// A broken promise and the shortest way to it that was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which promise.
    pub oracle: Oracle,
    /// In which way.
    pub reason: String,
    /// The operations, as their `Debug` prints them, and how far each was.
    pub operations: Vec<(String, Fate)>,
    /// How many operations the workload had before it was shrunk.
    pub shrunk_from: usize,
    /// What came before: a crash and a recovery, or how threads took turns.
    pub setting: Option<String>,
    /// The crash; none where it takes none.
    pub violation: Option<Violation>,
    /// Runs it again: [`Explorer::replay_subject`](crate::Explorer::replay_subject).
    pub line: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.reason)?;
        if let Some(setting) = &self.setting {
            writeln!(f, "  {setting}")?;
        }
        for (number, (op, fate)) in self.operations.iter().enumerate() {
            writeln!(f, "  {}. {op}: {fate}", number + 1)?;
        }
        if self.shrunk_from > self.operations.len() {
            writeln!(f, "  (shrunk from {} operations)", self.shrunk_from)?;
        }
        if let Some(violation) = &self.violation {
            violation.tell_crash(f)?;
        }
        write!(f, "  replay: {}", self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_leads_back_to_its_oracle() {
        for oracle in Oracle::ALL {
            assert_eq!(Oracle::of(&format!("{oracle}: why")), oracle);
        }
        let text = "recovery panicked: recovery does not end: 10 calls";
        assert_eq!(Oracle::of(text), Oracle::Endless);
        assert_eq!(Oracle::of("recovery panicked: x"), Oracle::Panic);
    }
}
