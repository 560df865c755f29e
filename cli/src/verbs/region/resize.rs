//! `region resize POOL REGION --size N`: makes a region longer or shorter.

use clap::Args;
use serde_json::json;

use super::select::Which;
use crate::args::Global;
use crate::exit::Failure;
use crate::open::change;
use crate::output::Answer;

/// What `region resize` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline region resize pool.pmem notes --size 2MiB")]
pub struct Options {
    #[command(flatten)]
    which: Which,
    /// Its new length: 64MiB, 1G, plain bytes
    #[arg(long, value_parser = everline_region::parse_size)]
    size: u64,
}

/// After a crash the old length or the new one; new bytes are zero.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (path, (id, old)) = change(&options.which.pool, global, |regions| {
        let id = options.which.region.find(regions)?;
        let old = regions.size(id)?;
        regions.resize(id, options.size)?;
        Ok((id, old))
    })?;
    let json = json!({
        "pool": path.display().to_string(),
        "id": id.to_string(),
        "old_bytes": old,
        "bytes": options.size,
    });
    Ok(Answer::ok(
        json,
        format!("resized              {old} to {} bytes\n", options.size),
    ))
}
