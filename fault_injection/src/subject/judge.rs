//! The oracles that need nothing from the engine's author.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::order::Candidate;
use super::record::record;
use super::{Observed, Oracle, Order, Subject, observe};
use crate::explore::Base;
use crate::report::Point;

/// Until this is acknowledged, other rules hold.
pub(crate) struct Gate<M> {
    pub id: u64,
    /// What may be there before.
    pub before: Vec<M>,
    /// Whether recovery may refuse the medium before.
    pub may_refuse: bool,
}

type Candidates<M> = Rc<Vec<Candidate<M>>>;
type Fitting<S> = Vec<Candidate<<S as Subject>::Model>>;
/// Which promise is broken, and how.
type Refusal = (Oracle, String);
type Key = (Vec<u64>, Vec<u64>);

/// What may be left of a recording.
pub(crate) struct Judge<S: Subject> {
    pub order: Order<S>,
    gate: Gate<S::Model>,
    base: Base,
    /// The states of the crash point that was judged last.
    known: RefCell<Option<(Key, Candidates<S::Model>)>>,
    /// How much room an engine has that did these operations without a crash.
    rooms: RefCell<HashMap<Vec<usize>, Option<u64>>>,
}

impl<S: Subject> Judge<S> {
    pub(crate) fn new(base: Base, order: Order<S>, gate: Gate<S::Model>) -> Self {
        Judge {
            order,
            gate,
            base,
            known: RefCell::new(None),
            rooms: RefCell::new(HashMap::new()),
        }
    }

    /// Of a recording that begins with the making of the engine.
    pub(crate) fn of_new(base: Base, order: Order<S>) -> Self {
        let gate = Gate {
            id: super::FORMAT,
            before: vec![S::Model::default()],
            may_refuse: true,
        };
        Self::new(base, order, gate)
    }

    /// Whether that may be found at that point; the reason begins with the oracle's name.
    pub(crate) fn allowed(
        &self,
        point: &Point<'_>,
        seen: &Observed<S::View>,
    ) -> Result<(), String> {
        let fitting = self
            .fitting(point, seen)
            .map_err(|(oracle, why)| format!("{oracle}: {why}"))?;
        match fitting {
            Some(fitting) => self
                .asked_on(&fitting, seen)
                .map_err(|(oracle, why)| format!("{oracle}: {why}")),
            None => Ok(()),
        }
    }

    /// The states that may be left at `point`; none where they are too many.
    pub(crate) fn possible(&self, point: &Point<'_>) -> Option<Candidates<S::Model>> {
        if !point.acked.contains(&self.gate.id) {
            let before = self.gate.before.iter().map(|model| Candidate {
                model: model.clone(),
                path: Vec::new(),
            });
            return Some(Rc::new(before.collect()));
        }
        let key = (point.acked.to_vec(), point.in_flight.to_vec());
        if let Some((known, candidates)) = &*self.known.borrow() {
            if *known == key {
                return Some(candidates.clone());
            }
        }
        let candidates = Rc::new(self.order.possible(point.acked, point.in_flight)?);
        *self.known.borrow_mut() = Some((key, candidates.clone()));
        Some(candidates)
    }

    /// The allowed states that look as what was found; none where recovery may refuse, and did.
    fn fitting(
        &self,
        point: &Point<'_>,
        seen: &Observed<S::View>,
    ) -> Result<Option<Fitting<S>>, Refusal> {
        let view = match &seen.view {
            Ok(view) => view,
            Err(_) if self.gate.may_refuse && !point.acked.contains(&self.gate.id) => {
                return Ok(None);
            }
            Err(error) => return Err((Oracle::Refused, error.clone())),
        };
        let Some(candidates) = self.possible(point) else {
            let why = "more orders of these operations than can be judged";
            return Err((Oracle::Atomicity, why.into()));
        };
        let fits = |candidate: &&Candidate<S::Model>| S::view(&candidate.model) == *view;
        let fitting: Vec<_> = candidates.iter().filter(fits).cloned().collect();
        match fitting.is_empty() {
            true => Err(self.misfit(point, view, &candidates)),
            false => Ok(Some(fitting)),
        }
    }

    /// Says in which way a view is wrong.
    fn misfit(
        &self,
        point: &Point<'_>,
        view: &S::View,
        candidates: &[Candidate<S::Model>],
    ) -> Refusal {
        // An earlier state means that something acknowledged is gone.
        let lost = (0..point.acked.len()).rev().find(|kept| {
            let earlier = self.order.possible(&point.acked[..*kept], &[]);
            earlier.is_some_and(|earlier| {
                earlier
                    .iter()
                    .any(|candidate| S::view(&candidate.model) == *view)
            })
        });
        let lost = lost.map(|kept| {
            let ids = point.acked[kept..].iter();
            let ops = ids.filter_map(|id| self.order.ops.get(*id as usize));
            ops.map(|op| format!("{op:?}")).collect::<Vec<_>>()
        });
        let expected = match candidates {
            [] => "nothing".into(),
            [first, others @ ..] => match others.len() {
                0 => format!("{:?}", S::view(&first.model)),
                more => format!("{:?} or one of {more} more", S::view(&first.model)),
            },
        };
        match lost {
            Some(lost) if !lost.is_empty() => (
                Oracle::LostAck,
                format!(
                    "{} is lost; expected {expected}, found {view:?}",
                    lost.join(", ")
                ),
            ),
            _ => (
                Oracle::Atomicity,
                format!("expected {expected}, found {view:?}"),
            ),
        }
    }

    fn asked_on(
        &self,
        fitting: &[Candidate<S::Model>],
        seen: &Observed<S::View>,
    ) -> Result<(), Refusal> {
        if let Some(again) = &seen.again {
            if *again != seen.view {
                return Err((
                    Oracle::Idempotence,
                    format!(
                        "the first recovery told {:?}, the second {again:?}",
                        seen.view
                    ),
                ));
            }
        }
        if let Some(Err(wrong)) = &seen.account {
            return Err((Oracle::Account, wrong.clone()));
        }
        if let (Some(worked), Some(probe)) = (&seen.worked, S::probe()) {
            let told = |worked: &S::View| {
                fitting.iter().any(|candidate| {
                    let mut model = candidate.model.clone();
                    S::step(&mut model, &probe);
                    S::view(&model) == *worked
                })
            };
            if !worked.as_ref().is_ok_and(told) {
                return Err((
                    Oracle::Unusable,
                    format!("after {probe:?} on the recovered engine there is {worked:?}"),
                ));
            }
        }
        match self.order.starts.len() == 1 && self.gate.may_refuse {
            true => self.has_room(fitting, seen.room),
            false => Ok(()),
        }
    }

    /// As much room as an engine that came to one of these states without a crash.
    fn has_room(&self, fitting: &[Candidate<S::Model>], room: Option<u64>) -> Result<(), Refusal> {
        let Some(room) = room else { return Ok(()) };
        let mut expected = Vec::new();
        for candidate in fitting {
            let mut rooms = self.rooms.borrow_mut();
            let known = rooms.entry(candidate.path.clone()).or_insert_with(|| {
                let ops = candidate.path.iter().map(|op| self.order.ops[*op].clone());
                let ops: Vec<S::Op> = ops.collect();
                let recorded = record::<S>(self.base, &ops).ok()?;
                observe::<S>(&recorded.after).room
            });
            match known {
                Some(known) if *known == room => return Ok(()),
                other => expected.push(*other),
            }
        }
        Err((
            Oracle::Leak,
            format!("room for {room} more, without a crash {expected:?}"),
        ))
    }
}
