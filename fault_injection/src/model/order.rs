//! Order within a unit: where the medium keeps the stores to one line, or to one sector, in their order.
//!
//! ```text
//! unit:   group 1   group 2   group 3      (a group: the words that one call stored to the unit, unordered)
//!         └─ whole ─┘         └ any subset: the group in progress
//! ```
//!
//! A unit is at one point of this progress for each era, an era being the time between two cuts. A word's value
//! narrows the points at which its unit can be; another word of the unit may then hold only what fits one of those.
//!
//! Invariants
//! O1  given the points, words are independent: an assignment is possible where each word is, at one common choice of
//!     points.
//! O2  what was decided before a cut narrows the eras before it for ever; versions stay where words are undecided.

use std::ops::Range;

use super::{AMBIGUOUS, Model, Pending};
use crate::trie::mix;
use everline::units::FLUSH_LINE;

/// What a power cut may leave of stores that are not durable yet.
///
/// Each admits all that the next admits: what survives `WordSubset` survives `LinePrefix`, and so on to `Eadr`.
/// [`CrashModel::Page`] stands apart: it is for ordinary files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum CrashModel {
    /// Each aligned word holds, independently of all others, any value since it last became durable. Right for Arm,
    /// for non-temporal stores and for page write-back; stricter than x86.
    #[default]
    WordSubset,
    /// The stores to one 64-byte line reach the medium in their order: all up to some moment, and of the bulk store
    /// in progress any words. Non-temporal stores stay independent. Ordinary stores on x86 (Intel SDM vol. 3A, 9.2).
    LinePrefix,
    /// The caches survive: a store is durable once it is done, flushes mean nothing; non-temporal stores still need
    /// their fence.
    Eadr,
    /// An ordinary file: each sector holds what it held at some moment since the last sync that succeeded.
    Page {
        /// Bytes that reach the device together: a power of two from 512 to 65,536.
        sector: u32,
    },
}

impl CrashModel {
    /// Sectors of 512 bytes: what every disk promises to write whole.
    pub const PAGE: CrashModel = CrashModel::Page { sector: 512 };
}

impl std::fmt::Display for CrashModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CrashModel::WordSubset => f.write_str("word-subset"),
            CrashModel::LinePrefix => f.write_str("line-prefix"),
            CrashModel::Eadr => f.write_str("eADR"),
            CrashModel::Page { sector } => write!(f, "sectors of {sector}"),
        }
    }
}

/// The word lies in a line that is said to rely on the order of its stores.
pub(crate) const ORDERED: u8 = 4;

/// Cuts that order is followed through.
pub(crate) const ERAS: usize = 4;

/// The group in progress in each era, by its time; 0 where nothing was stored.
type Progress = [u32; ERAS];

/// What earlier cuts left possible for a unit (O2).
#[derive(Clone, Debug)]
pub(super) struct Residue {
    unit: u32,
    eras: usize,
    left: Vec<Progress>,
}

impl Model {
    /// Bytes that are written back together, where that is more than a line.
    pub(super) fn write_back_unit(&self) -> Option<u64> {
        match self.kind {
            CrashModel::Page { sector } => Some(u64::from(sector)),
            _ => None,
        }
    }

    /// Whether any unit keeps the order of its stores.
    pub(crate) fn keeps_order(&self) -> bool {
        match self.kind {
            CrashModel::LinePrefix | CrashModel::Page { .. } => true,
            CrashModel::WordSubset => self.ordered_lines,
            CrashModel::Eadr => false,
        }
    }

    /// The words among whose stores `cell`'s keep their order.
    pub(crate) fn unit_of(&self, cell: u32) -> Option<Range<u32>> {
        let bytes = match self.kind {
            CrashModel::LinePrefix => FLUSH_LINE,
            CrashModel::Page { sector } => u64::from(sector),
            CrashModel::WordSubset if self.flags[cell as usize] & ORDERED != 0 => FLUSH_LINE,
            _ => return None,
        };
        let words = (bytes >> self.shift) as u32;
        let first = cell & !(words - 1);
        Some(first..first + words)
    }

    /// Says that the lines of a range rely on the order of their stores.
    pub(crate) fn order_lines(&mut self, at: u64, len: u64) {
        let first = (at & !(FLUSH_LINE - 1)) >> self.shift;
        let end = (at + len).next_multiple_of(FLUSH_LINE) >> self.shift;
        for flags in self
            .flags
            .iter_mut()
            .take(end as usize)
            .skip(first as usize)
        {
            *flags |= ORDERED;
            self.ordered_lines = true;
        }
    }

    fn pending_in(&self, unit: Range<u32>) -> impl Iterator<Item = &Pending> {
        let end = unit.end.min(self.slots.len() as u32);
        (unit.start..end).filter_map(|cell| self.pending_of(cell))
    }

    fn era(&self, era: usize) -> (u32, u32) {
        let low = era.checked_sub(1).map_or(0, |before| self.cuts[before]);
        let high = self.cuts.get(era).copied().unwrap_or(u32::MAX);
        (low, high)
    }

    fn is_ordered(&self, pending: &Pending) -> bool {
        matches!(self.kind, CrashModel::Page { .. }) || pending.versions.iter().all(|v| !v.nt)
    }

    /// The points at which a unit can be, given words of it that were decided since the last cut.
    fn progress(&self, unit: Range<u32>, decided: &[(u32, u64)]) -> Vec<Progress> {
        let residue = self
            .residue
            .iter()
            .find(|residue| residue.unit == unit.start);
        let mut found = residue.map_or_else(|| vec![[0; ERAS]], |residue| residue.left.clone());
        for era in residue.map_or(0, |residue| residue.eras)..=self.cuts.len() {
            let (low, high) = self.era(era);
            let ordered = self.pending_in(unit.clone()).filter(|p| self.is_ordered(p));
            let mut times: Vec<u32> = ordered
                .flat_map(|pending| pending.versions.iter().map(|version| version.seq))
                .filter(|seq| low < *seq && *seq <= high)
                .collect();
            times.sort_unstable();
            times.dedup();
            if times.is_empty() {
                continue;
            }
            let with = |progress: &Progress, time: u32| {
                let mut longer = *progress;
                longer[era] = time;
                longer
            };
            found = found
                .iter()
                .flat_map(|progress| times.iter().map(move |time| with(progress, *time)))
                .collect();
        }
        found.retain(|progress| {
            let mut words = decided.iter();
            words.all(|(cell, value)| self.could_hold(*cell, progress, *value))
        });
        found
    }

    /// Whether a word can hold `value` while its unit is at `progress`.
    fn could_hold(&self, cell: u32, progress: &Progress, value: u64) -> bool {
        let Some(pending) = self.pending_of(cell) else {
            return true;
        };
        if !self.is_ordered(pending) {
            return true;
        }
        for era in (0..=self.cuts.len()).rev() {
            let (low, high) = self.era(era);
            let here = pending.versions.iter().rev();
            for version in here.filter(|version| low < version.seq && version.seq <= high) {
                if version.seq == progress[era] && version.value == value {
                    return true;
                }
                if version.seq < progress[era] {
                    return version.value == value;
                }
            }
        }
        pending.base == value
    }

    /// Keeps of `values` what `cell` can hold beside the words `decided` since the last cut.
    pub(crate) fn keep_possible(&self, cell: u32, decided: &[(u32, u64)], values: &mut Vec<u64>) {
        if let Some(unit) = self.unit_of(cell) {
            let progress = self.progress(unit, decided);
            values.retain(|value| progress.iter().any(|at| self.could_hold(cell, at, *value)));
        }
    }

    /// Whether the words `decided` since the last cut can hold what they do, together.
    pub(crate) fn is_possible(&self, decided: &[(u32, u64)]) -> bool {
        let mut units: Vec<Range<u32>> = Vec::new();
        for (cell, _) in decided {
            let unit = self.unit_of(*cell);
            units.extend(unit.filter(|unit| !units.contains(unit)));
        }
        units.into_iter().all(|unit| {
            let words: Vec<(u32, u64)> = decided
                .iter()
                .filter(|(cell, _)| unit.contains(cell))
                .copied()
                .collect();
            !self.progress(unit, &words).is_empty()
        })
    }

    /// Narrows the units of `decided` words for the eras up to the cut that comes now (O2).
    pub(super) fn keep_residue(&mut self, decided: &[u32]) {
        let mut done: Vec<u32> = Vec::new();
        for cell in decided {
            let Some(unit) = self.unit_of(*cell) else {
                continue;
            };
            if done.contains(&unit.start) {
                continue;
            }
            done.push(unit.start);
            let words: Vec<(u32, u64)> = decided
                .iter()
                .filter(|cell| unit.contains(cell))
                .map(|cell| (*cell, self.image[*cell as usize]))
                .collect();
            let left = self.progress(unit.clone(), &words);
            self.residue.retain(|residue| residue.unit != unit.start);
            self.residue.push(Residue {
                unit: unit.start,
                eras: self.cuts.len() + 1,
                left,
            });
        }
    }

    /// A hash of what `cell` and the words it is tied to may hold.
    pub(crate) fn unit_hash(&self, unit: Range<u32>) -> u64 {
        let mut times: Vec<u32> = self
            .pending_in(unit.clone())
            .flat_map(|pending| pending.versions.iter().map(|version| version.seq))
            .chain(self.cuts.iter().copied())
            .collect();
        times.sort_unstable();
        times.dedup();
        let rank = |seq: u32| {
            times
                .binary_search(&seq)
                .map_or(u64::MAX, |rank| rank as u64)
        };
        let mut hash = self.cuts.iter().fold(0, |hash, cut| mix(hash ^ rank(*cut)));
        for pending in self.pending_in(unit.clone()) {
            hash = mix(hash ^ mix(u64::from(pending.cell)) ^ pending.base);
            for version in &pending.versions {
                hash = mix(hash ^ rank(version.seq) ^ (u64::from(version.nt) << 63));
                hash = mix(hash ^ version.value);
            }
        }
        if let Some(residue) = self
            .residue
            .iter()
            .find(|residue| residue.unit == unit.start)
        {
            for seq in residue.left.iter().flatten() {
                hash = mix(hash ^ u64::from(*seq));
            }
        }
        hash
    }

    /// A hash of what earlier cuts left.
    pub(crate) fn residue_hash(&self) -> u64 {
        let residues = self.residue.iter().flat_map(|residue| &residue.left);
        residues
            .flatten()
            .fold(self.residue.len() as u64, |hash, seq| {
                mix(hash ^ u64::from(*seq))
            })
    }

    /// Decimal logarithm of the number of images that a cut can leave now.
    pub(crate) fn log10_images(&self) -> f64 {
        let mut log10 = 0.0;
        let mut units: Vec<u32> = Vec::new();
        let mut choices = Vec::new();
        for pending in &self.pending {
            if self.flags[pending.cell as usize] & AMBIGUOUS == 0 {
                continue;
            }
            match self.unit_of(pending.cell) {
                Some(unit) if self.is_ordered(pending) => units.push(unit.start),
                _ => {
                    choices.clear();
                    pending.choices(&mut choices);
                    log10 += (choices.len() as f64).log10();
                }
            }
        }
        units.sort_unstable();
        units.dedup();
        log10
            + units
                .into_iter()
                .map(|unit| self.log10_of(unit))
                .sum::<f64>()
    }

    /// As [`Model::log10_images`], of one unit: every proper part of each group in progress, and the whole.
    fn log10_of(&self, first: u32) -> f64 {
        let unit = self.unit_of(first).unwrap_or(first..first + 1);
        let mut times: Vec<u32> = self
            .pending_in(unit)
            .filter(|pending| self.is_ordered(pending))
            .flat_map(|pending| pending.versions.iter().map(|version| version.seq))
            .collect();
        times.sort_unstable();
        let groups = times.chunk_by(|a, b| a == b);
        let images: f64 = groups
            .map(|group| 2f64.powi(group.len() as i32) - 1.0)
            .sum();
        (1.0 + images).log10()
    }
}
