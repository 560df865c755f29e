//! `region create POOL [NAME]`: a new region of zeros, or one that grows as it is written.

use std::path::PathBuf;

use clap::Args;
use everline_region::RegionOptions;
use serde_json::json;

use crate::args::Global;
use crate::exit::Failure;
use crate::open::change;
use crate::output::{Answer, size};

/// What `region create` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline region create pool.pmem journal --growable --align 256")]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
    /// Its name; without one it is found by the identifier that is printed
    name: Option<String>,
    /// Bytes of the region: 64MiB, 1G, plain bytes
    #[arg(long, value_parser = everline_region::parse_size, required_unless_present = "growable")]
    size: Option<u64>,
    /// Let it grow as it is written; it begins with no bytes unless --size says more
    #[arg(long)]
    growable: bool,
    /// Alignment of its bytes in the pool, a power of two up to 4096
    #[arg(long, value_parser = everline_region::parse_size)]
    align: Option<u64>,
    /// Keep a checksum of every 4 KiB, for `scrub`
    #[arg(long)]
    checked: bool,
    /// A few bytes of the user's own that travel with the region
    #[arg(long)]
    attr: Option<String>,
}

/// One transaction: after a crash the region is there with its name, or not at all.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let shape = RegionOptions {
        name: options.name.as_deref(),
        align: options.align,
        growable: options.growable,
        checked: options.checked,
        attributes: options.attr.as_deref().map(str::as_bytes),
    };
    let len = options.size.unwrap_or(0);
    let (path, id) = change(&options.pool, global, |regions| regions.create(len, &shape))?;
    let json = json!({
        "pool": path.display().to_string(),
        "name": options.name,
        "id": id.to_string(),
        "bytes": len,
        "growable": options.growable,
        "checked": options.checked,
    });
    Ok(Answer::ok(
        json,
        format!("created              {id} of {}\n", size(len)),
    ))
}
