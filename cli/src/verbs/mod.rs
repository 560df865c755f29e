//! One file per verb.

pub mod check;
pub mod compact;
pub mod create;
pub mod demo;
pub mod destroy;
pub mod doctor;
pub mod grow;
pub mod heap;
pub mod info;
pub mod kv;
pub mod log;
pub mod migrate;
pub mod orphans;
pub mod region;
pub mod repair;
pub mod restore;
pub mod salvage;
pub mod scrub;
pub mod snapshot;
pub mod stats;
pub mod tx;

use crate::args::{Cli, Verb};
use crate::exit::Failure;
use crate::output::Answer;

/// Runs the verb that was typed.
pub fn run(cli: &Cli) -> Result<Answer, Failure> {
    let global = &cli.global;
    match &cli.verb {
        Verb::Doctor(options) => doctor::run(global, options),
        Verb::Create(options) => create::run(global, options),
        Verb::Info(options) => info::run(global, options),
        Verb::Stats(options) => stats::run(global, options),
        Verb::Log(options) => log::run(global, options),
        Verb::Heap(options) => heap::run(global, options),
        Verb::Check(options) => check::run(global, options),
        Verb::Orphans(options) => orphans::run(global, options),
        Verb::Repair(options) => repair::run(global, options),
        Verb::Salvage(options) => salvage::run(global, options),
        Verb::Grow(options) => grow::run(global, options),
        Verb::Scrub(options) => scrub::run(global, options),
        Verb::Compact(options) => compact::run(global, options),
        Verb::Snapshot(options) => snapshot::run(global, options),
        Verb::Restore(options) => restore::run(global, options),
        Verb::Migrate(options) => migrate::run(global, options),
        Verb::Destroy(options) => destroy::run(global, options),
        Verb::Region(verb) => region::run(global, verb),
        Verb::Kv(verb) => kv::run(global, verb),
        Verb::Tx(options) => tx::run(global, options),
        Verb::Demo(options) => demo::run(global, options),
        Verb::DemoChild(options) => demo::child::run(options),
    }
}
