//! What an ambiguous word, or a checksummed range of them, is taken to hold; and taking it back.

use std::sync::Arc;

use super::Lab;
use crate::model::AMBIGUOUS;
use crate::trie::mix;
use crate::verify::RangeChoice;

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

impl Lab {
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

    pub(super) fn decide(&mut self, cell: u32) {
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
