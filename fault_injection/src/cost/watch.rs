//! Follows each line from its stores over flush and fence to the acknowledgement.
//!
//! ```text
//! store ──▶ dirty ──flush by t──▶ flushed ──fence of t──▶ durable
//!             ▲                      │
//!             └─ failed fence, kill ─┘
//! ```

use std::collections::{BTreeMap, BTreeSet};

use everline::units::{ByteOffset, FLUSH_LINE};

use super::lint::{Hint, Lint, LintKind};
use super::{lines, stored};
use crate::event::{Event, Kind, Place};
use crate::record::Recording;

/// A store that is not durable yet.
#[derive(Clone, Copy)]
struct Stored {
    at: u64,
    event: usize,
    place: Place,
    thread: u16,
    hint: Option<Hint>,
    /// Acknowledgements since, where it may wait for some.
    acks: u64,
}

#[derive(Clone, Copy)]
struct Flushed {
    place: Place,
    thread: u16,
    fenced: bool,
}

#[derive(Default)]
struct Line {
    /// The newest store past the cache: it needs no flush.
    past_cache: Option<Place>,
    written: bool,
    /// Stores that no flush has covered.
    dirty: Vec<Stored>,
    /// Stores that a flush of these threads covers.
    flushed: Vec<(Stored, Vec<u16>)>,
    last: Option<Flushed>,
}

#[derive(Default)]
struct Thread {
    /// Whether there was something to wait for since the last fence.
    pending: bool,
    /// Lines whose flushes its next fence completes.
    lines: BTreeSet<u64>,
    last_ack: usize,
    open_operations: u32,
    /// How often the operation made each line durable.
    persisted: BTreeMap<u64, u64>,
}

pub(super) struct Watch<'a> {
    recording: &'a Recording,
    lines: BTreeMap<u64, Line>,
    /// Lines with stores that are not durable.
    open: BTreeSet<u64>,
    threads: BTreeMap<u16, Thread>,
    invoked: BTreeMap<u64, usize>,
    pub found: Vec<Lint>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(recording: &'a Recording) -> Self {
        Watch {
            recording,
            lines: BTreeMap::new(),
            open: BTreeSet::new(),
            threads: BTreeMap::new(),
            invoked: BTreeMap::new(),
            found: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, index: usize, event: &Event) {
        match event.kind {
            Kind::Rmw if self.recording.nature.rmw_fences => self.settle(index, event, true),
            Kind::Flush => {
                for line in lines(event.at, u64::from(event.len) * FLUSH_LINE) {
                    self.flush(index, event, line);
                }
                self.threads.entry(event.thread).or_default().pending = true;
            }
            Kind::Fence => self.fence(index, event, true),
            Kind::FenceFailed => self.fence(index, event, false),
            Kind::Reaffirm => {
                for line in lines(event.at, u64::from(event.len)) {
                    self.cover(line, event.thread);
                }
                self.threads.entry(event.thread).or_default().pending = true;
            }
            Kind::SetLen => self.shorten(event.value),
            Kind::Invoke => {
                self.invoked.insert(event.value, index);
                let thread = self.threads.entry(event.thread).or_default();
                thread.open_operations += 1;
                thread.persisted.clear();
            }
            Kind::Ack => self.acknowledge(index, event),
            Kind::Kill => {
                let all: Vec<u16> = self.threads.keys().copied().collect();
                for thread in all {
                    self.settle_thread(thread, false);
                    self.threads.insert(thread, Thread::default());
                }
            }
            _ => {}
        }
        if let Some((at, len)) = stored(event) {
            self.store(index, event, at, len);
        }
    }

    fn report(
        &mut self,
        index: usize,
        kind: LintKind,
        place: Place,
        other: Option<Place>,
        at: u64,
    ) {
        if index < self.recording.first {
            return;
        }
        let same =
            |lint: &&mut Lint| lint.kind == kind && lint.place == place && lint.other == other;
        match self.found.iter_mut().find(same) {
            Some(lint) => lint.times += 1,
            None => self.found.push(Lint {
                kind,
                place,
                other,
                at: ByteOffset::new(at),
                event: index,
                times: 1,
            }),
        }
    }

    fn hint_of(&self, at: u64, len: u64) -> Option<Hint> {
        let hints = self.recording.hints.iter();
        let mut around = hints.filter(|hint| hint.at <= at && at + len <= hint.at + hint.len);
        around.next().copied()
    }

    fn store(&mut self, index: usize, event: &Event, at: u64, len: u64) {
        for line in lines(at, len) {
            let from = at.max(line);
            let part = (at + len).min(line + FLUSH_LINE) - from;
            let stored = Stored {
                at: from,
                event: index,
                place: event.place,
                thread: event.thread,
                hint: self.hint_of(from, part),
                acks: 0,
            };
            self.open.insert(line);
            let kept = self.lines.entry(line).or_default();
            if event.kind == Kind::WriteNt {
                kept.past_cache = Some(event.place);
                kept.flushed.push((stored, vec![event.thread]));
                let thread = self.threads.entry(event.thread).or_default();
                thread.pending = true;
                thread.lines.insert(line);
                continue;
            }
            kept.written = true;
            // A loop that stores from one place is kept once, or a long one would fill the memory.
            let again = |old: &&mut Stored| {
                (old.place, old.thread, old.at) == (stored.place, stored.thread, stored.at)
            };
            match kept.dirty.iter_mut().find(again) {
                Some(old) => old.event = index,
                None => kept.dirty.push(stored),
            }
        }
    }

    fn flush(&mut self, index: usize, event: &Event, line: u64) {
        let kept = self.lines.entry(line).or_default();
        let verdict = match (kept.last, kept.past_cache) {
            _ if !kept.dirty.is_empty() => None,
            (_, None) if !kept.written => Some((LintKind::UnwrittenFlush, None)),
            (None, nt) => Some((LintKind::CleanFlush, nt)),
            (Some(last), _) if last.fenced => Some((LintKind::CleanFlush, Some(last.place))),
            (Some(last), _) if last.thread == event.thread => {
                Some((LintKind::RedundantFlush, Some(last.place)))
            }
            // What another thread flushed and did not fence this one must flush itself to rely on it.
            (Some(_), _) => None,
        };
        kept.last = Some(Flushed {
            place: event.place,
            thread: event.thread,
            fenced: false,
        });
        self.cover(line, event.thread);
        if let Some((kind, other)) = verdict {
            self.report(index, kind, event.place, other, line);
        }
    }

    /// What is stored on `line` becomes durable once `thread` fences.
    fn cover(&mut self, line: u64, thread: u16) {
        let kept = self.lines.entry(line).or_default();
        for (_, threads) in &mut kept.flushed {
            if !threads.contains(&thread) {
                threads.push(thread);
            }
        }
        let dirty = kept.dirty.drain(..).map(|stored| (stored, vec![thread]));
        kept.flushed.extend(dirty);
        self.threads.entry(thread).or_default().lines.insert(line);
    }

    fn fence(&mut self, index: usize, event: &Event, succeeds: bool) {
        let thread = self.threads.entry(event.thread).or_default();
        if !std::mem::replace(&mut thread.pending, false) {
            self.report(index, LintKind::EmptyFence, event.place, None, 0);
        }
        self.settle(index, event, succeeds);
    }

    fn settle(&mut self, index: usize, event: &Event, succeeds: bool) {
        let settled = self.settle_thread(event.thread, succeeds);
        let thread = self.threads.entry(event.thread).or_default();
        if !succeeds || thread.open_operations == 0 {
            return;
        }
        let mut repeated = Vec::new();
        for line in settled {
            let times = thread.persisted.entry(line).or_default();
            *times += 1;
            if *times > LintKind::REPEATS {
                repeated.push(line);
            }
        }
        for line in repeated {
            self.report(index, LintKind::RepeatedPersist, event.place, None, line);
        }
    }

    /// The flushes of `thread` complete, or come to nothing; answers which lines they were of.
    fn settle_thread(&mut self, thread: u16, succeeds: bool) -> BTreeSet<u64> {
        let settled = std::mem::take(&mut self.threads.entry(thread).or_default().lines);
        for line in &settled {
            let Some(kept) = self.lines.get_mut(line) else {
                continue;
            };
            let mut left = Vec::new();
            for (stored, threads) in kept.flushed.drain(..) {
                match threads.contains(&thread) {
                    true if succeeds => {}
                    true => kept.dirty.push(stored),
                    false => left.push((stored, threads)),
                }
            }
            kept.flushed = left;
            if let Some(last) = kept.last.as_mut().filter(|last| last.thread == thread) {
                last.fenced = true;
            }
            if kept.dirty.is_empty() && kept.flushed.is_empty() {
                self.open.remove(line);
            }
        }
        settled
    }

    fn shorten(&mut self, len: u64) {
        let end = len.next_multiple_of(FLUSH_LINE);
        self.lines.split_off(&end);
        self.open.split_off(&end);
    }

    fn acknowledge(&mut self, index: usize, event: &Event) {
        let thread = self.threads.entry(event.thread).or_default();
        let since = self.invoked.remove(&event.value).unwrap_or(thread.last_ack);
        thread.last_ack = index;
        thread.open_operations = thread.open_operations.saturating_sub(1);
        thread.persisted.clear();
        let mut late = Vec::new();
        for line in &self.open {
            let Some(kept) = self.lines.get_mut(line) else {
                continue;
            };
            for stored in &mut kept.dirty {
                if stored.is_late(event.thread, since) {
                    late.push((LintKind::UnflushedAtAck, *stored));
                }
            }
            for (stored, _) in &mut kept.flushed {
                if stored.is_late(event.thread, since) {
                    late.push((LintKind::UnfencedAtAck, *stored));
                }
            }
        }
        for (kind, stored) in late {
            self.report(index, kind, stored.place, Some(event.place), stored.at);
        }
    }
}

impl Stored {
    /// Whether an acknowledgement by `thread` of what was begun at `since` should have waited for it.
    fn is_late(&mut self, thread: u16, since: usize) -> bool {
        match self.hint {
            None => self.thread == thread && self.event >= since,
            Some(Hint { within: None, .. }) => false,
            Some(Hint {
                within: Some(bound),
                ..
            }) => {
                self.acks += 1;
                // Told once: at the first acknowledgement beyond the bound.
                self.acks == bound + 1
            }
        }
    }
}
