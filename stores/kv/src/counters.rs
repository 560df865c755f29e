//! What was done since the store was opened. Threads count on lines of their own; a reading adds the lines up.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use everline::units::Padded;

use crate::histogram::Histogram;

/// Lines of counters; threads beyond that share them.
const SHARDS: usize = 16;

/// One write of so many is timed: reading a clock twice costs a tenth of a put.
const TIMED: u64 = 8;

/// What is counted; also its place in a shard.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(crate) enum Event {
    Reads,
    /// Puts and deletes that were committed.
    Writes,
    Committed,
    Aborted,
}

const EVENTS: usize = Event::Aborted as usize + 1;

/// Counters of one store.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    shards: [Padded<[AtomicU64; EVENTS]>; SHARDS],
    pub latency: Histogram,
}

impl Counters {
    #[inline]
    pub fn add(&self, event: Event, number: u64) {
        // Relaxed: numbers order nothing.
        self.shards[own_shard()].0[event as usize].fetch_add(number, Ordering::Relaxed);
    }

    /// The sum. Exact where no operation is under way.
    pub fn sum(&self, event: Event) -> u64 {
        let words = self.shards.iter().map(|shard| &shard.0[event as usize]);
        words.map(|word| word.load(Ordering::Relaxed)).sum() // Relaxed: as above
    }

    /// A write begins: the time, if this is one of those that are timed.
    #[inline]
    pub fn start(&self) -> Option<Instant> {
        std::thread_local! {
            static BEGUN: Cell<u64> = const { Cell::new(0) };
        }
        let begun = BEGUN.try_with(|begun| begun.replace(begun.get().wrapping_add(1)));
        // The first of a store in any case, so that there is something to say.
        let timed = begun.is_ok_and(|begun| begun % TIMED == 0) || self.latency.is_empty();
        timed.then(Instant::now)
    }

    /// `writes` keys were written and committed.
    #[inline]
    pub fn written(&self, writes: u64, started: Option<Instant>) {
        self.add(Event::Writes, writes);
        if let Some(started) = started {
            self.latency.note(started.elapsed());
        }
    }
}

/// The shard of this thread: threads take them in turn.
#[inline]
fn own_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    std::thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS; // Relaxed: only spread matters
    }
    OWN.try_with(|own| *own).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_threads_are_exact_and_one_write_of_eight_is_timed() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| (0..100).for_each(|_| counters.add(Event::Reads, 3)));
            }
        });
        assert_eq!(counters.sum(Event::Reads), 12_000);
        let first = counters.start();
        assert!(first.is_some());
        counters.written(2, first);
        let timed = (0..80).filter(|_| counters.start().is_some()).count();
        assert_eq!((counters.sum(Event::Writes), timed), (2, 10));
    }
}
