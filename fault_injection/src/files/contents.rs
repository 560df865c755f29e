//! What the hashes on the medium stand for: contents of sectors and listings of directories (F3).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::trie::{MixMap, mix};

/// Bytes of contents kept at most; beyond, a run stops with a message rather than swap.
const CONTENT_LIMIT: usize = 1 << 30;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub inode: u32,
    pub directory: bool,
    /// Moved away: gone only where the directory it went to has that arrival.
    pub moved: Option<(u32, u64)>,
}

/// The names of a directory, or of all directories where one journal holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub entries: BTreeMap<(u32, String), Entry>,
    /// Moves from other directories that have arrived.
    pub arrived: BTreeSet<u64>,
}

impl Listing {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.arrived.is_empty()
    }

    fn hash(&self) -> u64 {
        let mut hash = self.entries.len() as u64 + 1;
        for ((parent, name), entry) in &self.entries {
            hash = mix(hash ^ hash_bytes(name.as_bytes()));
            hash = mix(hash ^ (u64::from(*parent) << 32 | u64::from(entry.inode)));
            let (to, arrival) = entry
                .moved
                .unwrap_or((u32::MAX, u64::from(entry.directory)));
            hash = mix(mix(hash ^ u64::from(to)) ^ arrival);
        }
        for arrival in &self.arrived {
            hash = mix(hash ^ arrival.rotate_left(17));
        }
        hash
    }
}

/// Contents by their hashes; it only grows.
#[derive(Default)]
pub(super) struct Contents {
    sectors: MixMap<u64, Arc<[u8]>>,
    listings: MixMap<u64, Arc<Listing>>,
    bytes: usize,
    /// What inodes are called in reports.
    pub names: HashMap<u32, String>,
}

impl Contents {
    /// The hash of a sector; 0 of one that is all zeros.
    pub(super) fn intern_sector(&mut self, content: &[u8]) -> u64 {
        if content.iter().all(|byte| *byte == 0) {
            return 0;
        }
        let hash = hash_bytes(content).max(1);
        match self.sectors.get(&hash) {
            Some(known) => assert!(known[..] == *content, "two contents share a hash"),
            None => {
                self.grow(content.len());
                self.sectors.insert(hash, content.into());
            }
        }
        hash
    }

    pub(super) fn sector(&self, hash: u64) -> Option<&[u8]> {
        (hash != 0).then(|| &self.sectors[&hash][..])
    }

    /// The hash of a listing; 0 of one that is empty.
    pub(super) fn intern_listing(&mut self, listing: Listing) -> u64 {
        if listing.is_empty() {
            return 0;
        }
        let hash = listing.hash().max(1);
        match self.listings.get(&hash) {
            Some(known) => assert!(**known == listing, "two listings share a hash"),
            None => {
                self.grow(
                    listing
                        .entries
                        .keys()
                        .map(|(_, name)| 64 + name.len())
                        .sum(),
                );
                self.listings.insert(hash, listing.into());
            }
        }
        hash
    }

    pub(super) fn listing(&self, hash: u64) -> Arc<Listing> {
        match hash {
            0 => Arc::default(),
            hash => self.listings[&hash].clone(),
        }
    }

    /// Whether the hash is of a listing, for a report.
    pub(super) fn find_listing(&self, hash: u64) -> Option<&Listing> {
        self.listings.get(&hash).map(|listing| &**listing)
    }

    fn grow(&mut self, bytes: usize) {
        self.bytes += bytes;
        assert!(
            self.bytes <= CONTENT_LIMIT,
            "the simulated disk holds more than {CONTENT_LIMIT} bytes of different contents: explore less at once"
        );
    }
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(8).map(crate::model::word_of);
    words.fold(bytes.len() as u64, |hash, word| mix(hash ^ word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_content_is_zero_and_others_are_found_again() {
        let mut contents = Contents::default();
        assert_eq!(contents.intern_sector(&[0; 512]), 0);
        let one = contents.intern_sector(&[1; 512]);
        let two = contents.intern_sector(&[2; 512]);
        assert_ne!(one, two);
        assert_eq!(contents.intern_sector(&[1; 512]), one);
        assert_eq!(contents.sector(one), Some(&[1; 512][..]));
        assert_eq!(contents.sector(0), None);
    }

    #[test]
    fn listings_that_differ_in_one_thing_have_different_hashes() {
        let entry = |inode, directory, moved| Entry {
            inode,
            directory,
            moved,
        };
        let entries = [
            ((0, "a"), entry(1, false, None)),
            ((0, "b"), entry(1, false, None)),
            ((2, "a"), entry(1, false, None)),
            ((0, "a"), entry(2, false, None)),
            ((0, "a"), entry(1, true, None)),
            ((0, "a"), entry(1, false, Some((3, 9)))),
        ];
        let hashes: BTreeSet<u64> = entries
            .map(|((parent, name), entry)| {
                let mut listing = Listing::default();
                listing.entries.insert((parent, name.to_owned()), entry);
                listing.hash()
            })
            .into();
        assert_eq!(hashes.len(), 6);
    }
}
