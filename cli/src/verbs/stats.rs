//! `stats PATH`: space and log in numbers, and alarms over them; changes no byte.

use std::path::PathBuf;

use clap::Args;
use everline_region::{Alarm, Thresholds};
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::open::for_reading;
use crate::output::{Answer, Lines, size};

/// What `stats` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: everline stats pool.pmem --fail-above use=90%,fragmentation=50%,log=80%"
)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    path: PathBuf,
    /// End with 1 where use, fragmentation or log are above this: 90% (of use), or by name as in the example
    #[arg(long, value_name = "THRESHOLDS")]
    fail_above: Option<Thresholds>,
}

/// Opens read-only and counts: used, free and overhead make up the pool exactly.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (pool, _place) = for_reading(&options.path, global)?;
    let space = pool.tell(pool.target.space())?;
    let engine = pool.target.engine();
    let log = engine.log().status();
    pool.target.still_whole()?;
    // What a recovery of the file would read is what a checkpoint would have taken out of the log.
    let recovery = pool.target.report().recovery;
    let waiting = everline_region::Space {
        log_used_bytes: recovery.log_bytes,
        ..space
    };
    let alarms = waiting.alarms(&options.fail_above.unwrap_or_default());
    let mut lines = Lines::default();
    lines
        .put("size", size(space.size_bytes))
        .put("can grow to", size(space.capacity_max_bytes))
        .put("used", size(space.used_bytes))
        .put("free", size(space.free_bytes))
        .put("overhead", size(space.overhead_bytes))
        .put("largest free", size(space.largest_free_bytes))
        .put(
            "fragmentation",
            format_args!("{:.1} %", space.fragmentation() * 100.0),
        )
        .put("objects", space.objects)
        .put("regions", space.regions)
        .put("log capacity", size(space.log_capacity_bytes))
        .put("log to recover", size(recovery.log_bytes))
        .put("last LSN", log.last_timestamp);
    for alarm in &alarms {
        lines.put("alarm", alarm);
    }
    let json = json!({
        "path": pool.path.display().to_string(),
        "size_bytes": space.size_bytes,
        "capacity_max_bytes": space.capacity_max_bytes,
        "used_bytes": space.used_bytes,
        "free_bytes": space.free_bytes,
        "overhead_bytes": space.overhead_bytes,
        "largest_free_bytes": space.largest_free_bytes,
        "use": space.use_ratio(),
        "fragmentation": space.fragmentation(),
        "objects": space.objects,
        "regions": space.regions,
        "log": {
            "capacity_bytes": space.log_capacity_bytes,
            "recovered_bytes": recovery.log_bytes,
            "last_lsn": log.last_timestamp,
            "epoch": log.epoch,
        },
        "alarms": alarms.iter().map(told).collect::<Vec<Value>>(),
    });
    Ok(Answer {
        code: match alarms.is_empty() {
            true => Code::Ok,
            false => Code::Inconsistent,
        },
        json,
        text: lines.take().into_bytes(),
    })
}

fn told(alarm: &Alarm) -> Value {
    json!({"measure": alarm.measure.name(), "value": alarm.value, "limit": alarm.limit})
}
