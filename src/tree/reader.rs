//! Lookups without a lock (Y6).

use std_alloc::vec::Vec;

use zerocopy::{FromZeros, IntoBytes};

use super::node::{Goal, Node, Page, Position};
use super::record;
use super::scan::Around;
use super::source::{Medium, Source};
use super::versions::Seen;
use super::{BigValue, Outcome, Tree, TreeError, Versions};
use crate::layout::{Corrupt, TreeRoot};
use crate::media::Media;
use crate::tx::Manager;

/// Reads a tree without a lock and without a store to anything shared.
#[derive(Debug)]
pub struct TreeReader<'p, M> {
    pub(super) tree: Tree,
    pub(super) medium: Medium<'p, M>,
    pub(super) versions: &'p Versions,
}

/// What is known of a value before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Bytes of the value.
    pub len: usize,
    /// Its block, if it has one of its own.
    pub big: Option<BigValue>,
}

/// Why a descent ended without an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// A writer was faster: read again.
    Again,
    /// The medium lies.
    Corrupt(Corrupt),
}

/// A value that a lookup found, and the version that held meanwhile.
type Hit = (Found, Seen);

impl<'p, M: Media> TreeReader<'p, M> {
    pub(super) fn new(tree: Tree, manager: &'p Manager<M>, versions: &'p Versions) -> Self {
        TreeReader {
            tree,
            medium: Medium::new(manager.pool()),
            versions,
        }
    }

    /// The value of `key`, put in place of what `into` holds; `false` where there is none, and `into` is empty then.
    ///
    /// Errors: [`TreeError::KeyTooLong`], [`TreeError::Corrupt`]. Cost: no wait; a value with a block of its own is read
    /// again where it is replaced meanwhile.
    pub fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Outcome<bool, M> {
        loop {
            if let Some(found) = self.try_get(key, into)? {
                return Ok(found);
            }
        }
    }

    /// As [`TreeReader::get`], once: `None` where the bytes of a value with a block of its own are not there, and its leaf
    /// was stored to meanwhile. Who has the past of the tree asks that instead of trying for ever.
    ///
    /// Bytes that match the checksum are the value that was current when it was found, whatever happened to its leaf since.
    pub fn try_get(&self, key: &[u8], into: &mut Vec<u8>) -> Outcome<Option<bool>, M> {
        into.clear();
        let Some((found, seen)) = self.lookup(key, Some(into))? else {
            into.clear(); // an attempt that did not hold may have left something
            return Ok(Some(false));
        };
        let Some(value) = found.big else {
            return Ok(Some(true));
        };
        let read = record::read_big(&self.medium, &value, into);
        if matches!(read, Ok(true)) {
            return Ok(Some(true));
        }
        if !self.versions.holds(seen) {
            return Ok(None);
        }
        read?;
        Err(record::big_mismatch(&value).into())
    }

    /// What is known of the value of `key`. As [`TreeReader::get`].
    pub fn find(&self, key: &[u8]) -> Outcome<Option<Found>, M> {
        Ok(self.lookup(key, None)?.map(|(found, _seen)| found))
    }

    /// Whether there is a value at `key`. As [`TreeReader::get`].
    pub fn contains(&self, key: &[u8]) -> Outcome<bool, M> {
        Ok(self.find(key)?.is_some())
    }

    /// Reads a big value in place of what `into` holds; `false` where its bytes are not there, since its key was changed
    /// after it was found or since they are damaged: who knows of no change knows which.
    pub fn read_big(&self, value: &BigValue, into: &mut Vec<u8>) -> Outcome<bool, M> {
        Ok(record::read_big(&self.medium, value, into)?)
    }

    /// The number of keys. Errors: [`TreeError::Corrupt`].
    pub fn count(&self) -> Outcome<u64, M> {
        let place = self.tree.place.get();
        loop {
            // Who commits stores the count and its checksum one after the other: it has a version of its own (Y7).
            let seen = self.versions.see(count_place(place));
            let mut root = TreeRoot::new_zeroed();
            self.medium.read(place, 0, root.as_mut_bytes())?;
            let count = root.keys(place);
            if self.versions.holds(seen) {
                let what = "the checksum of a tree's number of keys does not match";
                return Ok(count.ok_or(Corrupt::new(self.tree.place, what))?);
            }
        }
    }

    #[inline(always)]
    fn lookup(&self, key: &[u8], mut into: Option<&mut Vec<u8>>) -> Outcome<Option<Hit>, M> {
        if key.len() > super::KEY_BYTES_MAX {
            return Err(TreeError::KeyTooLong { len: key.len() });
        }
        match self.try_lookup::<false>(key, into.as_deref_mut()) {
            Ok(Some(hit)) => Ok(Some(hit)),
            _ => self.lookup_verified(key, into),
        }
    }

    /// An absent key is looked for once more, and every slot on the way verified (Y5).
    #[cold]
    #[inline(never)]
    fn lookup_verified(
        &self,
        key: &[u8],
        mut into: Option<&mut Vec<u8>>,
    ) -> Outcome<Option<Hit>, M> {
        loop {
            match self.try_lookup::<true>(key, into.as_deref_mut()) {
                Ok(outcome) => return Ok(outcome),
                Err(Stop::Corrupt(corrupt)) => return Err(corrupt.into()),
                Err(Stop::Again) => {}
            }
        }
    }

    #[inline(always)]
    fn try_lookup<const VERIFY: bool>(
        &self,
        key: &[u8],
        into: Option<&mut Vec<u8>>,
    ) -> Result<Option<Hit>, Stop> {
        let mut page = Page::new();
        let (place, seen) = self.descend::<VERIFY>(Goal::At(key), &mut page, None)?;
        let leaf = page.load(&self.medium, place, self.tree.leaf_shape(), 0);
        let found = leaf.and_then(|leaf| self.value_in::<VERIFY>(&leaf, key, into));
        match found {
            Ok(found) if self.versions.holds(seen) => Ok(found.map(|found| (found, seen))),
            Ok(_) => Err(Stop::Again),
            Err(corrupt) => Err(self.judge(seen, corrupt)),
        }
    }

    /// Finds `key` in its leaf and reads its record. The common case is one slot whose head is the key's.
    #[inline(always)]
    fn value_in<const VERIFY: bool>(
        &self,
        leaf: &Node<'_>,
        key: &[u8],
        mut into: Option<&mut Vec<u8>>,
    ) -> Result<Option<Found>, Corrupt> {
        if let (false, Some(position)) = (VERIFY, leaf.candidate(&self.medium, key)) {
            let record = leaf.leaf_slot(&self.medium, position)?.record;
            let found = record::take(&self.medium, record, key, into.as_deref_mut())?;
            if found.is_some() {
                return Ok(found);
            }
        }
        match leaf.find(&self.medium, key, VERIFY)? {
            Position::Absent(_) => Ok(None),
            Position::Found(position) => {
                let record = leaf.leaf_slot(&self.medium, position)?.record;
                record::take(&self.medium, record, key, into)
            }
        }
    }

    /// What is wrong is wrong only if nobody was storing meanwhile.
    #[cold]
    pub(super) fn judge(&self, seen: Seen, corrupt: Corrupt) -> Stop {
        if self.versions.holds(seen) {
            Stop::Corrupt(corrupt)
        } else {
            Stop::Again
        }
    }

    /// Descends to the leaf that `goal` leads to: its place and the version to be held against at the end (Y6).
    #[inline(always)]
    pub(super) fn descend<const VERIFY: bool>(
        &self,
        goal: Goal<'_>,
        page: &mut Page,
        mut around: Option<&mut Around>,
    ) -> Result<(u64, Seen), Stop> {
        let mut seen = self.versions.see(self.tree.place.get());
        let root = match self.tree.root(&self.medium) {
            Ok(root) => root,
            Err(corrupt) => return Err(self.judge(seen, corrupt)),
        };
        let (mut place, mut level) = (root.root.get(), root.height - 1);
        loop {
            let child = self.versions.see(place);
            if !self.versions.holds(seen) {
                return Err(Stop::Again);
            }
            seen = child;
            if level == 0 {
                return Ok((place, seen));
            }
            match self.step::<VERIFY>(goal, page, place, level, &mut around) {
                Ok(child) => place = child,
                Err(corrupt) => return Err(self.judge(seen, corrupt)),
            }
            level -= 1;
        }
    }

    #[inline(always)]
    fn step<const VERIFY: bool>(
        &self,
        goal: Goal<'_>,
        page: &mut Page,
        place: u64,
        level: u8,
        around: &mut Option<&mut Around>,
    ) -> Result<u64, Corrupt> {
        let node = page.load(&self.medium, place, self.tree.inner_shape(), level)?;
        if VERIFY {
            node.verify_heads(&self.medium)?;
        }
        let position = node.child(&self.medium, goal)?;
        if let Some(around) = around {
            around.narrow(&self.medium, &node, position)?;
        }
        Ok(node.inner_slot(&self.medium, position)?.child)
    }
}

/// The place by which the number of keys of the tree whose root lies at `root` has its version: readers of keys, who look
/// at the root's, do not wait for those who only count.
pub(super) fn count_place(root: u64) -> u64 {
    root + TreeRoot::COUNT_AT as u64
}
