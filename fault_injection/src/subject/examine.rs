//! One workload: recorded, held against the model, explored, and lived on.

use super::judge::Judge;
use super::line::{Line, Token};
use super::lives::{self, Life};
use super::record::{Recorded, hash_of, record};
use super::{Fate, Finding, Oracle, Subject, Summary, observe};
use crate::explore::Explorer;
use crate::record::Recording;
use crate::report::{Point, PointKind, Report, Violation};

/// Which crashed engines are worked on.
#[derive(Clone, Debug)]
pub(crate) enum Lives {
    /// So many, by the seed.
    Drawn(u64),
    /// This one alone.
    Just(Life),
}

/// A workload that breaks a promise.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub reason: String,
    pub life: Option<Life>,
    /// Hash of the recording that was explored.
    pub log: u64,
    /// The operations of the recording that was explored.
    pub ops: Vec<String>,
    pub violation: Option<Violation>,
}

impl Problem {
    pub(crate) fn oracle(&self) -> Oracle {
        Oracle::of(&self.reason)
    }

    fn without_crash<S: Subject>(reason: String, ops: &[S::Op]) -> Self {
        Problem {
            reason,
            life: None,
            log: 0,
            ops: told::<S>(ops),
            violation: None,
        }
    }

    pub(crate) fn finding(self, tokens: &[Token], shrunk_from: usize) -> Finding {
        let line = Line {
            ops: tokens.to_vec(),
            life: self.life.clone(),
            log: self.log,
            crash: self.violation.as_ref().map(|found| found.replay.clone()),
        };
        let fate = |id: u64| match &self.violation {
            Some(found) if found.acked.contains(&id) => Fate::Acknowledged,
            Some(found) if found.in_flight.contains(&id) => Fate::InFlight,
            Some(_) => Fate::NotBegun,
            None => Fate::Acknowledged,
        };
        let operations = self.ops.iter().enumerate();
        let operations = operations.map(|(id, op)| (op.clone(), fate(id as u64)));
        Finding {
            oracle: self.oracle(),
            operations: operations.collect(),
            setting: self.life.as_ref().map(|life| {
                format!(
                    "after a first cut ({}, {} events) of {} operations and a recovery",
                    life.cut.text(),
                    life.event,
                    tokens.len()
                )
            }),
            reason: self.reason,
            shrunk_from,
            violation: self.violation,
            line: line.text(),
        }
    }
}

pub(crate) fn told<S: Subject>(ops: &[S::Op]) -> Vec<String> {
    ops.iter().map(|op| format!("{op:?}")).collect()
}

/// All tokens as operations; none where one does not fit.
pub(crate) fn ops_of<S: Subject>(tokens: &[Token], given: &[S::Op]) -> Option<Vec<S::Op>> {
    tokens.iter().map(|token| token.op::<S>(given)).collect()
}

/// The violation that is told best: the fewest crashes, the fewest words that deviate, the earliest. Where one is
/// wanted, only of that promise.
pub(crate) fn plainest(report: &Report, wanted: Option<Oracle>) -> Option<&Violation> {
    let told = |violation: &&Violation| wanted.is_none_or(|it| it == Oracle::of(&violation.reason));
    let violations = report.violations.iter().filter(told);
    violations.min_by_key(|violation| {
        let lost = violation.words.iter().filter(|word| !word.lost.is_empty());
        (violation.depth, lost.count(), violation.event)
    })
}

/// Runs `tokens`, and tells of a broken promise, of the wanted one where one is; what was done is added to `summary`. `None`: nothing is broken.
pub(crate) fn examine<S: Subject>(
    explorer: &Explorer,
    tokens: &[Token],
    given: &[S::Op],
    lives: &Lives,
    wanted: Option<Oracle>,
    summary: &mut Summary,
) -> Option<Problem> {
    let ops = ops_of::<S>(tokens, given)?;
    let base = explorer.base;
    let recorded = match record::<S>(base, &ops) {
        Ok(recorded) => recorded,
        Err(why) => {
            let reason = format!("{}: {why}", Oracle::Clean);
            return Some(Problem::without_crash::<S>(reason, &ops));
        }
    };
    let Recorded {
        recording,
        order,
        after,
    } = recorded;
    let judge = Judge::of_new(base, order);
    let seen = observe::<S>(&after);
    if let Err(why) = well_and(&recording, |point| judge.allowed(point, &seen)) {
        let reason = format!("{}: {why}", Oracle::Clean);
        return Some(Problem::without_crash::<S>(reason, &ops));
    }
    let lives = match lives {
        Lives::Just(life) => vec![life.clone()],
        Lives::Drawn(count) => {
            if let Some(problem) = explored(explorer, &recording, &judge, None, wanted, summary) {
                return Some(problem);
            }
            let count = if ops.is_empty() { 0 } else { *count };
            let drawn = |number| lives::drawn::<S>(&recording, number, explorer);
            (0..count).map(drawn).collect()
        }
    };
    for life in lives {
        let second = ops_of::<S>(&life.ops, given)?;
        match lives::live(explorer, &recording, &judge, &life, &second) {
            Ok(None) => {}
            Ok(Some((recording, judge))) => {
                summary.second_lives += 1;
                let life = Some(life);
                let problem = explored(explorer, &recording, &judge, life, wanted, summary);
                if problem.is_some() {
                    return problem;
                }
            }
            Err(why) => {
                let mut problem =
                    Problem::without_crash::<S>(format!("{}: {why}", Oracle::Unusable), &second);
                problem.life = Some(life);
                return Some(problem);
            }
        }
    }
    None
}

/// Asks about the point at which everything went well.
pub(crate) fn well_and<R>(recording: &Recording, ask: impl FnOnce(&Point<'_>) -> R) -> R {
    let acks = recording.log.events.iter();
    let acks = acks.filter(|event| event.kind == crate::event::Kind::Ack);
    let acked: Vec<u64> = acks.map(|event| event.value).collect();
    ask(&Point {
        event: recording.log.events.len(),
        kind: PointKind::End,
        depth: 0,
        acked: &acked,
        in_flight: &[],
    })
}

fn explored<S: Subject>(
    explorer: &Explorer,
    recording: &Recording,
    judge: &Judge<S>,
    life: Option<Life>,
    wanted: Option<Oracle>,
    summary: &mut Summary,
) -> Option<Problem> {
    let allowed = |point: &Point<'_>, seen: &_| judge.allowed(point, seen);
    let searching = explorer.clone().suggest(false);
    let report = searching.explore(recording, observe::<S>, allowed);
    summary.add(&report);
    let mut violation = plainest(&report, wanted)?.clone();
    if wanted.is_some() {
        // The workload is as short as it gets: now it is worth while to look for what mends it.
        explorer.advise(&mut violation, recording, &observe::<S>, &allowed);
    }
    // The making of the engine is no operation of its user.
    violation
        .acked
        .retain(|id| *id < judge.order.ops.len() as u64);
    violation
        .in_flight
        .retain(|id| *id < judge.order.ops.len() as u64);
    Some(Problem {
        reason: violation.reason.clone(),
        life,
        log: hash_of(recording),
        ops: told::<S>(&judge.order.ops),
        violation: Some(violation),
    })
}
