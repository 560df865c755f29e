//! `kv cas POOL KEY [VALUE]`: stores a value only where the key has the expected one.

use std::ffi::OsString;

use clap::Args;
use everline_kv::Condition;
use everline_kv::module::bytes;
use serde_json::json;

use super::place::{Place, value_or_input};
use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::output::{Answer, size};

/// What `kv cas` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: everline kv cas pool.pmem counter 8 --expect 7\n          \
                        everline kv cas pool.pmem lock me --absent"
)]
pub struct Options {
    #[command(flatten)]
    place: Place,
    /// The key
    key: OsString,
    /// The value; standard input where none is given
    value: Option<OsString>,
    /// Only where the key has this value
    #[arg(long, value_name = "VALUE", group = "condition")]
    expect: Option<OsString>,
    /// Only where there is no such key
    #[arg(long, group = "condition")]
    absent: bool,
    /// Only where there is such a key
    #[arg(long, group = "condition")]
    present: bool,
}

/// Ends with 4 where the key is not as expected; nothing is changed then.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let place = &options.place;
    let key = place.typed(&options.key)?;
    let expected = options.expect.as_ref().map(|word| place.typed(word));
    let expected = expected.transpose()?;
    let condition = match (&expected, options.absent, options.present) {
        (Some(value), ..) => Condition::Equals(value),
        (None, true, _) => Condition::Absent,
        (None, _, true) => Condition::Present,
        _ => {
            let message = "say what is expected: --expect VALUE, --absent or --present";
            return Err(Failure::usage(message));
        }
    };
    let value = value_or_input(place, options.value.as_ref())?;
    let path = place.change(global, |opened| {
        let space = match options.absent {
            true => opened.space_or_new(&place.space)?,
            false => opened.tell(opened.store.space(&place.space))?,
        };
        match opened.tell(space.put_if(&key, condition, &value))? {
            true => Ok(opened.path()),
            false => {
                let message = format!(
                    "the key \"{}\" is not as expected: nothing was changed; `kv get` shows what it is",
                    place.shown(&key)
                );
                Err(Failure::new(Code::Io, "condition", message).at(opened.path()))
            }
        }
    })?;
    let json = json!({
        "pool": path,
        "space": place.space,
        "key": bytes::to_json(&key),
        "bytes": value.len(),
        "swapped": true,
    });
    let text = format!(
        "stored               {} under {}\n",
        size(value.len() as u64),
        place.shown(&key)
    );
    Ok(Answer::ok(json, text))
}
