//! Versions of nodes, by which readers without a lock learn whether what they read was whole.
//!
//! A word for each stripe of places: odd while homes in the stripe are being stored, and another number afterwards. Nothing
//! of it is on media: no reader outlives the process.

use std_alloc::boxed::Box;

use crate::sync::{AtomicU64, Ordering, fence, relax};

/// A table of node versions. One serves any number of trees that one writer at a time changes.
#[derive(Debug)]
pub struct Versions {
    words: Box<[AtomicU64]>,
    shift: u32,
}

/// A stripe and the version that was seen there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    stripe: usize,
    version: u64,
}

impl Versions {
    /// A table of `2^stripes_log2` words, at least two.
    pub fn new(stripes_log2: u32) -> Self {
        let log2 = stripes_log2.clamp(1, 30);
        Versions {
            words: (0..1usize << log2).map(|_| AtomicU64::new(0)).collect(),
            shift: 64 - log2,
        }
    }

    #[inline]
    fn stripe(&self, place: u64) -> usize {
        ((place >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// The version of the node at `place`, once nobody is storing to it.
    #[inline]
    pub(super) fn see(&self, place: u64) -> Seen {
        let stripe = self.stripe(place);
        let version = self.words[stripe].load(Ordering::Acquire); // Acquire pairs with the release in `unlock`
        if version % 2 == 0 {
            Seen { stripe, version }
        } else {
            self.wait(stripe)
        }
    }

    #[cold]
    fn wait(&self, stripe: usize) -> Seen {
        let mut turn = 0;
        loop {
            let version = self.words[stripe].load(Ordering::Acquire); // as in `see`
            if version % 2 == 0 {
                return Seen { stripe, version };
            }
            relax(turn);
            turn = turn.saturating_add(1);
        }
    }

    /// Whether nothing of the stripe was stored to since it was seen: what was read in between is whole.
    #[inline]
    pub(super) fn holds(&self, seen: Seen) -> bool {
        // Acquire: what was read before stays before the load of the version; pairs with the release in `lock`.
        fence(Ordering::Acquire);
        self.words[seen.stripe].load(Ordering::Relaxed) == seen.version
    }

    /// Marks the stripe of `place` as being stored to. Only the one writer calls this; [`Versions::locked`] follows the
    /// last of a row.
    #[inline]
    pub(super) fn lock(&self, place: u64) {
        let word = &self.words[self.stripe(place)];
        let version = word.load(Ordering::Relaxed); // the writer's own
        if version % 2 == 0 {
            word.store(version + 1, Ordering::Relaxed); // `locked` orders it
        }
    }

    /// Orders what [`Versions::lock`] stored before the stores to homes.
    #[inline]
    pub(super) fn locked(&self) {
        fence(Ordering::Release); // pairs with the acquire in `holds`
    }

    /// Marks the stripe of `place` as whole again, if it is marked.
    #[inline]
    pub(super) fn unlock(&self, place: u64) {
        let word = &self.words[self.stripe(place)];
        let version = word.load(Ordering::Relaxed); // the writer's own
        if version % 2 == 1 {
            word.store(version + 1, Ordering::Release); // pairs with the acquire in `see`
        }
    }
}

/// 16,384 words: they stay in the cache, and two nodes seldom share one.
impl Default for Versions {
    fn default() -> Self {
        Versions::new(14)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_version_holds_until_its_stripe_is_locked_and_two_places_of_a_stripe_count_once() {
        let versions = Versions::new(1);
        let seen = versions.see(4096);
        assert!(versions.holds(seen));
        let places = [4096, 8192, 12288, 16384];
        places.iter().for_each(|place| versions.lock(*place));
        versions.locked();
        assert!(!versions.holds(seen));
        places.iter().for_each(|place| versions.unlock(*place));
        assert!(!versions.holds(seen));
        assert!(versions.holds(versions.see(4096)));
    }
}
