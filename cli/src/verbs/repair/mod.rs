//! `repair PATH [--apply]`: says what ails a pool, what would be done about it and what is lost; does it where told to.
//!
//! Without `--apply` everything is done to a private copy in memory, so that what is said is what really comes of it, and
//! no byte of the file changes. With it the same is done to the file, behind a copy of it.

mod backup;

use std::path::{Path, PathBuf};

use clap::Args;
use everline::media::Errno;
use everline::media::file::FileMedia;
use everline_region::{PoolRepair, PoolRepairError, RepairOptions, repair_pool};
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::open::file_at;
use crate::output::{Answer, Lines};

/// What `repair` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Without --apply nothing is changed: exit code 3 says that --apply would repair the pool, 1 that it would not.\n\n\
                  Example: everline repair /mnt/pmem/pool.pmem\n         \
                  everline repair /mnt/pmem/pool.pmem --apply --backup /backup/pool.damaged"
)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    path: PathBuf,
    /// Do it
    #[arg(long)]
    apply: bool,
    /// Where the copy goes that is made before anything is changed; a name beside the pool by default
    #[arg(
        long,
        value_name = "FILE",
        requires = "apply",
        conflicts_with = "no_backup"
    )]
    backup: Option<PathBuf>,
    /// Make no copy
    #[arg(long, requires = "apply")]
    no_backup: bool,
    /// Free objects that nothing leads to, too
    #[arg(long)]
    free_orphans: bool,
}

/// Findings that are listed; all of them are counted.
const LISTED_MAX: usize = 200;

/// What a repair of a private copy of the pool comes to.
pub fn rehearse(
    path: &Path,
    global: &Global,
    options: &RepairOptions,
) -> Result<PoolRepair, Failure> {
    let private = FileMedia::open_private(path, &global.file())?;
    repair_pool(&private, None, options).map_err(|error| failed(error, path))
}

fn failed(error: PoolRepairError<Errno>, path: &Path) -> Failure {
    let below = "nothing can be repaired; what is readable may be salvaged";
    match error {
        PoolRepairError::Open(error)
        | PoolRepairError::Below(everline::engine::RepairError::Open(error)) => {
            let failure = Failure::from(error);
            Failure {
                message: format!("{}; {below}", failure.message),
                ..failure
            }
        }
        PoolRepairError::Regions(error) => error.into(),
        PoolRepairError::Below(error) => Failure::new(Code::Io, "repair", error),
    }
    .at(file_at(path).display())
}

/// Says what would be done, or does it.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let path = file_at(&options.path);
    let chosen = RepairOptions {
        free_orphans: options.free_orphans,
    };
    let rehearsed = rehearse(&options.path, global, &chosen)?;
    let mut backup = None;
    if options.apply && !rehearsed.is_idle() {
        if !options.no_backup {
            backup = Some(backup::make(&path, options.backup.as_deref())?);
        }
        let media = FileMedia::open(&options.path, &global.file())?;
        let done = repair_pool(&media, Some(&rehearsed.below), &chosen)
            .map_err(|error| failed(error, &options.path))?;
        media.still_whole()?;
        if done != rehearsed {
            let what = "the pool has changed since it was looked at: repair it again";
            return Err(Failure::new(Code::Inconsistent, "changed", what).at(path.display()));
        }
        drop(media);
        // What is said at the end is what a fresh look finds.
        let again = rehearse(&options.path, global, &RepairOptions::default())?;
        if again.is_sound() != done.is_sound() || !again.is_idle() {
            let what = "the repair did not hold: restore the copy that was made before it";
            return Err(Failure::new(Code::Inconsistent, "not_repaired", what).at(path.display()));
        }
    }
    Ok(answer(&path, options, &rehearsed, backup.as_deref()))
}

/// One line of the plan: where, what is wrong, what is done, what is lost.
struct Row {
    at: Option<u64>,
    problem: String,
    action: String,
    loss: Option<String>,
}

/// Everything that is done, then everything that is left.
fn rows(repaired: &PoolRepair) -> (Vec<Row>, Vec<Row>) {
    let below = repaired.below.findings.iter().map(|finding| Row {
        at: Some(finding.at.get()),
        problem: "below the stores".to_owned(),
        action: finding.repair.what().to_owned(),
        loss: finding.repair.costs().map(str::to_owned),
    });
    let row = |finding: &everline_region::Finding| Row {
        at: finding.problem.at().map(|at| at.get()),
        problem: finding.problem.to_string(),
        action: finding.cure.to_string(),
        loss: finding.loss.as_ref().map(ToString::to_string),
    };
    let left = repaired.below.left.iter().map(|corrupt| Row {
        at: Some(corrupt.at.get()),
        problem: corrupt.what.to_owned(),
        action: "nothing: no repair is known".to_owned(),
        loss: None,
    });
    let regions = &repaired.regions;
    (
        below.chain(regions.done.iter().map(row)).collect(),
        left.chain(regions.left.iter().map(row)).collect(),
    )
}

fn answer(path: &Path, options: &Options, repaired: &PoolRepair, backup: Option<&Path>) -> Answer {
    let (done, left) = rows(repaired);
    let (code, verdict) = verdict(options, repaired);
    let mut lines = Lines::default();
    for row in done.iter().chain(&left).take(LISTED_MAX) {
        row.tell(&mut lines);
    }
    let losses = done.iter().filter(|row| row.loss.is_some()).count();
    lines
        .put("path", path.display())
        .put(
            if options.apply {
                "repaired"
            } else {
                "to repair"
            },
            done.len(),
        )
        .put("with a loss", losses)
        .put("left", left.len());
    if let Some(backup) = backup {
        lines.put("copy made before", backup.display());
    }
    lines.put("verdict", verdict);
    let array =
        |rows: &[Row]| -> Vec<Value> { rows.iter().take(LISTED_MAX).map(Row::json).collect() };
    let json = json!({
        "path": path.display().to_string(),
        "applied": options.apply && !repaired.is_idle(),
        "backup": backup.map(|backup| backup.display().to_string()),
        "finding_count": done.len(),
        "findings": array(&done),
        "losses": losses,
        "left_count": left.len(),
        "left": array(&left),
        "sound": repaired.is_sound(),
        "verdict": verdict,
    });
    Answer {
        code,
        json,
        text: lines.take().into_bytes(),
    }
}

fn verdict(options: &Options, repaired: &PoolRepair) -> (Code, &'static str) {
    match (repaired.is_sound(), repaired.is_idle(), options.apply) {
        (true, true, _) => (Code::Ok, "nothing to repair"),
        (true, false, true) => (Code::Ok, "repaired: a check finds nothing wrong any more"),
        (true, false, false) => (
            Code::Repairable,
            "repairable: run it again with --apply; `salvage` first where something would be lost",
        ),
        (false, _, true) => (
            Code::Inconsistent,
            "not all of it can be repaired: `salvage` what is readable, and destroy the regions that are told above",
        ),
        (false, _, false) => (
            Code::Inconsistent,
            "not all of it can be repaired; --apply repairs the rest, `salvage` saves what is readable",
        ),
    }
}

impl Row {
    fn tell(&self, lines: &mut Lines) {
        match self.at {
            Some(at) => lines.say(format_args!("offset {at:#x}: {}", self.problem)),
            None => lines.say(&self.problem),
        };
        lines.say(format_args!("    action: {}", self.action));
        if let Some(loss) = &self.loss {
            lines.say(format_args!("    lost:   {loss}"));
        }
    }

    fn json(&self) -> Value {
        json!({"at": self.at, "problem": self.problem, "action": self.action, "lost": self.loss})
    }
}
