//! One execution of recovery on a crashed medium, and the choices it meets.
//!
//! The model's image is the medium on which recovery runs. A first read of a word that can differ between executions
//! is a step in the memo; where the word is ambiguous it is a decision. What recovery stores is taken back after
//! the execution; what was decided stays until the search backtracks.
//!
//! Invariants
//! E1  a word is decided at most once on a path, and read unchanged from then on.
//! E2  a word that recovery stored whole before reading it is never decided: its old value does not matter.
//! E3  after [`Lab::take_back`] image and flags are as before the execution, decisions aside.

use std::sync::Arc;

use crate::event::{Kind, Log, Place};
use crate::model::{AMBIGUOUS, KEY, Model, merge, word_of};
use crate::trie::{Step, Trie, mix};
use crate::verify::{RangeChoice, RangeChoices};

/// How an ambiguous word is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Every value in turn, by backtracking.
    All,
    /// Everything stored has reached the medium.
    Latest,
    /// Nothing pending has reached the medium.
    Oldest,
    /// As `Latest`, but for this word.
    LatestBut(u32),
    /// As `Oldest`, but for this word.
    OldestBut(u32),
    /// By a seeded hash of the word.
    Random(u64),
}

/// A choice on the current path.
pub(crate) struct Decision {
    pub node: u32,
    trail: usize,
    next: usize,
    what: What,
}

/// A word that was decided: what the image held before, and holds since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    pub cell: u32,
    before: u64,
    pub value: u64,
}

enum What {
    Word { cell: u32, start: usize, end: usize },
    Range(Arc<RangeChoice>),
}

/// Marks which words the states nested in one execution depend on.
#[derive(Default)]
pub(crate) struct Collector {
    stamps: Vec<u32>,
    id: u32,
    pub needs: Vec<u32>,
}

impl Collector {
    fn meet(&mut self, cell: u32) -> bool {
        let at = cell as usize;
        if at >= self.stamps.len() {
            self.stamps.resize(at + 1, 0);
        }
        std::mem::replace(&mut self.stamps[at], self.id) != self.id
    }

    pub(crate) fn begin(&mut self, fixed: &[u32]) {
        self.id += 1;
        self.needs.clear();
        for cell in fixed {
            self.meet(*cell);
        }
    }
}

/// Everything an exploration holds; lives behind the lock of the medium that recovery sees.
pub(crate) struct Lab {
    pub model: Model,
    pub trie: Trie,
    pub policy: Policy,
    /// Words decided on the current path.
    pub trail: Vec<Decided>,
    /// Where on the trail the decisions since the last cut begin.
    pub era: usize,
    pub decisions: Vec<Decision>,
    alternatives: Vec<u64>,
    pub cursor: u32,
    run: u32,
    stamps: Vec<u32>,
    undo: Vec<(u32, u64, u8)>,
    undo_len: u64,
    /// What the execution did.
    pub log: Log,
    /// What the execution read of the key, in order.
    pub reads: Vec<u32>,
    /// Words that recovery stored and that were not part of the key.
    pub new_keys: Vec<u32>,
    pub strayed: bool,
    calls: u64,
    pub call_limit: u64,
    pub endless: bool,
    pub collectors: Vec<Collector>,
    pub collecting: usize,
    pub verify_samples: usize,
    pub range_choices: RangeChoices,
    pub range_bytes: usize,
    pub approximated: bool,
    pub seed: u64,
    /// What words held at the first crash point; executions are told apart by how they differ from it.
    origin: Vec<u64>,
    pub fingerprint: u64,
}

impl Lab {
    pub(crate) fn new(model: Model, seed: u64, call_limit: u64, verify_samples: usize) -> Self {
        Lab {
            origin: model.image.clone(),
            model,
            trie: Trie::new(),
            policy: Policy::All,
            trail: Vec::new(),
            era: 0,
            decisions: Vec::new(),
            alternatives: Vec::new(),
            cursor: 0,
            run: 0,
            stamps: Vec::new(),
            undo: Vec::new(),
            undo_len: 0,
            log: Log::default(),
            reads: Vec::new(),
            new_keys: Vec::new(),
            strayed: false,
            calls: 0,
            call_limit,
            endless: false,
            collectors: Vec::new(),
            collecting: 0,
            verify_samples,
            range_choices: RangeChoices::default(),
            range_bytes: 0,
            approximated: false,
            seed,
            fingerprint: 0,
        }
    }

    /// Bytes that what was learnt takes, near enough.
    pub(crate) fn bytes(&self) -> usize {
        self.trie.bytes() + self.range_bytes
    }

    /// Forgets all paths and what was worked out for them.
    pub(crate) fn forget(&mut self) {
        self.trie = Trie::new();
        self.range_choices.clear();
        self.range_bytes = 0;
    }

    /// From here on executions are told apart by how they differ from what the words hold now.
    pub(crate) fn set_origin(&mut self) {
        self.origin.clone_from(&self.model.image);
    }

    /// Begins an execution with the decisions on the trail.
    pub(crate) fn begin_run(&mut self) {
        self.run += 1;
        self.stamps.resize(self.model.image.len(), 0);
        self.log.clear();
        self.reads.clear();
        self.strayed = false;
        self.endless = false;
        self.calls = 0;
        self.undo_len = self.model.len;
        self.fingerprint = mix(self.model.len);
        self.cursor = self.trie.root(self.model.len);
    }

    /// Takes back what the execution stored (E3).
    pub(crate) fn take_back(&mut self) {
        while let Some((cell, image, flags)) = self.undo.pop() {
            self.model.image[cell as usize] = image;
            self.model.flags[cell as usize] |= flags & AMBIGUOUS;
        }
        self.model.len = self.undo_len;
    }

    /// Counts a call to the medium; false once there were too many.
    pub(crate) fn counted(&mut self) -> bool {
        self.calls += 1;
        self.endless |= self.calls > self.call_limit;
        !self.endless
    }

    #[inline]
    fn see(&mut self, cell: u32) -> u64 {
        if self.model.flags[cell as usize] != 0 && self.stamps[cell as usize] != self.run {
            self.first_read(cell);
        }
        self.model.image[cell as usize]
    }

    fn first_read(&mut self, cell: u32) {
        self.mark_read(cell);
        self.strayed |= !self.trie.expect(self.cursor, Step::Read(cell));
        if self.model.flags[cell as usize] & AMBIGUOUS != 0 {
            self.decide(cell);
        }
        let value = self.model.image[cell as usize];
        self.note(cell, value);
        self.cursor = self.trie.child(self.cursor, value);
    }

    pub(crate) fn mark_read(&mut self, cell: u32) {
        self.stamps[cell as usize] = self.run;
        self.reads.push(cell);
        self.need(cell);
    }

    /// Whether the execution has read or stored the word.
    pub(crate) fn is_touched(&self, cell: u32) -> bool {
        self.stamps[cell as usize] == self.run
    }

    pub(crate) fn note(&mut self, cell: u32, value: u64) {
        let origin = self.origin.get(cell as usize).copied().unwrap_or(0);
        if value != origin {
            let place = mix(u64::from(cell) + 1);
            self.fingerprint = self.fingerprint.wrapping_add(mix(place ^ value));
        }
    }

    /// Tells the collectors that the possible values of `cell` mattered.
    pub(crate) fn need(&mut self, cell: u32) {
        for collector in &mut self.collectors[..self.collecting] {
            if collector.meet(cell) {
                collector.needs.push(cell);
            }
        }
    }

    /// What an ambiguous word can hold beside what was decided since the last cut; newest first.
    pub(crate) fn possible(&self, cell: u32) -> Vec<u64> {
        let mut values = Vec::new();
        self.model.choices(cell, &mut values);
        if self.model.keeps_order() {
            let decided = self.decided_beside(cell);
            self.model.keep_possible(cell, &decided, &mut values);
        }
        values
    }

    /// The words of `cell`'s unit that were decided since the last cut.
    pub(crate) fn decided_beside(&self, cell: u32) -> Vec<(u32, u64)> {
        let Some(unit) = self.model.unit_of(cell) else {
            return Vec::new();
        };
        let beside = self.trail[self.era..].iter();
        beside
            .filter(|word| unit.contains(&word.cell))
            .map(|word| (word.cell, word.value))
            .collect()
    }

    fn decide(&mut self, cell: u32) {
        let start = self.alternatives.len();
        if self.model.keeps_order() {
            let values = self.possible(cell);
            self.alternatives.extend(values);
        } else {
            self.model.choices(cell, &mut self.alternatives);
        }
        let value = match self.policy {
            Policy::All => {
                self.decisions.push(Decision {
                    node: self.cursor,
                    trail: self.trail.len(),
                    next: 1,
                    what: What::Word {
                        cell,
                        start,
                        end: self.alternatives.len(),
                    },
                });
                self.alternatives[start]
            }
            policy => {
                let value = pick(policy, cell, &self.alternatives[start..]);
                self.alternatives.truncate(start);
                value
            }
        };
        self.determine(cell, value);
    }

    pub(crate) fn determine(&mut self, cell: u32, value: u64) {
        self.trail.push(Decided {
            cell,
            before: self.model.image[cell as usize],
            value,
        });
        self.model.determine(cell, value);
    }

    pub(crate) fn push_range(&mut self, choice: Arc<RangeChoice>) {
        self.decisions.push(Decision {
            node: self.cursor,
            trail: self.trail.len(),
            next: 1,
            what: What::Range(choice),
        });
    }

    /// Forgets decided words down to `trail`.
    pub(crate) fn unwind(&mut self, trail: usize) {
        while self.trail.len() > trail {
            let word = self.trail.pop().expect("longer than its target");
            self.model.image[word.cell as usize] = word.before;
            self.model.flags[word.cell as usize] |= AMBIGUOUS;
        }
    }

    /// Drops every decision above `base` and its words.
    pub(crate) fn abandon(&mut self, base: usize, trail: usize) {
        while self.decisions.len() > base {
            let decision = self.decisions.pop().expect("longer than its target");
            if let What::Word { start, .. } = decision.what {
                self.alternatives.truncate(start);
            }
        }
        self.unwind(trail);
    }

    /// Takes the next alternative of the last decision that has one; false where every path was walked.
    pub(crate) fn advance(&mut self, base: usize) -> bool {
        while self.decisions.len() > base {
            let last = self.decisions.len() - 1;
            self.unwind(self.decisions[last].trail);
            let decision = &mut self.decisions[last];
            let (node, next) = (decision.node, decision.next);
            decision.next += 1;
            match &decision.what {
                What::Word { cell, start, end } if start + next < *end => {
                    let (cell, value) = (*cell, self.alternatives[start + next]);
                    self.determine(cell, value);
                    self.cursor = self.trie.child(node, value);
                    return true;
                }
                What::Range(choice) if next < choice.alternatives.len() => {
                    let choice = choice.clone();
                    let values = &choice.alternatives[next];
                    for (cell, value) in choice.cells.iter().zip(values.iter()) {
                        self.determine(*cell, *value);
                    }
                    self.cursor = self.child_of_range(node);
                    return true;
                }
                _ => {}
            }
            if let Some(Decision {
                what: What::Word { start, .. },
                ..
            }) = self.decisions.pop()
            {
                self.alternatives.truncate(start);
            }
        }
        false
    }

    /// Follows the memo from the cursor without executing; the leaf, or none where an execution is needed.
    pub(crate) fn walk(&mut self) -> Option<u32> {
        loop {
            match self.trie.step(self.cursor) {
                Step::Unknown => return None,
                Step::Leaf(leaf) => return Some(leaf),
                Step::Read(cell) => {
                    self.need(cell);
                    if self.model.flags[cell as usize] & AMBIGUOUS != 0 {
                        self.decide(cell);
                    }
                    let value = self.model.image[cell as usize];
                    self.cursor = self.trie.child(self.cursor, value);
                }
                Step::Verify(index) => {
                    if !self.walk_verify(index) {
                        return None;
                    }
                }
            }
        }
    }

    pub(crate) fn load(&mut self, at: u64, size: u64) -> u64 {
        let shift = self.model.shift;
        let granule = 1u64 << shift;
        let cell = (at >> shift) as u32;
        if size > granule {
            let low = self.see(cell);
            return low | self.see(cell + 1) << 32;
        }
        let word = self.see(cell) >> (8 * (at & (granule - 1)));
        if size == 8 {
            word
        } else {
            word & ((1 << (8 * size)) - 1)
        }
    }

    pub(crate) fn read(&mut self, at: u64, into: &mut [u8]) {
        let granule = 1u64 << self.model.shift;
        let mut done = 0;
        while done < into.len() {
            let here = at + done as u64;
            let within = (here & (granule - 1)) as usize;
            let take = (granule as usize - within).min(into.len() - done);
            let word = self.see((here >> self.model.shift) as u32).to_le_bytes();
            into[done..done + take].copy_from_slice(&word[within..within + take]);
            done += take;
        }
    }

    /// Lays `bytes` on the image, to be taken back after the execution.
    pub(crate) fn lay(&mut self, at: u64, bytes: &[u8]) {
        let granule = 1u64 << self.model.shift;
        let mut at = at;
        let mut rest = bytes;
        while !rest.is_empty() {
            let within = at & (granule - 1);
            let take = (granule - within).min(rest.len() as u64) as usize;
            let cell = (at >> self.model.shift) as u32;
            let value = if take as u64 == granule {
                word_of(&rest[..take])
            } else {
                let old = self.see(cell);
                merge(old, within as u32, &rest[..take])
            };
            self.put(cell, value);
            at += take as u64;
            rest = &rest[take..];
        }
    }

    fn put(&mut self, cell: u32, value: u64) {
        let at = cell as usize;
        let flags = self.model.flags[at];
        if flags & KEY == 0 {
            self.new_keys.push(cell);
        }
        self.undo.push((cell, self.model.image[at], flags));
        self.model.flags[at] &= !AMBIGUOUS;
        self.model.image[at] = value;
        self.stamps[at] = self.run;
    }

    pub(crate) fn set_len(&mut self, len: u64, place: Place) {
        self.log.push(Kind::SetLen, 0, 0, len, place);
        if len < self.model.len {
            let fresh = self.model.fresh_word();
            let first = len.div_ceil(1 << self.model.shift);
            for cell in first as u32..self.model.image.len() as u32 {
                self.put(cell, fresh);
            }
        }
        self.model.grow(len);
        self.stamps.resize(self.model.image.len(), 0);
        self.model.len = len;
    }

    /// A hash of the possible values of a word, and of what ties it to others.
    pub(crate) fn choices_hash(&mut self, cell: u32) -> u64 {
        if let Some(unit) = self.model.unit_of(cell) {
            return self.model.unit_hash(unit) ^ self.model.image[cell as usize];
        }
        let start = self.alternatives.len();
        self.model.choices(cell, &mut self.alternatives);
        self.alternatives[start..].sort_unstable();
        let hash = self.alternatives[start..]
            .iter()
            .fold(0, |hash, value| mix(hash ^ *value));
        self.alternatives.truncate(start);
        hash
    }
}

/// The value that `policy` takes of `choices`, newest first.
pub(crate) fn pick(policy: Policy, cell: u32, choices: &[u64]) -> u64 {
    let newest = choices[0];
    let oldest = choices[choices.len() - 1];
    match policy {
        Policy::All | Policy::Latest => newest,
        Policy::Oldest => oldest,
        Policy::LatestBut(but) if but == cell => oldest,
        Policy::LatestBut(_) => newest,
        Policy::OldestBut(but) if but == cell => newest,
        Policy::OldestBut(_) => oldest,
        Policy::Random(seed) => {
            let draw = mix(seed ^ mix(u64::from(cell)));
            choices[(draw % choices.len() as u64) as usize]
        }
    }
}
