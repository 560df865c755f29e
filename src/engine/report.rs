//! What open did and what a pool holds, in numbers.

use crate::alloc::HeapStats;
use crate::log::{LogStatus, RecoveryReport};
use crate::media::Durability;

/// What open found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// Bytes of the pool.
    pub len: u64,
    /// What the caller expected instead, if that is something else.
    pub expected_len: Option<u64>,
    /// What recovery did.
    pub recovery: RecoveryReport,
    /// The superblock copy that was damaged and has been stored anew from the other.
    pub mended_copy: Option<usize>,
    /// A growth had been cut between the two superblock copies; both say the new length now.
    pub finished_growth: bool,
    /// What a commit reaches.
    pub durability: Durability,
}

/// Space and log in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// Bytes of the pool: used, free and overhead together.
    pub size_bytes: u64,
    /// Space.
    pub heap: HeapStats,
    /// Log.
    pub log: LogStatus,
}
