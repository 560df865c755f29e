//! The command line: three flags.

use std::fmt;

pub const HELP: &str = "\
gauntlet [--quick] [--json] [--head-to-head]

  --quick         what ends within a minute on two cores
  --json          one line of JSON instead of a table
  --head-to-head  the planted bugs under lesser ways of testing, as a table in Markdown";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub quick: bool,
    pub json: bool,
    pub head_to_head: bool,
}

/// An argument that means nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownArgument(String);

impl fmt::Display for UnknownArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown argument {:?}", self.0)
    }
}

impl Options {
    /// What was asked for; none where it was help.
    pub fn parse(
        arguments: impl Iterator<Item = String>,
    ) -> Result<Option<Options>, UnknownArgument> {
        let mut options = Options::default();
        for argument in arguments {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--json" => options.json = true,
                "--head-to-head" => options.head_to_head = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(UnknownArgument(argument)),
            }
        }
        Ok(Some(options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, UnknownArgument> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn an_unknown_argument_is_refused_and_named() {
        let error = parse("--quick --fast").expect_err("unknown");
        assert!(error.to_string().contains("--fast"), "{error}");
    }

    #[test]
    fn flags_are_taken_in_any_order_and_help_is_no_run() {
        let options = parse("--json --quick").expect("known").expect("a run");
        assert!(options.json && options.quick && !options.head_to_head);
        assert_eq!(parse("--quick --help"), Ok(None));
    }
}
