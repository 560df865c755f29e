//! One crash again, and what the oracles say of it.

use std::cell::RefCell;

use super::judge::Judge;
use super::lives::standing;
use super::{Observed, Subject, observe};
use crate::explore::Explorer;
use crate::media::CrashMedia;
use crate::record::Recording;
use crate::replay::{Replay, ReplayError};
use crate::report::{Point, PointKind};
use crate::search::{NOT_ONCE, quietly};

/// What became of a line that was run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// What recovery told, and what came of asking on.
    pub observation: String,
    /// What the oracles say now. Errors: the promise that is still broken.
    pub verdict: Result<(), String>,
}

/// A recording that is the same as it was.
pub(crate) struct Again<'a, S: Subject> {
    pub explorer: &'a Explorer,
    pub recording: &'a Recording,
    pub judge: &'a Judge<S>,
}

impl<S: Subject> Again<'_, S> {
    /// Runs `crash` on it. Errors: recovery goes another way now.
    pub(crate) fn crash(&self, crash: &Replay) -> Result<Replayed, ReplayError> {
        let recording = self.recording;
        let judge = self.judge;
        let answers = RefCell::new(Vec::new());
        let answer = |media: &CrashMedia| {
            let seen = observe::<S>(media);
            let over = media.with_lab(|lab| lab.log.events.len());
            answers.borrow_mut().push((seen.clone(), over));
            seen
        };
        let run = || self.explorer.replay(recording, crash, answer);
        let seen: Result<Observed<S::View>, String> = match quietly(run) {
            Ok(seen) => Ok(seen?),
            Err(panic) => Err(format!("recovery panicked: {panic}")),
        };
        let first = crash.steps.first().map_or(0, |step| step.event);
        let (acked, in_flight) = standing(recording, first.min(recording.events()));
        let point = Point {
            event: first,
            kind: PointKind::End,
            depth: crash.steps.len() as u32 - 1,
            acked: &acked,
            in_flight: &in_flight,
        };
        // What was told once a recovery was over binds every later one.
        let answers = answers.into_inner();
        let told = answers.iter().zip(crash.steps.iter().skip(1));
        let told = told.filter(|((_, over), next)| *over == next.event);
        let twice = told.map(|((seen, _), _)| seen).next();
        Ok(match seen {
            Ok(seen) => Replayed {
                verdict: match twice.is_some_and(|told| *told != seen) {
                    true => Err(NOT_ONCE.to_owned()),
                    false => judge.allowed(&point, &seen),
                },
                observation: format!("{seen:?}"),
            },
            Err(panic) => Replayed {
                observation: panic.clone(),
                verdict: Err(panic),
            },
        })
    }
}
