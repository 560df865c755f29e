//! `info PATH`: identity, geometry, layout, durability; changes no byte.

use std::path::PathBuf;

use clap::Args;
use everline::layout::FORMAT_VERSION;
use serde_json::json;

use crate::args::Global;
use crate::exit::Failure;
use crate::open::{for_reading, safety};
use crate::output::{Answer, Lines, hex, size};

/// What `info` can be told.
#[derive(Debug, Args)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    path: PathBuf,
}

/// Opens read-only and tells what is there.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (pool, place) = for_reading(&options.path, global)?;
    let engine = pool.target.engine();
    let (superblock, geometry) = (engine.pool(), engine.pool().geometry());
    let regions = pool
        .target
        .count()
        .map_err(|error| Failure::from(error).at(pool.path.display()))?;
    let recovery = pool.target.report().recovery;
    let durability = place.durability;
    let layout = superblock.layout_name();
    let unclean = recovery.redone + recovery.undone > 0;
    pool.target.still_whole()?;
    let mut lines = Lines::default();
    lines
        .put("path", pool.path.display())
        .put("identity", hex(superblock.id()))
        .put("layout", format_args!("\"{layout}\""))
        .put("format version", FORMAT_VERSION)
        .put(
            "created",
            format_args!("{} s after 1970", superblock.created_s()),
        )
        .put("size", size(geometry.len()))
        .put("can grow to", size(geometry.capacity_max()))
        .put(
            "lanes",
            format_args!(
                "{} of {}",
                geometry.lane_count(),
                size(geometry.ring_bytes())
            ),
        )
        .put("slab", size(geometry.slab_bytes().into()))
        .put("regions", regions)
        .put("opens (epoch)", recovery.epoch.saturating_sub(1))
        .put("last LSN", recovery.last_timestamp)
        .put("file system", &place.file_system)
        .put("durability", durability)
        .put("so it is", safety(durability.domain));
    if unclean {
        lines.put(
            "not closed",
            format_args!(
                "the next open redoes {} and undoes {} transactions",
                recovery.redone, recovery.undone
            ),
        );
    }
    let json = json!({
        "path": pool.path.display().to_string(),
        "id": hex(superblock.id()),
        "layout": layout.as_str(),
        "format_version": FORMAT_VERSION,
        "created_s": superblock.created_s(),
        "size_bytes": geometry.len(),
        "capacity_max_bytes": geometry.capacity_max(),
        "lanes": geometry.lane_count(),
        "ring_bytes": geometry.ring_bytes(),
        "slab_bytes": geometry.slab_bytes(),
        "regions": regions,
        "epoch": recovery.epoch.saturating_sub(1),
        "last_lsn": recovery.last_timestamp,
        "clean": !unclean,
        "redo_pending": recovery.redone,
        "undo_pending": recovery.undone,
        "damaged_superblock_copy": pool.target.report().mended_copy,
        "file_system": place.file_system,
        "domain": durability.domain.name(),
        "flush": durability.flush,
        "reason": durability.reason,
        "power_fail_safe": durability.domain != everline::media::Domain::Volatile,
    });
    Ok(Answer::ok(json, lines.take()))
}
