//! Changes of inner nodes: separators, in their slot where they fit and else in a block of their own.

use std_alloc::vec::Vec;

use zerocopy::IntoBytes;

use super::super::Outcome;
use super::super::source::Nowhere;
use super::Work;
use super::put::common_len;
use super::split::{WORTHWHILE_BYTES, share_enough};
use crate::alloc::Request;
use crate::layout::{Corrupt, InnerSlot, TREE_PREFIX_BYTES, TreeSeparator, tree_head};
use crate::media::Media;
use crate::units::ByteOffset;

/// Bytes of a separator, behind what its node skips, that its head holds.
const HEAD_BYTES: usize = size_of::<u64>();

impl<M: Media> Work<'_, '_, M> {
    /// Inserts `child` and the separator before it into an inner node that is not full. `position` is not the first.
    pub(super) fn put_child(
        &mut self,
        node: usize,
        position: usize,
        separator: &[u8],
        child: u64,
    ) -> Outcome<(), M> {
        let prefix = self.node(node).prefix();
        let common = common_len(prefix, separator);
        if common < prefix.len() {
            self.skip(node, &separator[..common])?;
        }
        let slot = self.inner_slot(self.node(node).skip(), separator, child)?;
        let is_long = slot.tail != 0;
        self.draft_mut(node).insert_inner(position, slot);
        if is_long {
            self.grow_inner_prefix(node)?;
        }
        Ok(())
    }

    /// A slot of a node that skips `skip` bytes.
    fn inner_slot(&mut self, skip: usize, separator: &[u8], child: u64) -> Outcome<InnerSlot, M> {
        Ok(InnerSlot {
            head: tree_head(separator, skip),
            child,
            len: separator.len() as u16,
            tail: match separator.len() - skip {
                0..=HEAD_BYTES => 0,
                _ => self.tail(separator)?,
            },
        })
    }

    /// A block with the separator's bytes.
    fn tail(&mut self, separator: &[u8]) -> Outcome<u64, M> {
        let bytes = size_of::<TreeSeparator>() + separator.len();
        let place = self.tx.alloc(Request::new(bytes as u64))?.start().get();
        self.edit.written.put(place, |into| {
            into.extend_from_slice(TreeSeparator::of(place, separator).as_bytes());
            into.extend_from_slice(separator);
        });
        Ok(place)
    }

    pub(super) fn free_tail(&mut self, slot: InnerSlot) -> Outcome<(), M> {
        match slot.tail {
            0 => Ok(()),
            tail => self.free_block(tail),
        }
    }

    /// Makes an inner node skip `prefix`, which all its separators begin with.
    pub(super) fn skip(&mut self, node: usize, prefix: &[u8]) -> Outcome<(), M> {
        let mut separator = Vec::new();
        for position in 1..self.node(node).count() {
            let slot = self.node(node).inner_slot(&self.reading(), position)?;
            let read = self.node(node);
            read.separator(&self.reading(), position, &mut separator)?;
            let fits = separator.len().saturating_sub(prefix.len()) <= HEAD_BYTES;
            let tail = match (slot.tail, fits) {
                (0, true) => 0,
                (0, false) => self.tail(&separator)?,
                (_, true) => {
                    self.free_tail(slot)?;
                    0
                }
                (tail, false) => tail,
            };
            let head = tree_head(&separator, prefix.len());
            self.draft_mut(node)
                .set_inner(position, InnerSlot { head, tail, ..slot });
        }
        self.draft_mut(node).set_prefix(prefix);
        Ok(())
    }

    /// Where all heads of an inner node begin alike, lets it skip what its separators share.
    pub(super) fn grow_inner_prefix(&mut self, node: usize) -> Outcome<(), M> {
        let (count, skip) = (self.node(node).count(), self.node(node).skip());
        if count < 3 || skip + WORTHWHILE_BYTES > TREE_PREFIX_BYTES {
            return Ok(());
        }
        if !share_enough(
            self.node(node).head(&Nowhere, 1),
            self.node(node).head(&Nowhere, count - 1),
        ) {
            return Ok(());
        }
        let (mut first, mut last) = (Vec::new(), Vec::new());
        let (read, reading) = (self.node(node), self.reading());
        read.separator(&reading, 1, &mut first)?;
        read.separator(&reading, count - 1, &mut last)?;
        let common = common_len(&first, &last).min(TREE_PREFIX_BYTES);
        if common < skip + WORTHWHILE_BYTES {
            return Ok(());
        }
        self.skip(node, &first[..common])
    }

    /// Takes the child at `position` out of an inner node, with its separator.
    pub(super) fn remove_child(&mut self, node: usize, position: usize) -> Outcome<(), M> {
        let slot = self.node(node).inner_slot(&self.reading(), position)?;
        self.free_tail(slot)?;
        self.draft_mut(node).remove(position);
        if position == 0 && self.node(node).count() > 0 {
            let first = self.node(node).inner_slot(&self.reading(), 0)?;
            self.free_tail(first)?;
            self.draft_mut(node)
                .set_inner(0, InnerSlot::first(first.child));
        }
        Ok(())
    }

    /// Another root node.
    pub(super) fn reshape(&mut self, node: u64, height: u8) {
        let root = self.root_mut();
        root.root.root = node.into();
        root.root.height = height;
        (root.reshaped, root.marked) = (true, true);
    }

    pub(super) fn root_fault(&self, what: &'static str) -> Corrupt {
        Corrupt::new(ByteOffset::new(self.edit.roots[self.root].place), what)
    }
}
