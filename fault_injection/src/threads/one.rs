//! One schedule: run, held against the model, explored.

use std::collections::HashSet;

use super::interleave::{Interleaving, Shared};
use super::line::Picked;
use super::races::{Race, races, right_after};
use super::runner::Crew;
use super::schedule::{Chooser, Frame};
use crate::record::Recording;
use crate::report::Violation;
use crate::search::quietly;
use crate::subject::{
    FORMAT, Judge, Medium, Oracle, Order, Subject, Summary, clean, hash_of, observe, plainest,
    well_and,
};

/// A schedule that ran to its end.
pub(super) struct One<S: Subject> {
    pub recording: Recording,
    pub judge: Judge<S>,
    pub frames: Vec<Frame>,
    pub strayed: bool,
    races: Vec<Race>,
}

/// What is wrong, before it is told.
pub(super) struct Wrong {
    pub reason: String,
    pub frames: Vec<Frame>,
    pub log: u64,
    pub violation: Option<Box<Violation>>,
    pub race: Option<Box<Race>>,
}

/// Races told at most.
const RACES: usize = 64;

impl<S: Shared> Interleaving<'_, S> {
    /// Runs one schedule of what is picked.
    ///
    /// Errors: an operation failed or panicked, threads wait for one another, or what is there afterwards without any
    /// crash is nothing that the operations lead to.
    pub(super) fn one(
        &self,
        crew: &Crew<S>,
        setup: &[S::Op],
        programs: &[Vec<S::Op>],
        picked: &Picked,
        chooser: Chooser,
        summary: &mut Summary,
    ) -> Result<One<S>, Wrong> {
        let base = self.explorer.base;
        let media = S::media(base);
        media.invoke(FORMAT);
        let engine = S::format(S::Medium::of(media.clone()));
        media.ack(FORMAT);
        let mut ops: Vec<S::Op> = Vec::new();
        for index in &picked.setup {
            let id = ops.len() as u64;
            media.invoke(id);
            let done = quietly(|| engine.apply_shared(&setup[*index]));
            done.and_then(|done| done).map_err(Wrong::without_crash)?;
            media.ack(id);
            ops.push(setup[*index].clone());
        }
        media.mark();
        let mut numbered = Vec::new();
        for (picked, program) in picked.programs.iter().zip(programs) {
            let first = ops.len() as u64;
            let mine = picked.iter().map(|index| program[*index].clone());
            let mine: Vec<S::Op> = mine.collect();
            numbered.push((first..).zip(mine.clone()).collect());
            ops.extend(mine);
        }
        let ran = crew.run(&media, engine, &numbered, chooser, self.every_call);
        let threads = summary.threads.get_or_insert_default();
        threads.schedules += 1;
        threads.blocked += ran.turns.blocked;
        let frames = ran.turns.frames;
        if let Some(stuck) = ran.stuck {
            let reason = format!("{}: {}", Oracle::Deadlock, stuck.join(", "));
            return Err(Wrong::with_frames(reason, frames));
        }
        if let Some(failed) = ran.failed {
            return Err(Wrong::with_frames(
                format!("{}: {failed}", Oracle::Clean),
                frames,
            ));
        }
        let recording = media.recording().start_at_last_mark();
        let order = Order::new(vec![S::Model::default()], ops, &recording);
        let judge = Judge::of_new(base, order);
        let seen = observe::<S>(&clean(&media));
        if let Err(why) = well_and(&recording, |point| judge.allowed(point, &seen)) {
            return Err(Wrong::with_frames(
                format!("{}: {why}", Oracle::Clean),
                frames,
            ));
        }
        Ok(One {
            races: races(&recording, &ran.turns.loads),
            recording,
            judge,
            frames,
            strayed: ran.turns.strayed,
        })
    }

    /// Explores a schedule whose recording is new: right after each acknowledgement that may rest on what was not
    /// durable first, then everywhere.
    pub(super) fn explored(
        &self,
        one: &One<S>,
        known: &mut HashSet<u64>,
        summary: &mut Summary,
    ) -> Option<Wrong> {
        let log = hash_of(&one.recording);
        let threads = summary.threads.get_or_insert_default();
        if !known.insert(log) {
            threads.equal_recordings += 1;
            return None;
        }
        let wrong = |violation: Violation, race: Option<Race>| Wrong {
            reason: violation.reason.clone(),
            frames: one.frames.clone(),
            log,
            violation: Some(Box::new(violation)),
            race: race.map(Box::new),
        };
        let allowed = |point: &crate::report::Point<'_>, seen: &_| one.judge.allowed(point, seen);
        for race in &one.races {
            let threads = summary.threads.get_or_insert_default();
            let places = |other: &Race| (other.store, other.load) == (race.store, race.load);
            if threads.races.len() >= RACES || threads.races.iter().any(places) {
                continue;
            }
            let there = right_after(&one.recording, race);
            let directed = self.explorer.clone().kill_steps(0);
            let report = directed.explore(&there, observe::<S>, allowed);
            summary.add(&report);
            let mut race = race.clone();
            let found = plainest(&report, None).cloned();
            race.confirmed = found.is_some();
            summary
                .threads
                .get_or_insert_default()
                .races
                .push(race.clone());
            if let Some(violation) = found {
                return Some(wrong(violation, Some(race)));
            }
        }
        let report = self.explorer.explore(&one.recording, observe::<S>, allowed);
        summary.add(&report);
        let violation = plainest(&report, None)?.clone();
        Some(wrong(violation, None))
    }
}

impl Wrong {
    fn without_crash(why: String) -> Self {
        Self::with_frames(format!("{}: {why}", Oracle::Clean), Vec::new())
    }

    fn with_frames(reason: String, frames: Vec<Frame>) -> Self {
        Wrong {
            reason,
            frames,
            log: 0,
            violation: None,
            race: None,
        }
    }
}
