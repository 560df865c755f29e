//! `destroy PATH`: removes a pool's file, durably.

use std::path::PathBuf;

use clap::Args;
use everline::engine::destroy_file;
use serde_json::json;

use crate::args::Global;
use crate::exit::Failure;
use crate::open::{file_at, for_reading};
use crate::output::Answer;

/// What `destroy` can be told.
#[derive(Debug, Args)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    path: PathBuf,
}

/// Removes the file if it is a pool that nobody has open; with `--layout` only one of that layout.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let path = file_at(&options.path);
    if global.layout.is_some() {
        for_reading(&options.path, global)?;
    }
    destroy_file(&options.path, &global.file())?;
    let json = json!({"path": path.display().to_string(), "destroyed": true});
    Ok(Answer::ok(
        json,
        format!("destroyed            {}\n", path.display()),
    ))
}
