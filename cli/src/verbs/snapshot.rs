//! `snapshot POOL FILE`: a copy of a pool as it is now, whole or not at all; changes no byte of the pool.

use std::path::PathBuf;

use clap::Args;
use everline_region::transfer::TransferOptions;
use serde_json::json;

use crate::args::Global;
use crate::exit::Failure;
use crate::open::for_reading;
use crate::output::{Answer, Lines, size};
use crate::progress::Copying;

/// What `snapshot` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline snapshot pool.pmem backup/monday.pmem")]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
    /// The file to make; an empty directory means pool.pmem inside it
    to: PathBuf,
    /// Bytes that are written at a time; 0 means all at once
    #[arg(long, default_value = "1MiB", value_parser = everline_region::parse_size)]
    transfer_size: u64,
}

/// The copy is compared with the pool before it gets its name.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (pool, _place) = for_reading(&options.pool, global)?;
    let transfer = TransferOptions {
        transfer_size: options.transfer_size,
    };
    let mut bar = Copying::default();
    let image = pool
        .target
        .snapshot_to(&options.to, transfer, |progress| bar.show(progress))?;
    let mut lines = Lines::default();
    lines
        .put("snapshot", image.path.display())
        .put("size", size(image.bytes))
        .put("written", size(image.written))
        .put("checksum", format_args!("{:08x}", image.checksum))
        .put("took", format_args!("{:.3} s", image.elapsed.as_secs_f64()));
    let json = json!({
        "pool": pool.path.display().to_string(),
        "snapshot": image.path.display().to_string(),
        "size_bytes": image.bytes,
        "written_bytes": image.written,
        "checksum": format!("{:08x}", image.checksum),
        "elapsed_ms": image.elapsed.as_secs_f64() * 1e3,
    });
    Ok(Answer::ok(json, lines.take()))
}
