//! `restore SNAPSHOT PATH`: makes the pool in a snapshot again, whole or not at all; the snapshot stays.

use std::path::PathBuf;

use clap::Args;
use everline::media::io::LocalDisk;
use everline_region::transfer::{RestoreOptions, TransferOptions, restore};
use serde_json::json;

use crate::args::Global;
use crate::exit::Failure;
use crate::output::{Answer, Lines, size};
use crate::progress::Copying;

/// What `restore` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline restore backup/monday.pmem pool.pmem --overwrite")]
pub struct Options {
    /// The snapshot
    snapshot: PathBuf,
    /// The pool's file to make; an empty directory means pool.pmem inside it
    path: PathBuf,
    /// Put it in place of a pool that is there, unless somebody has it open
    #[arg(long)]
    overwrite: bool,
    /// Bytes that are written at a time; 0 means all at once
    #[arg(long, default_value = "1MiB", value_parser = everline_region::parse_size)]
    transfer_size: u64,
}

/// The snapshot is checked first, and the copy is compared with it before it gets its name.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let how = RestoreOptions {
        transfer: TransferOptions {
            transfer_size: options.transfer_size,
        },
        overwrite: options.overwrite,
    };
    let disk = LocalDisk::new(&global.file());
    let mut bar = Copying::default();
    let image = restore(&disk, &options.snapshot, &options.path, &how, |progress| {
        bar.show(progress)
    })?;
    let mut lines = Lines::default();
    lines
        .put("restored", image.path.display())
        .put("size", size(image.bytes))
        .put("written", size(image.written))
        .put("checksum", format_args!("{:08x}", image.checksum))
        .put("took", format_args!("{:.3} s", image.elapsed.as_secs_f64()));
    let json = json!({
        "snapshot": options.snapshot.display().to_string(),
        "path": image.path.display().to_string(),
        "size_bytes": image.bytes,
        "written_bytes": image.written,
        "checksum": format!("{:08x}", image.checksum),
        "elapsed_ms": image.elapsed.as_secs_f64() * 1e3,
    });
    Ok(Answer::ok(json, lines.take()))
}
