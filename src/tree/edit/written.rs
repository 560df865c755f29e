//! Records and separators' blocks that a transaction is about to write: each is staged once, however often it changed.

use std_alloc::vec::Vec;

use super::places::Places;
use crate::media::Media;
use crate::tx::{Tx, TxError};
use crate::units::ByteOffset;

/// Blocks and their bytes to be.
#[derive(Debug, Default)]
pub(super) struct Written {
    places: Places,
    blocks: Vec<Block>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    place: u64,
    start: usize,
    end: usize,
    staged: bool,
}

impl Written {
    /// What is to be written to `place`.
    #[inline]
    pub fn get(&self, place: u64) -> Option<&[u8]> {
        let block = &self.blocks[self.places.get(place)?];
        Some(&self.bytes[block.start..block.end])
    }

    /// What `build` appends is to be written to `place`.
    #[inline]
    pub fn put(&mut self, place: u64, build: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        build(&mut self.bytes);
        let block = Block {
            place,
            start,
            end: self.bytes.len(),
            staged: false,
        };
        match self.places.get(place) {
            Some(number) => self.blocks[number] = block,
            None => {
                self.places.set(place, self.blocks.len());
                self.blocks.push(block);
            }
        }
    }

    /// The block is given up: nothing is to be written there.
    pub fn forget(&mut self, place: u64) {
        if let Some(number) = self.places.get(place) {
            self.blocks[number].staged = true;
            self.places.remove(place);
        }
    }

    /// Stages what was not staged before.
    pub fn stage<M: Media>(&mut self, tx: &mut Tx<'_, M>) -> Result<(), TxError<M::SyncError>> {
        for block in self.blocks.iter_mut().filter(|block| !block.staged) {
            tx.write(
                ByteOffset::new(block.place),
                &self.bytes[block.start..block.end],
            )?;
            block.staged = true;
        }
        Ok(())
    }

    pub fn clear(&mut self) {
        self.places.clear();
        self.blocks.clear();
        self.bytes.clear();
    }
}
