//! `kv watch-metrics POOL`: the numbers of the store, again and again; changes no byte of the pool.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::place::look_at;
use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::output::{Answer, line, size};

/// What `kv watch-metrics` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline kv watch-metrics pool.pmem --interval 5 --count 12")]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    interval: f64,
    /// How many looks; until it is interrupted, where 0
    #[arg(long, default_value_t = 1)]
    count: u64,
}

/// One line for each look, or one object with all of them. While somebody writes to the pool a look says so, and the next
/// one tries again.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let pause = Duration::try_from_secs_f64(options.interval);
    let pause = pause.map_err(|error| Failure::usage(format!("--interval: {error}")))?;
    if global.json && options.count == 0 {
        let message = "--json prints one object at the end: say how many looks with --count";
        return Err(Failure::usage(message));
    }
    let (mut samples, mut number) = (Vec::new(), 0);
    loop {
        let seen = match look(global, options) {
            Err(failure) if failure.code == Code::Locked => json!({"busy": true}),
            seen => seen?,
        };
        match global.json {
            true => samples.push(seen),
            false => {
                let written = line(&told(&seen));
                written.map_err(|error| Failure::io("cannot write to standard output", &error))?;
            }
        }
        number += 1;
        if number == options.count {
            break;
        }
        std::thread::sleep(pause);
    }
    Ok(Answer::ok(json!({"samples": samples}), ""))
}

fn look(global: &Global, options: &Options) -> Result<Value, Failure> {
    look_at(&options.pool, global, |opened| {
        let metrics = opened.store.metrics()?;
        let mut keys = 0;
        let spaces = opened.store.spaces();
        for name in &spaces {
            keys += opened.store.space(name)?.count()?;
        }
        let recovery = &opened.pool.target.report().recovery;
        Ok(json!({
            "busy": false,
            "total_size": metrics.total_size,
            "used_size": metrics.used_size,
            "spaces": spaces.len(),
            "keys": keys,
            "log_to_recover": recovery.log_bytes,
            "last_lsn": recovery.last_timestamp,
            "recovery_time_ms": metrics.recovery_time_ms,
        }))
    })
}

fn told(seen: &Value) -> String {
    if seen["busy"] == true {
        return "somebody writes to the pool".to_string();
    }
    let number = |name: &str| seen[name].as_u64().unwrap_or(0);
    format!(
        "{} keys in {} keyspaces; used {} of {}; log to recover {}, LSN {}, recovery {:.3} ms",
        number("keys"),
        number("spaces"),
        size(number("used_size")),
        size(number("total_size")),
        size(number("log_to_recover")),
        number("last_lsn"),
        seen["recovery_time_ms"].as_f64().unwrap_or(0.0)
    )
}
