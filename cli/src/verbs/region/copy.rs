//! `region copy POOL REGION`: a second region with the same bytes.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::select::Selector;
use crate::args::Global;
use crate::exit::Failure;
use crate::open::change;
use crate::output::Answer;

/// What `region copy` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline region copy pool.pmem notes --name notes-2")]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
    /// The region's name, or id: and its identifier
    region: Selector,
    /// The copy's name; without one it is found by the identifier that is printed
    #[arg(long)]
    name: Option<String>,
}

/// One transaction: the copy appears whole, with its name, or not at all.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (path, id) = change(&options.pool, global, |regions| {
        let id = options.region.find(regions)?;
        let mut batch = regions.batch()?;
        let copy = batch.copy(id)?;
        if let Some(name) = &options.name {
            batch.rename(copy, name)?;
        }
        batch.commit()?;
        Ok(copy)
    })?;
    let json = json!({
        "pool": path.display().to_string(),
        "id": id.to_string(),
        "name": options.name,
    });
    Ok(Answer::ok(json, format!("copied               {id}\n")))
}
