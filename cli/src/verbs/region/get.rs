//! `region get POOL NAME > file`: prints a region's bytes; changes no byte of the pool.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::args::Global;
use crate::exit::Failure;
use crate::open::for_reading;
use crate::output::{Answer, hex};

/// What `region get` can be told.
#[derive(Debug, Args)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
    /// The region's name
    name: String,
}

/// Answers the bytes; with `--json` as hexadecimal digits.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (pool, _place) = for_reading(&options.pool, global)?;
    let failed = |error| Failure::from(error).at(pool.path.display());
    let id = pool.target.by_name(&options.name).map_err(failed)?;
    let bytes = pool.target.read_all(id).map_err(failed)?;
    pool.target.still_whole()?;
    let json = if global.json {
        json!({
            "pool": pool.path.display().to_string(),
            "name": options.name,
            "id": id.to_string(),
            "bytes": bytes.len(),
            "data_hex": hex(&bytes),
        })
    } else {
        json!({})
    };
    Ok(Answer::ok(json, bytes))
}
