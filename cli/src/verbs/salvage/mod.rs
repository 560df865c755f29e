//! `salvage PATH DIR`: saves what is readable of a pool's regions as files; changes no byte of the pool.

mod names;
mod write;

use std::path::{Path, PathBuf};

use clap::Args;
use everline::engine::salvage::{Source, candidates, open_as};
use everline::engine::{Engine, OpenOptions};
use everline::media::Media;
use everline::media::file::{FileMedia, PrivateMedia};
use everline::units::{ByteOffset, ByteRange};
use everline_region::salvage::{Origin, Readable, Salvage, Way, identify, salvage};
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

/// How far the pool could be opened.
struct Opened {
    engine: Engine<PrivateMedia>,
    origin: Origin,
    notes: Vec<String>,
    /// Whether the log was replayed, so that what is read is the last committed state.
    settled: bool,
}

/// Ends with 0 where every region is saved whole, with 1 where something is missing.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let path = file_at(&options.path);
    write::refuse_used(&options.directory)?;
    let opened = open(&options.path, global)?;
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

/// A file's own bytes.
struct Bytes<'m>(&'m PrivateMedia);

impl Readable for Bytes<'_> {
    fn len(&self) -> u64 {
        self.0.len().get()
    }

    fn read(&self, at: u64, into: &mut [u8]) -> bool {
        let range = ByteRange::at(at, into.len() as u64);
        let inside = range.is_some_and(|range| range.end().get() <= Readable::len(self));
        if inside {
            self.0.read(ByteOffset::new(at), into);
        }
        inside
    }
}

/// Opens a private copy, by whatever still says what lies where.
fn open(path: &Path, global: &Global) -> Result<Opened, Failure> {
    let private = || FileMedia::open_private(path, &global.file());
    let read_only = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let refused = match Engine::open(private()?, &read_only) {
        Ok((engine, _)) => {
            return Ok(Opened {
                origin: Origin::of(&engine),
                engine,
                notes: Vec::new(),
                settled: true,
            });
        }
        Err(refused) => refused,
    };
    let image = private()?;
    for mut candidate in candidates(&image, None) {
        // Fields of a damaged superblock are not believed by themselves.
        let told = candidate.source == Source::Superblock;
        if !told {
            candidate.pool_id = identify(&Bytes(&image), candidate.pool_id);
        }
        let Ok(opened) = open_as(private()?, &candidate) else {
            continue;
        };
        let mut notes = vec![format!("the pool does not open: {refused}")];
        let mut origin = Origin::of(&opened.engine);
        if !told {
            (origin.pool_id, origin.key) = (candidate.pool_id, None);
            notes.push("both superblocks are damaged: regions have no identifiers here".into());
        }
        for finding in &opened.plan.findings {
            if let Some(cost) = finding.repair.costs() {
                notes.push(format!("at {}: {cost}", finding.at));
            }
        }
        return Ok(Opened {
            engine: opened.engine,
            origin,
            notes,
            settled: false,
        });
    }
    Err(Failure::from(refused).at(path.display()))
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
