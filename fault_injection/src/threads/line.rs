//! The line that holds programs, turns and a crash.
//!
//! ```text
//! everline-threads/1 setup=0,1 programs=0,2/1 turns=0.1.1.0 bound=2 at=calls log=9f3c everline-crash/1 cut@17:40=1
//!                    │         │              │             └ preemptions allowed, and where: at the points that matter
//!                    │         │              │               (threads.rs), or before every call
//!                    │         │              └ who went on at each decision, up to the last that was not the first option
//!                    └─────────┴ which of the given operations, for each thread
//! ```

use crate::replay::{Replay, ReplayError};
use crate::subject::Fields;

const HEADER: &str = "everline-threads/1";
/// Where threads may be preempted.
const AT: [&str; 2] = ["points", "calls"];

/// Which of the given operations run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picked {
    pub setup: Vec<usize>,
    pub programs: Vec<Vec<usize>>,
}

/// A line, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub picked: Picked,
    pub turns: Vec<usize>,
    pub bound: u32,
    pub every_call: bool,
    pub log: u64,
    pub crash: Option<Replay>,
}

fn joined(numbers: &[usize], between: &str) -> String {
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    numbers.join(between)
}

fn numbers(text: &str, between: char) -> Option<Vec<usize>> {
    let parts = text.split(between).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().ok()).collect()
}

impl Line {
    pub(crate) fn text(&self) -> String {
        let programs = self.picked.programs.iter();
        let programs: Vec<String> = programs.map(|program| joined(program, ",")).collect();
        let fields = [
            ("setup", joined(&self.picked.setup, ",")),
            ("programs", programs.join("/")),
            ("turns", joined(&self.turns, ".")),
            ("bound", self.bound.to_string()),
            ("at", AT[usize::from(self.every_call)].to_owned()),
            ("log", format!("{:x}", self.log)),
        ];
        Fields::text(HEADER, &fields, self.crash.as_ref())
    }

    pub(crate) fn parse(line: &str) -> Result<Line, ReplayError> {
        let fields = Fields::parse(HEADER, line)?;
        let malformed = |key: &str| ReplayError::Malformed { part: key.into() };
        let get = |key: &str| fields.get(key).ok_or_else(|| malformed(key));
        let programs = get("programs")?.split('/');
        let programs: Option<Vec<_>> = programs.map(|program| numbers(program, ',')).collect();
        Ok(Line {
            picked: Picked {
                setup: numbers(get("setup")?, ',').ok_or_else(|| malformed("setup"))?,
                programs: programs.ok_or_else(|| malformed("programs"))?,
            },
            turns: numbers(get("turns")?, '.').ok_or_else(|| malformed("turns"))?,
            bound: get("bound")?.parse().map_err(|_| malformed("bound"))?,
            every_call: match get("at")? {
                at if at == AT[0] => false,
                at if at == AT[1] => true,
                _ => return Err(malformed("at")),
            },
            log: u64::from_str_radix(get("log")?, 16).map_err(|_| malformed("log"))?,
            crash: fields.crash,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_as_it_was_written() {
        for line in [
            "everline-threads/1 setup=0,1 programs=0,2/1 turns=0.1.1.0 bound=2 at=calls log=9f3c everline-crash/1 cut@17:40=1",
            "everline-threads/1 setup= programs=/1 turns= bound=4294967295 at=points log=0",
        ] {
            assert_eq!(Line::parse(line).expect("well formed").text(), line);
        }
        let refused = Line::parse("everline-threads/9 setup=");
        assert!(matches!(refused, Err(ReplayError::Version { .. })));
        let refused =
            Line::parse("everline-threads/1 setup= programs= turns=x bound=2 at=points log=0");
        assert!(matches!(refused, Err(ReplayError::Malformed { .. })));
    }
}
