//! `kv …`: one file per verb.

mod cas;
mod count;
mod del;
mod dump;
mod get;
mod line;
mod load;
mod place;
mod put;
mod scan;
mod spaces;
mod watch;

pub use place::{Medium, Opened, bytes_of, with_store};

use clap::Subcommand;

use crate::args::Global;
use crate::exit::Failure;
use crate::output::Answer;

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Store a value under a key; it is durable when this ends with 0
    Put(put::Options),
    /// Print the value of a key; changes no byte of the pool
    Get(get::Options),
    /// Remove a key
    Del(del::Options),
    /// Store a value only where the key has the expected one, or none
    Cas(cas::Options),
    /// List keys and values in order; changes no byte of the pool
    Scan(scan::Options),
    /// Count keys; changes no byte of the pool
    Count(count::Options),
    /// List the keyspaces; changes no byte of the pool
    Spaces(spaces::Options),
    /// Store the keys and values of JSON lines; goes on where a broken load stopped
    Load(load::Options),
    /// Print keys and values as JSON lines; changes no byte of the pool
    Dump(dump::Options),
    /// Print the numbers of the store again and again; changes no byte of the pool
    WatchMetrics(watch::Options),
}

/// Runs the verb that was typed.
pub fn run(global: &Global, verb: &Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::Put(options) => put::run(global, options),
        Verb::Get(options) => get::run(global, options),
        Verb::Del(options) => del::run(global, options),
        Verb::Cas(options) => cas::run(global, options),
        Verb::Scan(options) => scan::run(global, options),
        Verb::Count(options) => count::run(global, options),
        Verb::Spaces(options) => spaces::run(global, options),
        Verb::Load(options) => load::run(global, options),
        Verb::Dump(options) => dump::run(global, options),
        Verb::WatchMetrics(options) => watch::run(global, options),
    }
}
