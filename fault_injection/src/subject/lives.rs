//! Second lives: a crash, a recovery, more operations, and every crash point of those.
//!
//! The recovery is recorded and acknowledged as an operation of its own: once it has told something, every later
//! one must tell the same.

use super::judge::{Gate, Judge};
use super::line::Token;
use super::{Medium, Order, Subject};
use crate::event::Kind;
use crate::explore::Explorer;
use crate::media::CrashMedia;
use crate::model::{CrashModel, Model};
use crate::record::Recording;
use crate::report::{Point, PointKind};
use crate::search::quietly;
use crate::trie::mix;

/// The id under which recovery is acknowledged.
const RECOVERED: u64 = u64::MAX - 1;

/// What the first crash leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstCut {
    /// Nothing that was pending.
    Old,
    /// Everything that was stored.
    New,
    /// Each word by a seed.
    Drawn(u64),
}

impl FirstCut {
    pub(crate) fn text(self) -> String {
        match self {
            FirstCut::Old => "old".into(),
            FirstCut::New => "new".into(),
            FirstCut::Drawn(seed) => format!("drawn.{seed:x}"),
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "old" => Some(FirstCut::Old),
            "new" => Some(FirstCut::New),
            _ => {
                let seed = text.strip_prefix("drawn.")?;
                Some(FirstCut::Drawn(u64::from_str_radix(seed, 16).ok()?))
            }
        }
    }
}

/// A first crash and what is done after it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Life {
    pub cut: FirstCut,
    /// How many events of the first recording had happened.
    pub event: usize,
    pub ops: Vec<Token>,
}

/// Operations after a first crash.
const SECOND_OPS: u64 = 2;

/// The first crash number `number` of a recording.
pub(crate) fn drawn<S: Subject>(recording: &Recording, number: u64, explorer: &Explorer) -> Life {
    let seed = mix(explorer.seed ^ mix(number));
    let events = recording.log.events.len();
    let span = (events - recording.first) as u64 + 1;
    // The end first, then anywhere.
    let event = match number {
        0 => events,
        _ => recording.first + (mix(seed) % span) as usize,
    };
    // Only where words are independent may each be drawn, and only where a cache is lost may all be.
    let cut = match (explorer.model, number % 3) {
        (CrashModel::WordSubset, 0) => FirstCut::Drawn(seed & 0xFFFF),
        (CrashModel::Eadr, _) | (_, 2) => FirstCut::New,
        _ => FirstCut::Old,
    };
    let ops = (0..SECOND_OPS).map(|op| Token::drawn::<S>(SECOND_STEP + op as usize, seed ^ op));
    Life {
        cut,
        event,
        ops: ops.collect(),
    }
}

/// The place in a workload of the first operation of a second life.
const SECOND_STEP: usize = 1 << 16;

fn image(recording: &Recording, model: CrashModel, life: &Life) -> Vec<u8> {
    let mut model: Model = recording.model(model);
    for event in &recording.log.events[..life.event] {
        model.apply(&recording.log, event);
    }
    model.image_bytes(|at, choices| match life.cut {
        FirstCut::Old => choices[choices.len() - 1],
        FirstCut::New => choices[0],
        FirstCut::Drawn(seed) => choices[(mix(seed ^ mix(at)) % choices.len() as u64) as usize],
    })
}

/// Recovers, works on, and answers what was recorded with what may be left of it. `None` where the first recovery
/// already goes wrong: that is the first life's to find.
///
/// Errors: an operation failed or panicked.
pub(crate) fn live<S: Subject>(
    explorer: &Explorer,
    first: &Recording,
    judge: &Judge<S>,
    life: &Life,
    ops: &[S::Op],
) -> Result<Option<(Recording, Judge<S>)>, String> {
    if life.event > first.log.events.len() {
        return Ok(None);
    }
    let (acked, in_flight) = standing(first, life.event);
    let point = Point {
        event: life.event,
        kind: PointKind::End,
        depth: 0,
        acked: &acked,
        in_flight: &in_flight,
    };
    let Some(before) = judge.possible(&point) else {
        return Ok(None);
    };
    let before: Vec<S::Model> = before.iter().map(|known| known.model.clone()).collect();
    let media = CrashMedia::resumed(image(first, explorer.model, life), first);
    let recovered = quietly(|| S::recover(S::Medium::of(media.clone())));
    let Ok(Ok((mut engine, view))) = recovered else {
        return Ok(None);
    };
    let fits = |model: &&S::Model| S::view(model) == view;
    let starts: Vec<S::Model> = before.iter().filter(fits).cloned().collect();
    if starts.is_empty() {
        return Ok(None);
    }
    media.ack(RECOVERED);
    for (id, op) in ops.iter().enumerate() {
        media.invoke(id as u64);
        match quietly(|| engine.apply(op)) {
            Ok(Ok(())) => media.ack(id as u64),
            Ok(Err(error)) => return Err(format!("{op:?} failed after a recovery: {error}")),
            Err(panic) => return Err(format!("{op:?} panicked after a recovery: {panic}")),
        }
    }
    drop(engine);
    let recording = media.recording();
    let gate = Gate {
        id: RECOVERED,
        before,
        may_refuse: false,
    };
    let order = Order::new(starts, ops.to_vec(), &recording);
    Ok(Some((recording, Judge::new(explorer.base, order, gate))))
}

/// What was acknowledged and what was in flight after so many events.
pub(crate) fn standing(recording: &Recording, event: usize) -> (Vec<u64>, Vec<u64>) {
    let (mut acked, mut in_flight) = (Vec::new(), Vec::new());
    for event in &recording.log.events[..event] {
        match event.kind {
            Kind::Invoke => in_flight.push(event.value),
            Kind::Ack => {
                in_flight.retain(|id| *id != event.value);
                acked.push(event.value);
            }
            _ => {}
        }
    }
    (acked, in_flight)
}
