//! `kv get POOL KEY`: prints the value of a key; changes no byte of the pool.

use std::ffi::OsString;

use clap::Args;
use everline_kv::module::bytes;
use serde_json::json;

use super::place::Place;
use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::output::Answer;

/// What `kv get` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline kv get pool.pmem user:1 --json")]
pub struct Options {
    #[command(flatten)]
    place: Place,
    /// The key
    key: OsString,
}

/// Prints the bytes as they are, or as digits and a newline with `--hex`; ends with 4 where there is no such key.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let key = options.place.typed(&options.key)?;
    let (path, value) = options.place.look(global, |opened| {
        let space = opened.store.space(&options.place.space)?;
        Ok((opened.path(), space.get(&key)?))
    })?;
    let value = value.ok_or_else(|| no_such_key(options.place.shown(&key)).at(&path))?;
    let json = json!({
        "pool": path,
        "space": options.place.space,
        "key": bytes::to_json(&key),
        "value": bytes::to_json(&value),
        "bytes": value.len(),
    });
    let text = match options.place.hex {
        true => format!("{}\n", bytes::to_hex(&value)).into_bytes(),
        false => value,
    };
    Ok(Answer::ok(json, text))
}

/// There is no such key.
pub(super) fn no_such_key(shown: String) -> Failure {
    let message = format!("no key \"{shown}\" here: `kv scan` lists the keys");
    Failure::new(Code::Io, "not_found", message)
}
