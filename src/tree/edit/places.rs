//! A small map from places to numbers, whose memory serves again for the next transaction.

use std_alloc::vec::Vec;

/// Places to numbers; open addressing, never more than half full.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Place and number; place 0 where nothing is. A power of two of them, or none.
    slots: Vec<(u64, u32)>,
    taken: Vec<u32>,
}

/// Places, removed ones included, at which it is better to begin anew.
const CROWD: usize = 1 << 14;

/// The number of a place that is no longer in the map.
const GONE: u32 = u32::MAX;

impl Places {
    #[inline]
    fn slot(&self, place: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = (place >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        loop {
            let at = slot as usize & mask;
            if self.slots[at].0 == place || self.slots[at].0 == 0 {
                return at;
            }
            slot += 1;
        }
    }

    /// The number of `place`.
    #[inline]
    pub fn get(&self, place: u64) -> Option<usize> {
        if self.taken.is_empty() {
            return None;
        }
        let (found, number) = self.slots[self.slot(place)];
        (found == place && number != GONE).then_some(number as usize)
    }

    /// Gives `place`, which is not 0, a number.
    pub fn set(&mut self, place: u64, number: usize) {
        if 2 * (self.taken.len() + 1) > self.slots.len() {
            self.grow();
        }
        let at = self.slot(place);
        if self.slots[at].0 == 0 {
            self.taken.push(at as u32);
        }
        self.slots[at] = (place, number as u32);
    }

    /// Takes `place` out.
    pub fn remove(&mut self, place: u64) {
        if self.get(place).is_some() {
            let at = self.slot(place);
            self.slots[at].1 = GONE;
        }
    }

    /// Whether places that were removed take more room than it is worth.
    pub fn is_crowded(&self) -> bool {
        self.taken.len() > CROWD
    }

    fn grow(&mut self) {
        let larger = std_alloc::vec![(0, 0); (2 * self.slots.len()).max(64)];
        let old = core::mem::replace(&mut self.slots, larger);
        self.taken.clear();
        for (place, number) in old {
            if place != 0 && number != GONE {
                self.set(place, number as usize);
            }
        }
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        for at in self.taken.drain(..) {
            self.slots[at as usize] = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_until_they_are_removed_and_after_the_map_has_grown() {
        let mut places = Places::default();
        assert_eq!(places.get(16), None);
        for number in 0..1000 {
            places.set(16 * (number as u64 + 1), number);
        }
        places.remove(32);
        places.remove(16 * 5000);
        assert_eq!((places.get(16), places.get(32)), (Some(0), None));
        assert_eq!(places.get(16 * 1000), Some(999));
        places.set(32, 7);
        assert_eq!(places.get(32), Some(7));
        places.clear();
        assert_eq!((places.get(16), places.get(32)), (None, None));
    }
}
