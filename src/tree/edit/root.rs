//! The root of a tree that a transaction changes.

use zerocopy::IntoBytes;

use super::super::source::{Medium, Source};
use super::super::{Outcome, Tree};
use crate::layout::{Corrupt, TreeRoot};
use crate::media::Media;
use crate::tx::Tx;
use crate::units::ByteOffset;

/// A tree's root as it will be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root {
    pub(super) place: u64,
    pub(super) root: TreeRoot,
    /// Height or root node change, or the tree goes: readers are told.
    pub(super) marked: bool,
    pub(super) reshaped: bool,
    pub(super) counted: bool,
    /// The number of keys changes in this transaction, staged or not: who counts is told.
    pub(super) count_marked: bool,
    pub(super) dropped: bool,
    /// The transaction staged bytes of the tree before this edit: only it knows them.
    pub(super) overlaid: bool,
}

impl Root {
    /// The root as the transaction sees it; `again` where it may have staged bytes of the tree that are not the root's.
    pub(super) fn load<M: Media>(tx: &Tx<'_, M>, tree: &Tree, again: bool) -> Outcome<Self, M> {
        let place = tree.place.get();
        let medium = Medium::new(tx.manager().pool());
        let mut home = [0; size_of::<TreeRoot>()];
        medium.read(place, 0, &mut home)?;
        let mut bytes = home;
        tx.read(tree.place, &mut bytes)?;
        let root = TreeRoot::from_bytes(&bytes);
        let fault = root.fault(place);
        let fault = fault.or(match root.keys(place) {
            None => Some("the checksum of a tree's number of keys does not match"),
            Some(_) => None,
        });
        match fault {
            Some(what) => Err(Corrupt::new(tree.place, what).into()),
            None => Ok(Root {
                place,
                root,
                marked: false,
                reshaped: false,
                counted: false,
                count_marked: false,
                dropped: false,
                overlaid: again || bytes != home || tree.created_in == Some(tx.id()),
            }),
        }
    }

    pub(super) fn stage<M: Media>(&mut self, tx: &mut Tx<'_, M>) -> Outcome<(), M> {
        if !self.reshaped && !self.counted {
            return Ok(());
        }
        self.root.seal(self.place);
        let bytes = self.root.as_bytes();
        let counted = TreeRoot::COUNT_AT..TreeRoot::COUNT_AT + TreeRoot::COUNT_BYTES;
        let range = if self.reshaped {
            0..bytes.len()
        } else {
            counted
        };
        let at = ByteOffset::new(self.place + range.start as u64);
        tx.write(at, &bytes[range])?;
        (self.reshaped, self.counted) = (false, false);
        Ok(())
    }
}
