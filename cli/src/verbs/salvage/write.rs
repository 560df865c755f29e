//! Writes salvaged regions and their index into a directory; everything in it is durable when that returns.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use everline_region::salvage::{Readable, Salvage, SalvagedRegion, Trust};
use serde_json::{Value, json};

use super::names::Names;
use super::way;
use crate::exit::{Code, Failure};
use crate::output::hex;

/// The index's name.
const INDEX: &str = "salvage.json";
/// Bytes that are copied at once.
const PIECE: u64 = 1 << 20;

/// Refuses a directory that holds anything.
pub fn refuse_used(directory: &Path) -> Result<(), Failure> {
    match fs::read_dir(directory).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            let what = "the directory is not empty: choose one that is, or that is not there yet";
            Err(Failure::new(Code::Io, "already_exists", what).at(directory.display()))
        }
        Ok(false) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::io(directory.display(), &error)),
    }
}

/// Writes every region and the index.
pub fn all(
    directory: &Path,
    pool: &Path,
    source: &(impl Readable + ?Sized),
    found: &Salvage,
    notes: &[String],
    settled: bool,
) -> Result<(), Failure> {
    let failed = |error| {
        Failure::io(
            format_args!("cannot write to {}", directory.display()),
            &error,
        )
    };
    fs::create_dir_all(directory).map_err(failed)?;
    let mut names = Names::with_index(INDEX);
    let mut rows = Vec::new();
    for region in &found.regions {
        let name = names.of(region);
        copy(&directory.join(&name), source, region).map_err(failed)?;
        rows.push(row(region, &name));
    }
    let index = json!({
        "pool": pool.display().to_string(),
        "found_by": way(found.way),
        "as_of_the_last_commit": settled,
        "regions": rows,
        "notes": notes,
    });
    let mut file = new(&directory.join(INDEX)).map_err(failed)?;
    let text = serde_json::to_string_pretty(&index).unwrap_or_else(|_| index.to_string());
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed)
}

fn new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Bytes that were never written stay holes of the file.
fn copy(path: &Path, source: &(impl Readable + ?Sized), region: &SalvagedRegion) -> io::Result<()> {
    let file = new(path)?;
    file.set_len(region.len)?;
    let mut bytes = vec![0; PIECE.min(region.len) as usize];
    for piece in &region.pieces {
        if matches!(piece.trust, Trust::Unwritten | Trust::Unreadable) {
            continue;
        }
        let mut at = piece.range.start;
        while at < piece.range.end {
            let step = PIECE.min(piece.range.end - at) as usize;
            region.read(source, at, &mut bytes[..step]);
            file.write_all_at(&bytes[..step], at)?;
            at += step as u64;
        }
    }
    file.sync_all()
}

fn row(region: &SalvagedRegion, file: &str) -> Value {
    let pieces: Vec<Value> = region
        .pieces
        .iter()
        .map(|piece| {
            json!({
                "from": piece.range.start,
                "to": piece.range.end,
                "trust": piece.trust.name(),
            })
        })
        .collect();
    json!({
        "file": file,
        "id": region.id.map(|id| id.to_string()),
        "name": region.name,
        "name_lost": region.name_lost,
        "slot": region.slot,
        "generation": region.generation,
        "bytes": region.len,
        "checked": region.checked,
        "growable": region.growable,
        "created_s": region.created_s,
        "attributes_hex": hex(&region.attributes),
        "entry_mended": region.mended,
        "complete": region.is_complete(),
        "pieces": pieces,
    })
}
