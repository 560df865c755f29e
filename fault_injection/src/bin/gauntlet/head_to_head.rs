//! The same planted bugs, the same workloads and the same oracles, with crash states chosen in lesser ways.

use std::process::ExitCode;

use crate::copy::Copy;
use crate::planted::{self, Driver, Verdict};

/// What the driver calls each way, and what it is.
const WAYS: [(&str, &str); 4] = [
    ("kill", "process kill"),
    ("drop", "all since the fence lost"),
    ("lines", "1,000 random line sets"),
    ("lab", "this laboratory"),
];

/// Prints a table in Markdown. Exit code 0 where every way ran and the laboratory caught everything.
pub fn run() -> ExitCode {
    match prepared() {
        Ok(driver) => table(&driver),
        Err(error) => {
            eprintln!("gauntlet: {error}");
            ExitCode::FAILURE
        }
    }
}

fn prepared() -> Result<Driver, String> {
    let copy = Copy::prepare()?;
    let build = copy.build()?;
    planted::built(copy, build)
}

fn table(driver: &Driver) -> ExitCode {
    let mut ways: Vec<Vec<Verdict>> = WAYS.iter().map(|(how, _)| driver.run_all(how)).collect();
    let clean: Vec<Verdict> = ways.iter_mut().map(|verdicts| verdicts.remove(0)).collect();
    let names: Vec<&str> = WAYS.iter().map(|(_, name)| *name).collect();
    println!("| bug | what is wrong | {} |", names.join(" | "));
    println!("|---|---|{}", "---|".repeat(WAYS.len()));
    for (index, bug) in ways[0].iter().enumerate() {
        let cells: Vec<String> = ways.iter().map(|verdicts| cell(&verdicts[index])).collect();
        println!("| {} | {} | {} |", bug.name, bug.title, cells.join(" | "));
    }
    let caught = |verdicts: &Vec<Verdict>| verdicts.iter().filter(|verdict| verdict.caught).count();
    let sums: Vec<String> = ways
        .iter()
        .map(|verdicts| format!("**{} of {}**", caught(verdicts), verdicts.len()))
        .collect();
    println!("| | caught | {} |", sums.join(" | "));
    let false_reports: Vec<String> = clean
        .iter()
        .map(|verdict| match verdict.caught {
            true => format!("a false one: {}", verdict.told),
            false => format!("none in {} images", verdict.executions),
        })
        .collect();
    println!(
        "| | reports without a bug | {} |",
        false_reports.join(" | ")
    );
    let lab = &ways[WAYS.len() - 1];
    let ran = clean
        .iter()
        .all(|verdict| verdict.executions > 0 && !verdict.caught);
    match ran && caught(lab) == lab.len() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn cell(verdict: &Verdict) -> String {
    match verdict.caught {
        true => format!("{:.2} s", verdict.seconds),
        false => "–".into(),
    }
}
