//! `region copy POOL REGION`: a second region with the same bytes, in this pool or in another.

use std::path::{Path, PathBuf};

use clap::Args;
use everline_region::RegionId;
use serde_json::json;

use super::select::Which;
use crate::args::Global;
use crate::exit::Failure;
use crate::open::{change, for_reading, for_writing};
use crate::output::Answer;

/// What `region copy` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: everline region copy pool.pmem notes --name notes-2 --to other.pmem"
)]
pub struct Options {
    #[command(flatten)]
    which: Which,
    /// The copy's name; without one it is found by the identifier that is printed
    #[arg(long)]
    name: Option<String>,
    /// Another pool to copy into; its file, or the directory that holds its pool.pmem
    #[arg(long, value_name = "POOL")]
    to: Option<PathBuf>,
}

/// The copy appears whole, with its name, or not at all.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (path, id) = match &options.to {
        None => change(&options.which.pool, global, |regions| {
            let id = options.which.region.find(regions)?;
            let mut batch = regions.batch()?;
            let copy = batch.copy(id)?;
            if let Some(name) = &options.name {
                batch.rename(copy, name)?;
            }
            batch.commit()?;
            Ok(copy)
        })?,
        Some(to) => across(global, options, to)?,
    };
    let json = json!({
        "pool": path.display().to_string(),
        "id": id.to_string(),
        "name": options.name,
    });
    Ok(Answer::ok(json, format!("copied               {id}\n")))
}

/// Copies into another pool: this one is only read.
fn across(global: &Global, options: &Options, to: &Path) -> Result<(PathBuf, RegionId), Failure> {
    let (from, _place) = for_reading(&options.which.pool, global)?;
    let pool = for_writing(to, global)?;
    let copied = from
        .tell(options.which.region.find(&from.target))
        .and_then(|id| {
            let name = options.name.as_deref();
            Ok(from.target.copy_to(id, &pool.target, name)?)
        });
    from.target.still_whole()?;
    pool.target.close()?;
    Ok((pool.path, copied?))
}
