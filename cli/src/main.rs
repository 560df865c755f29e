//! The `everline` command: make, inspect, check and prove pools of durable regions.
//!
//! | file | holds |
//! |---|---|
//! | `args.rs` | what can be typed |
//! | `exit.rs` | exit codes, and which error gets which |
//! | `open.rs` | how every verb opens a pool |
//! | `output.rs` | an answer as lines for a person or as one JSON object |
//! | `verbs/` | one file per verb |
//!
//! Promises: `--json` prints exactly one object on stdout, errors included; diagnostics and progress go to stderr;
//! reading verbs change no byte of a pool; whatever is typed or found in a file, the command ends with a code of
//! `exit.rs` and not with a panic.
#![forbid(unsafe_code)]

mod args;
mod exit;
mod open;
mod output;
mod progress;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use args::Cli;
use exit::{Code, Failure};
use output::Answer;

fn main() -> ExitCode {
    // A pool file that somebody cuts while it is mapped is then an error and not this process's death.
    if let Err(error) = everline::media::file::sigbus::install() {
        eprintln!(
            "warning: no SIGBUS handler ({error}); do not cut pool files while they are open"
        );
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let json = cli.global.json;
    match verbs::run(&cli).and_then(|answer| print(&answer, json).map(|()| answer.code)) {
        Ok(code) => code.into(),
        Err(failure) => fail(&failure, json),
    }
}

/// What clap has to say: help and version are answers, the rest is wrong usage.
fn usage(error: &clap::Error) -> ExitCode {
    let asked_for = !error.use_stderr();
    let json = std::env::args_os().any(|word| word == "--json");
    if json && !asked_for {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        return fail(&Failure::usage(text), true);
    }
    // A closed pipe under --help is no failure of ours.
    drop(error.print());
    if asked_for { Code::Ok } else { Code::Usage }.into()
}

fn print(answer: &Answer, json: bool) -> Result<(), Failure> {
    let written = if json {
        output::line(&answer.json.to_string())
    } else {
        output::bytes(&answer.text)
    };
    written.map_err(|error| Failure::io("cannot write to standard output", &error))
}

fn fail(failure: &Failure, json: bool) -> ExitCode {
    eprintln!("error: {}", failure.message);
    if json {
        // The exit code says it, where even stdout is gone.
        drop(output::line(&failure.json().to_string()));
    }
    failure.code.into()
}
