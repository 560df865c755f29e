//! `region persist POOL REGION`: makes what was written with `--mode volatile` durable.

use clap::Args;
use serde_json::json;

use super::select::Which;
use crate::args::Global;
use crate::exit::Failure;
use crate::open::change;
use crate::output::Answer;

/// What `region persist` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline region persist pool.pmem notes --at 0 --len 4KiB")]
pub struct Options {
    #[command(flatten)]
    which: Which,
    /// Where in the region: plain bytes, 4KiB, 1M
    #[arg(long, default_value = "0", value_parser = everline_region::parse_size)]
    at: u64,
    /// How many bytes; all that follow, unless told
    #[arg(long, value_parser = everline_region::parse_size)]
    len: Option<u64>,
}

/// Durable when this ends with 0.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (path, (id, len)) = change(&options.which.pool, global, |regions| {
        let id = options.which.region.find(regions)?;
        let size = regions.size(id)?;
        let len = options.len.unwrap_or(size.saturating_sub(options.at));
        regions.persist(id, options.at, len)?;
        Ok((id, len))
    })?;
    let json = json!({
        "pool": path.display().to_string(),
        "id": id.to_string(),
        "at": options.at,
        "bytes": len,
    });
    Ok(Answer::ok(
        json,
        format!("persisted            {len} bytes at {}\n", options.at),
    ))
}
