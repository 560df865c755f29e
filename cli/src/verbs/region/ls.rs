//! `region ls POOL`: lists the regions; changes no byte of the pool.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::Failure;
use crate::open::for_reading;
use crate::output::{Answer, Lines};

/// What `region ls` can be told.
#[derive(Debug, Args)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
}

/// One line a region: bytes, name.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (pool, _place) = for_reading(&options.pool, global)?;
    let listed = pool
        .target
        .list()
        .map_err(|error| Failure::from(error).at(pool.path.display()))?;
    pool.target.still_whole()?;
    let mut lines = Lines::default();
    for region in &listed {
        let name = region.name.as_deref().unwrap_or("(no name)");
        lines.say(format_args!("{:>12} {}", region.len, name.escape_debug()));
    }
    let regions: Vec<Value> = listed
        .iter()
        .map(|region| {
            json!({
                "name": region.name,
                "id": region.id.to_string(),
                "bytes": region.len,
                "capacity_bytes": region.capacity,
                "created_s": region.created_s,
            })
        })
        .collect();
    let json =
        json!({"pool": pool.path.display().to_string(), "count": listed.len(), "regions": regions});
    Ok(Answer::ok(json, lines.take()))
}
