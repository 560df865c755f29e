//! The numbers that a module tells, under the names that its users know.

use serde_json::{Value, json};

use crate::Metrics;

/// What was done since `initialize`, and what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PMEMMetrics {
    /// Bytes of the pool.
    pub total_size: u64,
    /// Bytes of it that are in use.
    pub used_size: u64,
    /// Puts and deletes that were committed.
    pub num_writes: u64,
    /// Reads.
    pub num_reads: u64,
    /// Transactions that began: committed, aborted and open ones.
    pub num_transactions: u64,
    /// Transactions that were committed.
    pub committed_transactions: u64,
    /// Transactions that were aborted, by whatever cause.
    pub aborted_transactions: u64,
    /// Transactions that are open.
    pub active_transactions: u64,
    /// What a write takes until it has returned, in microseconds, on average.
    pub avg_write_latency_us: f64,
    /// What recovery took at `initialize`, in milliseconds.
    pub recovery_time_ms: f64,
}

impl PMEMMetrics {
    pub(super) fn of(metrics: &Metrics) -> Self {
        PMEMMetrics {
            total_size: metrics.total_size,
            used_size: metrics.used_size,
            num_writes: metrics.num_writes,
            num_reads: metrics.num_reads,
            num_transactions: metrics.num_transactions,
            committed_transactions: metrics.committed_transactions,
            aborted_transactions: metrics.aborted_transactions,
            active_transactions: metrics.active_transactions,
            avg_write_latency_us: metrics.avg_write_latency_us,
            recovery_time_ms: metrics.recovery_time_ms,
        }
    }

    /// One object with a field for each number.
    pub fn to_json(&self) -> Value {
        json!({
            "total_size": self.total_size,
            "used_size": self.used_size,
            "num_writes": self.num_writes,
            "num_reads": self.num_reads,
            "num_transactions": self.num_transactions,
            "committed_transactions": self.committed_transactions,
            "aborted_transactions": self.aborted_transactions,
            "active_transactions": self.active_transactions,
            "avg_write_latency_us": self.avg_write_latency_us,
            "recovery_time_ms": self.recovery_time_ms,
        })
    }
}
