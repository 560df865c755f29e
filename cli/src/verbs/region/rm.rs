//! `region rm POOL NAME`: removes a region.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::args::Global;
use crate::exit::Failure;
use crate::open::for_writing;
use crate::output::Answer;

/// What `region rm` can be told.
#[derive(Debug, Args)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
    /// The region's name
    name: String,
}

/// One transaction; its space is free afterwards.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let pool = for_writing(&options.pool, global)?;
    let path = pool.path.clone();
    let removed = pool
        .regions
        .by_name(&options.name)
        .and_then(|id| pool.regions.destroy(id));
    // The pool was opened and recovered all the same: it is closed before anything is said.
    pool.close()?;
    removed.map_err(|error| Failure::from(error).at(path.display()))?;
    let json = json!({"pool": path.display().to_string(), "name": options.name, "removed": true});
    Ok(Answer::ok(
        json,
        format!("removed              \"{}\"\n", options.name),
    ))
}
