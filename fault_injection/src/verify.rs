//! A checksummed range is one decision: each of its versions that matches, and some that do not.
//!
//! Candidates are the states of the range at every point of time, each word alone being late or early, and seeded
//! mixtures; where there are few mixtures, all of them. That no other mixture matches by accident is an assumption,
//! and the report says so.

use std::sync::Arc;

use everline::media::Checksum;

use crate::lab::{Lab, Policy, pick};
use crate::model::{AMBIGUOUS, KEY};
use crate::trie::{MixMap, Step, Verify, mix};

/// Up to this many mixtures are tried one by one.
const EXACT_MIXTURES: usize = 16;
/// Points of time tried at most.
const SNAPSHOTS: usize = 256;
/// Seeded mixtures tried at most.
const SEEDED: u64 = 8;
/// Bytes of a known verdict.
const VERDICT: usize = 24;
/// Choices kept before they are worked out anew.
const RANGE_CHOICES: usize = 1 << 16;

/// The ambiguous words of a range and the contents to explore, those that match first.
pub(crate) struct RangeChoice {
    pub cells: Box<[u32]>,
    pub alternatives: Vec<Box<[u64]>>,
}

/// Choices by a hash of what they follow from.
pub(crate) type RangeChoices = MixMap<u64, Arc<RangeChoice>>;

type Checker<'c> = Option<(&'c mut dyn Checksum, u64, u64)>;

impl Lab {
    /// Whether the range matches; decides its ambiguous words.
    pub(crate) fn verify(&mut self, at: u64, len: u64, check: &mut dyn Checksum) -> bool {
        if len == 0 {
            check.reset();
            return check.matches();
        }
        let shift = self.model.shift;
        let first = (at >> shift) as u32;
        let last = ((at + len - 1) >> shift) as u32;
        if let Some(cell) = self.first_poisoned(at, len) {
            self.meet_poison(cell);
        }
        let cells: Box<[u32]> = (first..=last)
            .filter(|cell| self.model.flags[*cell as usize] & (KEY | AMBIGUOUS) != 0)
            .filter(|cell| !self.is_touched(*cell))
            .collect();
        if cells.is_empty() {
            return self.matches(at, len, check);
        }
        for cell in &cells {
            self.mark_read(*cell);
        }
        let Some(index) = self.verify_node(at, len, cells) else {
            self.strayed = true;
            return self.matches(at, len, check);
        };
        self.decide_range(index, Some((check, at, len)));
        let verdict = self.matches(at, len, check);
        let contents = self.contents(index);
        let node = &mut self.trie.verifies[index as usize];
        if node.verdicts.insert(contents, verdict).is_none() {
            self.trie.add_bytes(VERDICT);
        }
        let node = &self.trie.verifies[index as usize];
        for cell in node.cells.clone() {
            self.note(cell, self.model.image[cell as usize]);
        }
        self.cursor = self.trie.child(self.cursor, contents);
        verdict
    }

    /// The same step in the memo alone; false where the checksum itself is needed.
    pub(crate) fn walk_verify(&mut self, index: u32) -> bool {
        for position in 0..self.trie.verifies[index as usize].cells.len() {
            self.need(self.trie.verifies[index as usize].cells[position]);
        }
        if !self.decide_range(index, None) {
            return false;
        }
        self.cursor = self.child_of_range(self.cursor);
        true
    }

    /// The edge out of `node` for what its words hold now.
    pub(crate) fn child_of_range(&mut self, node: u32) -> u32 {
        let Step::Verify(index) = self.trie.step(node) else {
            unreachable!("only a checksummed range is decided as a range");
        };
        let contents = self.contents(index);
        self.trie.child(node, contents)
    }

    fn verify_node(&mut self, at: u64, len: u64, cells: Box<[u32]>) -> Option<u32> {
        match self.trie.step(self.cursor) {
            Step::Verify(index) => {
                let known = &self.trie.verifies[index as usize];
                (known.at == at && known.len == len && known.cells == cells).then_some(index)
            }
            Step::Unknown => {
                let index = self.trie.verifies.len() as u32;
                self.trie.verifies.push(Verify {
                    at,
                    len,
                    cells,
                    verdicts: MixMap::default(),
                });
                self.trie.expect(self.cursor, Step::Verify(index));
                Some(index)
            }
            _ => None,
        }
    }

    fn contents(&self, index: u32) -> u64 {
        let cells = &self.trie.verifies[index as usize].cells;
        let values = cells.iter().map(|cell| self.model.image[*cell as usize]);
        values.fold(0, |hash, value| mix(hash ^ value))
    }

    fn matches(&mut self, at: u64, len: u64, check: &mut dyn Checksum) -> bool {
        check.reset();
        let granule = 1u64 << self.model.shift;
        let mut buffer = [0u8; 256];
        let (mut here, end, mut used) = (at, at + len, 0);
        while here < end {
            let within = (here & (granule - 1)) as usize;
            let take = (granule as usize - within).min((end - here) as usize);
            let word = self.model.image[(here >> self.model.shift) as usize].to_le_bytes();
            buffer[used..used + take].copy_from_slice(&word[within..within + take]);
            used += take;
            here += take as u64;
            if used + 8 > buffer.len() {
                check.update(&buffer[..used]);
                used = 0;
            }
        }
        check.update(&buffer[..used]);
        check.matches()
    }

    /// Decides the ambiguous words of a range; false where a verdict is needed and `check` is not at hand.
    fn decide_range(&mut self, index: u32, check: Checker<'_>) -> bool {
        let node = &self.trie.verifies[index as usize];
        let flags = &self.model.flags;
        let open = |cell: &u32| flags[*cell as usize] & AMBIGUOUS != 0;
        if !node.cells.iter().any(open) {
            return true;
        }
        if !matches!(self.policy, Policy::All | Policy::Random(_)) {
            let cells: Vec<u32> = node.cells.iter().copied().filter(open).collect();
            for cell in cells {
                let value = pick(self.policy, cell, &self.possible(cell));
                self.determine(cell, value);
            }
            return true;
        }
        let Some(choice) = self.choice_of(index, check) else {
            return false;
        };
        let mut taken = 0;
        if let Policy::Random(seed) = self.policy {
            let draw = mix(seed ^ mix(u64::from(choice.cells[0])));
            taken = (draw % choice.alternatives.len() as u64) as usize;
        } else {
            self.push_range(choice.clone());
        }
        for (cell, value) in choice.cells.iter().zip(choice.alternatives[taken].iter()) {
            self.determine(*cell, *value);
        }
        true
    }

    /// The choices for a range as its words are now; none where a verdict is not known.
    fn choice_of(&mut self, index: u32, mut check: Checker<'_>) -> Option<Arc<RangeChoice>> {
        let key = self.choice_key(index);
        if let Some(known) = self.range_choices.get(&key) {
            return Some(known.clone());
        }
        let node = &self.trie.verifies[index as usize];
        let flags = &self.model.flags;
        let open = |cell: &u32| flags[*cell as usize] & AMBIGUOUS != 0;
        let cells: Box<[u32]> = node.cells.iter().copied().filter(open).collect();
        let choices: Vec<Vec<u64>> = cells
            .iter()
            .map(|cell| {
                let mut values = Vec::new();
                self.model.choices(*cell, &mut values);
                values
            })
            .collect();
        let alternatives = self.alternatives(index, &cells, &choices, &mut check)?;
        let choice = Arc::new(RangeChoice {
            cells,
            alternatives,
        });
        if self.range_choices.len() >= RANGE_CHOICES {
            self.range_choices.clear();
            self.range_bytes = 0;
        }
        self.range_bytes += choice.cells.len() * (4 + 8 * choice.alternatives.len()) + 64;
        self.range_choices.insert(key, choice.clone());
        Some(choice)
    }

    /// A hash of all that the choices for a range follow from.
    fn choice_key(&self, index: u32) -> u64 {
        let mut key = mix(u64::from(index));
        for cell in &self.trie.verifies[index as usize].cells {
            let at = *cell as usize;
            if self.model.flags[at] & AMBIGUOUS == 0 {
                key = mix(key ^ self.model.image[at]);
                continue;
            }
            let pending = self.model.pending_of(*cell).expect("ambiguous");
            key = mix(key ^ pending.hash());
        }
        if self.model.keeps_order() {
            let since = self.trail[self.era..].iter();
            key = since.fold(key, |key, word| {
                mix(key ^ mix(u64::from(word.cell)) ^ word.value)
            });
            key = mix(key ^ self.model.residue_hash());
        }
        key
    }

    /// The contents to explore, those that match first; none where a verdict is not known.
    fn alternatives(
        &mut self,
        index: u32,
        cells: &[u32],
        choices: &[Vec<u64>],
        check: &mut Checker<'_>,
    ) -> Option<Vec<Box<[u64]>>> {
        let tied = self.model.keeps_order();
        let mixtures = choices
            .iter()
            .try_fold(1usize, |product, values| product.checked_mul(values.len()));
        let exact = mixtures.is_some_and(|count| count <= EXACT_MIXTURES);
        let candidates = if exact {
            every_mixture(choices)
        } else {
            self.approximated = true;
            let mut found = self.candidates(cells, choices);
            if tied {
                found.push((self.one_after_another(cells, Policy::Latest), false));
                found.push((self.one_after_another(cells, Policy::Oldest), false));
            }
            found
        };
        let mut matching: Vec<Box<[u64]>> = Vec::new();
        let mut others: Vec<Box<[u64]>> = Vec::new();
        for candidate in candidates {
            let (values, sampled) = candidate;
            if matching.contains(&values) || others.contains(&values) {
                continue;
            }
            if tied && !self.is_possible(cells, &values) {
                continue;
            }
            let enough = !exact && others.len() >= self.verify_samples.max(1);
            if sampled && enough {
                continue;
            }
            if self.verdict(index, cells, &values, check)? {
                matching.push(values);
            } else if !enough {
                others.push(values);
            }
        }
        matching.extend(others);
        Some(matching)
    }

    /// Whether the words can hold these values, together and beside what was decided since the last cut.
    fn is_possible(&self, cells: &[u32], values: &[u64]) -> bool {
        let since = self.trail[self.era..].iter();
        let mut decided: Vec<(u32, u64)> = since.map(|word| (word.cell, word.value)).collect();
        decided.extend(cells.iter().copied().zip(values.iter().copied()));
        self.model.is_possible(&decided)
    }

    /// Contents in which each word fits those before it.
    fn one_after_another(&mut self, cells: &[u32], policy: Policy) -> Box<[u64]> {
        let trail = self.trail.len();
        for cell in cells {
            let value = pick(policy, *cell, &self.possible(*cell));
            self.determine(*cell, value);
        }
        let values = self.trail[trail..].iter().map(|word| word.value).collect();
        self.unwind(trail);
        values
    }

    fn verdict(
        &mut self,
        index: u32,
        cells: &[u32],
        values: &[u64],
        check: &mut Checker<'_>,
    ) -> Option<bool> {
        for (cell, value) in cells.iter().zip(values) {
            self.model.image[*cell as usize] = *value;
        }
        let contents = self.contents(index);
        if let Some(known) = self.trie.verifies[index as usize].verdicts.get(&contents) {
            return Some(*known);
        }
        let (check, at, len) = check.as_mut()?;
        let verdict = self.matches(*at, *len, *check);
        let verdicts = &mut self.trie.verifies[index as usize].verdicts;
        if verdicts.insert(contents, verdict).is_none() {
            self.trie.add_bytes(VERDICT);
        }
        Some(verdict)
    }

    /// Likely contents, each with whether it is only a sample of those that do not match.
    fn candidates(&self, cells: &[u32], choices: &[Vec<u64>]) -> Vec<(Box<[u64]>, bool)> {
        let pending = |cell: &u32| self.model.pending_of(*cell).expect("ambiguous");
        let mut times = vec![0];
        for cell in cells {
            pending(cell).times(&mut times);
        }
        times.sort_unstable();
        times.dedup();
        let stride = times.len().div_ceil(SNAPSHOTS);
        let mut found: Vec<(Box<[u64]>, bool)> = Vec::new();
        // Newest first; the stride counts from the newest, and the oldest of all is always there.
        let newest_first = times.iter().rev().step_by(stride).chain(times.first());
        for time in newest_first {
            let at = cells.iter().map(|cell| pending(cell).value_at(*time));
            found.push((at.collect(), false));
        }
        let mixed = |pick: &dyn Fn(usize, &[u64]) -> u64| -> Box<[u64]> {
            let words = choices.iter().enumerate();
            words.map(|(index, values)| pick(index, values)).collect()
        };
        let oldest = |values: &[u64]| values[values.len() - 1];
        for late in 0..cells.len() {
            let one_late = |index: usize, values: &[u64]| match index == late {
                true => oldest(values),
                false => values[0],
            };
            found.push((mixed(&one_late), true));
            let one_early = |index: usize, values: &[u64]| match index == late {
                true => values[0],
                false => oldest(values),
            };
            found.push((mixed(&one_early), true));
        }
        for draw in 0..SEEDED {
            let policy = Policy::Random(mix(self.seed ^ draw));
            let seeded = |index: usize, values: &[u64]| pick(policy, cells[index], values);
            found.push((mixed(&seeded), true));
        }
        found
    }
}

fn every_mixture(choices: &[Vec<u64>]) -> Vec<(Box<[u64]>, bool)> {
    let mut mixtures: Vec<Vec<u64>> = vec![Vec::new()];
    for values in choices {
        mixtures = mixtures
            .iter()
            .flat_map(|start| {
                values.iter().map(move |value| {
                    let mut longer = start.clone();
                    longer.push(*value);
                    longer
                })
            })
            .collect();
    }
    mixtures
        .into_iter()
        .map(|values| (values.into_boxed_slice(), false))
        .collect()
}
