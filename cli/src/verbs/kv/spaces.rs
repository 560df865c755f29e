//! `kv spaces POOL`: the keyspaces and how many keys each has; changes no byte of the pool.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::place::look_at;
use crate::args::Global;
use crate::exit::Failure;
use crate::output::{Answer, Lines};

/// What `kv spaces` can be told.
#[derive(Debug, Args)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: PathBuf,
}

/// The keyspace without a name is the one that verbs use where none is given.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let (path, spaces) = look_at(&options.pool, global, |opened| {
        let mut spaces = Vec::new();
        for name in opened.store.spaces() {
            let count = opened.store.space(&name)?.count()?;
            spaces.push((name, count));
        }
        Ok((opened.path(), spaces))
    })?;
    let mut lines = Lines::default();
    for (name, count) in &spaces {
        lines.put(
            &format!("\"{}\"", name.escape_debug()),
            format_args!("{count} keys"),
        );
    }
    let told = |(name, count): &(String, u64)| json!({"name": name, "count": count});
    let json = json!({
        "pool": path,
        "spaces": spaces.iter().map(told).collect::<Vec<Value>>(),
    });
    Ok(Answer::ok(json, lines.take()))
}
