//! `kv del POOL KEY`: removes a key.

use std::ffi::OsString;

use clap::Args;
use everline_kv::module::bytes;
use serde_json::json;

use super::get::no_such_key;
use super::place::Place;
use crate::args::Global;
use crate::exit::Failure;
use crate::output::Answer;

/// What `kv del` can be told.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    place: Place,
    /// The key
    key: OsString,
}

/// Ends with 4 where there is no such key.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let key = options.place.typed(&options.key)?;
    let shown = options.place.shown(&key);
    let path = options.place.change(global, |opened| {
        let space = opened.tell(opened.store.space(&options.place.space))?;
        match opened.tell(space.delete(&key))? {
            true => Ok(opened.path()),
            false => Err(no_such_key(shown.clone()).at(opened.path())),
        }
    })?;
    let json = json!({
        "pool": path,
        "space": options.place.space,
        "key": bytes::to_json(&key),
        "deleted": true,
    });
    Ok(Answer::ok(json, format!("deleted              {shown}\n")))
}
