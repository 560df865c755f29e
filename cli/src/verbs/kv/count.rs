//! `kv count POOL`: how many keys; changes no byte of the pool.

use clap::Args;
use everline_kv::Direction;
use serde_json::json;

use super::place::Place;
use super::scan::Range;
use crate::args::Global;
use crate::exit::Failure;
use crate::output::Answer;

/// What `kv count` can be told.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    range: Range,
}

/// Visits the keys of a range; all keys have a counter of their own.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (place, keys) = (&options.place, options.range.typed(&options.place)?);
    let (path, count) = place.look(global, |opened| {
        let mut count = 0_u64;
        match options.range.is_all() {
            true => count = opened.store.space(&place.space)?.count()?,
            false => keys.visit(opened, &place.space, Direction::Forward, |_, _| {
                count += 1;
                true
            })?,
        }
        Ok((opened.path(), count))
    })?;
    let json = json!({"pool": path, "space": place.space, "count": count});
    Ok(Answer::ok(json, format!("{count}\n")))
}
