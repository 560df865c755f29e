//! `compact POOL [REGION]`: gives back room that regions do not use, and brings them together; identifiers stay.

use std::path::PathBuf;

use clap::Args;
use everline_region::CompactReport;
use serde_json::json;

use super::region::Selector;
use crate::args::Global;
use crate::exit::Failure;
use crate::open::change;
use crate::output::{Answer, Lines, size};
use crate::progress::bar;

/// What `compact` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline compact pool.pmem")]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
    /// One region's name, or id: and its identifier; all of them, unless told
    region: Option<Selector>,
}

/// Each region moves in one step: after a crash it is where it was, or where it goes, whole.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let shown = bar("compacting", 0);
    let (path, (before, report, after)) = change(&options.pool, global, |regions| {
        let before = regions.space()?;
        let report = match &options.region {
            None => regions.compact_all(|done, total| {
                shown.set_length(total);
                shown.set_position(done);
            })?,
            Some(region) => {
                let freed = regions.compact(region.find(regions)?)?;
                let moved = u64::from(freed > 0);
                CompactReport {
                    moved,
                    freed,
                    in_use: 0,
                }
            }
        };
        Ok((before, report, regions.space()?))
    })?;
    shown.finish_and_clear();
    let percent = |ratio: f64| format!("{:.1} %", ratio * 100.0);
    let mut lines = Lines::default();
    lines
        .put("compacted", path.display())
        .put("moved", report.moved)
        .put("given back", size(report.freed))
        .put("free before", size(before.free_bytes))
        .put("free", size(after.free_bytes))
        .put("fragmentation before", percent(before.fragmentation()))
        .put("fragmentation", percent(after.fragmentation()));
    let json = json!({
        "path": path.display().to_string(),
        "moved": report.moved,
        "freed_bytes": report.freed,
        "free_before_bytes": before.free_bytes,
        "free_bytes": after.free_bytes,
        "fragmentation_before": before.fragmentation(),
        "fragmentation": after.fragmentation(),
    });
    Ok(Answer::ok(json, lines.take()))
}
