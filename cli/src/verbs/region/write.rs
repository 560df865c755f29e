//! `region write POOL REGION < file`: stores standard input into a region.

use clap::{Args, ValueEnum};
use everline_region::WriteMode;
use serde_json::json;
use std::io::Read;

use super::select::Which;
use crate::args::Global;
use crate::exit::Failure;
use crate::open::change;
use crate::output::{Answer, size};

/// How bytes are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Mode {
    /// Durable when the command ends; after a crash each 8-byte word is old or new
    Durable,
    /// Visible at once, durable after `region persist`
    Volatile,
    /// Durable when the command ends; after a crash all old or all new
    Atomic,
}

impl From<Mode> for WriteMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Durable => WriteMode::Durable,
            Mode::Volatile => WriteMode::Volatile,
            Mode::Atomic => WriteMode::Atomic,
        }
    }
}

/// What `region write` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: echo hello | everline region write pool.pmem notes --at 100 --mode atomic"
)]
pub struct Options {
    #[command(flatten)]
    which: Which,
    /// Where in the region: plain bytes, 4KiB, 1M
    #[arg(long, default_value = "0", value_parser = everline_region::parse_size)]
    at: u64,
    /// When the bytes are durable
    #[arg(long, value_enum, default_value = "durable")]
    mode: Mode,
}

/// A growable region grows as far as it must; any other refuses what leaves it, and nothing is touched.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io("cannot read standard input", &error))?;
    let (path, id) = change(&options.which.pool, global, |regions| {
        let id = options.which.region.find(regions)?;
        regions.write_with(id, options.at, &bytes, options.mode.into())?;
        Ok(id)
    })?;
    let json = json!({
        "pool": path.display().to_string(),
        "id": id.to_string(),
        "at": options.at,
        "bytes": bytes.len(),
    });
    let text = format!(
        "written              {} at {}\n",
        size(bytes.len() as u64),
        options.at
    );
    Ok(Answer::ok(json, text))
}
