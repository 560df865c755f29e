//! `log PATH`: every record that no checkpoint has retired; changes no byte, and recovers nothing.

use std::path::PathBuf;

use clap::Args;
use everline::layout::{Op, OpKind, RecordKind};
use everline::log::{LogEntry, LogItem};
use everline_region::{RecoveryMode, RegionError, TargetConfig};
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::Failure;
use crate::open::open;
use crate::output::{Answer, Lines, size};

/// What `log` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline log pool.pmem --json")]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    path: PathBuf,
    /// Records that are listed; all of them are counted
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

/// A record with what it does.
struct Listed {
    entry: LogEntry,
    ops: Vec<Op>,
}

/// The pool is looked at as it lies: recovery would empty the log that is to be shown.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let config = TargetConfig {
        recovery: RecoveryMode::None,
        recovery_force: true,
        ..global.target(&options.path)
    };
    let pool = open(config, global)?;
    let engine = pool.target.engine();
    let (mut listed, mut count) = (Vec::new(), 0_usize);
    let walked = engine.log().records(engine.pool(), |item| match item {
        LogItem::Record(entry) => {
            count += 1;
            if count <= options.limit {
                let ops = Vec::new();
                listed.push(Listed { entry, ops });
            }
        }
        LogItem::Op(op) => {
            if let Some(record) = listed.last_mut().filter(|_| count <= options.limit) {
                record.ops.push(op);
            }
        }
    });
    pool.tell(walked.map_err(RegionError::Corrupt))?;
    pool.target.still_whole()?;
    let status = engine.log().status();
    let mut lines = Lines::default();
    for Listed { entry, ops } in &listed {
        let lsn = entry
            .timestamp
            .map_or_else(|| "-".to_string(), |lsn| lsn.to_string());
        let bytes: u64 = ops.iter().map(|op| op.range.len().get()).sum();
        lines.say(format_args!(
            "lane {:<3} {:<7} LSN {lsn:<8} at {:#x}, {} bytes; {} changes of {bytes} bytes",
            entry.lane,
            kind(entry.kind),
            entry.at.get(),
            entry.len,
            ops.len()
        ));
    }
    lines
        .put("records", count)
        .put("log to recover", size(status.used_bytes))
        .put("log capacity", size(status.capacity_bytes))
        .put("last LSN", status.last_timestamp)
        .put("durable at home to", status.cut);
    let json = json!({
        "path": pool.path.display().to_string(),
        "record_count": count,
        "records": listed.iter().map(told).collect::<Vec<Value>>(),
        "used_bytes": status.used_bytes,
        "capacity_bytes": status.capacity_bytes,
        "last_lsn": status.last_timestamp,
        "cut_lsn": status.cut,
        "epoch": status.epoch,
    });
    Ok(Answer::ok(json, lines.take()))
}

fn told(record: &Listed) -> Value {
    let ops = record.ops.iter().map(|op| {
        json!({
            "op": match op.kind {
                OpKind::Write => "write",
                OpKind::Set => "set",
                OpKind::Clear => "clear",
                OpKind::Cover => "cover",
            },
            "at": op.range.start().get(),
            "bytes": op.range.len().get(),
        })
    });
    json!({
        "lane": record.entry.lane,
        "kind": kind(record.entry.kind),
        "lsn": record.entry.timestamp,
        "at": record.entry.at.get(),
        "bytes": record.entry.len,
        "ops": ops.collect::<Vec<Value>>(),
    })
}

fn kind(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Commit => "commit",
        RecordKind::Undo => "undo",
        RecordKind::Extend => "extend",
        RecordKind::Pad => "pad",
    }
}
