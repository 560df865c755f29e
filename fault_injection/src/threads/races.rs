//! A thread read what another had stored and not yet made durable, and acknowledged an operation before it was.

use std::fmt;
use std::panic::Location;

use super::baton::Load;
use crate::event::Kind;
use crate::model::CrashModel;
use crate::record::Recording;

/// A read of something that was not durable, and an acknowledgement that may rest on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Race {
    /// The store that was not durable yet.
    pub store: &'static Location<'static>,
    /// The load that saw it, on another thread.
    pub load: &'static Location<'static>,
    /// The acknowledgement by the thread that loaded.
    pub ack: &'static Location<'static>,
    /// Events of the recording before the acknowledgement.
    pub event: usize,
    /// Whether a power cut right after the acknowledgement breaks a promise.
    pub confirmed: bool,
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Race {
            store, load, ack, ..
        } = self;
        write!(
            f,
            "read at {load} what was stored at {store} on another thread and not durable at the acknowledgement at {ack}{}",
            if self.confirmed {
                ": a cut there breaks a promise"
            } else {
                ""
            }
        )
    }
}

struct Seen {
    cell: u32,
    seq: u32,
    store: &'static Location<'static>,
    load: Load,
}

/// Races of a recording, each pair of places once.
pub(crate) fn races(recording: &Recording, loads: &[Load]) -> Vec<Race> {
    let mut model = recording.model(CrashModel::WordSubset);
    let mut seen: Vec<Seen> = Vec::new();
    let mut found: Vec<Race> = Vec::new();
    let mut loads = loads.iter().peekable();
    for (index, event) in recording.log.events.iter().enumerate() {
        while let Some(load) = loads.next_if(|load| load.event <= index) {
            let first = (load.at >> model.shift) as u32;
            let last = ((load.at + load.len.max(1) - 1) >> model.shift) as u32;
            for cell in first..=last {
                let newest = model.pending_of(cell).and_then(|word| word.versions.last());
                let Some(newest) = newest.filter(|version| version.thread != load.thread) else {
                    continue;
                };
                seen.push(Seen {
                    cell,
                    seq: newest.seq,
                    store: newest.place,
                    load: *load,
                });
            }
        }
        if event.kind == Kind::Ack && index >= recording.first {
            seen.retain(|seen| {
                let word = model.pending_of(seen.cell);
                word.is_some_and(|word| word.versions.iter().any(|it| it.seq == seen.seq))
            });
            for seen in seen.iter().filter(|seen| seen.load.thread == event.thread) {
                let race = Race {
                    store: seen.store,
                    load: seen.load.place,
                    ack: event.place,
                    event: index,
                    confirmed: false,
                };
                let known = |other: &Race| (other.store, other.load) == (race.store, race.load);
                if !found.iter().any(known) {
                    found.push(race);
                }
            }
        }
        model.apply(&recording.log, event);
    }
    found
}

/// The recording up to and with the acknowledgement, with a crash point behind it alone.
pub(crate) fn right_after(recording: &Recording, race: &Race) -> Recording {
    let mut log = (*recording.log).clone();
    log.events.truncate(race.event + 1);
    Recording {
        log: std::sync::Arc::new(log),
        first: race.event + 1,
        ..recording.clone()
    }
}
