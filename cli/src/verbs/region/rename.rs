//! `region rename POOL REGION NEW`: gives a region another name.

use clap::Args;
use serde_json::json;

use super::select::Which;
use crate::args::Global;
use crate::exit::Failure;
use crate::open::change;
use crate::output::Answer;

/// What `region rename` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline region rename pool.pmem notes old-notes")]
pub struct Options {
    #[command(flatten)]
    which: Which,
    /// Its new name, unlike every other region's
    new: String,
}

/// One transaction: after a crash the old name or the new one.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (path, id) = change(&options.which.pool, global, |regions| {
        let id = options.which.region.find(regions)?;
        regions.rename(id, &options.new)?;
        Ok(id)
    })?;
    let json = json!({
        "pool": path.display().to_string(),
        "id": id.to_string(),
        "name": options.new,
    });
    Ok(Answer::ok(
        json,
        format!("renamed              \"{}\"\n", options.new),
    ))
}
