//! `region put POOL NAME < file`: stores standard input as a region.

use std::io::Read;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::args::Global;
use crate::exit::Failure;
use crate::open::for_writing;
use crate::output::{Answer, size};

/// What `region put` can be told.
#[derive(Debug, Args)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
    /// The region's name
    name: String,
}

/// One transaction: after a crash the region is there whole, or not at all.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io("cannot read standard input", &error))?;
    let pool = for_writing(&options.pool, global)?;
    let path = pool.path.display().to_string();
    let id = pool
        .target
        .put(&options.name, &bytes)
        .map_err(|error| Failure::from(error).at(&path))?;
    let domain = pool.target.report().durability.domain;
    pool.target.close()?;
    let json = json!({
        "pool": path,
        "name": options.name,
        "id": id.to_string(),
        "bytes": bytes.len(),
        "domain": domain.name(),
    });
    let text = format!(
        "stored               {} as \"{}\" ({domain})\n",
        size(bytes.len() as u64),
        options.name
    );
    Ok(Answer::ok(json, text))
}
