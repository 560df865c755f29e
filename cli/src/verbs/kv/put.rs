//! `kv put POOL KEY [VALUE]`: stores a value, or standard input, under a key.

use std::ffi::OsString;

use clap::Args;
use everline_kv::module::bytes;
use serde_json::json;

use super::place::{Place, value_or_input};
use crate::args::Global;
use crate::exit::Failure;
use crate::output::{Answer, size};

/// What `kv put` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: everline kv put pool.pmem user:1 Alice\n          \
                        everline kv put pool.pmem --hex fffe 00ff\n          \
                        everline kv put pool.pmem picture < picture.png"
)]
pub struct Options {
    #[command(flatten)]
    place: Place,
    /// The key
    key: OsString,
    /// The value; standard input where none is given
    value: Option<OsString>,
}

/// One commit: after a crash the old value is there or the new one. A keyspace that is missing is made.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let key = options.place.typed(&options.key)?;
    let value = value_or_input(&options.place, options.value.as_ref())?;
    let (path, receipt) = options.place.change(global, |opened| {
        let space = opened.space_or_new(&options.place.space)?;
        let receipt = opened.tell(space.put(&key, &value))?;
        Ok((opened.path(), receipt))
    })?;
    let json = json!({
        "pool": path,
        "space": options.place.space,
        "key": bytes::to_json(&key),
        "bytes": value.len(),
        "lsn": receipt.lsn,
        "durable": receipt.durable,
    });
    let text = format!(
        "stored               {} under {}\n",
        size(value.len() as u64),
        options.place.shown(&key)
    );
    Ok(Answer::ok(json, text))
}
