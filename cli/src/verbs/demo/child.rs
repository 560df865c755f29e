//! The process that the demo kills: stores every file that is not in yet, and says on a pipe where it is.
//!
//! | line | meaning |
//! |---|---|
//! | `ready` | the pool is open |
//! | `begin N` | the transaction of file N is open |
//! | `place N` | and its ledger is stored in place, before-image durable (undo) |
//! | `ack N` | file N is durable |
//! | `done` | all are |

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use everline::engine::{OpenOptions, open_file};
use everline::media::file::FileOptions;
use everline_region::Regions;
use serde_json::json;

use super::input;
use super::workload::{Found, Moment, Way, look, prepare, store};
use crate::exit::Failure;
use crate::output::Answer;

/// What the demo tells its child.
#[derive(Debug, Args)]
pub struct Options {
    /// The pool
    #[arg(long)]
    pool: PathBuf,
    /// The files
    #[arg(long)]
    pack: PathBuf,
    /// How long an undo transaction is held open, so that a kill can meet it
    #[arg(long)]
    hold_us: u64,
    /// As the demo's own
    #[arg(long)]
    assumed: bool,
}

/// Runs until all files are in, or until it is killed.
pub fn run(options: &Options) -> Result<Answer, Failure> {
    let items = input::unpack(&options.pack)
        .map_err(|error| Failure::io(options.pack.display(), &error))?;
    let file = FileOptions {
        assume_persistent: options.assumed,
        ..FileOptions::default()
    };
    let (engine, _opened) = open_file(&options.pool, &OpenOptions::default(), &file)?;
    let regions = Regions::open(engine)?;
    say("ready")?;
    prepare(&regions)?;
    for (index, item) in items.iter().enumerate() {
        if look(&regions, item)? == Found::Absent {
            let mut told = Ok(());
            store(&regions, Way::of(index), item, |moment| {
                let word = match moment {
                    Moment::Begun => "begin",
                    Moment::InPlace => "place",
                };
                told = say(&format!("{word} {index}"));
                if moment == Moment::InPlace {
                    sleep(Duration::from_micros(options.hold_us));
                }
            })?;
            told?;
        }
        say(&format!("ack {index}"))?;
    }
    regions.into_engine().close()?;
    say("done")?;
    Ok(Answer::ok(json!({}), ""))
}

/// One line, whole, at once: what was said before a kill is in the pipe.
fn say(line: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::io("cannot speak to the demo", &error))
}
