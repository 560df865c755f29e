//! `check PATH`: everything in a pool; changes no byte.

use std::path::PathBuf;

use clap::Args;
use everline::layout::Superblock;
use everline::media::Errno;
use everline_kv::{KvError, check_pool};
use everline_region::{PoolRepair, RepairOptions};
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::open::for_reading;
use crate::output::{Answer, Lines, size};
use crate::verbs::repair::rehearse;

/// What `check` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example: everline check /mnt/pmem/pool.pmem --json")]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    path: PathBuf,
}

/// Problems that are listed; all of them are counted.
const LISTED_MAX: usize = 100;

/// What a repair of a private copy does, if that leaves nothing wrong but lost space.
fn cure(global: &Global, options: &Options) -> Option<PoolRepair> {
    rehearse(&options.path, global, &RepairOptions::default())
        .ok()
        .filter(PoolRepair::is_sound)
}

/// A problem with the keyspace that has it, where that has a name.
fn in_space(space: &str, problem: &KvError<Errno>) -> String {
    match space.is_empty() {
        true => problem.to_string(),
        false => format!("in the keyspace \"{}\": {problem}", space.escape_debug()),
    }
}

/// Ends with 1 where something is wrong, with 3 where a repair would put it right; a superblock copy or a checkpoint slot
/// is stored anew from the other by the next open for writing.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (pool, _place) = for_reading(&options.path, global).map_err(|failure| {
        // Another layout than was asked for is nothing that a repair does anything about.
        let repairable = failure.code == Code::Inconsistent
            && cure(global, options).is_some_and(|cure| !cure.is_idle());
        Failure {
            code: if repairable {
                Code::Repairable
            } else {
                failure.code
            },
            ..failure
        }
    })?;
    let mut problems: Vec<(Option<u64>, String)> = Vec::new();
    // The open has mended it in its private copy; in the file it is as damaged as before.
    let engine = pool.target.engine();
    if let Some(copy) = pool.target.report().mended_copy {
        let at = Superblock::AT[copy & 1].get();
        problems.push((Some(at), "a superblock copy is damaged".to_string()));
    }
    if let Some(slot) = pool.target.report().recovery.mended_slot {
        let at = engine.pool().geometry().slot_at(slot).get();
        let what = "a checkpoint slot is damaged, or a power cut tore it";
        problems.push((Some(at), what.to_string()));
    }
    let mended = problems.len();
    let core =
        engine.check(|problem| problems.push((Some(problem.at.get()), problem.what.to_string())));
    let regions = pool
        .target
        .check(|problem| problems.push((problem.at().map(|at| at.get()), problem.to_string())));
    let keys = check_pool(pool.target.regions(), &mut |_| {});
    for (space, problem) in &keys.problems {
        let at = match problem {
            KvError::Corrupt(corrupt) => Some(corrupt.at.get()),
            _ => None,
        };
        problems.push((at, in_space(space, problem)));
    }
    let key_count: u64 = keys.spaces.iter().map(|(_, seen)| seen.keys).sum();
    pool.target.still_whole()?;
    let code = match problems.len() {
        0 => Code::Ok,
        count if count == mended => Code::Repairable,
        // A repair knows regions, and nothing of keys.
        _ if keys.is_clean() && cure(global, options).is_some() => Code::Repairable,
        _ => Code::Inconsistent,
    };
    let recovery = pool.target.report().recovery;
    let mut lines = Lines::default();
    for (at, what) in problems.iter().take(LISTED_MAX) {
        match at {
            Some(at) => lines.say(format_args!(
                "{}: offset {at:#x}: {what}",
                pool.path.display()
            )),
            None => lines.say(format_args!("{}: {what}", pool.path.display())),
        };
    }
    lines
        .put("path", pool.path.display())
        .put("objects", core.objects)
        .put("used", size(core.used_bytes))
        .put("regions", regions.regions)
        .put("keys", key_count)
        .put("problems", problems.len())
        .put(
            "verdict",
            match code {
                Code::Ok => "consistent",
                Code::Repairable if problems.len() > mended => {
                    "repairable: `everline repair` says what would be done and what would be lost"
                }
                Code::Repairable => {
                    "repairable: one of two superblock copies or checkpoint slots is damaged; the next open for writing stores it anew"
                }
                _ => "inconsistent: restore from a copy, or save what is still readable with `everline salvage`",
            },
        );
    if recovery.redone + recovery.undone > 0 {
        lines.put(
            "not closed",
            format_args!(
                "the next open redoes {} and undoes {} transactions",
                recovery.redone, recovery.undone
            ),
        );
    }
    let listed: Vec<Value> = problems
        .iter()
        .take(LISTED_MAX)
        .map(|(at, what)| json!({"at": at, "what": what}))
        .collect();
    let json = json!({
        "path": pool.path.display().to_string(),
        "ok": code == Code::Ok,
        "repairable": code == Code::Repairable,
        "problem_count": problems.len(),
        "problems": listed,
        "objects": core.objects,
        "used_bytes": core.used_bytes,
        "regions": regions.regions,
        "keyspaces": keys.spaces.len(),
        "keys": key_count,
        "redo_pending": recovery.redone,
        "undo_pending": recovery.undone,
    });
    Ok(Answer {
        code,
        json,
        text: lines.take().into_bytes(),
    })
}
