//! `region read POOL REGION > file`: prints a part of a region; changes no byte of the pool.

use clap::Args;
use everline_region::RegionError;
use serde_json::json;

use super::select::Which;
use crate::args::Global;
use crate::exit::Failure;
use crate::open::look;
use crate::output::{Answer, hex};

/// What `region read` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline region read pool.pmem notes --at 100 --len 6")]
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

/// Answers the bytes; with `--json` as hexadecimal digits.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (path, (id, bytes)) = look(&options.which.pool, global, |regions| {
        let id = options.which.region.find(regions)?;
        let size = regions.size(id)?;
        let rest = size.saturating_sub(options.at);
        let len = options.len.unwrap_or(rest);
        if options.at > size || len > rest {
            // Refused here, before so much memory is asked for.
            return Err(RegionError::OutOfBounds {
                id,
                at: options.at,
                len,
                region_len: size,
            });
        }
        let mut bytes = vec![0; len as usize];
        regions.read(id, options.at, &mut bytes)?;
        Ok((id, bytes))
    })?;
    let json = if global.json {
        json!({
            "pool": path.display().to_string(),
            "id": id.to_string(),
            "at": options.at,
            "bytes": bytes.len(),
            "data_hex": hex(&bytes),
        })
    } else {
        json!({})
    };
    Ok(Answer::ok(json, bytes))
}
