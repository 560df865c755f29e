//! `region rm POOL REGION`: removes a region.

use clap::Args;
use serde_json::json;

use super::select::Which;
use crate::args::Global;
use crate::exit::Failure;
use crate::open::change;
use crate::output::Answer;

/// What `region rm` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline region rm pool.pmem notes")]
pub struct Options {
    #[command(flatten)]
    which: Which,
}

/// One transaction; its space is free afterwards.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (path, (id, name)) = change(&options.which.pool, global, |regions| {
        let id = options.which.region.find(regions)?;
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
