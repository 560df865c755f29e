//! When keys were last changed, by stripe.

use std::sync::atomic::{AtomicU64, Ordering};

/// One word for each stripe of keys: the sequence number of the last commit that changed one of them.
///
/// A reader with a snapshot reads the tree first and the stamp after that: a stamp at or below the snapshot proves that
/// what it read is what was there when the snapshot was taken (K3).
#[derive(Debug)]
pub(crate) struct Stamps {
    words: Box<[AtomicU64]>,
    mask: u64,
}

impl Stamps {
    pub fn new(bits: u32) -> Self {
        let count = 1_usize << bits.clamp(1, 24);
        Stamps {
            words: (0..count).map(|_| AtomicU64::new(0)).collect(),
            mask: count as u64 - 1,
        }
    }

    #[inline]
    fn word(&self, hash: u64) -> &AtomicU64 {
        &self.words[(hash & self.mask) as usize]
    }

    /// The last commit that touched the stripe of `hash`. Acquire: whoever sees a stamp sees what was done before it.
    #[inline]
    pub fn get(&self, hash: u64) -> u64 {
        self.word(hash).load(Ordering::Acquire)
    }

    /// Notes a commit. Only the holder of the commit's lock does that, in the order of sequence numbers.
    #[inline]
    pub fn set(&self, hash: u64, sequence: u64) {
        self.word(hash).store(sequence, Ordering::Release); // pairs with `get`
    }
}
