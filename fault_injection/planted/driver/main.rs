//! Runs the project's own suites on a copy of the real layers in which one planted bug is on.
//!
//! `everline-planted BUG ORACLE HOW`: the number of a bug, 0 for none; the oracle that is to catch it, F for costs and
//! any other letter for crash states; how: lab, kill, drop, lines. Prints what was found, and at last the sums.
//! `everline-planted speed SECONDS`: executions a second of the shipped engine and regions.

mod clock;
mod crash_world;
mod faults;
mod keys;
mod lanes;
mod lints;
mod pools;
mod probe;
mod regions;
mod sequences;
mod speed;
mod structures;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use probe::{How, Probe};

type Workload = (&'static str, fn(&mut Probe));

const COSTS: Workload = ("lints", lints::told);

/// Enough for lesser ways.
const SHORT: [&str; 8] = [
    "single operations",
    "structures",
    "directed sequences",
    "lanes",
    "pools",
    "regions",
    "keys",
    "failed syncs",
];

/// Short ones first.
const SUITE: [Workload; 16] = [
    ("single operations", sequences::singles),
    ("structures", structures::published),
    ("directed sequences", sequences::directed),
    ("lanes", lanes::held),
    ("pools", pools::made),
    ("regions", regions::changed),
    ("overlapping transactions", keys::overlapping),
    ("readers beside a writer", keys::beside),
    ("commits in memory", keys::late),
    ("keys", keys::changed),
    ("failed syncs", faults::failed_syncs),
    ("flipped bits", faults::flipped_bits),
    ("working on", sequences::worked_on),
    ("wrapping rings", sequences::wrapping),
    ("pairs of operations", sequences::pairs),
    ("long random workloads", sequences::random),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (bug, oracle, how) = match text[..] {
        ["speed", seconds] => return speed::measured(seconds),
        [bug, oracle, how] => (bug, oracle, how),
        _ => ("", "", ""),
    };
    let (Ok(bug), Some(how)) = (bug.parse::<u32>(), How::named(how)) else {
        eprintln!("everline-planted: BUG ORACLE lab|kill|drop|lines, or speed SECONDS");
        return ExitCode::from(2);
    };
    std::panic::set_hook(Box::new(|_| {}));
    everline::planted::plant(bug);
    let mut probe = Probe::new(how, bug != 0);
    let begun = Instant::now();
    for (name, workload) in chosen(bug, oracle == "F", how) {
        let before = (probe.executions, begun.elapsed());
        probe.run(name, workload);
        if bug == 0 {
            let took: Duration = begun.elapsed() - before.1;
            let ran = probe.executions - before.0;
            println!("ran\t{name}\t{ran}\t{:.3}", took.as_secs_f64());
        }
        if probe.done() {
            break;
        }
    }
    println!(
        "sums\t{}\t{}\t{:.3}",
        probe.found,
        probe.executions,
        begun.elapsed().as_secs_f64()
    );
    ExitCode::SUCCESS
}

/// Everything for no bug; what may tell of costs for a bug that costs and breaks nothing; crash states for all others.
/// Lesser ways than the laboratory get the short workloads, since most bugs escape them and all would run each time.
fn chosen(bug: u32, costs: bool, how: How) -> Vec<Workload> {
    let mut suite = Vec::new();
    if bug == 0 || !costs {
        suite.extend(SUITE);
    }
    if bug == 0 || costs {
        suite.push(COSTS);
    }
    if how != How::Lab {
        suite.retain(|(name, _)| SHORT.contains(name));
    }
    suite
}
