//! Scans: the entries of one leaf at a time, copied out whole.

use core::ops::{Bound, Range};
use std_alloc::vec::Vec;

use super::node::{Goal, Node, Page, Position};
use super::reader::{Stop, TreeReader};
use super::record;
use super::source::Source;
use super::{BigValue, KEY_BYTES_MAX, Outcome, TreeError};
use crate::layout::{Corrupt, TREE_LEAF_SLOTS_MAX};
use crate::media::Media;

/// A value in a [`Chunk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'c> {
    /// Its bytes.
    Inline(&'c [u8]),
    /// It has a block of its own: [`TreeReader::read_big`].
    Big(BigValue),
}

/// Entries of one leaf, copied out at one moment. Its memory serves again for the next leaf.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    around: Around,
}

/// A record in a chunk's bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key_at: usize,
    value_at: usize,
    end: usize,
    big: Option<BigValue>,
}

/// The separators around a node, where there are any.
#[derive(Debug, Default)]
pub(super) struct Around {
    lower: bool,
    upper: bool,
    lower_bytes: Vec<u8>,
    upper_bytes: Vec<u8>,
}

impl Around {
    fn clear(&mut self) {
        (self.lower, self.upper) = (false, false);
    }

    /// Descends from `node` to its child at `position`.
    pub fn narrow<S: Source>(
        &mut self,
        source: &S,
        node: &Node<'_>,
        position: usize,
    ) -> Result<(), Corrupt> {
        if position > 0 {
            node.separator(source, position, &mut self.lower_bytes)?;
            self.lower = true;
        }
        if position + 1 < node.count() {
            node.separator(source, position + 1, &mut self.upper_bytes)?;
            self.upper = true;
        }
        Ok(())
    }
}

impl Chunk {
    /// Entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry in it; there may be some further on.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Key and value of entry `index`, in key order. Panics where there are not so many.
    #[inline]
    #[track_caller]
    pub fn entry(&self, index: usize) -> (&[u8], Value<'_>) {
        let entry = &self.entries[index];
        let value = match entry.big {
            Some(value) => Value::Big(value),
            None => Value::Inline(&self.bytes[entry.value_at..entry.end]),
        };
        (self.key(index), value)
    }

    /// The key of entry `index`. Panics where there are not so many.
    #[inline]
    #[track_caller]
    pub fn key(&self, index: usize) -> &[u8] {
        let entry = &self.entries[index];
        &self.bytes[entry.key_at..entry.value_at]
    }

    /// The lowest key that the leaf may hold; `None` for the first leaf. A scan goes on backwards with
    /// `chunk_before(Bound::Excluded(lower))`.
    pub fn lower(&self) -> Option<&[u8]> {
        self.around.lower.then_some(&self.around.lower_bytes)
    }

    /// The lowest key that is too great for the leaf; `None` for the last leaf. A scan goes on with
    /// `chunk_from(Bound::Included(upper))`.
    pub fn upper(&self) -> Option<&[u8]> {
        self.around.upper.then_some(&self.around.upper_bytes)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.around.clear();
    }

    /// Copies the entries at `positions` out of their leaf: first all heads, so that their lines come in together.
    fn fill<S: Source>(
        &mut self,
        source: &S,
        leaf: &Node<'_>,
        positions: Range<usize>,
    ) -> Result<(), Corrupt> {
        let mut total = 0;
        let mut places = [0u64; TREE_LEAF_SLOTS_MAX as usize];
        for position in positions.clone() {
            let record = leaf.leaf_slot(source, position)?.record;
            places[position] = record;
            total += record::probe(source, record)?;
        }
        self.bytes.reserve(total);
        for position in positions {
            let start = self.bytes.len();
            let head = record::append(source, places[position], &mut self.bytes)?;
            let value_at = start + record::HEAD_BYTES + head.key_len;
            let big = head
                .big
                .then(|| record::big_of(&head, &self.bytes[value_at..]));
            self.entries.push(Entry {
                key_at: start + record::HEAD_BYTES,
                value_at,
                end: self.bytes.len(),
                big,
            });
        }
        Ok(())
    }
}

impl<M: Media> TreeReader<'_, M> {
    /// The entries of the leaf that `from` belongs to, from it on, in key order. There may be none, and yet some
    /// further on: see [`Chunk::upper`].
    ///
    /// Errors: [`TreeError::KeyTooLong`], [`TreeError::Corrupt`]. Cost: no wait.
    pub fn chunk_from(&self, from: Bound<&[u8]>, chunk: &mut Chunk) -> Outcome<(), M> {
        let goal = match from {
            Bound::Unbounded => Goal::First,
            Bound::Included(key) | Bound::Excluded(key) => Goal::At(key),
        };
        self.chunk(goal, from, Bound::Unbounded, chunk)
    }

    /// The entries of the leaf that holds what comes right before `to`, up to it, in key order. As
    /// [`TreeReader::chunk_from`]; see [`Chunk::lower`].
    pub fn chunk_before(&self, to: Bound<&[u8]>, chunk: &mut Chunk) -> Outcome<(), M> {
        let goal = match to {
            Bound::Unbounded => Goal::Last,
            Bound::Included(key) => Goal::At(key),
            Bound::Excluded(key) => Goal::Before(key),
        };
        self.chunk(goal, Bound::Unbounded, to, chunk)
    }

    fn chunk(
        &self,
        goal: Goal<'_>,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        chunk: &mut Chunk,
    ) -> Outcome<(), M> {
        if let Bound::Included(key) | Bound::Excluded(key) = match from {
            Bound::Unbounded => to,
            _ => from,
        } {
            if key.len() > KEY_BYTES_MAX {
                return Err(TreeError::KeyTooLong { len: key.len() });
            }
        }
        loop {
            match self.try_chunk(goal, from, to, chunk) {
                Ok(()) => return Ok(()),
                Err(Stop::Corrupt(corrupt)) => return Err(corrupt.into()),
                Err(Stop::Again) => {}
            }
        }
    }

    fn try_chunk(
        &self,
        goal: Goal<'_>,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        chunk: &mut Chunk,
    ) -> Result<(), Stop> {
        chunk.clear();
        let mut page = Page::new();
        let (place, seen) = self.descend::<true>(goal, &mut page, Some(&mut chunk.around))?;
        let leaf = page.load(&self.medium, place, self.tree.leaf_shape(), 0);
        let filled = leaf.and_then(|leaf| {
            let start = match from {
                Bound::Unbounded => 0,
                Bound::Included(key) => leaf.find(&self.medium, key, true)?.index(),
                Bound::Excluded(key) => leaf.find(&self.medium, key, true)?.behind(),
            };
            let end = match to {
                Bound::Unbounded => leaf.count(),
                Bound::Included(key) => leaf.find(&self.medium, key, true)?.behind(),
                Bound::Excluded(key) => leaf.find(&self.medium, key, true)?.index(),
            };
            chunk.fill(&self.medium, &leaf, start..end)
        });
        match filled {
            Ok(()) if self.versions.holds(seen) => Ok(()),
            Ok(()) => Err(Stop::Again),
            Err(corrupt) => Err(self.judge(seen, corrupt)),
        }
    }
}

impl Position {
    /// How many entries lie before the key.
    pub fn index(self) -> usize {
        match self {
            Position::Found(index) | Position::Absent(index) => index,
        }
    }

    /// How many entries lie before the key or at it.
    fn behind(self) -> usize {
        match self {
            Position::Found(index) => index + 1,
            Position::Absent(index) => index,
        }
    }
}
