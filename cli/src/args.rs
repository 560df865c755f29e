//! What can be typed.

use std::path::Path;

use clap::{Args, Parser, Subcommand, ValueEnum};
use everline::layout::LayoutName;
use everline::media::Domain;
use everline::media::file::FileOptions;
use everline_region::{RecoveryMode, TargetConfig};

use crate::verbs::{
    check, compact, create, demo, destroy, doctor, grow, heap, info, kv, log, migrate, orphans,
    region, repair, restore, salvage, scrub, snapshot, stats, tx,
};

const CODES: &str = "Exit codes: 0 ok, 1 inconsistent, 2 usage, 3 repairable, 4 I/O (not found and no space included), \
                     5 locked, 6 durability policy unmet.";

/// Makes bytes durable as named regions in a pool that survives any power cut.
#[derive(Debug, Parser)]
#[command(name = "everline", version, about, after_help = CODES, subcommand_required = true)]
pub struct Cli {
    /// What every verb understands.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Args)]
pub struct Global {
    /// Print exactly one JSON object on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// Say what is opened, on stderr; twice: what recovery did, too
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Refuse a place whose durability domain is weaker than this
    #[arg(long, global = true, value_name = "DOMAIN")]
    pub require: Option<Required>,
    /// Treat the place as persistent memory, whatever it is (battery-backed RAM, measurements)
    #[arg(long, global = true)]
    pub assume_persistent: bool,
    /// Accept network and user-space file systems
    #[arg(long, global = true)]
    pub allow_foreign_fs: bool,
    /// What is done before a pool is served: recover and verify everything, recover, or nothing at all
    #[arg(long, global = true, value_name = "MODE", default_value = "checkpoint")]
    pub recovery: Mode,
    /// With `--recovery none`: open though the log waits for recovery, and show what stands there without it
    #[arg(long, global = true)]
    pub recovery_force: bool,
    /// The pool's layout name: given to a new pool, checked when one is opened
    #[arg(long, global = true, value_name = "NAME", value_parser = layout)]
    pub layout: Option<LayoutName>,
}

/// Domains that can be required, weakest first.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Required {
    /// A device accepted the bytes through a system call
    Device,
    /// The memory controller has them and drains on power loss
    MemoryController,
    /// CPU caches drain on power loss
    CpuCache,
}

impl From<Required> for Domain {
    fn from(required: Required) -> Self {
        match required {
            Required::Device => Domain::Device,
            Required::MemoryController => Domain::MemoryController,
            Required::CpuCache => Domain::CpuCache,
        }
    }
}

/// Recovery modes, the most careful first.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Mode {
    /// Recover, then verify every structure and checksum
    Full,
    /// Recover from the last checkpoint
    Checkpoint,
    /// Replay nothing and change no byte; refused while the log holds something
    None,
}

impl From<Mode> for RecoveryMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Full => RecoveryMode::Full,
            Mode::Checkpoint => RecoveryMode::Checkpoint,
            Mode::None => RecoveryMode::None,
        }
    }
}

fn layout(name: &str) -> Result<LayoutName, String> {
    LayoutName::new(name)
        .ok_or_else(|| "a layout name has at most 64 bytes and no zero byte".to_string())
}

impl Global {
    /// How files are opened.
    pub fn file(&self) -> FileOptions {
        FileOptions {
            assume_persistent: self.assume_persistent,
            allow_foreign_fs: self.allow_foreign_fs,
            require: self.require.map(Domain::from),
            ..FileOptions::default()
        }
    }

    /// The pool at `path`, with what is taken for granted about it.
    pub fn target(&self, path: &Path) -> TargetConfig {
        TargetConfig {
            layout: self.layout,
            require: self.require.map(Domain::from),
            assume_persistent: self.assume_persistent,
            allow_foreign_fs: self.allow_foreign_fs,
            recovery: self.recovery.into(),
            recovery_force: self.recovery_force,
            ..TargetConfig::pmem(path)
        }
    }
}

/// The verbs, one file each.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Say what a place really gives: file system, durability domain, why, and what to change
    Doctor(doctor::Options),
    /// Make a pool
    Create(create::Options),
    /// Identity, geometry, layout and durability of a pool; changes no byte
    Info(info::Options),
    /// Space and log of a pool in numbers; changes no byte
    Stats(stats::Options),
    /// What the log holds, record by record; changes no byte and recovers nothing
    Log(log::Options),
    /// What lies where in the heap, as lines or as a picture; changes no byte
    Heap(heap::Options),
    /// Check everything in a pool; changes no byte
    Check(check::Options),
    /// List live objects that nothing leads to, and free them on request
    Orphans(orphans::Options),
    /// Say what ails a pool, what would be done about it and what is lost; with --apply do it
    Repair(repair::Options),
    /// Save what is readable of a pool's regions as files; changes no byte of the pool
    Salvage(salvage::Options),
    /// Make a pool longer, with its contents as they are
    Grow(grow::Options),
    /// Compare checked regions with their checksums; changes no byte
    Scrub(scrub::Options),
    /// Give back room that regions do not use, and bring them together
    Compact(compact::Options),
    /// Copy a pool as it is now; changes no byte of it
    Snapshot(snapshot::Options),
    /// Make the pool in a snapshot again
    Restore(restore::Options),
    /// Move a pool to another place
    Migrate(migrate::Options),
    /// Remove a pool's file, durably
    Destroy(destroy::Options),
    /// Named regions: put, get, ls, rm
    #[command(subcommand)]
    Region(region::Verb),
    /// Keys and values: put, get, del, cas, scan, count, load, dump
    #[command(subcommand)]
    Kv(kv::Verb),
    /// Do everything that a script on standard input says in one transaction, or nothing
    Tx(tx::Options),
    /// Store real files under SIGKILL and simulated power cuts, and compare every byte
    Demo(demo::Options),
    /// The process that the demo kills
    #[command(hide = true)]
    DemoChild(demo::child::Options),
}
