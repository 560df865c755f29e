//! What a transaction has read: keys, present or not, and ranges.

use std::ops::Bound;

use crate::bounds::Bounds;

/// Keys of a transaction that need not be validated are listed up to this number: they only serve whoever asks what the
/// transaction does.
const LISTED_MAX: usize = 1024;

/// The reads of one transaction.
#[derive(Debug, Default)]
pub(crate) struct ReadSet {
    keys: Vec<ReadKey>,
    bytes: Vec<u8>,
    ranges: Vec<(u32, Bounds)>,
    /// Reads that were not listed.
    unlisted: u64,
}

#[derive(Clone, Copy, Debug)]
struct ReadKey {
    space: u32,
    key_len: u32,
    at: usize,
}

impl ReadSet {
    /// Notes a key. `all`: each of them matters, since the commit will validate them.
    #[inline]
    pub fn key(&mut self, space: u32, key: &[u8], all: bool) {
        if !all && self.keys.len() >= LISTED_MAX {
            self.unlisted += 1;
            return;
        }
        // Whoever reads a key again does so at once, as a rule.
        if let Some(last) = self.keys.last()
            && last.space == space
            && self.key_of(last) == key
        {
            return;
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.keys.push(ReadKey {
            space,
            key_len: key.len() as u32,
            at,
        });
    }

    /// Notes a range that is about to be scanned; answers its number, for [`ReadSet::reach`].
    pub fn range(&mut self, space: u32, bounds: Bounds, all: bool) -> Option<usize> {
        if !all && self.ranges.len() >= LISTED_MAX {
            self.unlisted += 1;
            return None;
        }
        self.ranges.push((space, bounds));
        Some(self.ranges.len() - 1)
    }

    /// A scan has come further: nothing beyond that was read yet.
    pub fn reach(&mut self, number: usize, forward: bool, end: Bound<Vec<u8>>) {
        if let Some((_, bounds)) = self.ranges.get_mut(number) {
            match forward {
                true => bounds.upper = end,
                false => bounds.lower = end,
            }
        }
    }

    fn key_of(&self, key: &ReadKey) -> &[u8] {
        &self.bytes[key.at..key.at + key.key_len as usize]
    }

    pub fn keys(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.keys.iter().map(|key| (key.space, self.key_of(key)))
    }

    pub fn ranges(&self) -> impl Iterator<Item = (u32, &Bounds)> {
        self.ranges.iter().map(|(space, bounds)| (*space, bounds))
    }

    pub fn has_ranges(&self) -> bool {
        !self.ranges.is_empty()
    }

    pub fn unlisted(&self) -> u64 {
        self.unlisted
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_that_nobody_validates_take_bounded_memory() {
        let mut reads = ReadSet::default();
        for number in 0..5000_u64 {
            reads.key(0, &number.to_be_bytes(), false);
        }
        assert_eq!(
            (reads.keys().count(), reads.unlisted()),
            (1024, 5000 - 1024)
        );
        reads.clear();
        for number in 0..5000_u64 {
            reads.key(0, &number.to_be_bytes(), true);
        }
        assert_eq!((reads.keys().count(), reads.unlisted()), (5000, 0));
    }
}
