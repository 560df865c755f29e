//! `orphans PATH [--free]`: live objects that nothing leads to.

use std::path::PathBuf;

use clap::Args;
use everline_region::OrphanReport;
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::Failure;
use crate::open::{change, look};
use crate::output::{Answer, Lines, size};

/// What `orphans` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: everline orphans /mnt/pmem/pool.pmem\n         everline orphans /mnt/pmem/pool.pmem --free"
)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    path: PathBuf,
    /// Free what is listed
    #[arg(long)]
    free: bool,
}

/// Objects that are listed; all of them are counted.
const LISTED_MAX: usize = 1000;

/// Lists them, and frees them where that was asked for; changes no byte otherwise.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (path, report): (PathBuf, OrphanReport) = match options.free {
        true => change(&options.path, global, |regions| regions.free_orphans(None))?,
        false => look(&options.path, global, |regions| Ok(regions.orphans(None)))?,
    };
    let bytes: u64 = report
        .orphans
        .iter()
        .map(|orphan| orphan.range.len().get())
        .sum();
    let mut lines = Lines::default();
    for orphan in report.orphans.iter().take(LISTED_MAX) {
        let (at, len) = (orphan.range.start().get(), orphan.range.len().get());
        lines.say(format_args!("offset {at:#x}: {len} bytes"));
    }
    lines
        .put("path", path.display())
        .put(
            if options.free { "freed" } else { "orphans" },
            report.orphans.len(),
        )
        .put("bytes", size(bytes))
        .put("of other roots", report.foreign);
    if !report.certain {
        lines.put(
            "not certain",
            "the directory is damaged, and what looks lost may be what it led to: repair it first",
        );
    } else if !options.free && !report.orphans.is_empty() {
        lines.put(
            "to free them",
            format_args!("everline orphans {} --free", options.path.display()),
        );
    }
    let listed: Vec<Value> = report
        .orphans
        .iter()
        .take(LISTED_MAX)
        .map(|orphan| json!({"at": orphan.range.start().get(), "bytes": orphan.range.len().get()}))
        .collect();
    let json = json!({
        "path": path.display().to_string(),
        "freed": options.free,
        "count": report.orphans.len(),
        "bytes": bytes,
        "foreign": report.foreign,
        "certain": report.certain,
        "orphans": listed,
    });
    Ok(Answer::ok(json, lines.take()))
}
