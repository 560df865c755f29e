//! `region stat POOL REGION`: all that is known of a region; changes no byte of the pool.

use clap::Args;
use serde_json::json;

use super::select::Which;
use crate::args::Global;
use crate::exit::Failure;
use crate::open::look;
use crate::output::{Answer, Lines, hex, size};

/// What `region stat` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline region stat pool.pmem notes")]
pub struct Options {
    #[command(flatten)]
    which: Which,
}

/// Identity, place, sizes and how it was made.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (path, (info, attributes)) = look(&options.which.pool, global, |regions| {
        let id = options.which.region.find(regions)?;
        Ok((regions.info(id)?, regions.attributes(id)?))
    })?;
    let name = info.name.as_deref().unwrap_or("(no name)");
    let mut lines = Lines::default();
    lines
        .put("id", info.id)
        .put("name", name.escape_debug())
        .put("length", size(info.len))
        .put("capacity", size(info.capacity))
        .put("written", size(info.written))
        .put("at", info.at)
        .put("alignment", info.align)
        .put("growable", info.growable)
        .put("checked", info.checked)
        .put("created", format_args!("{} s after 1970", info.created_s))
        .put("attributes", attributes.escape_ascii());
    let json = json!({
        "pool": path.display().to_string(),
        "id": info.id.to_string(),
        "name": info.name,
        "bytes": info.len,
        "capacity_bytes": info.capacity,
        "written_bytes": info.written,
        "at": info.at.get(),
        "align": info.align,
        "growable": info.growable,
        "checked": info.checked,
        "created_s": info.created_s,
        "attributes_hex": hex(&attributes),
    });
    Ok(Answer::ok(json, lines.take()))
}
