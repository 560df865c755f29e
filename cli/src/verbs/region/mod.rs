//! `region put|get|ls|rm`: named regions.

mod get;
mod ls;
mod put;
mod rm;

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
    /// List the regions; changes no byte of the pool
    Ls(ls::Options),
    /// Remove a region
    Rm(rm::Options),
}

/// Runs the verb that was typed.
pub fn run(global: &Global, verb: &Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::Put(options) => put::run(global, options),
        Verb::Get(options) => get::run(global, options),
        Verb::Ls(options) => ls::run(global, options),
        Verb::Rm(options) => rm::run(global, options),
    }
}
