//! Runs the driver of the copy: one process a bug, so that a bug that panics, hangs or eats memory takes nothing along.

use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::copy::Copy;
use crate::edits::Bug;

/// A bug that was not caught by then has escaped.
const LIMIT: Duration = Duration::from_secs(60);
/// What all suites may take on a copy without a bug.
const CLEAN_LIMIT: Duration = Duration::from_secs(300);

/// The built driver, and the bugs it knows.
#[derive(Debug)]
pub struct Driver {
    copy: Copy,
}

/// What became of one bug.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub name: String,
    pub title: String,
    pub oracle: String,
    pub caught: bool,
    pub seconds: f64,
    pub executions: u64,
    /// The first thing that was reported, or why nothing was.
    pub told: String,
}

/// Waits for the build. Errors: it failed; what the compiler said.
pub fn built(copy: Copy, mut build: Child) -> Result<Driver, String> {
    let status = build.wait().map_err(|error| error.to_string())?;
    match status.success() {
        true => Ok(Driver { copy }),
        false => Err(format!(
            "the copy with the planted bugs does not build:\n{}",
            copy.build_log()
        )),
    }
}

impl Driver {
    /// Runs every bug, and the copy without any, under `how`; the clean one comes first.
    pub fn run_all(&self, how: &str) -> Vec<Verdict> {
        let queue = Mutex::new(0usize);
        let verdicts = Mutex::new(Vec::new());
        let worker = || loop {
            let index = {
                let mut next = queue.lock().unwrap_or_else(|broken| broken.into_inner());
                *next += 1;
                *next - 1
            };
            let verdict = match index.checked_sub(1) {
                None => self.run_clean(how),
                Some(bug) => match self.copy.bugs.get(bug) {
                    Some(bug) => self.run(bug, how),
                    None => return,
                },
            };
            let mut verdicts = verdicts.lock().unwrap_or_else(|broken| broken.into_inner());
            verdicts.push((index, verdict));
        };
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(worker);
            }
        });
        let mut verdicts = verdicts
            .into_inner()
            .unwrap_or_else(|broken| broken.into_inner());
        verdicts.sort_by_key(|(index, _)| *index);
        verdicts.into_iter().map(|(_, verdict)| verdict).collect()
    }

    fn run_clean(&self, how: &str) -> Verdict {
        let none = Bug {
            name: "none".into(),
            number: 0,
            title: "no bug".into(),
            oracle: "-".into(),
            edits: Vec::new(),
        };
        self.run_within(&none, how, CLEAN_LIMIT)
    }

    fn run(&self, bug: &Bug, how: &str) -> Verdict {
        self.run_within(bug, how, LIMIT)
    }

    fn run_within(&self, bug: &Bug, how: &str, limit: Duration) -> Verdict {
        let begun = Instant::now();
        let number = bug.number.to_string();
        let outcome = self.output(&[&number, &bug.oracle, how], limit);
        let seconds = begun.elapsed().as_secs_f64();
        let (caught, executions, told) = match outcome {
            Ok(text) => {
                let found = text.lines().find_map(|line| line.strip_prefix("found\t"));
                let told = found.map_or_else(
                    || "nothing was reported".into(),
                    |line| line.replace('\t', ": "),
                );
                (found.is_some(), executions(&text), told)
            }
            Err(error) => (false, 0, error),
        };
        Verdict {
            name: bug.name.clone(),
            title: bug.title.clone(),
            oracle: bug.oracle.clone(),
            caught,
            seconds,
            executions,
            told,
        }
    }

    /// What the driver prints. Errors: it took too long, or ended before it was done.
    pub fn output(&self, arguments: &[&str], limit: Duration) -> Result<String, String> {
        let told = |error: std::io::Error| format!("the driver: {error}");
        let mut command = self.copy.driver();
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().map_err(told)?;
        let mut stdout = child.stdout.take().ok_or("the driver has no output")?;
        let reader = thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_| text)
        });
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(told)? {
                break status;
            }
            if begun.elapsed() > limit {
                child.kill().map_err(told)?;
                child.wait().map_err(told)?;
                return Err(format!("not done after {} s", limit.as_secs()));
            }
            thread::sleep(Duration::from_millis(5));
        };
        let text = reader
            .join()
            .map_err(|_| "the driver's output was lost")?
            .map_err(told)?;
        match status.success() {
            true => Ok(text),
            false => Err(format!("the driver ended with {status}: {}", text.trim())),
        }
    }
}

fn executions(text: &str) -> u64 {
    let sums = text.lines().find_map(|line| line.strip_prefix("sums\t"));
    sums.and_then(|sums| sums.split('\t').nth(1)?.parse().ok())
        .unwrap_or(0)
}
