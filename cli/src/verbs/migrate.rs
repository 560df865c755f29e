//! `migrate POOL PATH`: moves a pool to another place; at every moment one whole copy of it is the pool.

use std::path::PathBuf;

use clap::Args;
use everline_region::transfer::MigrateOptions;
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::Failure;
use crate::open::for_writing;
use crate::output::{Answer, Lines, size};
use crate::progress::Copying;

/// What `migrate` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline migrate pool.pmem /mnt/pmem/pool.pmem")]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
    /// Where it goes; an empty directory means pool.pmem inside it
    to: PathBuf,
    /// Leave the source as it is: the copy is a pool of its own then, with other identifiers, which are listed
    #[arg(long)]
    keep_source: bool,
    /// Bytes that are written at a time; 0 means all at once
    #[arg(long, value_parser = everline_region::parse_size)]
    transfer_size: Option<u64>,
    /// The same and `merge_config` as one JSON object: {"transfer_size", "remove_source", "merge_config"}
    #[arg(long, value_name = "JSON")]
    options: Option<String>,
}

impl Options {
    fn migration(&self) -> Result<MigrateOptions, Failure> {
        let mut options = match &self.options {
            Some(text) => MigrateOptions::from_json(text).map_err(Failure::usage)?,
            None => MigrateOptions::default(),
        };
        if let Some(bytes) = self.transfer_size {
            options.transfer.transfer_size = bytes;
        }
        options.remove_source &= !self.keep_source;
        Ok(options)
    }
}

/// The copy is compared with the source before it gets its name, and the source goes after that.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let migration = options.migration()?;
    let pool = for_writing(&options.pool, global)?;
    let mut bar = Copying::default();
    let (moved, done) = pool
        .target
        .migrate(&options.to, &migration, |progress| bar.show(progress))?;
    moved.close()?;
    if !migration.remove_source {
        pool.target.close()?;
    }
    let image = &done.image;
    let mut lines = Lines::default();
    lines
        .put(
            if migration.remove_source {
                "moved"
            } else {
                "copied"
            },
            image.path.display(),
        )
        .put("size", size(image.bytes))
        .put("written", size(image.written))
        .put("checksum", format_args!("{:08x}", image.checksum))
        .put("took", format_args!("{:.3} s", image.elapsed.as_secs_f64()));
    for (old, new) in &done.renamed {
        lines.put("renamed", format_args!("{old} {new}"));
    }
    let renamed: Vec<Value> = done
        .renamed
        .iter()
        .map(|(old, new)| json!({"source": old.to_string(), "copy": new.to_string()}))
        .collect();
    let json = json!({
        "pool": pool.path.display().to_string(),
        "path": image.path.display().to_string(),
        "source_removed": migration.remove_source,
        "size_bytes": image.bytes,
        "written_bytes": image.written,
        "checksum": format!("{:08x}", image.checksum),
        "elapsed_ms": image.elapsed.as_secs_f64() * 1e3,
        "renamed": renamed,
    });
    Ok(Answer::ok(json, lines.take()))
}
