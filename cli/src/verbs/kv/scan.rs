//! `kv scan POOL`: keys and values in order; changes no byte of the pool.

use std::ffi::OsString;
use std::ops::Bound;

use clap::Args;
use everline::media::Errno;
use everline_kv::module::bytes;
use everline_kv::{Direction, KvError};
use serde_json::{Value, json};

use super::place::{Opened, Place};
use crate::args::Global;
use crate::exit::Failure;
use crate::output::{Answer, Lines};

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
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (place, keys) = (&options.place, options.range.typed(&options.place)?);
    let direction = match options.reverse {
        true => Direction::Backward,
        false => Direction::Forward,
    };
    let mut entries: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let path = place.look(global, |opened| {
        if options.limit > 0 {
            keys.visit(opened, &place.space, direction, |key, value| {
                entries.push((key.to_vec(), value.to_vec()));
                (entries.len() as u64) < options.limit
            })?;
        }
        Ok(opened.path())
    })?;
    let mut lines = Lines::default();
    for (key, value) in &entries {
        lines.say(format_args!("{}\t{}", place.shown(key), place.shown(value)));
    }
    let told = |(key, value): &(Vec<u8>, Vec<u8>)| json!({"key": bytes::to_json(key), "value": bytes::to_json(value)});
    let json = json!({
        "pool": path,
        "space": place.space,
        "count": entries.len(),
        "entries": entries.iter().map(told).collect::<Vec<Value>>(),
    });
    Ok(Answer::ok(json, lines.take()))
}
