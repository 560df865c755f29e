//! What might prevent a violation, smallest first: a flush after a store that was lost, a fence after its flush or before
//! the store that got through, both, or both before the acknowledgement.

use super::edit::{Edit, Where};
use crate::cost::{lines, stored};
use crate::event::{Event, Kind, Place};
use crate::record::Recording;
use crate::report::{Violation, Word};
use everline::units::FLUSH_LINE;

/// Words that are looked at, and candidates that are tried.
const WORDS: usize = 16;
const TRIED: usize = 24;

struct Seen<'a> {
    /// What happened before the power went.
    events: &'a [Event],
    /// Stores that were lost.
    lost: Vec<usize>,
    /// Stores that got through.
    kept: Vec<usize>,
}

pub(super) fn candidates(violation: &Violation, recording: &Recording) -> Vec<Edit> {
    let events = &recording.log.events;
    let events = &events[..violation.event.min(events.len())];
    let mut seen = Seen {
        events,
        lost: Vec::new(),
        kept: Vec::new(),
    };
    // The last words that recovery looked at are those on which it went wrong. What the workload stored may be lost to a
    // later cut too, where a killed process left it visible.
    for word in violation.words.iter().rev().take(WORDS) {
        seen.look_at(word);
    }
    let mut all = seen.flushes(false);
    all.extend(seen.fences());
    all.extend(seen.flushes(true));
    all.extend(seen.before_ack());
    let mut once: Vec<Edit> = Vec::new();
    for edit in all {
        if !once.contains(&edit) {
            once.push(edit);
        }
    }
    once.truncate(TRIED);
    once
}

impl Seen<'_> {
    fn look_at(&mut self, word: &Word) {
        let at = word.at.get();
        for place in word.lost.iter().rev() {
            let found = self.last_store(at, place);
            self.lost
                .extend(found.filter(|index| !self.lost.contains(index)));
        }
        let found = word.kept.and_then(|place| self.last_store(at, place));
        self.kept.extend(found);
    }

    /// The last store to the word at `at` from `place`.
    fn last_store(&self, at: u64, place: Place) -> Option<usize> {
        self.events.iter().rposition(|event| {
            event.place == place
                && stored(event).is_some_and(|(from, len)| from < at + 8 && at < from + len)
        })
    }

    fn after(&self, index: usize, stores: Vec<Place>, fence: bool) -> Edit {
        Edit {
            at: Where::After,
            kind: self.events[index].kind,
            place: self.events[index].place,
            stores,
            fence,
        }
    }

    /// A flush of what was lost: after the last store to its line, so that it covers all of them, or after the lost one.
    fn flushes(&self, fence: bool) -> Vec<Edit> {
        let mut edits = Vec::new();
        for index in &self.lost {
            let Some((at, len)) = stored(&self.events[*index]) else {
                continue;
            };
            let last = self.events.iter().rposition(|event| {
                stored(event).is_some_and(|(from, size)| {
                    let first = lines(at, len).next().unwrap_or(at);
                    from < first + FLUSH_LINE.max(len) && first < from + size
                })
            });
            for index in last.into_iter().chain([*index]) {
                edits.push(self.after(index, vec![self.events[index].place], fence));
            }
        }
        edits
    }

    /// A fence after a flush of what was lost, or before what got through.
    fn fences(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        for lost in &self.lost {
            let (at, len) = stored(&self.events[*lost]).unwrap_or_default();
            let later = self.events.iter().enumerate().skip(*lost);
            let flushed = later.filter(|(_, event)| {
                let end = event.at + u64::from(event.len) * FLUSH_LINE;
                event.kind == Kind::Flush && event.at < at + len && at < end
            });
            let past_cache = self.events[*lost].kind == Kind::WriteNt;
            let flushed = flushed.map(|(index, _)| index);
            for index in flushed.chain(past_cache.then_some(*lost)) {
                edits.push(self.after(index, Vec::new(), true));
            }
        }
        for index in &self.kept {
            edits.push(Edit {
                at: Where::Before,
                ..self.after(*index, Vec::new(), true)
            });
        }
        edits
    }

    /// All that was lost, flushed and fenced before the last acknowledgement; or that and what got through by luck.
    fn before_ack(&self) -> Vec<Edit> {
        let ack = self
            .events
            .iter()
            .rposition(|event| event.kind == Kind::Ack);
        let Some(ack) = ack.filter(|_| !self.lost.is_empty()) else {
            return Vec::new();
        };
        let mut stores: Vec<Place> = Vec::new();
        let mut edits = Vec::new();
        for group in [&self.lost, &self.kept] {
            for index in group {
                let place = self.events[*index].place;
                if !stores.contains(&place) {
                    stores.push(place);
                }
            }
            edits.push(Edit {
                at: Where::Before,
                ..self.after(ack, stores.clone(), true)
            });
        }
        edits
    }
}
