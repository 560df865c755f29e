//! Histories of transactions, and whether a store with snapshot isolation, or a serializable one, could have answered so.
//!
//! Every write of a history stores a number that no other write stores, so a read names the write that it saw. Commits
//! carry the sequence that the store gave them; that claim is itself held against the moments at which they were called
//! and returned. All that follows is then a matter of intervals:
//!
//! ```text
//! sequence        1     2     3     4     5     6
//! writes of k     a           b           -           a read of b says: the snapshot is 3 or 4
//! writes of l           c           d                 a read of c says: the snapshot is 2 or 3;  both: it is 3
//! ```
//!
//! Laws
//! V1  sequences are distinct, and a commit that returned before another was called has the smaller one.
//! V2  a transaction sees its own last write of a key, and otherwise a last write of one that committed.
//! V3  all other reads of a transaction, committed or not, are of one snapshot.
//! V4  the snapshot holds all that had returned when the transaction began, and nothing that was called after it had.
//! V5  of two that write one key, the later has the earlier in its snapshot: the first committer wins.
//! V6  serializable: no circle of "wrote before", "was read by" and "was read before being overwritten by".
//! V7  what a crash leaves is one snapshot, that holds all that was durable and nothing that was not called.
#![allow(dead_code, reason = "every test binary uses its own part")]

mod circle;
mod snapshots;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Keys are small numbers, so that a scan is a read of each key in its range.
pub type Key = u32;
/// What a write stored; no two writes store the same.
pub type Value = u64;
/// The store's number of a commit.
pub type Sequence = u64;
/// A moment of the run: moments of one counter, drawn by every thread.
pub type Moment = u64;

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A read of a key, and what it saw.
    Read(Key, Option<Value>),
    /// A scan of keys from the first to before the second, and all that it saw.
    Scan(Key, Key, Vec<(Key, Value)>),
    /// A write; no value is a delete.
    Write(Key, Option<Value>),
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By the program, by a conflict, or by dropping it.
    Aborted,
    /// It wrote nothing, so the store gave it no sequence.
    ReadOnly,
    /// Committed as `sequence`: called and returned at these moments.
    Committed {
        /// The store's number.
        sequence: Sequence,
        /// When commit was called.
        called: Moment,
        /// When it had returned.
        returned: Moment,
    },
}

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When begin was called.
    pub called: Moment,
    /// When it had returned.
    pub begun: Moment,
    /// What it did.
    pub steps: Vec<Step>,
    /// How it ended.
    pub end: End,
}

impl Record {
    /// Its sequence, if it wrote and committed.
    pub fn sequence(&self) -> Option<Sequence> {
        match self.end {
            End::Committed { sequence, .. } => Some(sequence),
            _ => None,
        }
    }

    /// Its last write of each key.
    pub fn last_writes(&self) -> BTreeMap<Key, Option<Value>> {
        let writes = self.steps.iter().filter_map(|step| match step {
            Step::Write(key, value) => Some((*key, *value)),
            _ => None,
        });
        writes.collect()
    }

    /// What it saw of others: reads of keys that it had not written itself, a scan as one read for each key.
    fn reads_of_others(&self) -> Vec<(Key, Option<Value>)> {
        let (mut own, mut reads) = (BTreeMap::new(), Vec::new());
        for step in &self.steps {
            match step {
                Step::Write(key, value) => drop(own.insert(*key, *value)),
                Step::Read(key, saw) if !own.contains_key(key) => reads.push((*key, *saw)),
                Step::Read(..) => {}
                Step::Scan(from, to, saw) => {
                    let saw: BTreeMap<_, _> = saw.iter().copied().collect();
                    let others = (*from..*to).filter(|key| !own.contains_key(key));
                    reads.extend(others.map(|key| (key, saw.get(&key).copied())));
                }
            }
        }
        reads
    }
}

/// What no store with the promised isolation does. Numbers of transactions are places in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// V1: one sequence twice, or against the order in time.
    Order(usize, usize),
    /// V2: it did not see its own write.
    OwnWrite(usize, Key),
    /// V2: it saw what nobody wrote, what an aborted one wrote, or what its writer overwrote before it committed.
    NeverCommitted(usize, Key, Value),
    /// V2: a scan saw keys out of order, twice, or outside of its range.
    Scan(usize),
    /// V3: no one snapshot has all of its reads.
    NoSnapshot(usize),
    /// V4: its snapshot lacks what had returned before it began, or has what was called after it had begun.
    Time(usize),
    /// V5: both wrote the key, and neither saw the other.
    LostUpdate(usize, usize, Key),
    /// V6: a circle; each step leads to the next, the last to the first.
    Circle(Vec<(usize, Edge)>),
    /// V7: what is left is no state that the commits went through.
    NotAState,
    /// V7: it lacks what was durable, or has what was not called yet.
    Window {
        /// The snapshots that what is left agrees with.
        left: (Sequence, Sequence),
        /// Those that were allowed.
        allowed: (Sequence, Sequence),
    },
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// The next one overwrote what it wrote.
    Overwritten,
    /// The next one read what it wrote.
    ReadBy,
    /// The next one overwrote what it read.
    ReadBefore,
}

/// Transactions on a store that held nothing, or what `initial` says.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What was there before the first commit, as if committed as sequence `floor`.
    pub initial: BTreeMap<Key, Value>,
    /// The sequence before the first commit of this history.
    pub floor: Sequence,
    /// In any order.
    pub records: Vec<Record>,
}

/// The committed writes of one key in the order of their sequences.
type Versions = Vec<(Sequence, Option<Value>, usize)>;

/// A history in the order of its sequences.
#[derive(Debug)]
pub struct Checker<'h> {
    history: &'h History,
    versions: HashMap<Key, Versions>,
    /// Which version each number is: its key, and its place among the versions of that key.
    written: HashMap<Value, (Key, usize)>,
    /// Commits by sequence: called, returned, record.
    commits: Vec<(Sequence, Moment, Moment, usize)>,
}

/// Stands for what was there before the history.
const NOBODY: usize = usize::MAX;

impl<'h> Checker<'h> {
    /// Checks V1 and orders the history.
    pub fn new(history: &'h History) -> Result<Self, Anomaly> {
        let mut commits = Vec::new();
        for (index, record) in history.records.iter().enumerate() {
            if let End::Committed {
                sequence,
                called,
                returned,
            } = record.end
            {
                commits.push((sequence, called, returned, index));
            }
        }
        commits.sort_unstable();
        let mut last_called = (0, NOBODY);
        for pair in commits.windows(2) {
            if pair[0].0 == pair[1].0 {
                return Err(Anomaly::Order(pair[0].3, pair[1].3));
            }
        }
        for &(_, called, returned, index) in &commits {
            // Nobody with a smaller sequence may have been called after this one had returned.
            if last_called.1 != NOBODY && returned < last_called.0 {
                return Err(Anomaly::Order(last_called.1, index));
            }
            last_called = last_called.max((called, index));
        }
        let mut checker = Checker {
            history,
            versions: HashMap::new(),
            written: HashMap::new(),
            commits,
        };
        checker.collect_versions();
        Ok(checker)
    }

    fn collect_versions(&mut self) {
        for (key, value) in &self.history.initial {
            self.add_version(*key, self.history.floor, Some(*value), NOBODY);
        }
        for index in 0..self.commits.len() {
            let (sequence, _, _, record) = self.commits[index];
            for (key, value) in self.history.records[record].last_writes() {
                self.add_version(key, sequence, value, record);
            }
        }
    }

    fn add_version(&mut self, key: Key, at: Sequence, value: Option<Value>, record: usize) {
        let versions = self.versions.entry(key).or_default();
        if let Some(value) = value {
            self.written.insert(value, (key, versions.len()));
        }
        versions.push((at, value, record));
    }

    /// V1 to V5.
    pub fn snapshot_isolation(&self) -> Result<(), Anomaly> {
        (0..self.history.records.len()).try_for_each(|record| self.transaction(record))
    }

    /// V1 to V6, of transactions that were all begun as serializable.
    pub fn serializable(&self) -> Result<(), Anomaly> {
        self.snapshot_isolation()?;
        self.no_circle()
    }

    /// V7: the sequence that `left` is the state after, where `durable` must be in it and nothing that was called at
    /// `cut` or later. Answers the latest such sequence.
    pub fn state_after(
        &self,
        left: &BTreeMap<Key, Value>,
        durable: Sequence,
        cut: Moment,
    ) -> Result<Sequence, Anomaly> {
        let keys = self.versions.keys().chain(left.keys());
        let reads: Vec<_> = keys.map(|key| (*key, left.get(key).copied())).collect();
        let snapshots = self.snapshots_of(&reads).ok_or(Anomaly::NotAState)?;
        let called = self
            .commits
            .iter()
            .take_while(|(_, called, ..)| *called < cut);
        let newest = called.map(|(sequence, ..)| *sequence).max();
        let allowed = (
            durable.max(self.history.floor),
            newest.unwrap_or(self.history.floor),
        );
        match snapshots.within(allowed.0, allowed.1) {
            Some(found) => Ok(found.1),
            None => Err(Anomaly::Window {
                left: snapshots.bounds(),
                allowed,
            }),
        }
    }

    /// What is there after every commit up to `sequence`.
    pub fn state_at(&self, sequence: Sequence) -> BTreeMap<Key, Value> {
        let state = self.versions.iter().filter_map(|(key, versions)| {
            let seen = versions.iter().rev().find(|version| version.0 <= sequence);
            Some((*key, seen?.1?))
        });
        state.collect()
    }
}
