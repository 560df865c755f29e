//! `kv scan POOL`: keys and values in order; changes no byte of the pool.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::ops::Bound;

use clap::Args;
use everline::media::Errno;
use everline_kv::module::bytes;
use everline_kv::{Direction, KvError};
use serde_json::{Value, json};

use super::place::{Opened, Place};
use crate::args::Global;
use crate::exit::Failure;
use crate::output::Answer;

/// Which keys.
#[derive(Debug, Args)]
pub struct Range {
    /// Only keys that begin with this
    #[arg(long, conflicts_with_all = ["from", "to"])]
    prefix: Option<OsString>,
    /// The first key, itself included
    #[arg(long)]
    from: Option<OsString>,
    /// The end, itself left out
    #[arg(long)]
    to: Option<OsString>,
}

impl Range {
    /// Whether nothing was typed that leaves a key out.
    pub fn is_all(&self) -> bool {
        self.prefix.is_none() && self.from.is_none() && self.to.is_none()
    }

    /// The bounds that were typed.
    pub fn typed(&self, place: &Place) -> Result<Keys, Failure> {
        let read =
            |word: &Option<OsString>| word.as_ref().map(|word| place.typed(word)).transpose();
        Ok(match read(&self.prefix)? {
            Some(prefix) => Keys::Prefix(prefix),
            None => Keys::Between(
                read(&self.from)?.map_or(Bound::Unbounded, Bound::Included),
                read(&self.to)?.map_or(Bound::Unbounded, Bound::Excluded),
            ),
        })
    }
}

/// Keys to visit.
pub enum Keys {
    /// Those that begin with this.
    Prefix(Vec<u8>),
    /// Those in between.
    Between(Bound<Vec<u8>>, Bound<Vec<u8>>),
}

impl Keys {
    /// Visits them in the keyspace, until `visit` answers `false`.
    pub fn visit(
        &self,
        opened: &Opened,
        space: &str,
        direction: Direction,
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), KvError<Errno>> {
        let space = opened.store.space(space)?;
        let mut scan = match self {
            Keys::Prefix(prefix) => space.scan_prefix(prefix, direction),
            Keys::Between(from, to) => space.scan((from.clone(), to.clone()), direction),
        };
        while let Some((key, value)) = scan.next_entry()? {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}

/// What `kv scan` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline kv scan pool.pmem --prefix user: --limit 10")]
pub struct Options {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    range: Range,
    /// From the last key to the first
    #[arg(long)]
    reverse: bool,
    /// At most so many keys
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
}

/// Lines of key, tab, value; bytes that are no printable text are escaped, or all are digits with `--hex`.
///
/// Lines are printed as they are found. The one object of `--json` is held until it is whole, because an error must be the
/// only object then; `kv dump` prints any number of keys as JSON without holding them.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (place, keys) = (&options.place, options.range.typed(&options.place)?);
    let mut found = match global.json {
        true => Found::Held(Vec::new()),
        false => Found::Printed(BufWriter::new(io::stdout()), Ok(())),
    };
    let mut count = 0;
    let path = place.look(global, |opened| {
        let visit = |key: &[u8], value: &[u8]| {
            count += 1;
            found.take(place, key, value) && count < options.limit
        };
        match options.limit {
            0 => opened.store.space(&place.space).map(drop)?,
            _ => keys.visit(opened, &place.space, options.direction(), visit)?,
        }
        Ok(opened.path())
    });
    // What was found in front of an error is printed in front of it.
    let entries = found.end();
    let (path, entries) = (path?, entries?);
    let json = json!({"pool": path, "space": place.space, "count": count, "entries": entries});
    Ok(Answer::ok(json, ""))
}

impl Options {
    fn direction(&self) -> Direction {
        match self.reverse {
            true => Direction::Backward,
            false => Direction::Forward,
        }
    }
}

/// Where the keys and values go that a scan finds.
enum Found {
    /// To be told in one object.
    Held(Vec<Value>),
    /// Lines on standard output, as far as they could be written.
    Printed(BufWriter<io::Stdout>, io::Result<()>),
}

impl Found {
    /// Takes an entry; answers whether there is a sense in another one.
    fn take(&mut self, place: &Place, key: &[u8], value: &[u8]) -> bool {
        match self {
            Found::Held(entries) => {
                entries.push(json!({"key": bytes::to_json(key), "value": bytes::to_json(value)}));
                true
            }
            Found::Printed(out, written) => {
                *written = writeln!(out, "{}\t{}", place.shown(key), place.shown(value));
                written.is_ok()
            }
        }
    }

    /// What was held. Errors: standard output is closed or full.
    fn end(self) -> Result<Vec<Value>, Failure> {
        match self {
            Found::Held(entries) => Ok(entries),
            Found::Printed(mut out, written) => {
                let written = written.and_then(|()| out.flush());
                written.map_err(|error| Failure::io("cannot write to standard output", &error))?;
                Ok(Vec::new())
            }
        }
    }
}
