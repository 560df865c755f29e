//! `grow PATH --size SIZE`: a longer pool with the same contents; the old length or the new one, never in between.

use std::path::PathBuf;

use clap::Args;
use everline_region::TargetConfig;
use serde_json::json;

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::open::{Pool, open};
use crate::output::{Answer, Lines, size};

/// What `grow` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline grow /mnt/pmem/pool.pmem --size 32MiB")]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    path: PathBuf,
    /// Bytes that the pool is to have: 64MiB, 1G, plain bytes; `info` tells how far it can grow
    #[arg(long, value_parser = everline_region::parse_size)]
    size: u64,
}

/// Grows the pool, and closes it.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    // Addresses up to there are set aside by the open.
    let config = TargetConfig {
        max_size: Some(options.size),
        ..global.target(&options.path)
    };
    let Pool { target, path } = open(config, global)?;
    let engine = target.engine();
    let fail = |failure: Failure| failure.at(path.display());
    let free = || {
        let stats = engine
            .stats()
            .map_err(|corrupt| fail(Failure::new(Code::Inconsistent, "corrupt", corrupt)))?;
        Ok::<u64, Failure>(stats.heap.free_bytes)
    };
    let (old, free_before) = (engine.pool().geometry(), free()?);
    engine
        .grow(options.size)
        .map_err(|error| fail(error.into()))?;
    let free_after = free()?;
    target.close()?;
    let mut lines = Lines::default();
    lines
        .put("grown", path.display())
        .put("size before", size(old.len()))
        .put("size", size(options.size))
        .put("free before", size(free_before))
        .put("free", size(free_after))
        .put("can grow to", size(old.capacity_max()));
    let json = json!({
        "path": path.display().to_string(),
        "size_before_bytes": old.len(),
        "size_bytes": options.size,
        "free_before_bytes": free_before,
        "free_bytes": free_after,
        "capacity_max_bytes": old.capacity_max(),
    });
    Ok(Answer::ok(json, lines.take()))
}
