//! The gauntlet: the laboratory put to the test, and the layers under it with planted bugs.
//!
//! ```text
//! cargo run --release -p everline-crash --bin gauntlet -- [--quick] [--json] [--head-to-head]
//! ```
//!
//! | part | what |
//! |---|---|
//! | `litmus` | small shapes with the exact set of what a cut may leave, under four models |
//! | `equivalence` | lazy = eager = brute force on random small programs |
//! | `controls` | what looks wrong and is right: no report |
//! | `structures` | bugs planted in small reference structures |
//! | `edits`, `copy`, `planted` | bugs planted in a copy of the real layers, each under the suites' own workloads |
//! | `speed` | executions a second |
//! | `head_to_head` | the same bugs under lesser ways of testing |
//!
//! Exit code 0 only where everything ran and nothing failed.

mod controls;
mod copy;
mod edits;
mod equivalence;
mod head_to_head;
mod litmus;
mod options;
mod planted;
mod report;
mod speed;
mod structures;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use copy::Copy;
use options::Options;
use report::Report;

/// What a run may take of each part.
struct Scale {
    programs: u64,
    speed: Duration,
}

const FULL: Scale = Scale {
    programs: 100_000,
    speed: Duration::from_secs(5),
};
const QUICK: Scale = Scale {
    programs: 20_000,
    speed: Duration::from_millis(1500),
};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("gauntlet: {error}\n\n{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    if options.head_to_head {
        return head_to_head::run();
    }
    let report = run(if options.quick { &QUICK } else { &FULL });
    println!(
        "{}",
        if options.json {
            report.json()
        } else {
            report.table()
        }
    );
    match report.failures.is_empty() && report.ran() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The copy is built in the background, while what needs no copy runs.
fn run(scale: &Scale) -> Report {
    let begun = Instant::now();
    let mut report = Report::default();
    let copy = Copy::prepare();
    let build = copy.as_ref().map_err(String::clone).and_then(Copy::build);
    report.litmus();
    report.equivalence(scale.programs);
    report.controls();
    let driver = match (copy, build) {
        (Ok(copy), Ok(build)) => planted::built(copy, build).map(Some),
        // A published crate has no source tree beside it; anything else that goes wrong is a failure.
        (Err(error), _) if !Copy::has_source() => {
            eprintln!("gauntlet: {error}: bugs are planted in reference structures only");
            Ok(None)
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    match driver {
        Ok(driver) => {
            report.planted(driver.as_ref());
            report.speed(driver.as_ref(), scale.speed);
        }
        Err(error) => report.failures.push(error),
    }
    report.seconds = begun.elapsed().as_secs_f64();
    report
}
