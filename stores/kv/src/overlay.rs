//! Commits that are not durable yet: an ordered map in front of the trees, and a queue of whole commits.
//!
//! ```text
//! map     a ─▶ (commit 9, "x")   b ─▶ (commit 8, deleted)       what a reader sees first
//! queue   commit 8 {b} ─▶ commit 9 {a, c} ─▶ …                  what is made durable next, from the front, whole
//! ```
//!
//! Invariants
//! K5  commits leave from the front and whole, after the transaction of the core that holds them has returned: the pool
//!     always holds a prefix of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::bounds::{Bounds, Ends};
use crate::space_state::SpaceState;

/// What a queued write costs beside its bytes.
const WRITE_BYTES: usize = 160;

/// A put or delete that waits.
#[derive(Debug)]
pub(crate) struct LateWrite {
    pub space: Arc<SpaceState>,
    pub key: Arc<[u8]>,
    /// `None` deletes.
    pub value: Option<Arc<[u8]>>,
}

/// A commit that waits.
#[derive(Debug)]
pub(crate) struct LateCommit {
    pub sequence: u64,
    pub writes: Vec<LateWrite>,
    bytes: usize,
}

/// A key in the map.
#[derive(Clone, Debug)]
pub(crate) struct Late {
    /// The commit that put or deleted it.
    pub sequence: u64,
    pub value: Option<Arc<[u8]>>,
}

#[derive(Debug, Default)]
pub(crate) struct Overlay {
    spaces: BTreeMap<u32, BTreeMap<Arc<[u8]>, Late>>,
    queue: VecDeque<(Duration, Arc<LateCommit>)>,
    bytes: usize,
}

impl Overlay {
    /// What the waiting commits say about a key.
    pub fn get(&self, space: u32, key: &[u8]) -> Option<&Late> {
        self.spaces.get(&space)?.get(key)
    }

    /// The keys of a range of which waiting commits say something, in their order.
    pub fn range<'o>(
        &'o self,
        space: u32,
        bounds: &Bounds,
    ) -> impl Iterator<Item = (&'o [u8], &'o Late)> + use<'o> {
        let ends = bounds.ends();
        let found = self.spaces.get(&space).zip(ends).map(|(keys, ends)| {
            let range = keys.range::<[u8], Ends<'_>>(ends);
            range.map(|(key, late)| (&**key, late))
        });
        found.into_iter().flatten()
    }

    /// Adds a commit of the time `now` behind the others.
    pub fn push(&mut self, now: Duration, sequence: u64, writes: Vec<LateWrite>) {
        for write in &writes {
            let late = Late {
                sequence,
                value: write.value.clone(),
            };
            let keys = self.spaces.entry(write.space.id).or_default();
            keys.insert(Arc::clone(&write.key), late);
        }
        let sizes = writes.iter().map(|write| {
            WRITE_BYTES + write.key.len() + write.value.as_ref().map_or(0, |value| value.len())
        });
        let bytes = sizes.sum();
        self.bytes += bytes;
        let commit = LateCommit {
            sequence,
            writes,
            bytes,
        };
        self.queue.push_back((now, Arc::new(commit)));
    }

    /// Commits from the front up to `through`, as long as they have no more than `bytes_max` bytes together; the first one
    /// in any case.
    pub fn front(&self, through: u64, bytes_max: usize) -> Vec<Arc<LateCommit>> {
        let mut bytes = 0;
        let due = self.queue.iter().map(|(_, commit)| commit);
        due.take_while(|commit| {
            let first = bytes == 0;
            bytes += commit.bytes;
            commit.sequence <= through && (first || bytes <= bytes_max)
        })
        .map(Arc::clone)
        .collect()
    }

    /// Drops commits up to `through`, which are in the trees now.
    pub fn drop_through(&mut self, through: u64) {
        while self
            .queue
            .front()
            .is_some_and(|(_, commit)| commit.sequence <= through)
        {
            let Some((_, commit)) = self.queue.pop_front() else {
                return;
            };
            self.bytes -= commit.bytes;
            for write in &commit.writes {
                let Some(keys) = self.spaces.get_mut(&write.space.id) else {
                    continue;
                };
                // A later commit may have the key by now.
                if keys
                    .get(&write.key)
                    .is_some_and(|late| late.sequence <= through)
                {
                    keys.remove(&write.key);
                }
            }
        }
    }

    /// When the oldest of them came.
    pub fn oldest(&self) -> Option<Duration> {
        self.queue.front().map(|(at, _)| *at)
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
