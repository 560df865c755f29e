//! `kv load POOL [FILE]`: stores the keys and values of JSON lines; goes on where a broken load stopped.
//!
//! ```text
//! commit:  some lines' keys  +  how far the input is read, under its name in the keyspace "everline.loads"
//! ```
//!
//! Both are one commit, so that a load that was killed, by whatever, goes on behind its last commit and repeats nothing. The
//! last commit removes the position. A position is believed only where everything in front of it in the input has the
//! checksum of what was loaded.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use clap::Args;
use everline::arch::crc32c;
use everline_kv::Space;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::line;
use super::place::{Medium, Opened, Place};
use crate::args::Global;
use crate::exit::Failure;
use crate::output::Answer;
use crate::progress::bar;

/// Where loads under way keep how far they are.
const POSITIONS: &str = "everline.loads";

/// Bytes of input after which a commit is made, however few lines that are.
const BATCH_BYTES: u64 = 1 << 20;

/// What `kv load` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: everline kv load pool.pmem keys.jsonl\n          \
                        zcat keys.gz | everline kv load pool.pmem --name keys"
)]
pub struct Options {
    #[command(flatten)]
    place: Place,
    /// The file to read; standard input where none is given
    file: Option<PathBuf>,
    /// The name under which a broken load is resumed; the path of the file, unless given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Begin with the first line, whatever an earlier load has done
    #[arg(long)]
    restart: bool,
    /// Lines in one commit
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
}

/// How far the input is read and its keys are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    bytes: u64,
    lines: u64,
    /// Keys in those lines; empty lines have none.
    keys: u64,
    /// Checksum of everything in front of it.
    crc: u32,
}

impl Position {
    fn to_bytes(self) -> Vec<u8> {
        let told = json!({
            "bytes": self.bytes,
            "lines": self.lines,
            "keys": self.keys,
            "crc": self.crc,
        });
        told.to_string().into_bytes()
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let number = |name: &str| value.get(name)?.as_u64();
        Some(Position {
            bytes: number("bytes")?,
            lines: number("lines")?,
            keys: number("keys")?,
            crc: number("crc")?.try_into().ok()?,
        })
    }

    fn pass(&mut self, line: &[u8]) {
        self.bytes += line.len() as u64;
        self.lines += u64::from(!line.is_empty());
        self.crc = crc32c(self.crc, line);
    }
}

/// The input: a file or standard input.
struct Input {
    reader: Box<dyn BufRead>,
    /// Bytes in all, where that is known.
    len: Option<u64>,
    name: Option<String>,
}

fn input(options: &Options) -> Result<Input, Failure> {
    let Some(path) = &options.file else {
        return Ok(Input {
            reader: Box::new(BufReader::new(io::stdin())),
            len: None,
            name: options.name.clone(),
        });
    };
    let failed = |error| Failure::io(format_args!("cannot read {}", path.display()), &error);
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let own = || std::fs::canonicalize(path).map(|path| path.display().to_string());
    let name = match &options.name {
        Some(name) => name.clone(),
        None => own().map_err(failed)?,
    };
    Ok(Input {
        reader: Box::new(BufReader::new(file)),
        len: Some(len),
        name: Some(name),
    })
}

/// A load with what it goes on with.
struct Load<'o> {
    opened: &'o Opened,
    space: Space<Medium>,
    /// Where the position lies, where the input has a name.
    positions: Option<(Space<Medium>, String)>,
    at: Position,
}

/// Without a name, standard input is loaded and nothing is resumed.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let mut input = input(options)?;
    let (path, begun, end) = options.place.change(global, |opened| {
        let mut load = Load::begin(opened, options, input.name.clone())?;
        let begun = load.at;
        skip(&mut input.reader, &begun)?;
        let bar = bar("loading", input.len.unwrap_or(0));
        bar.set_position(begun.bytes);
        let done = load.run(&mut input.reader, options.batch, &bar, global);
        bar.finish_and_clear();
        done?;
        Ok((opened.path(), begun, load.at))
    })?;
    let json = json!({
        "pool": path,
        "space": options.place.space,
        "lines": end.lines,
        "loaded": end.keys - begun.keys,
        "resumed_behind_line": (begun.lines > 0).then_some(begun.lines),
    });
    let text = format!("loaded               {} keys\n", end.keys - begun.keys);
    Ok(Answer::ok(json, text))
}

impl<'o> Load<'o> {
    fn begin(opened: &'o Opened, options: &Options, name: Option<String>) -> Result<Self, Failure> {
        let space = opened.space_or_new(&options.place.space)?;
        let Some(name) = name else {
            return Ok(Load {
                opened,
                space,
                positions: None,
                at: Position::default(),
            });
        };
        let positions = opened.space_or_new(POSITIONS)?;
        // One input may be loaded into several keyspaces.
        let name = format!("{}\0{name}", options.place.space);
        if options.restart {
            // At once: should this load break before its first commit, the next one begins with the first line too.
            opened.tell(positions.delete(&name))?;
        }
        let found = opened.tell(positions.get(&name))?;
        let at = found.map(|bytes| {
            let wrong = "the position of the broken load cannot be read: begin anew with --restart";
            Position::of(&bytes).ok_or_else(|| Failure::usage(wrong))
        });
        Ok(Load {
            opened,
            space,
            positions: Some((positions, name)),
            at: at.transpose()?.unwrap_or_default(),
        })
    }

    /// Commits batch after batch until the input ends.
    fn run(
        &mut self,
        reader: &mut dyn BufRead,
        batch: u64,
        bar: &ProgressBar,
        global: &Global,
    ) -> Result<(), Failure> {
        while !self.commit(reader, batch)? {
            bar.set_position(self.at.bytes);
            if global.verbose > 0 {
                eprintln!("loaded {} lines", self.at.lines);
            }
        }
        Ok(())
    }

    /// Stores the next lines and the position behind them in one commit; answers whether the input has ended.
    fn commit(&mut self, reader: &mut dyn BufRead, batch: u64) -> Result<bool, Failure> {
        let tx = self.opened.tell(self.opened.store.begin())?;
        let (mut next, mut text) = (self.at, Vec::new());
        let mut ended = false;
        while !ended
            && next.lines - self.at.lines < batch
            && next.bytes - self.at.bytes < BATCH_BYTES
        {
            text.clear();
            let read = reader.read_until(b'\n', &mut text);
            read.map_err(|error| Failure::io("cannot read the input", &error))?;
            // A line without its end is the last one: no position is kept behind it, in the middle of a line.
            ended = !text.ends_with(b"\n");
            next.pass(&text);
            if text.trim_ascii().is_empty() {
                continue;
            }
            next.keys += 1;
            let (key, value) = line::read(&text, next.lines)?;
            let put = tx.on(&self.space).put(&key, &value);
            self.opened
                .tell(put)
                .map_err(|error| error.at(format_args!("line {}", next.lines)))?;
        }
        if let Some((positions, name)) = &self.positions {
            let kept = match ended {
                true => tx.on(positions).delete(name).map(drop),
                false => tx.on(positions).put(name, next.to_bytes()),
            };
            self.opened.tell(kept)?;
        }
        self.opened.tell(tx.commit())?;
        self.at = next;
        Ok(ended)
    }
}

/// Passes over what an earlier load has stored, and looks whether it is the same input.
fn skip(reader: &mut dyn BufRead, begun: &Position) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::io("cannot read the input", &error);
    let (mut reader, mut crc, mut passed) = (reader.take(begun.bytes), 0, 0);
    loop {
        let bytes = reader.fill_buf().map_err(failed)?;
        if bytes.is_empty() {
            break;
        }
        crc = crc32c(crc, bytes);
        let len = bytes.len();
        passed += len as u64;
        reader.consume(len);
    }
    if (passed, crc) == (begun.bytes, begun.crc) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the input is not the one whose first {} lines are loaded: give that one, another --name, or --restart",
        begun.lines
    )))
}
