//! `heap PATH [--svg FILE]`: what lies where in the heap; changes no byte.

mod svg;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use everline::alloc::{Extent, ExtentKind};
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::open::for_reading;
use crate::output::{Answer, Lines, size};

/// What `heap` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline heap pool.pmem --svg heap.svg")]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    path: PathBuf,
    /// Draw the heap into this file, for a browser; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Extents of one kind, together.
#[derive(Default)]
struct Sum {
    extents: u64,
    bytes: u64,
    live: u64,
    objects: u64,
}

/// Opens read-only and walks the heap in order of place.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (pool, _place) = for_reading(&options.path, global)?;
    let here = pool.path.display().to_string();
    let mut extents = Vec::new();
    pool.target
        .engine()
        .for_each_extent(|extent| extents.push(extent))
        .map_err(|corrupt| Failure::new(Code::Inconsistent, "corrupt", corrupt).at(&here))?;
    pool.target.still_whole()?;
    if let Some(file) = &options.svg {
        std::fs::write(file, svg::draw(&here, &extents)).map_err(|error| {
            Failure::io(format_args!("cannot write {}", file.display()), &error)
        })?;
    }
    let listed: Vec<Value> = extents.iter().map(object).collect();
    let json = json!({
        "path": here,
        "svg": options.svg.as_ref().map(|file| file.display().to_string()),
        "extent_count": extents.len(),
        "extents": listed,
    });
    Ok(Answer::ok(json, table(&extents)))
}

/// One line for each size of object, one for huge objects, one for free slabs.
fn table(extents: &[Extent]) -> String {
    let mut sums: BTreeMap<(u8, u32), Sum> = BTreeMap::new();
    for extent in extents {
        let (key, live, objects) = match extent.kind {
            ExtentKind::Slab {
                object_bytes,
                objects,
                live,
            } => ((0, object_bytes), live, objects),
            ExtentKind::Huge => ((1, 0), 1, 1),
            ExtentKind::Free => ((2, 0), 0, 0),
        };
        let sum = sums.entry(key).or_default();
        sum.extents += 1;
        sum.bytes += extent.range.len().get();
        sum.live += u64::from(live);
        sum.objects += u64::from(objects);
    }
    let mut lines = Lines::default();
    for ((kind, object_bytes), sum) in sums {
        let bytes = size(sum.bytes);
        match kind {
            0 => lines.put(
                &format!("{object_bytes} bytes each"),
                format_args!("{} of {} live in {bytes}", sum.live, sum.objects),
            ),
            1 => lines.put("huge", format_args!("{} live in {bytes}", sum.live)),
            _ => lines.put("free", format_args!("{bytes} in {} pieces", sum.extents)),
        };
    }
    lines.take()
}

fn object(extent: &Extent) -> Value {
    let (at, len) = (extent.range.start().get(), extent.range.len().get());
    match extent.kind {
        ExtentKind::Free => json!({"kind": "free", "at": at, "bytes": len}),
        ExtentKind::Huge => json!({"kind": "huge", "at": at, "bytes": len, "live": 1}),
        ExtentKind::Slab {
            object_bytes,
            objects,
            live,
        } => json!({
            "kind": "slab", "at": at, "bytes": len,
            "object_bytes": object_bytes, "objects": objects, "live": live,
        }),
    }
}
