//! A store in numbers.

use everline::media::Media;

use crate::Store;
use crate::core::Outcome;
use crate::counters::Event;
use crate::histogram::Percentiles;

/// Numbers of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Bytes of the pool.
    pub total_size: u64,
    /// Bytes of it that live objects take, rounded up to their classes; regions and everything else included.
    pub used_size: u64,
    /// Puts and deletes that were committed since the store was opened; those of a transaction one by one.
    pub num_writes: u64,
    /// Reads since then: gets, questions whether a key is there or how long its value is, scans.
    pub num_reads: u64,
    /// Transactions that were begun: the sum of the next three. Operations by themselves are none.
    pub num_transactions: u64,
    /// Of these, committed.
    pub committed_transactions: u64,
    /// Of these, aborted, by whomever.
    pub aborted_transactions: u64,
    /// Of these, open.
    pub active_transactions: u64,
    /// How long a write took on average, in microseconds, commits of transactions included; one of eight is timed.
    pub avg_write_latency_us: f64,
    /// How that is spread.
    pub write_latency: Percentiles,
    /// How long it took to open pool and store, in milliseconds.
    pub recovery_time_ms: f64,
}

impl<M: Media> Store<M> {
    /// The store in numbers. Errors: the pool's metadata cannot be right. Cost: waits for transactions of the pool that are
    /// under way, and reads every bitmap of its heap; the thread must have none open ([`Joint`](crate::Joint)).
    pub fn metrics(&self) -> Outcome<Metrics, M> {
        let core = self.core();
        let heap = {
            let _still = core.engine().pause();
            core.engine().stats()?.heap
        };
        let (active, committed, aborted) = {
            let table = core.table.lock();
            let sum = |event| core.counters.sum(event);
            (
                table.len() as u64,
                sum(Event::Committed),
                sum(Event::Aborted),
            )
        };
        let latency = &core.counters.latency;
        Ok(Metrics {
            total_size: core.engine().pool().geometry().len(),
            used_size: heap.used_bytes,
            num_writes: core.counters.sum(Event::Writes),
            num_reads: core.counters.sum(Event::Reads),
            num_transactions: active + committed + aborted,
            committed_transactions: committed,
            aborted_transactions: aborted,
            active_transactions: active,
            avg_write_latency_us: latency.average_us(),
            write_latency: latency.percentiles(),
            recovery_time_ms: core.recovery_time.as_secs_f64() * 1000.0,
        })
    }
}
