//! The fewest operations on which a schedule still goes wrong, and the words for it.

use super::interleave::{Interleaving, Shared};
use super::line::{Line, Picked};
use super::one::Wrong;
use super::schedule::decisions;
use crate::subject::{Fate, Finding, Oracle, Summary};

/// Schedules drawn for each smaller set of operations.
const SCHEDULES: u64 = 200;

impl<S: Shared> Interleaving<'_, S> {
    /// Shrinks what is wrong and adds it to `summary`.
    pub(super) fn tell(
        &self,
        setup: &[S::Op],
        programs: &[Vec<S::Op>],
        mut picked: Picked,
        mut wrong: Wrong,
        summary: &mut Summary,
    ) {
        let shrunk_from = picked.count();
        let mut at = 0;
        // Threads that wait for ever are left behind each time: they are told as they were found.
        while at < picked.count() && Oracle::of(&wrong.reason) != Oracle::Deadlock {
            let fewer = picked.without(at);
            let mut unused = self.summary();
            let found = self.some(setup, programs, &fewer, 0..SCHEDULES, &mut unused);
            match found.filter(|it| Oracle::of(&it.reason) == Oracle::of(&wrong.reason)) {
                Some(smaller) => (picked, wrong) = (fewer, smaller),
                None => at += 1,
            }
        }
        let finding = self.finding(setup, programs, picked, wrong, shrunk_from);
        summary.findings.push(finding);
    }

    fn finding(
        &self,
        setup: &[S::Op],
        programs: &[Vec<S::Op>],
        picked: Picked,
        wrong: Wrong,
        shrunk_from: usize,
    ) -> Finding {
        let mut texts: Vec<String> = Vec::new();
        for index in &picked.setup {
            texts.push(format!("{:?}", setup[*index]));
        }
        for (thread, (picked, program)) in picked.programs.iter().zip(programs).enumerate() {
            for index in picked {
                texts.push(format!("thread {thread}: {:?}", program[*index]));
            }
        }
        let mut violation = wrong.violation.map(|found| *found);
        if let Some(found) = &mut violation {
            // The making of the engine is no operation of its user.
            found.acked.retain(|id| *id < texts.len() as u64);
            found.in_flight.retain(|id| *id < texts.len() as u64);
        }
        let fate = |id: u64| match &violation {
            Some(found) if found.acked.contains(&id) => Fate::Acknowledged,
            Some(found) if found.in_flight.contains(&id) => Fate::InFlight,
            _ => Fate::NotBegun,
        };
        let operations = texts.into_iter().enumerate();
        let operations: Vec<(String, Fate)> = operations
            .map(|(id, text)| (text, fate(id as u64)))
            .collect();
        let line = Line {
            picked,
            turns: decisions(&wrong.frames),
            bound: self.preemptions,
            every_call: self.every_call,
            log: wrong.log,
            crash: violation.as_ref().map(|found| found.replay.clone()),
        };
        Finding {
            oracle: Oracle::of(&wrong.reason),
            reason: wrong.reason,
            operations,
            shrunk_from,
            setting: Some(match wrong.race {
                Some(race) => race.to_string(),
                None => format!("threads took turns {:?}", line.turns),
            }),
            violation,
            line: line.text(),
        }
    }
}

impl Picked {
    fn count(&self) -> usize {
        self.setup.len() + self.programs.iter().map(Vec::len).sum::<usize>()
    }

    /// All but operation number `at`, those of the setup first.
    fn without(&self, at: usize) -> Picked {
        let mut fewer = self.clone();
        let mut at = at;
        for ops in std::iter::once(&mut fewer.setup).chain(&mut fewer.programs) {
            if at < ops.len() {
                ops.remove(at);
                break;
            }
            at -= ops.len();
        }
        fewer
    }
}
