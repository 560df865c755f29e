//! `stats PATH`: space and log in numbers; changes no byte.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::open::for_reading;
use crate::output::{Answer, Lines, size};

/// What `stats` can be told.
#[derive(Debug, Args)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    path: PathBuf,
}

/// Opens read-only and counts: used, free and overhead make up the pool exactly.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (pool, _place) = for_reading(&options.path, global)?;
    let here = pool.path.display().to_string();
    let stats = pool
        .regions
        .engine()
        .stats()
        .map_err(|corrupt| Failure::new(Code::Inconsistent, "corrupt", corrupt).at(&here))?;
    let regions = pool
        .regions
        .count()
        .map_err(|error| Failure::from(error).at(&here))?;
    pool.read_whole()?;
    let (heap, log) = (stats.heap, stats.log);
    let scattered = match heap.free_bytes {
        0 => 0.0,
        free => 1.0 - heap.largest_free_bytes as f64 / free as f64,
    };
    let recovery = pool.opened.report.recovery;
    let mut lines = Lines::default();
    lines
        .put("size", size(stats.size_bytes))
        .put("used", size(heap.used_bytes))
        .put("free", size(heap.free_bytes))
        .put("overhead", size(heap.overhead_bytes))
        .put("largest free", size(heap.largest_free_bytes))
        .put("fragmentation", format_args!("{:.1} %", scattered * 100.0))
        .put("objects", heap.objects)
        .put("regions", regions)
        .put("log capacity", size(log.capacity_bytes))
        .put("log to recover", size(recovery.log_bytes))
        .put("last LSN", log.last_timestamp);
    let json = json!({
        "path": here,
        "size_bytes": stats.size_bytes,
        "used_bytes": heap.used_bytes,
        "free_bytes": heap.free_bytes,
        "overhead_bytes": heap.overhead_bytes,
        "largest_free_bytes": heap.largest_free_bytes,
        "fragmentation": scattered,
        "objects": heap.objects,
        "regions": regions,
        "log": {
            "capacity_bytes": log.capacity_bytes,
            "recovered_bytes": recovery.log_bytes,
            "last_lsn": log.last_timestamp,
            "epoch": log.epoch,
        },
    });
    Ok(Answer::ok(json, lines.take()))
}
