//! `region rm POOL REGION`: removes a region.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::select::Selector;
use crate::args::Global;
use crate::exit::Failure;
use crate::open::change;
use crate::output::Answer;

/// What `region rm` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline region rm pool.pmem notes")]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
    /// The region's name, or id: and its identifier
    region: Selector,
}

/// One transaction; its space is free afterwards.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (path, (id, name)) = change(&options.pool, global, |regions| {
        let id = options.region.find(regions)?;
        let name = regions.info(id)?.name;
        regions.destroy(id)?;
        Ok((id, name))
    })?;
    let json = json!({
        "pool": path.display().to_string(),
        "id": id.to_string(),
        "name": name,
        "removed": true,
    });
    let told = match name {
        Some(name) => format!("\"{name}\""),
        None => id.to_string(),
    };
    Ok(Answer::ok(json, format!("removed              {told}\n")))
}
