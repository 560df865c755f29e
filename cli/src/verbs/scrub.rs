//! `scrub POOL [REGION]`: compares every chunk of checked regions with its checksum; changes no byte.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::region::Selector;
use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::open::look;
use crate::output::{Answer, Lines};
use crate::progress::bar;

/// What `scrub` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline scrub pool.pmem")]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
    /// One region's name, or id: and its identifier; all that are checked, unless told
    region: Option<Selector>,
}

/// Chunks that are listed; all of them are counted.
const LISTED_MAX: usize = 100;

/// Ends with 1 where a chunk does not match.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let shown = bar("scrubbing", 0);
    let progress = |done, total| {
        shown.set_length(total);
        shown.set_position(done);
    };
    let mut bad = Vec::new();
    let (path, report) = look(&options.pool, global, |regions| match &options.region {
        None => regions.scrub_all(progress, |chunk| bad.push(chunk)),
        Some(region) => regions.scrub(region.find(regions)?, progress, |chunk| bad.push(chunk)),
    })?;
    shown.finish_and_clear();
    let mut lines = Lines::default();
    for chunk in bad.iter().take(LISTED_MAX) {
        lines.say(format_args!(
            "{}: region {}: {} bytes at {} do not match their checksum: restore them from a snapshot",
            path.display(),
            chunk.id,
            chunk.len,
            chunk.at
        ));
    }
    lines
        .put("scrubbed", path.display())
        .put("checked regions", report.regions)
        .put("chunks verified", report.verified)
        .put("chunks being changed", report.unsealed)
        .put("chunks never written", report.unwritten)
        .put("chunks damaged", report.bad);
    let listed: Vec<Value> = bad
        .iter()
        .take(LISTED_MAX)
        .map(|chunk| json!({"id": chunk.id.to_string(), "at": chunk.at, "bytes": chunk.len}))
        .collect();
    let json = json!({
        "path": path.display().to_string(),
        "regions": report.regions,
        "verified": report.verified,
        "unsealed": report.unsealed,
        "unwritten": report.unwritten,
        "damaged_count": report.bad,
        "damaged": listed,
    });
    Ok(Answer {
        code: match report.bad {
            0 => Code::Ok,
            _ => Code::Inconsistent,
        },
        json,
        text: lines.take().into_bytes(),
    })
}
