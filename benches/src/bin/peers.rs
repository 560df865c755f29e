//! Ours beside the peers: alternating short windows in one process, medians of the ratios of neighbours.
//!
//! `peers [--quick] [--only PREFIX] [--json]`. The medium is a file in /dev/shm on both sides, treated as persistent
//! memory; the process keeps to one core.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use everline_bench::pmdk;
use everline_bench::rows::{Arena, Figure};
use everline_bench::windows::Plan;

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

/// Keeps the process to the core that it runs on; answers which.
fn pin() -> Option<usize> {
    // SAFETY: no arguments.
    let core = usize::try_from(unsafe { libc::sched_getcpu() }).ok()?;
    // SAFETY: a set of cores is plain bits; all zeros is the empty set.
    let mut cores: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours, and the macro checks the number against its size.
    unsafe { libc::CPU_SET(core, &mut cores) };
    // SAFETY: process 0 is this one; the set outlives the call and has the size that is said.
    let refused = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &cores) };
    (refused == 0).then_some(core)
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
        "{:<24}{:>12.1}{:>12}{:>14}{:>9}{:>7}{:>7}{:>10}",
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
    let core = pin();
    let directory = tempfile::Builder::new()
        .prefix("everline-peers-")
        .tempdir_in("/dev/shm")
        .map_err(|error| format!("a directory in /dev/shm: {error}"))?;
    let mut arena = Arena::new(directory.path());
    let core = core.map_or("no core".into(), |core| format!("core {core}"));
    eprintln!("medium: {}; pinned to {core}", arena.medium());
    if !arena.has_peer() {
        eprintln!(
            "NOT MEASURED: libpmem and libpmemobj are not there: run ci/setup.sh and build again"
        );
    }
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
            "{:<24}{:>12}{:>12}{:>14}{:>9}{:>7}{:>7}{:>10}",
            "row", "ours, ns", "peer", "peer, ns", "ratio", "waits", "lines", "floor"
        );
    }
    arena.measure(plan, &options.only, |figure| {
        if options.json {
            println!("{}", as_json(&figure));
        } else {
            println!("{}", as_text(&figure));
        }
    });
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
