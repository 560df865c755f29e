//! `create PATH --size SIZE`: a new pool, whole or not at all.

use std::path::PathBuf;

use clap::Args;
use everline::engine::{CreateOptions, FileConfig, Identity, create_file};
use everline_region::OpenMessage;
use serde_json::json;

use crate::args::Global;
use crate::exit::Failure;
use crate::open::{file_at, safety};
use crate::output::{Answer, Lines, hex, size};

/// What `create` can be told.
#[derive(Debug, Args)]
pub struct Options {
    /// The file; a directory means pool.pmem inside it; missing parents are made
    path: PathBuf,
    /// Bytes of the pool: 64MiB, 1G, plain bytes
    #[arg(long, value_parser = everline_region::parse_size)]
    size: u64,
    /// Transactions that can run at the same time
    #[arg(long)]
    lanes: Option<u32>,
    /// Reserve all space now, so that a full device is an error here and not later
    #[arg(long)]
    reserve: bool,
    /// Replace a pool that is there, unless somebody has it open
    #[arg(long)]
    overwrite: bool,
}

/// Makes the pool, and closes it.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let path = file_at(&options.path);
    if global.verbose > 0 {
        eprintln!("{}", OpenMessage::Creating { path: &path });
        let len = options.size;
        eprintln!("{}", OpenMessage::Size { len });
    }
    let identity = Identity::random()
        .map_err(|error| Failure::io("cannot draw a random identity from /dev/urandom", &error))?;
    let shape = CreateOptions {
        len: Some(options.size),
        lanes: options.lanes,
        layout: global.layout.unwrap_or_default(),
        identity,
        ..CreateOptions::default()
    };
    let config = FileConfig {
        file: global.file(),
        reserve: options.reserve,
        overwrite: options.overwrite,
    };
    let (engine, opened) = create_file(&options.path, &shape, &config)?;
    let (lanes, id) = (
        engine.pool().geometry().lane_count(),
        hex(engine.pool().id()),
    );
    let durability = opened.report.durability;
    engine
        .close()
        .map_err(|error| Failure::from(error).at(path.display()))?;
    let mut lines = Lines::default();
    lines
        .put("created", path.display())
        .put("size", size(options.size))
        .put("lanes", lanes)
        .put("identity", &id)
        .put("durability", durability)
        .put("so it is", safety(durability.domain));
    let json = json!({
        "path": path.display().to_string(),
        "size_bytes": options.size,
        "lanes": lanes,
        "id": id,
        "layout": shape.layout.as_str(),
        "reserved": options.reserve,
        "domain": durability.domain.name(),
        "flush": durability.flush,
        "reason": durability.reason,
    });
    Ok(Answer::ok(json, lines.take()))
}
