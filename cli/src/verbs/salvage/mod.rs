//! `salvage PATH DIR`: saves what is readable of a pool's regions as files; changes no byte of the pool.

mod names;
mod write;

use std::path::{Path, PathBuf};

use clap::Args;
use everline::media::Media;
use everline::media::file::FileMedia;
use everline_region::salvage::{Salvage, SalvageError, Way, open, salvage};
use serde_json::json;

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::open::file_at;
use crate::output::{Answer, Lines, size};

/// What `salvage` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Each region becomes a file in DIR, under its name or its identifier; one of which not every byte can be \
                  trusted is named *.partial. DIR/salvage.json says what is known of each piece.\n\n\
                  Example: everline salvage /mnt/pmem/pool.pmem /backup/saved"
)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    path: PathBuf,
    /// Where the files go: a directory that is empty or not there yet
    directory: PathBuf,
}

/// Lines of what could not be read that are listed; the index holds all of them.
const LISTED_MAX: usize = 50;

/// Ends with 0 where every region is saved whole, with 1 where something is missing.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let path = file_at(&options.path);
    write::refuse_used(&options.directory)?;
    let opened = open(|| FileMedia::open_private(&options.path, &global.file())).map_err(
        |error| match error {
            SalvageError::Copy(error) => error.into(),
            SalvageError::Open(error) => Failure::from(error).at(path.display()),
        },
    )?;
    let mut found = salvage(&opened.engine, &opened.origin);
    let mut notes = opened.notes;
    notes.append(&mut found.notes);
    write::all(
        &options.directory,
        &path,
        &opened.engine,
        &found,
        &notes,
        opened.settled,
    )?;
    // Zeros may have stood in for pages of the file that could not be read.
    let intact = opened.engine.pool().media().intact();
    if !intact {
        notes.push("parts of the file could not be read: zeros stand in for them".to_owned());
    }
    Ok(answer(
        &path,
        options,
        &found,
        &notes,
        opened.settled && intact,
    ))
}

fn answer(
    path: &Path,
    options: &Options,
    found: &Salvage,
    notes: &[String],
    settled: bool,
) -> Answer {
    let whole = found.regions.iter().filter(|region| region.is_complete());
    let (count, whole) = (found.regions.len(), whole.count());
    let bytes: u64 = found.regions.iter().map(|region| region.len).sum();
    let complete = whole == count && notes.is_empty() && settled;
    let mut lines = Lines::default();
    for note in notes.iter().take(LISTED_MAX) {
        lines.say(note);
    }
    lines
        .put("path", path.display())
        .put("saved to", options.directory.display())
        .put("found by", way(found.way))
        .put("regions", count)
        .put("whole", whole)
        .put("bytes", size(bytes))
        .put(
            "as of",
            if settled {
                "the last commit"
            } else {
                "an unknown moment: the log could not be replayed as it should be"
            },
        );
    let json = json!({
        "path": path.display().to_string(),
        "directory": options.directory.display().to_string(),
        "found_by": way(found.way),
        "regions": count,
        "whole": whole,
        "bytes": bytes,
        "settled": settled,
        "complete": complete,
        "notes": notes,
    });
    Answer {
        code: if complete {
            Code::Ok
        } else {
            Code::Inconsistent
        },
        json,
        text: lines.take().into_bytes(),
    }
}

/// How entries were found, in words.
pub fn way(way: Way) -> &'static str {
    match way {
        Way::Root => "the directory's root",
        Way::MendedRoot => "the directory's root, with one byte put right",
        Way::Entries => "entries, wherever they lie",
        Way::Nothing => "nothing",
    }
}
