//! The way to one crash state, as a line that can be kept and run again.
//!
//! ```text
//! everline-crash/1 cut@17:40=1,48=0 cut@3:80=7
//!                  │   │  └ words that recovery reads (hex place = hex value)
//!                  │   └ events before it: of the recording first, then of the recovery before
//!                  └ cut (power) or kill (process)
//! ```

use std::fmt;
use std::str::FromStr;

const HEADER: &str = "everline-crash/1";

/// One crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayStep {
    /// Whether the process was killed rather than the power cut.
    pub kill: bool,
    /// How many events had happened: of the recording for the first step, of the recovery before for the others.
    pub event: usize,
    /// The words that recovery finds, where several values were possible: place in bytes, value.
    pub words: Vec<(u64, u64)>,
}

/// One crash state: a crash, and crashes inside the recoveries that follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// The crashes, in order.
    pub steps: Vec<ReplayStep>,
}

/// Why a replay line was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// The line is of another version of this laboratory, or of something else.
    Version {
        /// How the line begins.
        found: String,
        /// How it should.
        wanted: &'static str,
    },
    /// The line does not have the form of a replay.
    Malformed {
        /// The part that could not be read.
        part: String,
    },
    /// The line does not belong to this recording, or recovery goes another way now.
    Elsewhere {
        /// Which step, from 0.
        step: usize,
    },
    /// The workload is another one now.
    Workload {
        /// In which way.
        why: String,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Version { found, wanted } => {
                write!(
                    f,
                    "a replay line begins with {wanted}, this one with {found:?}"
                )
            }
            ReplayError::Malformed { part } => write!(f, "not a step of a replay: {part:?}"),
            ReplayError::Elsewhere { step } => {
                write!(f, "step {step} does not fit this recording and recovery")
            }
            ReplayError::Workload { why } => write!(f, "the workload is another one now: {why}"),
        }
    }
}

impl std::error::Error for ReplayError {}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEADER)?;
        for step in &self.steps {
            let what = if step.kill { "kill" } else { "cut" };
            write!(f, " {what}@{}", step.event)?;
            for (index, (at, value)) in step.words.iter().enumerate() {
                let before = if index == 0 { ':' } else { ',' };
                write!(f, "{before}{at:x}={value:x}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Replay {
    type Err = ReplayError;

    fn from_str(line: &str) -> Result<Self, ReplayError> {
        let mut parts = line.split_whitespace();
        let header = parts.next().unwrap_or_default();
        if header != HEADER {
            return Err(ReplayError::Version {
                found: header.to_owned(),
                wanted: HEADER,
            });
        }
        let steps = parts
            .map(|part| {
                step_of(part).ok_or_else(|| ReplayError::Malformed {
                    part: part.to_owned(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Replay { steps })
    }
}

fn step_of(part: &str) -> Option<ReplayStep> {
    let (what, rest) = part.split_once('@')?;
    let kill = match what {
        "kill" => true,
        "cut" => false,
        _ => return None,
    };
    let (event, words) = rest.split_once(':').unwrap_or((rest, ""));
    let words = words.split(',').filter(|word| !word.is_empty());
    Some(ReplayStep {
        kill,
        event: event.parse().ok()?,
        words: words
            .map(|word| {
                let (at, value) = word.split_once('=')?;
                Some((
                    u64::from_str_radix(at, 16).ok()?,
                    u64::from_str_radix(value, 16).ok()?,
                ))
            })
            .collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_line_is_read_back_as_it_was_written() {
        let line = "everline-crash/1 cut@17:40=1,48=ff kill@3";
        let replay: Replay = line.parse().expect("well formed");
        assert_eq!(replay.to_string(), line);
        assert_eq!(replay.steps.len(), 2);
    }

    #[test]
    fn a_line_of_another_version_is_refused_with_the_reason() {
        let refused = "everline-crash/2 cut@1".parse::<Replay>();
        assert!(matches!(refused, Err(ReplayError::Version { .. })));
        let refused = "everline-crash/1 cut@x".parse::<Replay>();
        assert!(matches!(refused, Err(ReplayError::Malformed { .. })));
    }
}
