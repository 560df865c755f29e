//! A word that only grows and that every operation reads: a plain load where machines have 64-bit atomics.
//!
//! Never loom's, also under loom: no decision waits for the word to change, and modelling each load of it would
//! multiply every model.
//!
//! Invariants
//! S3  whoever reads a value sees what its writer did before it raised the word (release, acquire).

#[cfg(target_has_atomic = "64")]
use core::sync::atomic::{AtomicU64, Ordering};

/// The word.
#[derive(Debug)]
pub struct Monotone(
    #[cfg(target_has_atomic = "64")] AtomicU64,
    #[cfg(not(target_has_atomic = "64"))] u64,
);

impl Monotone {
    /// Whether the word can be raised on this machine at all.
    pub const CAN_RISE: bool = cfg!(target_has_atomic = "64");

    /// Begins at `value`.
    pub const fn new(value: u64) -> Self {
        #[cfg(target_has_atomic = "64")]
        {
            Monotone(AtomicU64::new(value))
        }
        #[cfg(not(target_has_atomic = "64"))]
        {
            Monotone(value)
        }
    }

    /// The value.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        #[cfg(target_has_atomic = "64")]
        {
            self.0.load(Ordering::Acquire) // Acquire pairs with the release in `raise` (S3)
        }
        #[cfg(not(target_has_atomic = "64"))]
        {
            self.0
        }
    }

    /// Raises the word to `value`, which is not below what it is; callers ask [`Monotone::CAN_RISE`] first.
    pub fn raise(&self, value: u64) {
        debug_assert!(Self::CAN_RISE && value >= self.get());
        #[cfg(target_has_atomic = "64")]
        self.0.store(value, Ordering::Release); // Release pairs with the acquire in `get` (S3)
    }
}
