//! `orphans PATH [--free]`: live objects that nothing leads to.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use everline::layout::Corrupt;
use everline::media::Errno;
use everline::units::ByteOffset;
use everline_kv::{KvError, own_objects};
use everline_region::{OrphanReport, RegionError};
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

/// Tells the places of what the keys of the pool lead to.
fn tracer(own: &Option<HashSet<ByteOffset>>) -> impl FnMut(&mut dyn FnMut(ByteOffset)) {
    |tell| own.iter().flatten().for_each(|at| tell(*at))
}

/// Who cannot be followed may own everything.
fn damaged(error: KvError<Errno>) -> RegionError<Errno> {
    let what = "the key-value store is damaged, so that nobody knows what is lost";
    match error {
        KvError::Corrupt(corrupt) => Corrupt::new(corrupt.at, what).into(),
        _ => Corrupt::new(ByteOffset::ZERO, what).into(),
    }
}

/// Lists them, and frees them where that was asked for; changes no byte otherwise.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (path, report): (PathBuf, OrphanReport) = match options.free {
        true => change(&options.path, global, |regions| {
            let own = own_objects(regions).map_err(damaged)?;
            let mut trace = tracer(&own);
            regions.free_orphans(own.is_some().then_some(&mut trace))
        })?,
        false => look(&options.path, global, |regions| {
            let own = own_objects(regions).map_err(damaged)?;
            let mut trace = tracer(&own);
            Ok(regions.orphans(own.is_some().then_some(&mut trace)))
        })?,
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
