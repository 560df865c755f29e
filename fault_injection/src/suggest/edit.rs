//! A recording as if the program had one more flush or fence at one of its places.

use std::sync::Arc;

use everline::units::FLUSH_LINE;

use crate::cost::{lines, stored};
use crate::event::{Event, FOUND_LATER, Kind, Log, Place};
use crate::record::Recording;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Before,
    After,
}

/// What is put in, wherever the recording comes by `place` with an event of this kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub at: Where,
    pub kind: Kind,
    pub place: Place,
    /// The stores whose lines are flushed, those since the last time; none: no flush.
    pub stores: Vec<Place>,
    pub fence: bool,
}

pub(super) struct Edited {
    pub recording: Recording,
    /// Where the event before which the power went is now.
    here: usize,
}

impl Edited {
    /// The recording until the violation.
    pub(super) fn up_to_here(&self) -> Recording {
        let mut log = (*self.recording.log).clone();
        log.events.truncate(self.here);
        Recording {
            log: Arc::new(log),
            first: self.recording.first.min(self.here),
            ..self.recording.clone()
        }
    }
}

impl Edit {
    pub(super) fn applied(&self, recording: &Recording, event: usize) -> Edited {
        let mut log = Log {
            events: Vec::with_capacity(recording.log.events.len()),
            ..(*recording.log).clone()
        };
        let mut edited = Edited {
            recording: recording.clone(),
            here: 0,
        };
        let mut waiting = Vec::new();
        for (index, old) in recording.log.events.iter().enumerate() {
            if self.at == Where::Before {
                self.insert(old, &mut waiting, &mut log);
            }
            if index == recording.first {
                edited.recording.first = log.events.len();
            }
            if index == event {
                edited.here = log.events.len();
            }
            log.events.push(*old);
            self.keep(old, &mut waiting);
            if self.at == Where::After {
                self.insert(old, &mut waiting, &mut log);
            }
        }
        if event >= recording.log.events.len() {
            edited.here = log.events.len();
        }
        edited.recording.log = Arc::new(log);
        edited
    }

    /// The lines that are flushed the first time, as their first offset and count.
    pub(super) fn first_flush(&self, recording: &Recording) -> impl Iterator<Item = (u64, u64)> {
        let mut waiting = Vec::new();
        for event in &recording.log.events {
            if self.at == Where::Before && self.is_here(event) && !waiting.is_empty() {
                break;
            }
            self.keep(event, &mut waiting);
            if self.at == Where::After && self.is_here(event) && !waiting.is_empty() {
                break;
            }
        }
        waiting.into_iter()
    }

    /// Whether the store that this follows was found by a barrier, at the barrier's place.
    pub(super) fn follows_a_find(&self, recording: &Recording) -> bool {
        let mut events = recording.log.events.iter();
        let found = events.find(|event| self.is_here(event));
        found.is_some_and(|event| event.kind == Kind::Write && event.size == FOUND_LATER)
    }

    fn is_here(&self, event: &Event) -> bool {
        event.kind == self.kind && event.place == self.place
    }

    /// Remembers the lines of a store that is to be flushed.
    fn keep(&self, event: &Event, waiting: &mut Vec<(u64, u64)>) {
        if !self.stores.contains(&event.place) {
            return;
        }
        if let Some((at, len)) = stored(event) {
            let first = lines(at, len).next().unwrap_or(at);
            let run = (first, lines(at, len).count() as u64);
            if !waiting.contains(&run) {
                waiting.push(run);
            }
        }
    }

    fn insert(&self, event: &Event, waiting: &mut Vec<(u64, u64)>, log: &mut Log) {
        if !self.is_here(event) {
            return;
        }
        let like = |kind, at, len| Event {
            kind,
            at,
            len,
            value: 0,
            size: 0,
            ..*event
        };
        for (at, lines) in waiting.drain(..) {
            debug_assert!(at % FLUSH_LINE == 0, "a run of lines begins with one");
            log.events.push(like(Kind::Flush, at, lines as u32));
        }
        if self.fence {
            log.events.push(like(Kind::Fence, 0, 0));
        }
    }
}
