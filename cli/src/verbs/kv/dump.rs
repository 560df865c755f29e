//! `kv dump POOL`: keys and values as JSON lines, in order; changes no byte of the pool.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use clap::Args;
use everline_kv::Direction;
use serde_json::json;

use super::line;
use super::place::Place;
use super::scan::Keys;
use crate::args::Global;
use crate::exit::Failure;
use crate::output::Answer;
use crate::progress::bar;

/// What `kv dump` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline kv dump pool.pmem --to keys.jsonl --resume")]
pub struct Options {
    #[command(flatten)]
    place: Place,
    /// The file to write; standard output where none is given
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Go on behind the last whole line of the file, where a broken dump stopped
    #[arg(long, requires = "to")]
    resume: bool,
}

/// All lines show one moment, but for those of a dump that was broken and resumed.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    if global.json && options.to.is_none() {
        let message =
            "--json prints one object, and a dump is lines: give the dump a file with --to";
        return Err(Failure::usage(message));
    }
    let place = &options.place;
    let (mut out, from) = match &options.to {
        None => (Out::Standard(BufWriter::new(io::stdout())), None),
        Some(path) => {
            let failed =
                |error| Failure::io(format_args!("cannot write {}", path.display()), &error);
            let (file, last) = open(path, options.resume).map_err(failed)?;
            let from = last
                .map(|(text, number)| line::read(&text, number))
                .transpose()?;
            (Out::File(BufWriter::new(file)), from.map(|(key, _)| key))
        }
    };
    let resumed = from.is_some();
    let keys = Keys::Between(
        from.map_or(Bound::Unbounded, Bound::Excluded),
        Bound::Unbounded,
    );
    let mut written = Ok(0_u64);
    let path = place.look(global, |opened| {
        let total = opened.store.space(&place.space)?.count()?;
        let bar = bar("dumping", total);
        let visited = keys.visit(opened, &place.space, Direction::Forward, |key, value| {
            bar.inc(1);
            let text = line::written(key, value, place.hex);
            match (&written, writeln!(out, "{text}")) {
                (Ok(count), Ok(())) => written = Ok(count + 1),
                (_, Err(error)) => written = Err(error),
                (Err(_), Ok(())) => {}
            }
            written.is_ok()
        });
        bar.finish_and_clear();
        visited.map(|()| opened.path())
    })?;
    let count = written.and_then(|count| out.end().map(|()| count));
    let count = count.map_err(|error| Failure::io("cannot write the dump", &error))?;
    let json = json!({
        "pool": path,
        "space": place.space,
        "count": count,
        "resumed": resumed,
        "to": options.to.as_ref().map(|path| path.display().to_string()),
    });
    let text = match options.to {
        Some(_) => format!("dumped               {count} keys\n"),
        None => String::new(),
    };
    Ok(Answer::ok(json, text))
}

/// Where the lines go.
enum Out {
    Standard(BufWriter<io::Stdout>),
    File(BufWriter<File>),
}

impl Out {
    /// Everything is written, and durable where it is a file.
    fn end(mut self) -> io::Result<()> {
        self.flush()?;
        match self {
            Out::Standard(_) => Ok(()),
            Out::File(file) => file.get_ref().sync_all(),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Out::Standard(out) => out.write(bytes),
            Out::File(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Out::Standard(out) => out.flush(),
            Out::File(out) => out.flush(),
        }
    }
}

/// A line of a dump and its number.
type Line = (Vec<u8>, u64);

/// Opens the file of a dump: empty, or behind its last whole line.
fn open(path: &Path, resume: bool) -> io::Result<(File, Option<Line>)> {
    if !resume {
        return Ok((File::create(path)?, None));
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    let (mut last, mut text, mut end, mut number) = (None, Vec::new(), 0, 0);
    let mut reader = BufReader::new(&file);
    while reader.read_until(b'\n', &mut text)? > 0 && text.ends_with(b"\n") {
        end += text.len() as u64;
        number += 1;
        last = Some((std::mem::take(&mut text), number));
    }
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    Ok((file, last))
}
