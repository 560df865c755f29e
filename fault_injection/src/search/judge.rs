//! Asking the oracle, and telling what it refuses.

use std::fmt::Debug;

use everline::units::ByteOffset;

use super::{CLASSES, Outcome, Search, Stop, Went, quietly};
use crate::media::CrashMedia;
use crate::model::Pending;
use crate::replay::{Replay, ReplayStep};
use crate::report::{Point, PointKind, Violation, Word};

/// What is said where recovery twice is not recovery once.
pub(crate) const NOT_ONCE: &str =
    "recovery was over, and after the next cut it answers something else";

impl<O, R, A> Search<'_, O, R, A>
where
    O: Clone + Eq + Debug,
    R: Fn(&CrashMedia) -> O,
    A: Fn(&Point<'_>, &O) -> Result<(), String>,
{
    pub(super) fn intern(&mut self, outcome: Outcome<O>) -> u32 {
        let equal = |known: &Outcome<O>| match (known, &outcome) {
            (Outcome::Seen(known), Outcome::Seen(new)) => known == new,
            (Outcome::Panicked(known), Outcome::Panicked(new)) => known == new,
            _ => false,
        };
        // Equal outcomes need not be one, but each is judged apart: look at the likely ones.
        let recent = self.outcomes.len().saturating_sub(64);
        if let Some(index) = self.outcomes[recent..].iter().position(equal) {
            return (recent + index) as u32;
        }
        self.outcomes.push(outcome);
        self.judged.push([0; CLASSES]);
        self.outcomes.len() as u32 - 1
    }

    pub(super) fn class(&self, deeper: u32) -> usize {
        let depth = (self.levels.len() + deeper as usize).min(CLASSES / 2 - 1);
        depth + usize::from(self.kind == PointKind::Killed) * (CLASSES / 2)
    }

    pub(super) fn verdict(&self, outcome: u32, deeper: u32) -> Result<(), String> {
        let point = Point {
            event: self.event,
            kind: self.kind,
            depth: self.levels.len() as u32 + deeper,
            acked: &self.acked,
            in_flight: &self.in_flight,
        };
        match &self.outcomes[outcome as usize] {
            Outcome::Seen(seen) => quietly(|| (self.allowed)(&point, seen))
                .unwrap_or_else(|message| Err(format!("the oracle panicked: {message}"))),
            Outcome::Panicked(message) => Err(format!("recovery panicked: {message}")),
        }
    }

    /// Whether an outcome is what a recovery that was over had answered; so where none was over, or either panicked.
    pub(super) fn answers_as_before(&self, outcome: u32) -> bool {
        let before = self.answered.map(|before| &self.outcomes[before as usize]);
        match (before, &self.outcomes[outcome as usize]) {
            (Some(Outcome::Seen(before)), Outcome::Seen(again)) => before == again,
            _ => true,
        }
    }

    /// Recovery twice is recovery once: what was answered when one was over is answered for ever.
    pub(super) fn judge_again(&mut self, outcome: u32) -> Went {
        if self.answers_as_before(outcome) {
            return Ok(());
        }
        self.violate(outcome, NOT_ONCE.into());
        match self.config.stop_at_first {
            true => Err(Stop::Enough),
            false => Ok(()),
        }
    }

    /// Asks the oracle, once for each crash point, depth and outcome (S2).
    pub(super) fn judge(&mut self, outcome: u32) -> Went {
        let depth = self.levels.len() as u32;
        for (level, met) in self.met.iter_mut().rev().enumerate() {
            let entry = (outcome, level as u32 + 1);
            if !met.contains(&entry) {
                met.push(entry);
            }
        }
        let class = self.class(0);
        let stamp = &mut self.judged[outcome as usize][class];
        if std::mem::replace(stamp, self.point_number) == self.point_number
            && (depth as usize) < CLASSES / 2
        {
            return Ok(());
        }
        match self.verdict(outcome, 0) {
            Ok(()) => Ok(()),
            Err(reason) => {
                self.violate(outcome, reason);
                match self.config.stop_at_first {
                    true => Err(Stop::Enough),
                    false => Ok(()),
                }
            }
        }
    }

    /// The words decided since the innermost crash.
    pub(super) fn innermost_words(&self) -> Vec<(u32, u64)> {
        self.media.with_lab(|lab| {
            let decided = lab.trail[lab.era..].iter();
            decided.map(|word| (word.cell, word.value)).collect()
        })
    }

    pub(super) fn violate(&mut self, outcome: u32, reason: String) {
        self.report.violations_met += 1;
        if self.report.violations.len() >= self.config.violations_kept {
            return;
        }
        let here = self.innermost_words();
        let mut words = Vec::new();
        let mut steps = Vec::new();
        self.media.with_lab(|lab| {
            let shift = lab.model.shift;
            let crashes = self
                .levels
                .iter()
                .map(|level| (level.kill, level.event, &level.words, level.mark.as_ref()));
            let live = self.kind == PointKind::Killed && self.levels.is_empty();
            let last = std::iter::once((live, self.here, &here, None));
            for (depth, (kill, event, decided, mark)) in crashes.chain(last).enumerate() {
                steps.push(ReplayStep {
                    kill,
                    event,
                    words: decided
                        .iter()
                        .map(|(cell, value)| (u64::from(*cell) << shift, *value))
                        .collect(),
                });
                for (cell, value) in decided {
                    let pending = match mark {
                        Some(mark) => lab.model.saved_pending(mark, *cell),
                        None => None,
                    };
                    let pending = pending.or_else(|| lab.model.pending_of(*cell));
                    let at = ByteOffset::new(u64::from(*cell) << shift);
                    words.push(told(at, *value, depth as u32, pending));
                }
            }
        });
        let observation = match &self.outcomes[outcome as usize] {
            Outcome::Seen(seen) => format!("{seen:?}"),
            Outcome::Panicked(message) => format!("a panic: {message}"),
        };
        self.report.violations.push(Violation {
            event: self.event,
            kind: self.kind,
            depth: self.levels.len() as u32,
            before: self.before,
            acked: self.acked.clone(),
            in_flight: self.in_flight.clone(),
            reason,
            observation,
            words,
            advice: None,
            replay: Replay { steps },
            seed: self.config.seed,
        });
    }
}

/// A word's fate for a report.
fn told(at: ByteOffset, value: u64, depth: u32, pending: Option<&Pending>) -> Word {
    let versions = pending.map_or(&[][..], |pending| &pending.versions);
    let kept = versions.iter().rposition(|version| version.value == value);
    let lost = &versions[kept.map_or(0, |index| index + 1)..];
    Word {
        at,
        name: None,
        value,
        depth,
        kept: kept.map(|index| versions[index].place),
        lost: lost.iter().map(|version| version.place).collect(),
    }
}
