//! What commits have replaced while snapshots were open: volatile, bounded, and the judge of conflicts.
//!
//! ```text
//! key a  ─▶ [ended by 7: "old"] [ended by 9: none]        a snapshot at 8 reads the first that ended behind it: none
//! commits ─▶ (7, a) (9, a) (9, b)                         dropped from the front: behind the oldest snapshot,
//!                                                         or, over budget, under it: `floor` rises
//! ```
//!
//! Invariants
//! K4  every commit behind the oldest open snapshot is here with all its keys, or `floor` is above that snapshot.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::bounds::{Bounds, Ends};

/// What a version costs beside its bytes.
const VERSION_BYTES: usize = 128;

/// A value as it was until a commit.
#[derive(Clone, Debug)]
struct Version {
    /// The commit that replaced it.
    ended_by: u64,
    /// `None`: the key was not there.
    value: Option<Arc<[u8]>>,
}

/// What a snapshot learns about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// Nobody has changed it since.
    Unchanged,
    /// It was this then, or not there.
    Was(Option<Arc<[u8]>>),
    /// Nobody knows any more.
    TooOld,
}

/// A changed key and what it was.
pub(crate) type WasEntry = (Arc<[u8]>, Option<Arc<[u8]>>);

#[derive(Debug, Default)]
pub(crate) struct History {
    spaces: BTreeMap<u32, BTreeMap<Arc<[u8]>, Vec<Version>>>,
    commits: VecDeque<(u64, u32, Arc<[u8]>)>,
    /// Open snapshots and how many transactions have each.
    snapshots: BTreeMap<u64, u32>,
    bytes: usize,
    bytes_max: usize,
    floor: u64,
}

impl History {
    pub fn new(bytes_max: usize) -> Self {
        History {
            bytes_max,
            ..Self::default()
        }
    }

    /// A snapshot is taken.
    pub fn open(&mut self, snapshot: u64) {
        *self.snapshots.entry(snapshot).or_default() += 1;
    }

    /// A snapshot is needed no more.
    pub fn close(&mut self, snapshot: u64) {
        if let Some(count) = self.snapshots.get_mut(&snapshot) {
            *count -= 1;
            if *count == 0 {
                self.snapshots.remove(&snapshot);
                self.prune();
            }
        }
    }

    /// The oldest snapshot that can still be read.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Notes what the commit `sequence` has replaced; of one commit the first note of a key counts.
    pub fn note(&mut self, sequence: u64, space: u32, key: &[u8], value: Option<&[u8]>) {
        let keys = self.spaces.entry(space).or_default();
        let shared = match keys.get_key_value(key) {
            Some((known, versions)) => {
                if versions
                    .last()
                    .is_some_and(|last| last.ended_by >= sequence)
                {
                    return;
                }
                Arc::clone(known)
            }
            None => Arc::from(key),
        };
        self.bytes += cost(key, value);
        let version = Version {
            ended_by: sequence,
            value: value.map(Arc::from),
        };
        keys.entry(Arc::clone(&shared)).or_default().push(version);
        self.commits.push_back((sequence, space, shared));
        while self.bytes > self.bytes_max {
            self.forget_oldest();
        }
    }

    /// A commit whose old values cannot be told: older snapshots cannot be read any more.
    pub fn lose(&mut self, sequence: u64) {
        while self
            .commits
            .front()
            .is_some_and(|(oldest, ..)| *oldest <= sequence)
        {
            self.drop_front();
        }
        self.floor = self.floor.max(sequence);
    }

    /// Drops the whole of the oldest commit: a snapshot before it is too old from now on.
    fn forget_oldest(&mut self) {
        match self.commits.front() {
            Some((sequence, ..)) => {
                let sequence = *sequence;
                self.lose(sequence);
            }
            None => self.bytes = 0,
        }
    }

    fn drop_front(&mut self) {
        let Some((_, space, key)) = self.commits.pop_front() else {
            return;
        };
        let Some(keys) = self.spaces.get_mut(&space) else {
            return;
        };
        if let Some(versions) = keys.get_mut(&key) {
            let version = versions.remove(0);
            self.bytes -= cost(&key, version.value.as_deref()).min(self.bytes);
            if versions.is_empty() {
                keys.remove(&key);
            }
        }
    }

    /// Drops what no open snapshot needs.
    fn prune(&mut self) {
        match self.snapshots.first_key_value() {
            None => {
                self.spaces.clear();
                self.commits.clear();
                self.bytes = 0;
            }
            Some((oldest, _)) => {
                let oldest = *oldest;
                while self
                    .commits
                    .front()
                    .is_some_and(|(sequence, ..)| *sequence <= oldest)
                {
                    self.drop_front();
                }
            }
        }
    }

    /// What `key` was at `snapshot`.
    pub fn at(&self, snapshot: u64, space: u32, key: &[u8]) -> Past {
        if snapshot < self.floor {
            return Past::TooOld;
        }
        let versions = self.spaces.get(&space).and_then(|keys| keys.get(key));
        let mut versions = versions.into_iter().flatten();
        match versions.find(|version| version.ended_by > snapshot) {
            Some(version) => Past::Was(version.value.clone()),
            None => Past::Unchanged,
        }
    }

    /// The keys of a range that were changed since `snapshot`, in their order, with what they were; `None`: too old.
    pub fn range(&self, snapshot: u64, space: u32, bounds: &Bounds) -> Option<Vec<WasEntry>> {
        if snapshot < self.floor {
            return None;
        }
        let (Some(keys), Some(ends)) = (self.spaces.get(&space), bounds.ends()) else {
            return Some(Vec::new());
        };
        let range = keys.range::<[u8], Ends<'_>>(ends);
        let changed = range.filter_map(|(key, versions)| {
            let mut versions = versions.iter();
            let version = versions.find(|version| version.ended_by > snapshot)?;
            Some((Arc::clone(key), version.value.clone()))
        });
        Some(changed.collect())
    }

    /// Whether `key` was changed since `snapshot`, which is not below the floor.
    pub fn is_changed(&self, snapshot: u64, space: u32, key: &[u8]) -> bool {
        let versions = self.spaces.get(&space).and_then(|keys| keys.get(key));
        let last = versions.and_then(|versions| versions.last());
        last.is_some_and(|last| last.ended_by > snapshot)
    }
}

fn cost(key: &[u8], value: Option<&[u8]>) -> usize {
    VERSION_BYTES + key.len() + value.map_or(0, <[u8]>::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn was(value: &[u8]) -> Past {
        Past::Was(Some(Arc::from(value)))
    }

    #[test]
    fn a_snapshot_reads_what_ended_first_behind_it() {
        let mut history = History::new(1 << 20);
        history.open(5);
        history.open(8);
        history.note(7, 0, b"a", Some(b"old"));
        history.note(7, 0, b"a", Some(b"not seen by anybody"));
        history.note(9, 0, b"a", None);
        assert_eq!(history.at(5, 0, b"a"), was(b"old"));
        assert_eq!(history.at(8, 0, b"a"), Past::Was(None));
        assert_eq!(history.at(9, 0, b"a"), Past::Unchanged);
        assert_eq!(history.at(5, 1, b"a"), Past::Unchanged);
        assert!(history.is_changed(8, 0, b"a") && !history.is_changed(9, 0, b"a"));
        let all = Bounds::prefix(b"");
        assert_eq!(history.range(8, 0, &all).map(|keys| keys.len()), Some(1));
        assert_eq!(history.range(9, 0, &all).map(|keys| keys.len()), Some(0));

        history.close(5);
        assert_eq!(history.at(8, 0, b"a"), Past::Was(None));
        history.close(8);
        assert_eq!((history.bytes, history.commits.len()), (0, 0));
    }

    #[test]
    fn over_budget_the_oldest_commits_go_whole_and_old_snapshots_are_told() {
        let mut history = History::new(10 * VERSION_BYTES);
        history.open(0);
        for sequence in 1..=20 {
            history.note(sequence, 0, &[sequence as u8], Some(b"x"));
            history.note(sequence, 0, &[sequence as u8, 1], Some(b"x"));
        }
        assert!(history.bytes <= 10 * VERSION_BYTES);
        assert_eq!(history.at(0, 0, b"unchanged"), Past::TooOld);
        assert_eq!(history.range(3, 0, &Bounds::prefix(b"")), None);
        let floor = history.floor();
        assert!(floor > 10 && floor < 20);
        // Of each commit that is still known, every key is known.
        assert_eq!(history.at(floor, 0, &[floor as u8]), Past::Unchanged);
        for sequence in floor + 1..=20 {
            assert_eq!(history.at(floor, 0, &[sequence as u8]), was(b"x"));
            assert_eq!(history.at(floor, 0, &[sequence as u8, 1]), was(b"x"));
        }
    }

    #[test]
    fn a_commit_larger_than_the_budget_leaves_nothing_half_known() {
        let mut history = History::new(4 * VERSION_BYTES);
        history.open(0);
        for key in 0..20_u8 {
            history.note(1, 0, &[key], Some(b"value"));
        }
        assert_eq!(history.floor(), 1);
        assert_eq!(history.at(0, 0, &[19]), Past::TooOld);
    }
}
