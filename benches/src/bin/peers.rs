//! Ours beside the peers: alternating short windows in one process, medians of the ratios of neighbours.
//!
//! `peers [--quick] [--only PREFIX] [--json]`. The medium is a file in /dev/shm on both sides, treated as persistent
//! memory, or a file on the disk where the row says so; the process keeps to one core, but for rows of several threads.
//! Key-value stores to compare with are there with `--features stores`.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use everline_bench::rows::{self, Arena, Figure};
use everline_bench::windows::Plan;
use everline_bench::{cores, kv, pmdk};

#[derive(Default)]
struct Options {
    quick: bool,
    json: bool,
    only: String,
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--json" => options.json = true,
            "--only" => options.only = arguments.next().ok_or("--only needs a prefix")?,
            other => return Err(format!("unknown argument `{other}`")),
        }
    }
    Ok(options)
}

/// The peers read their environment while the process is loaded, so it is set for a process of its own.
fn with_environment() -> Result<(), String> {
    let set = |(name, value): &(&str, &str)| std::env::var(name).is_ok_and(|found| found == *value);
    if !pmdk::INSTALLED || pmdk::ENVIRONMENT.iter().all(set) {
        return Ok(());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let error = Command::new(own)
        .args(std::env::args_os().skip(1))
        .envs(pmdk::ENVIRONMENT)
        .exec();
    Err(format!("cannot start anew: {error}"))
}

fn as_json(figure: &Figure) -> String {
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    serde_json::json!({
        "row": figure.row,
        "ours_ns": rounded(figure.ours_ns),
        "peer": figure.peer,
        "peer_ns": figure.peer_ns.map(rounded),
        "ratio": figure.ratio.map(rounded),
        "ours_waits": figure.ours_waits,
        "ours_lines": figure.ours_lines,
        "floor_ns": figure.floor_ns.map(rounded),
    })
    .to_string()
}

fn as_text(figure: &Figure) -> String {
    let or_dash =
        |value: Option<f64>, digits| value.map_or("-".into(), |value| format!("{value:.digits$}"));
    format!(
        "{:<38}{:>12.1}{:>27}{:>14}{:>9}{:>7}{:>7}{:>10}",
        figure.row,
        figure.ours_ns,
        figure.peer.unwrap_or("-"),
        or_dash(figure.peer_ns, 1),
        or_dash(figure.ratio, 2),
        figure.ours_waits,
        figure.ours_lines,
        or_dash(figure.floor_ns, 1),
    )
}

fn run() -> Result<(), String> {
    let options = options()?;
    with_environment()?;
    let core = cores::pin();
    let directory = tempfile::Builder::new()
        .prefix("everline-peers-")
        .tempdir_in("/dev/shm")
        .map_err(|error| format!("a directory in /dev/shm: {error}"))?;
    let disk = tempfile::Builder::new()
        .prefix("everline-peers-")
        .tempdir()
        .map_err(|error| format!("a directory on a disk: {error}"))?;
    let core = core.map_or("no core".into(), |core| format!("core {core}"));
    eprintln!(
        "pinned to {core}; the disk is that of {}",
        disk.path().display()
    );
    let plan = if options.quick {
        Plan {
            windows: 101,
            window: Duration::from_micros(500),
        }
    } else {
        Plan {
            windows: 401,
            window: Duration::from_millis(1),
        }
    };
    if !options.json {
        println!(
            "{:<38}{:>12}{:>27}{:>14}{:>9}{:>7}{:>7}{:>10}",
            "row", "ours, ns", "peer", "peer, ns", "ratio", "waits", "lines", "floor"
        );
    }
    let tell = |figure: Figure| {
        if options.json {
            println!("{}", as_json(&figure));
        } else {
            println!("{}", as_text(&figure));
        }
    };
    if rows::names().any(|name| name.starts_with(&options.only)) {
        let mut arena = Arena::new(directory.path());
        eprintln!("medium: {}", arena.medium());
        if !arena.has_peer() {
            eprintln!(
                "NOT MEASURED: libpmem and libpmemobj are not there: run ci/setup.sh and build again"
            );
        }
        arena.measure(plan, &options.only, tell);
    }
    let directories = [directory.path(), disk.path()];
    kv::rows::measure(plan, options.quick, &options.only, directories, tell);
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}; usage: peers [--quick] [--only PREFIX] [--json]");
            ExitCode::from(2)
        }
    }
}
