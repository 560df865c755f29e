//! `region …`: one file per verb.

mod attr;
mod copy;
mod create;
mod get;
mod ls;
mod persist;
mod put;
mod read;
mod rename;
mod resize;
mod rm;
mod select;
mod stat;
mod write;

pub use select::Selector;

use clap::Subcommand;

use crate::args::Global;
use crate::exit::Failure;
use crate::output::Answer;

/// What can be done with regions.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Store standard input as a region; it is durable, whole, when this ends with 0
    Put(put::Options),
    /// Print a region's bytes; changes no byte of the pool
    Get(get::Options),
    /// Make a region of zeros, or one that grows as it is written
    Create(create::Options),
    /// Store standard input into a region
    Write(write::Options),
    /// Print a part of a region; changes no byte of the pool
    Read(read::Options),
    /// Make durable what was written with `--mode volatile`
    Persist(persist::Options),
    /// Make a region longer or shorter
    Resize(resize::Options),
    /// Make a second region with the same bytes, here or in another pool
    Copy(copy::Options),
    /// Give a region another name
    Rename(rename::Options),
    /// Remove a region
    Rm(rm::Options),
    /// List the regions; changes no byte of the pool
    Ls(ls::Options),
    /// All that is known of a region; changes no byte of the pool
    Stat(stat::Options),
    /// Read or set the bytes of the user's own that travel with a region
    Attr(attr::Options),
}

/// Runs the verb that was typed.
pub fn run(global: &Global, verb: &Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::Put(options) => put::run(global, options),
        Verb::Get(options) => get::run(global, options),
        Verb::Create(options) => create::run(global, options),
        Verb::Write(options) => write::run(global, options),
        Verb::Read(options) => read::run(global, options),
        Verb::Persist(options) => persist::run(global, options),
        Verb::Resize(options) => resize::run(global, options),
        Verb::Copy(options) => copy::run(global, options),
        Verb::Rename(options) => rename::run(global, options),
        Verb::Rm(options) => rm::run(global, options),
        Verb::Ls(options) => ls::run(global, options),
        Verb::Stat(options) => stat::run(global, options),
        Verb::Attr(options) => attr::run(global, options),
    }
}
