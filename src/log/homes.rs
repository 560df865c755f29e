//! The homes that a lane's commits have stored to and no checkpoint has flushed yet.
//!
//! Without `alloc` there is no list: a checkpoint reads the ranges off the lane's records. With it a checkpoint need
//! not read the ring, which costs a cache miss a record, and again when the next lap is written past the cache.
//!
//! Invariants
//! C1  a commit's homes are listed, and its timestamp is noted, before its lane is settled;
//! C2  a range leaves the list only to be flushed under the fence of the checkpoint that took it.

#[cfg(feature = "alloc")]
use std_alloc::vec::Vec;

use crate::units::ByteRange;

/// Ranges for which a list keeps its memory.
#[cfg(feature = "alloc")]
const KEPT_RANGES: usize = 1 << 14;

/// A range that is among the last so many is not listed again: counters, and the bitmap words of an allocating lane.
#[cfg(feature = "alloc")]
const REMEMBERED: usize = 4;

/// Belongs to whoever holds its lock: the lane's holder at the end of a commit, or a checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Homes {
    /// The timestamp of the lane's last commit.
    last_commit: u64,
    #[cfg(feature = "alloc")]
    ranges: Vec<ByteRange>,
}

impl Homes {
    /// Notes that the commit with this timestamp is the lane's last one.
    #[inline]
    pub fn commit(&mut self, timestamp: u64) {
        self.last_commit = timestamp;
    }

    /// Lists a range that the commit has stored to.
    #[inline]
    pub fn list(&mut self, range: ByteRange) {
        #[cfg(feature = "alloc")]
        if !self.ranges[self.ranges.len().saturating_sub(REMEMBERED)..].contains(&range) {
            self.ranges.push(range);
        }
        #[cfg(not(feature = "alloc"))]
        let _ = range;
    }

    /// The timestamp of the lane's last commit, 0 where it has none since open.
    pub fn last_commit(&self) -> u64 {
        self.last_commit
    }

    /// Takes every range off the list for `flush` (C2).
    #[cfg(feature = "alloc")]
    pub fn take(&mut self, flush: impl FnMut(ByteRange)) {
        self.ranges.drain(..).for_each(flush);
        self.ranges.shrink_to(KEPT_RANGES);
    }
}
