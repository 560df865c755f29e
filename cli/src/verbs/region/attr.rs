//! `region attr POOL REGION`: reads or sets the bytes of the user's own that travel with a region.

use clap::Args;
use serde_json::json;

use super::select::Which;
use crate::args::Global;
use crate::exit::Failure;
use crate::open::{change, look};
use crate::output::{Answer, hex};

/// What `region attr` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline region attr pool.pmem notes --set owner=me")]
pub struct Options {
    #[command(flatten)]
    which: Which,
    /// The new attributes; without this they are printed
    #[arg(long, conflicts_with = "clear")]
    set: Option<String>,
    /// Remove them
    #[arg(long)]
    clear: bool,
}

/// Reading changes no byte of the pool; setting is one transaction.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let new = match &options.set {
        Some(text) => Some(text.as_bytes()),
        None => options.clear.then_some(&[][..]),
    };
    let (path, (id, attributes)) = match new {
        None => look(&options.which.pool, global, |regions| {
            let id = options.which.region.find(regions)?;
            Ok((id, regions.attributes(id)?))
        })?,
        Some(new) => change(&options.which.pool, global, |regions| {
            let id = options.which.region.find(regions)?;
            regions.set_attributes(id, new)?;
            Ok((id, new.to_vec()))
        })?,
    };
    let json = json!({
        "pool": path.display().to_string(),
        "id": id.to_string(),
        "attributes_hex": hex(&attributes),
    });
    let mut text = attributes;
    if new.is_some() {
        text = format!("set                  {} bytes\n", text.len()).into_bytes();
    }
    Ok(Answer::ok(json, text))
}
