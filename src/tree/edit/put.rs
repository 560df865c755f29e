//! Puts a value: over the old one where it fits the same block, else into a new record.

use zerocopy::{FromZeros, IntoBytes};

use super::super::node::{Goal, Position};
use super::super::{BigValue, Outcome, record};
use super::Work;
use crate::alloc::Request;
use crate::layout::{Corrupt, LeafSlot, TreeBig, tree_head};
use crate::media::Media;
use crate::units::FLUSH_LINE;

/// A record that is given up, or stored over.
pub(super) struct OldRecord {
    pub place: u64,
    pub bytes: usize,
    pub big: Option<BigValue>,
}

/// What stands behind the key in a record.
enum Stored<'v> {
    Inline(&'v [u8]),
    Big(TreeBig, usize),
}

impl Stored<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Stored::Inline(value) => value,
            Stored::Big(big, _) => big.as_bytes(),
        }
    }
}

impl<M: Media> Work<'_, '_, M> {
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> Outcome<bool, M> {
        let leaf = self.descend(Goal::At(key))?;
        let (position, old) = self.look_for(leaf, key)?;
        let stored = self.stored(value)?;
        match &old {
            Some(old) => self.replace(leaf, position, key, old, &stored)?,
            None => self.insert(leaf, position, key, &stored)?,
        }
        Ok(old.is_some())
    }

    /// Where `key` is in a leaf, with what its record takes, or where it belongs. All that was looked at was verified (Y5).
    pub(super) fn look_for(
        &mut self,
        leaf: usize,
        key: &[u8],
    ) -> Result<(usize, Option<OldRecord>), Corrupt> {
        let mut scratch = core::mem::take(&mut self.edit.scratch);
        let (node, reading) = (self.node(leaf), self.reading());
        let mut seen = None;
        let found = node.find_by(&reading, key, true, |place| {
            scratch.clear();
            let head = record::append(&reading, place, &mut scratch)?;
            let (other, stored) = scratch[record::HEAD_BYTES..].split_at(head.key_len);
            seen = Some(OldRecord {
                place,
                bytes: head.total(),
                big: head.big.then(|| record::big_of(&head, stored)),
            });
            Ok(other.cmp(key))
        });
        self.edit.scratch = scratch;
        Ok(match found? {
            Position::Found(position) => (position, seen),
            Position::Absent(position) => (position, None),
        })
    }

    /// The value, or where it was put if it takes a block of its own.
    fn stored<'v>(&mut self, value: &'v [u8]) -> Outcome<Stored<'v>, M> {
        if value.len() <= self.tree.options.inline_bytes as usize {
            return Ok(Stored::Inline(value));
        }
        let block = self.tx.alloc(Request::new(value.len() as u64))?;
        self.tx.write_fresh(block.start(), value)?;
        let mut big = TreeBig::new_zeroed();
        big.at = block.start().get().into();
        big.crc = everline_arch::crc32c(0, value).into();
        Ok(Stored::Big(big, value.len()))
    }

    /// Stores a record over what `old` is, or in a new block; answers its place.
    fn record(
        &mut self,
        old: Option<&OldRecord>,
        key: &[u8],
        stored: &Stored<'_>,
    ) -> Outcome<u64, M> {
        let bytes = record::HEAD_BYTES + key.len() + stored.bytes().len();
        let place = match old {
            Some(old) if self.fits_same_block(old.bytes, bytes) => old.place,
            _ => {
                if let Some(old) = old {
                    self.free_block(old.place)?;
                }
                self.tx.alloc(Request::new(bytes as u64))?.start().get()
            }
        };
        let big_len = match stored {
            Stored::Inline(_) => None,
            Stored::Big(_, len) => Some(*len),
        };
        self.edit.written.put(place, |into| {
            record::encode(place, key, stored.bytes(), big_len, into);
        });
        Ok(place)
    }

    /// Whether a block for so many bytes is as large as one for so many others.
    fn fits_same_block(&self, one: usize, other: usize) -> bool {
        let classes = self.tx.manager().heap().classes();
        let class = |bytes: usize| {
            let align = if bytes as u64 >= FLUSH_LINE {
                FLUSH_LINE
            } else {
                16
            };
            classes.class_for(bytes as u64, align)
        };
        one == other || (class(one).is_some() && class(one) == class(other))
    }

    /// What the record at `place` takes, once its checksum was right.
    pub(super) fn old_record(&mut self, place: u64) -> Result<OldRecord, Corrupt> {
        let mut scratch = core::mem::take(&mut self.edit.scratch);
        scratch.clear();
        let head = record::append(&self.reading(), place, &mut scratch);
        let old = head.map(|head| OldRecord {
            place,
            bytes: head.total(),
            big: head
                .big
                .then(|| record::big_of(&head, &scratch[record::HEAD_BYTES + head.key_len..])),
        });
        self.edit.scratch = scratch;
        old
    }

    fn replace(
        &mut self,
        leaf: usize,
        position: usize,
        key: &[u8],
        old: &OldRecord,
        stored: &Stored<'_>,
    ) -> Outcome<(), M> {
        let slot = self.node(leaf).leaf_slot(&self.reading(), position)?;
        if let Some(big) = old.big {
            self.tx.free(big.place)?;
        }
        let record = self.record(Some(old), key, stored)?;
        if record != slot.record {
            self.draft_mut(leaf)
                .set_leaf(position, LeafSlot { record, ..slot });
        }
        self.draft_mut(leaf).marked = true; // keeps Y7
        Ok(())
    }

    fn insert(
        &mut self,
        leaf: usize,
        position: usize,
        key: &[u8],
        stored: &Stored<'_>,
    ) -> Outcome<(), M> {
        let record = self.record(None, key, stored)?;
        self.count_keys(|keys| keys.checked_add(1))?;
        self.fit_leaf(leaf, key)?;
        let head = tree_head(key, self.node(leaf).skip());
        let slot = LeafSlot { head, record };
        if self.edit.drafts[leaf].is_full() {
            self.split_leaf(leaf, position, slot)
        } else {
            self.draft_mut(leaf).insert_leaf(position, slot);
            Ok(())
        }
    }

    /// Makes a leaf skip no more than `key` shares with its prefix.
    fn fit_leaf(&mut self, leaf: usize, key: &[u8]) -> Result<(), Corrupt> {
        let node = self.node(leaf);
        if key.starts_with(node.prefix()) {
            return Ok(());
        }
        let common = common_len(node.prefix(), key);
        self.draft_mut(leaf).shrink_leaf(common)
    }

    /// Frees a record and what it leads to.
    pub(super) fn free_record(&mut self, old: &OldRecord) -> Outcome<(), M> {
        if let Some(big) = old.big {
            self.tx.free(big.place)?;
        }
        self.free_block(old.place)
    }
}

/// How many bytes two keys begin with in common.
pub(super) fn common_len(one: &[u8], other: &[u8]) -> usize {
    let pairs = one.iter().zip(other);
    pairs.take_while(|(one, other)| one == other).count()
}
