//! `kv dump POOL`: keys and values as JSON lines, in order; changes no byte of the pool.
//!
//! ```text
//! FILE.part:  lines … sync ─ rename ─▶ FILE
//! ```
//!
//! A file that is there stays as it is until the new dump is whole and durable. A dump that broke leaves its lines in
//! `FILE.part`, and `--resume` goes on there; where there is no such file, it goes on in `FILE` itself. Nothing is written
//! or cut before the pool is open and the line to go on behind is understood.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use clap::Args;
use everline::media::Errno;
use everline_kv::{Direction, KvError};
use serde_json::json;

use super::line;
use super::place::{Opened, Place};
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
    let goal = options
        .to
        .as_deref()
        .map(|path| Goal::find(path, options.resume).map_err(|error| cannot_write(path, &error)));
    let goal = goal.transpose()?;
    let last = goal.as_ref().and_then(|goal| goal.last.as_ref());
    let last = last
        .map(|(text, number)| line::read(text, *number))
        .transpose()?;
    let resumed = last.is_some();
    let from = last.map_or(Bound::Unbounded, |(key, _)| Bound::Excluded(key));
    let keys = Keys::Between(from, Bound::Unbounded);
    let (path, dumped) = place.look(global, |opened| {
        let written = write(opened, place, &keys, goal.as_ref())?;
        Ok((opened.path(), written))
    })?;
    let ended = dumped.and_then(|(count, out)| {
        out.end()?;
        goal.as_ref().map_or(Ok(()), Goal::reach).map(|()| count)
    });
    let count = ended.map_err(|error| match &options.to {
        Some(path) => cannot_write(path, &error),
        None => Failure::io("cannot write the dump", &error),
    })?;
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

/// Writes the lines; answers how many, and where they went.
fn write(
    opened: &Opened,
    place: &Place,
    keys: &Keys,
    goal: Option<&Goal>,
) -> Result<io::Result<(u64, Out)>, KvError<Errno>> {
    let bar = bar("dumping", opened.store.space(&place.space)?.count()?);
    let mut out = match goal.map(Goal::open).transpose() {
        Ok(file) => Out::of(file),
        Err(error) => return Ok(Err(error)),
    };
    let (mut count, mut written) = (0, Ok(()));
    let visited = keys.visit(opened, &place.space, Direction::Forward, |key, value| {
        written = writeln!(out, "{}", line::written(key, value, place.hex));
        count += u64::from(written.is_ok());
        bar.inc(1);
        written.is_ok()
    });
    bar.finish_and_clear();
    // What stands in front of damage is kept: a dump that is resumed goes on behind it.
    let written = written.and_then(|()| out.flush());
    visited.map(|()| written.map(|()| (count, out)))
}

/// Where the lines go.
enum Out {
    Standard(BufWriter<io::Stdout>),
    File(BufWriter<File>),
}

impl Out {
    /// To the file, or to standard output where there is none.
    fn of(file: Option<File>) -> Self {
        match file {
            None => Out::Standard(BufWriter::new(io::stdout())),
            Some(file) => Out::File(BufWriter::new(file)),
        }
    }

    /// Everything is written, and durable where it is a file.
    fn end(mut self) -> io::Result<()> {
        self.flush()?;
        match self {
            Out::Standard(_) => Ok(()),
            // Pipes and terminals keep nothing and know no sync.
            Out::File(file) if file.get_ref().metadata()?.is_file() => file.get_ref().sync_all(),
            Out::File(_) => Ok(()),
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

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::io(format_args!("cannot write {}", path.display()), error)
}

/// The file of a dump, and where its lines go until it is whole.
struct Goal {
    file: PathBuf,
    /// What is written: `FILE.part`, or the file itself where lines are added to it or where it is no regular file.
    written: PathBuf,
    /// Bytes that stay.
    keep: u64,
    /// The last line that stays.
    last: Option<Line>,
}

impl Goal {
    /// Looks at what is there, and changes nothing.
    fn find(path: &Path, resume: bool) -> io::Result<Self> {
        // Through links: what they point to is replaced, and not the link.
        let file = match fs::canonicalize(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => path.to_path_buf(),
            found => found?,
        };
        let is_special = fs::metadata(&file).is_ok_and(|data| !data.is_file());
        if is_special && resume {
            let message = "it is no regular file, so that nothing in it can be gone on with";
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        }
        let mut part = OsString::from(&file);
        part.push(".part");
        let part = PathBuf::from(part);
        let written = match is_special || (resume && !part.exists() && file.exists()) {
            true => file.clone(),
            false => part,
        };
        let (keep, last) = match resume && written.exists() {
            true => last_line(&written)?,
            false => (0, None),
        };
        Ok(Goal {
            file,
            written,
            keep,
            last,
        })
    }

    /// Opens what is written, behind what stays.
    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let mut file = options.open(&self.written)?;
        if file.metadata()?.is_file() {
            file.set_len(self.keep)?;
            file.seek(SeekFrom::Start(self.keep))?;
        }
        Ok(file)
    }

    /// Puts what was written, which is durable by now, in the place of the file. Crash: the old file or the new one.
    fn reach(&self) -> io::Result<()> {
        if self.written == self.file {
            return Ok(());
        }
        if let Ok(old) = fs::metadata(&self.file) {
            fs::set_permissions(&self.written, old.permissions())?;
        }
        fs::rename(&self.written, &self.file)?;
        let directory = match self.file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(directory)?.sync_all()
    }
}

/// Where the last whole line of a file ends, and that line.
fn last_line(path: &Path) -> io::Result<(u64, Option<Line>)> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut last, mut text, mut end, mut number) = (None, Vec::new(), 0, 0);
    while reader.read_until(b'\n', &mut text)? > 0 && text.ends_with(b"\n") {
        end += text.len() as u64;
        number += 1;
        last = Some((std::mem::take(&mut text), number));
    }
    Ok((end, last))
}
