//! `tx POOL < script`: everything that the script says in one transaction, or nothing.

mod script;

use std::collections::HashMap;
use std::io::BufRead;

use clap::Args;
use everline::media::Errno;
use everline_kv::module::bytes;
use everline_kv::{Isolation, KvError, Receipt, Savepoint, Space, Transaction};
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::Failure;
use crate::output::{Answer, Lines};
use crate::verbs::kv::{Medium, Opened, with_store};
use script::Step;

/// What `tx` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: printf 'put a 1\\ndel b\\ncommit\\n' | everline tx pool.pmem\n\n\
                        Lines: put KEY VALUE, get KEY, del KEY, savepoint NAME, rollback NAME, space NAME, commit, abort.\n\
                        A word with blanks stands in quotation marks."
)]
pub struct Options {
    /// The pool's file, or the directory that holds its pool.pmem
    pool: std::path::PathBuf,
    /// Keys and values are hexadecimal digits
    #[arg(long)]
    hex: bool,
    /// What was read must not have changed either
    #[arg(long)]
    serializable: bool,
}

/// A script that ends without `commit` or `abort` was cut, and changes nothing.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let steps = steps(options)?;
    with_store(&options.pool, global, |opened| {
        let mut run = Run::begin(opened, options)?;
        for (number, step) in steps {
            let done = run.step(&step);
            done.map_err(|failure| failure.at(format_args!("line {number}")))?;
        }
        run.end()
    })
}

/// The whole script, read and understood before anything is begun.
fn steps(options: &Options) -> Result<Vec<(u64, Step)>, Failure> {
    let mut steps = Vec::new();
    for (index, line) in std::io::stdin().lock().lines().enumerate() {
        let number = index as u64 + 1;
        let line = line.map_err(|error| Failure::io("cannot read the script", &error))?;
        // Empty lines and remarks may stand anywhere, also behind the end.
        let Some(step) = script::read(&line, number, options.hex)? else {
            continue;
        };
        if matches!(steps.last(), Some((_, Step::Commit | Step::Abort))) {
            let message = format!(
                "line {number} stands behind the end of the transaction: nothing was changed"
            );
            return Err(Failure::usage(message));
        }
        steps.push((number, step));
    }
    match steps.last() {
        Some((_, Step::Commit | Step::Abort)) => Ok(steps),
        _ => {
            let message = "the script ends without commit or abort: nothing was changed";
            Err(Failure::usage(message))
        }
    }
}

/// A script under way. Dropped before its end, its transaction is aborted.
struct Run<'o> {
    opened: &'o Opened,
    hex: bool,
    tx: Transaction<Medium>,
    space: Space<Medium>,
    savepoints: HashMap<String, Savepoint>,
    results: Vec<Value>,
    lines: Lines,
    commits: bool,
}

impl<'o> Run<'o> {
    fn begin(opened: &'o Opened, options: &Options) -> Result<Self, Failure> {
        let isolation = match options.serializable {
            true => Isolation::Serializable,
            false => Isolation::Snapshot,
        };
        Ok(Run {
            opened,
            hex: options.hex,
            tx: opened.tell(opened.store.begin_with(isolation))?,
            space: opened.tell(opened.store.space(""))?,
            savepoints: HashMap::new(),
            results: Vec::new(),
            lines: Lines::default(),
            commits: false,
        })
    }

    fn shown(&self, bytes: &[u8]) -> String {
        match self.hex {
            true => bytes::to_hex(bytes),
            false => bytes.escape_ascii().to_string(),
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        let (tx, opened) = (&self.tx, self.opened);
        match step {
            Step::Put(key, value) => opened.tell(tx.on(&self.space).put(key, value))?,
            Step::Get(key) => {
                let value = opened.tell(tx.on(&self.space).get(key))?;
                let shown = value.as_deref().map(|value| self.shown(value));
                let shown = shown.unwrap_or_else(|| "(none)".to_string());
                let line = format!("{}\t{shown}", self.shown(key));
                self.lines.say(line);
                self.results.push(json!({
                    "get": bytes::to_json(key),
                    "value": value.as_deref().map(bytes::to_json),
                }));
            }
            Step::Del(key) => {
                let there = opened.tell(tx.on(&self.space).delete(key))?;
                self.results
                    .push(json!({"del": bytes::to_json(key), "deleted": there}));
            }
            Step::Savepoint(name) => {
                let savepoint = opened.tell(tx.savepoint())?;
                self.savepoints.insert(name.clone(), savepoint);
            }
            Step::Rollback(name) => {
                let savepoint = self.savepoints.get(name).ok_or_else(|| {
                    Failure::usage(format!(
                        "no savepoint is named \"{name}\": nothing was changed"
                    ))
                })?;
                opened.tell(tx.rollback_to(savepoint))?;
            }
            // Made by somebody else: a keyspace that is made here would outlive an abort.
            Step::Space(name) => self.space = opened.tell(opened.store.space(name))?,
            Step::Commit => self.commits = true,
            Step::Abort => {}
        }
        Ok(())
    }

    fn end(mut self) -> Result<Answer, Failure> {
        let id = self.tx.id();
        let receipt: Option<Receipt<Errno>> = match self.commits {
            true => Some(self.opened.tell(self.tx.commit())?),
            false => {
                let aborted: Result<(), KvError<Errno>> = self.tx.abort();
                self.opened.tell(aborted)?;
                None
            }
        };
        let state = if self.commits { "committed" } else { "aborted" };
        self.lines.put("transaction", state);
        let json = json!({
            "pool": self.opened.path(),
            "transaction": id,
            "state": state,
            "lsn": receipt.as_ref().map(|receipt| receipt.lsn),
            "durable": receipt.as_ref().map(|receipt| receipt.durable),
            "results": self.results,
        });
        Ok(Answer::ok(json, self.lines.take()))
    }
}
