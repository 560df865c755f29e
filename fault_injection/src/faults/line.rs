//! The line that holds a fault.
//!
//! ```text
//! everline-fault/1 log=9f3c at=31 when=open fault=flip@4a8.3
//!                  │        │     │         └ flip@byte.bit, lost@line.back, astray@line.onto, stale@page.back, poison@unit.bytes
//!                  │        │     └ before the medium is opened, or while it is open
//!                  │        └ events before the power went
//!                  └ hash of what the medium was asked
//! ```

use everline::units::ByteOffset;

use super::plan::Fault;
use crate::replay::ReplayError;
use crate::subject::Fields;

const HEADER: &str = "everline-fault/1";
const WHEN: [&str; 2] = ["before", "open"];

/// A line, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub log: u64,
    pub event: usize,
    pub while_open: bool,
    pub fault: Fault,
}

impl Line {
    pub(super) fn text(&self) -> String {
        let fault = match self.fault {
            Fault::BitFlip { at, bit } => format!("flip@{:x}.{bit:x}", at.get()),
            Fault::LostWrite { line, back } => format!("lost@{:x}.{back:x}", line.get()),
            Fault::Misdirected { line, onto } => {
                format!("astray@{:x}.{:x}", line.get(), onto.get())
            }
            Fault::StalePage { page, back } => format!("stale@{:x}.{back:x}", page.get()),
            Fault::Poison { unit, bytes } => format!("poison@{:x}.{bytes:x}", unit.get()),
        };
        let fields = [
            ("log", format!("{:x}", self.log)),
            ("at", self.event.to_string()),
            ("when", WHEN[usize::from(self.while_open)].to_owned()),
            ("fault", fault),
        ];
        Fields::text(HEADER, &fields, None)
    }

    pub(super) fn parse(line: &str) -> Result<Line, ReplayError> {
        let fields = Fields::parse(HEADER, line)?;
        let malformed = |key: &str| ReplayError::Malformed { part: key.into() };
        let get = |key: &str| fields.get(key).ok_or_else(|| malformed(key));
        Ok(Line {
            log: u64::from_str_radix(get("log")?, 16).map_err(|_| malformed("log"))?,
            event: get("at")?.parse().map_err(|_| malformed("at"))?,
            while_open: match get("when")? {
                when if when == WHEN[0] => false,
                when if when == WHEN[1] => true,
                _ => return Err(malformed("when")),
            },
            fault: fault_of(get("fault")?).ok_or_else(|| malformed("fault"))?,
        })
    }
}

fn fault_of(text: &str) -> Option<Fault> {
    let (kind, rest) = text.split_once('@')?;
    let (at, more) = rest.split_once('.')?;
    let at = ByteOffset::new(u64::from_str_radix(at, 16).ok()?);
    let more = u64::from_str_radix(more, 16).ok()?;
    let small = u32::try_from(more).ok();
    Some(match kind {
        "flip" => Fault::BitFlip {
            at,
            bit: u8::try_from(more).ok().filter(|bit| *bit < 8)?,
        },
        "lost" => Fault::LostWrite {
            line: at,
            back: small?,
        },
        "astray" => Fault::Misdirected {
            line: at,
            onto: ByteOffset::new(more),
        },
        "stale" => Fault::StalePage {
            page: at,
            back: small?,
        },
        "poison" => Fault::Poison {
            unit: at,
            bytes: more,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_as_it_was_written() {
        for fault in [
            "flip@4a8.3",
            "lost@40.1",
            "astray@40.80",
            "stale@1000.2",
            "poison@0.40",
        ] {
            let line = format!("everline-fault/1 log=9f at=31 when=open fault={fault}");
            assert_eq!(Line::parse(&line).expect("well formed").text(), line);
        }
        let refused = Line::parse("everline-fault/2 log=9f at=31 when=open fault=flip@0.0");
        assert!(matches!(refused, Err(ReplayError::Version { .. })));
        let refused = Line::parse("everline-fault/1 log=9f at=31 when=open fault=flip@0.9");
        assert!(matches!(refused, Err(ReplayError::Malformed { .. })));
    }
}
