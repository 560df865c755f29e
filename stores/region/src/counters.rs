//! What was done to the regions of a pool since it was opened, exactly.
//!
//! Threads count on lines of their own, so that counting costs an addition to a word that is at hand; a reading
//! adds the lines up. Operations that were refused are not counted. Nothing of it is on media.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use everline::units::Padded;

use crate::WriteMode;

/// Lines of counters; threads beyond that share them.
const SHARDS: usize = 16;

/// Numbers of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reads, one for each call, whatever number of ranges it names.
    pub reads: u64,
    /// Bytes that they read.
    pub bytes_read: u64,
    /// Writes of every mode, one for each call; what a new region is made with is one too.
    pub writes: u64,
    /// Bytes that they wrote.
    pub bytes_written: u64,
    /// Of the writes, those that were atomic.
    pub atomic_writes: u64,
    /// Calls that made ranges durable.
    pub persists: u64,
    /// Regions made.
    pub creates: u64,
    /// Regions destroyed, those that a put replaced included.
    pub destroys: u64,
}

impl Counts {
    /// A write of `bytes` bytes.
    pub(crate) fn write(&mut self, bytes: u64) {
        self.writes += 1;
        self.bytes_written += bytes;
    }
}

/// What is counted; also its place in a shard.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(crate) enum Event {
    Reads,
    BytesRead,
    Writes,
    BytesWritten,
    AtomicWrites,
    Persists,
    Creates,
    Destroys,
}

const EVENTS: usize = Event::Destroys as usize + 1;

/// Counters of one pool.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    shards: [Padded<[AtomicU64; EVENTS]>; SHARDS],
}

impl Counters {
    #[inline]
    fn add(&self, event: Event, number: u64) {
        // Relaxed: numbers order nothing.
        self.shards[own_shard()].0[event as usize].fetch_add(number, Ordering::Relaxed);
    }

    /// A read of `bytes` bytes.
    #[inline]
    pub fn read(&self, bytes: u64) {
        self.add(Event::Reads, 1);
        self.add(Event::BytesRead, bytes);
    }

    /// A write of `bytes` bytes.
    #[inline]
    pub fn write(&self, bytes: u64, mode: WriteMode) {
        self.add(Event::Writes, 1);
        self.add(Event::BytesWritten, bytes);
        if mode == WriteMode::Atomic {
            self.add(Event::AtomicWrites, 1);
        }
    }

    #[inline]
    pub fn persist(&self) {
        self.add(Event::Persists, 1);
    }

    /// What a batch did.
    pub fn add_all(&self, tally: &Counts) {
        for (event, number) in [
            (Event::Writes, tally.writes),
            (Event::BytesWritten, tally.bytes_written),
            (Event::AtomicWrites, tally.atomic_writes),
            (Event::Creates, tally.creates),
            (Event::Destroys, tally.destroys),
        ] {
            if number > 0 {
                self.add(event, number);
            }
        }
    }

    /// The sums. Exact where no operation is under way.
    pub fn counts(&self) -> Counts {
        let sum = |event: Event| {
            let words = self.shards.iter().map(|shard| &shard.0[event as usize]);
            words.map(|word| word.load(Ordering::Relaxed)).sum() // Relaxed: as above
        };
        Counts {
            reads: sum(Event::Reads),
            bytes_read: sum(Event::BytesRead),
            writes: sum(Event::Writes),
            bytes_written: sum(Event::BytesWritten),
            atomic_writes: sum(Event::AtomicWrites),
            persists: sum(Event::Persists),
            creates: sum(Event::Creates),
            destroys: sum(Event::Destroys),
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
    fn sums_over_threads_are_exact() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| (0..1000).for_each(|_| counters.read(3)));
            }
        });
        counters.write(7, WriteMode::Durable);
        let expected = Counts {
            reads: 40_000,
            bytes_read: 120_000,
            writes: 1,
            bytes_written: 7,
            ..Counts::default()
        };
        assert_eq!(counters.counts(), expected);
    }
}
