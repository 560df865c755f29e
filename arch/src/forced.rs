//! `EVERLINE_FLUSH`: forces one flush kind, for tests and for tools that hide CPUID bits.
//!
//! Unset or empty forces nothing. A name that is wrong, or right on another architecture only, is a typed error.

use core::fmt;

use crate::{FlushKind, rung};

/// The environment variable read by [`FlushKind::forced`].
const VARIABLE: &str = "EVERLINE_FLUSH";

/// `EVERLINE_FLUSH` asks for something that this build cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnknownFlushKind {
    /// The value is the name of no flush kind.
    NoSuchName,
    /// The value names an instruction of another architecture.
    NotOnThisTarget(FlushKind),
}

impl fmt::Display for UnknownFlushKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnknownFlushKind::NoSuchName => {
                write!(f, "{VARIABLE} names no flush kind; this target has")?
            }
            UnknownFlushKind::NotOnThisTarget(kind) => {
                write!(
                    f,
                    "{VARIABLE}={kind} is an instruction of another architecture; this target has"
                )?;
            }
        }
        for kind in rung::FAMILY {
            write!(f, " {kind},")?;
        }
        write!(f, " {}", FlushKind::Portable)
    }
}

impl core::error::Error for UnknownFlushKind {}

impl FlushKind {
    /// What `EVERLINE_FLUSH` says: nothing, one kind of this target, or an error. Needs the feature `std`.
    ///
    /// Reads the environment at every call. The CPU is not asked: see [`FlushKind::detect`].
    #[must_use]
    pub fn forced() -> Option<Result<FlushKind, UnknownFlushKind>> {
        let value = std::env::var_os(VARIABLE)?;
        if value.is_empty() {
            return None;
        }
        Some(
            value
                .to_str()
                .ok_or(UnknownFlushKind::NoSuchName)
                .and_then(parse),
        )
    }
}

fn parse(name: &str) -> Result<FlushKind, UnknownFlushKind> {
    let kind = FlushKind::from_name(name).ok_or(UnknownFlushKind::NoSuchName)?;
    if kind == FlushKind::Portable || rung::FAMILY.contains(&kind) {
        Ok(kind)
    } else {
        Err(UnknownFlushKind::NotOnThisTarget(kind))
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::process::{Command, Output};
    use std::string::{String, ToString};
    use std::vec;
    use std::{eprintln, format};

    use super::{UnknownFlushKind, VARIABLE, parse};
    use crate::{FLUSH_LINE, FlushKind, copy_nt, fence, flush_lines, rung};

    /// Set in the child processes that the tests below start.
    const CHILD: &str = "EVERLINE_ARCH_TEST_CHILD";

    fn child_with(flush: &str) -> Output {
        let this_test = std::env::current_exe().expect("the test binary has a path");
        Command::new(this_test)
            .args([
                "--exact",
                "forced::tests::a_child_runs_what_it_is_told",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .env(VARIABLE, flush)
            .output()
            .expect("the test binary starts")
    }

    #[test]
    fn a_child_runs_what_it_is_told() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let kind = FlushKind::detect();
        let source = vec![7_u8; 1000];
        let mut target = vec![0_u8; 1000 + 2 * FLUSH_LINE];
        let first_line = target
            .as_mut_ptr()
            .map_addr(|addr| addr.next_multiple_of(FLUSH_LINE));
        // SAFETY: 1000 bytes at 3 past a line start lie within the two lines of slack; the kind is the process's.
        unsafe { copy_nt(kind, first_line.wrapping_add(3), source.as_ptr(), 1000) };
        // SAFETY: 15 lines are 960 bytes, all inside the vector; the start is line-aligned.
        unsafe { flush_lines(kind, first_line, 15) };
        fence(kind);
        assert_eq!(target.iter().filter(|&&byte| byte == 7).count(), 1000);
        let forced = match FlushKind::forced() {
            None => String::from("nothing"),
            Some(Ok(kind)) => kind.to_string(),
            Some(Err(error)) => format!("{error:?}"),
        };
        eprintln!("detected={kind} forced={forced}.");
    }

    #[test]
    fn j1_each_instruction_can_be_forced_and_runs() {
        for kind in rung::FAMILY
            .into_iter()
            .chain([FlushKind::Portable])
            .filter(|&kind| cpu_runs(kind))
        {
            let output = child_with(kind.name());
            let printed = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{kind}: {printed}");
            assert!(
                printed.contains(&format!("detected={kind} forced={kind}.")),
                "{kind}: {printed}"
            );
        }
    }

    /// The best kind and every weaker one run; the family is listed best first.
    fn cpu_runs(kind: FlushKind) -> bool {
        let rank = |kind| {
            rung::FAMILY
                .into_iter()
                .position(|member| member == kind)
                .unwrap_or(rung::FAMILY.len())
        };
        rank(kind) >= rank(rung::probe())
    }

    #[test]
    fn j1_a_wrong_name_is_a_typed_error_and_never_weakens_the_choice() {
        let output = child_with("msync");
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = format!("detected={} forced=NoSuchName.", rung::probe());
        assert!(printed.contains(&expected), "{printed}");
    }

    #[test]
    fn j1_an_empty_value_forces_nothing() {
        let printed = String::from_utf8_lossy(&child_with("").stderr).into_owned();
        assert!(printed.contains("forced=nothing."), "{printed}");
    }

    #[test]
    fn an_instruction_of_another_architecture_is_refused() {
        for kind in FlushKind::ALL {
            let expected = if kind == FlushKind::Portable || rung::FAMILY.contains(&kind) {
                Ok(kind)
            } else {
                Err(UnknownFlushKind::NotOnThisTarget(kind))
            };
            assert_eq!(parse(kind.name()), expected);
        }
    }

    #[test]
    fn the_error_lists_what_this_target_has() {
        let text = UnknownFlushKind::NoSuchName.to_string();
        for kind in rung::FAMILY {
            assert!(text.contains(kind.name()), "{text}");
        }
        assert!(text.ends_with("portable"), "{text}");
    }
}
