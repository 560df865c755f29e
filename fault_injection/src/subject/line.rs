//! The line that holds a workload and a crash.
//!
//! ```text
//! everline-subject/1 ops=0.1@0,#2 life=old@31,2@7 log=9f3c everline-crash/1 cut@17:40=1
//!                    │            │               │        └ the crash (replay.rs); left out where there is none
//!                    │            │               └ hash of what the medium was asked
//!                    │            └ the first crash, then what was done after recovering from it
//!                    └ choices @ place in the workload, or # place in a given list
//! ```

use super::Choices;
use super::Subject;
use super::lives::{FirstCut, Life};
use crate::replay::{Replay, ReplayError};

const HEADER: &str = "everline-subject/1";

/// One operation of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// What a generator makes of these choices at that place.
    Chosen { step: usize, choices: Vec<u64> },
    /// One of a list that was given.
    Given(usize),
}

impl Token {
    /// The operation; none where the generator or the list is another one now.
    pub(crate) fn op<S: Subject>(&self, given: &[S::Op]) -> Option<S::Op> {
        match self {
            Token::Given(index) => given.get(*index).cloned(),
            Token::Chosen { step, choices } => {
                let mut choices = Choices::given(choices.clone());
                let op = S::generate(*step, &mut choices);
                choices.made().map(|_| op)
            }
        }
    }

    /// The operation that a seed draws for place `step`.
    pub(crate) fn drawn<S: Subject>(step: usize, seed: u64) -> Token {
        let mut choices = Choices::seeded(seed);
        S::generate(step, &mut choices);
        Token::Chosen {
            step,
            choices: choices.made().unwrap_or_default(),
        }
    }

    fn text(&self) -> String {
        match self {
            Token::Given(index) => format!("#{index}"),
            Token::Chosen { step, choices } => {
                let choices: Vec<String> = choices.iter().map(u64::to_string).collect();
                format!("{}@{step}", choices.join("."))
            }
        }
    }

    fn parse(text: &str) -> Option<Token> {
        if let Some(index) = text.strip_prefix('#') {
            return Some(Token::Given(index.parse().ok()?));
        }
        let (choices, step) = text.split_once('@')?;
        let choices = choices.split('.').filter(|choice| !choice.is_empty());
        Some(Token::Chosen {
            step: step.parse().ok()?,
            choices: choices
                .map(|choice| choice.parse().ok())
                .collect::<Option<_>>()?,
        })
    }
}

fn joined(tokens: &[Token]) -> String {
    let tokens: Vec<String> = tokens.iter().map(Token::text).collect();
    tokens.join(",")
}

/// `None` where one token cannot be read.
fn tokens_of(text: &str) -> Option<Vec<Token>> {
    let tokens = text.split(',').filter(|token| !token.is_empty());
    tokens.map(Token::parse).collect()
}

/// A line, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Line {
    pub ops: Vec<Token>,
    pub life: Option<Life>,
    pub log: u64,
    pub crash: Option<Replay>,
}

impl Line {
    pub(crate) fn text(&self) -> String {
        let mut fields = vec![("ops", joined(&self.ops))];
        if let Some(life) = &self.life {
            let mut text = format!("{}@{}", life.cut.text(), life.event);
            for token in &life.ops {
                text += ",";
                text += &token.text();
            }
            fields.push(("life", text));
        }
        fields.push(("log", format!("{:x}", self.log)));
        Fields::text(HEADER, &fields, self.crash.as_ref())
    }

    pub(crate) fn parse(line: &str) -> Result<Line, ReplayError> {
        let fields = Fields::parse(HEADER, line)?;
        let bad = |part: &str| ReplayError::Malformed {
            part: part.to_owned(),
        };
        let life = match fields.get("life") {
            None => None,
            Some(text) => Some(life_of(text).ok_or_else(|| bad(text))?),
        };
        let ops = fields.get("ops").unwrap_or_default();
        let log = fields.get("log").unwrap_or_default();
        Ok(Line {
            ops: tokens_of(ops).ok_or_else(|| bad(ops))?,
            life,
            log: u64::from_str_radix(log, 16).map_err(|_| bad(log))?,
            crash: fields.crash,
        })
    }
}

fn life_of(text: &str) -> Option<Life> {
    let (first, ops) = text.split_once(',').unwrap_or((text, ""));
    let (cut, event) = first.split_once('@')?;
    Some(Life {
        cut: FirstCut::parse(cut)?,
        event: event.parse().ok()?,
        ops: tokens_of(ops)?,
    })
}

/// `header key=value … everline-crash/1 …`: the form of every line that holds more than a crash.
pub(crate) struct Fields<'l> {
    fields: Vec<(&'l str, &'l str)>,
    pub crash: Option<Replay>,
}

impl<'l> Fields<'l> {
    pub(crate) fn text(header: &str, fields: &[(&str, String)], crash: Option<&Replay>) -> String {
        let mut line = header.to_owned();
        for (key, value) in fields {
            line += &format!(" {key}={value}");
        }
        if let Some(crash) = crash {
            line += &format!(" {crash}");
        }
        line
    }

    /// Errors: another header, a part that is no field, a crash that cannot be read.
    pub(crate) fn parse(header: &'static str, line: &'l str) -> Result<Self, ReplayError> {
        let line = line.trim();
        let (found, _) = line.split_once(' ').unwrap_or((line, ""));
        if found != header {
            return Err(ReplayError::Version {
                found: found.to_owned(),
                wanted: header,
            });
        }
        let (fields, crash) = match line.find(" everline-crash/") {
            Some(at) => (&line[..at], Some(line[at + 1..].parse()?)),
            None => (line, None),
        };
        let fields = fields.split_whitespace().skip(1).map(|part| {
            part.split_once('=').ok_or_else(|| ReplayError::Malformed {
                part: part.to_owned(),
            })
        });
        Ok(Fields {
            fields: fields.collect::<Result<_, _>>()?,
            crash,
        })
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'l str> {
        let found = self.fields.iter().find(|(known, _)| *known == key);
        found.map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_as_it_was_written() {
        for line in [
            "everline-subject/1 ops=0.1@0,#2 life=old@31,2@7 log=9f3c everline-crash/1 cut@17:40=1",
            "everline-subject/1 ops=@3 life=drawn.5@0 log=0",
            "everline-subject/1 ops= log=1 everline-crash/1 kill@3 cut@4:8=ff",
        ] {
            assert_eq!(Line::parse(line).expect("well formed").text(), line);
        }
    }

    #[test]
    fn a_line_of_another_version_is_refused() {
        let refused = Line::parse("everline-subject/2 ops= log=0");
        assert!(matches!(refused, Err(ReplayError::Version { .. })));
        let refused = Line::parse("everline-subject/1 ops= log=0 everline-crash/9 cut@1");
        assert!(matches!(refused, Err(ReplayError::Version { .. })));
        let refused = Line::parse("everline-subject/1 ops=a log=0");
        assert!(matches!(refused, Err(ReplayError::Malformed { .. })));
    }
}
