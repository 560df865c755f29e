//! `demo`: the main job on real files, under SIGKILL and under simulated power cuts.
//!
//! 1. `storm`: a child stores every file as a named region and is killed at random moments; after each death the pool
//!    is recovered and every acknowledged file compared byte for byte.
//! 2. `laboratory`: the same workload on a simulated medium, the power cut at every crash point.
//! 3. `cost`: waits per transaction, counted, and time against a bare line write.

pub mod child;
mod cost;
mod input;
mod laboratory;
mod random;
mod report;
mod storm;
mod workload;

use std::path::PathBuf;

use clap::Args;

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::output::Answer;
use laboratory::Effort;
use report::Report;

/// What `demo` can be told.
#[derive(Debug, Args)]
pub struct Options {
    /// A directory with files to store [default: the project's own]
    #[arg(long, value_name = "DIR")]
    input: Option<PathBuf>,
    /// Where all randomness comes from [default: the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Sample less at each crash point; every promise stays the same
    #[arg(long, hide = true)]
    quick: bool,
}

/// Crash points and states of both ways together that make the demo count.
const POINTS: u64 = 2_000;
const STATES: u64 = 10_000;

/// Ends with 0 only if every promise was kept.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let directory = options.input.clone();
    let input = input::read(&directory.unwrap_or_else(input::default_directory))?;
    let seed = options.seed.unwrap_or_else(seed_of_the_clock);
    if !global.json {
        eprintln!("seed {seed}");
    }
    let (budget_per_point, kill_steps) = if options.quick { (2, 1) } else { (16, 4) };
    let effort = Effort {
        points: POINTS / 2,
        states: STATES / 2,
        budget_per_point,
        kill_steps,
    };
    let report = Report {
        storm: storm::run(&input, seed, &global.file())?,
        laboratory: laboratory::run(&input.items, seed, effort)?,
        ledger: cost::ledger()?,
        times: cost::times()?,
        input,
        seed,
    };
    Ok(Answer {
        code: if report.ok() {
            Code::Ok
        } else {
            Code::Inconsistent
        },
        json: report.json(),
        text: report.text().into_bytes(),
    })
}

fn seed_of_the_clock() -> u64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanoseconds = since_1970.map_or(0, |elapsed| elapsed.as_nanos() as u64);
    // Short enough to be typed again.
    nanoseconds % 1_000_000_007
}
