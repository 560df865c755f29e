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

mod decide;

pub(crate) use decide::{Decided, Decision, Policy, pick};

use crate::event::{Kind, Log, Place};
use crate::faults::Poison;
use crate::model::{AMBIGUOUS, KEY, Model, POISONED, merge, word_of};
use crate::trie::{Step, Trie, mix};
use crate::verify::RangeChoices;

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
    pub poison: Poison,
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
            poison: Poison::default(),
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

    /// Lays a word on the image that nobody stored; taken back with what the execution stored around it.
    pub(crate) fn slip_in(&mut self, cell: u32, value: u64) {
        let at = cell as usize;
        self.undo
            .push((cell, self.model.image[at], self.model.flags[at]));
        self.model.image[at] = value;
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
        if self.model.flags[cell as usize] & POISONED != 0 {
            self.meet_poison(cell);
        }
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
        if flags & POISONED != 0 && self.store_to_poison(cell) {
            self.stamps[at] = 0;
        }
    }

    /// What lies there may have to be read anew.
    pub(crate) fn forget_touched(&mut self, cells: std::ops::Range<u32>) {
        self.stamps[cells.start as usize..cells.end as usize].fill(0);
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
}
