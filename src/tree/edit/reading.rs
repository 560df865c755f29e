//! What a writer reads.

use super::super::source::{Medium, Source};
use super::written::Written;
use crate::layout::Corrupt;
use crate::media::Media;
use crate::tx::Tx;
use crate::units::ByteOffset;

/// What a writer reads: the medium, and before it what is to be written.
pub(super) struct Reading<'r, 'e, M: Media> {
    pub(super) tx: &'r Tx<'e, M>,
    pub(super) medium: Medium<'e, M>,
    pub(super) written: &'r Written,
    pub(super) overlaid: bool,
}

impl<M: Media> Source for Reading<'_, '_, M> {
    #[inline]
    fn read(&self, place: u64, at: usize, into: &mut [u8]) -> Result<(), Corrupt> {
        if let Some(bytes) = self.written.get(place) {
            let bytes = bytes.get(at..at + into.len());
            into.copy_from_slice(bytes.ok_or_else(|| cut_off(place))?);
            return Ok(());
        }
        if !self.overlaid {
            return self.medium.read(place, at, into);
        }
        let at = ByteOffset::new(place + at as u64);
        self.tx.read(at, into).map_err(|_outside| cut_off(place))
    }

    #[inline]
    fn word(&self, place: u64, at: usize) -> u64 {
        if !self.overlaid {
            return self.medium.word(place, at);
        }
        let mut word = [0; 8];
        // Within a window, which is within the heap: a transaction reads that.
        let at = ByteOffset::new(place + at as u64);
        self.tx.read(at, &mut word).unwrap_or(());
        u64::from_le_bytes(word)
    }

    #[inline]
    fn window(&self, place: u64, len: usize) -> Result<(), Corrupt> {
        self.medium.window(place, len)
    }

    #[inline]
    fn fetch(&self, place: u64, len: usize) {
        self.medium.fetch(place, len);
    }

    fn reach(&self, place: u64, most: usize) -> usize {
        match self.written.get(place) {
            Some(bytes) => bytes.len().min(most),
            None => self.medium.reach(place, most),
        }
    }
}

#[cold]
fn cut_off(place: u64) -> Corrupt {
    Corrupt::new(ByteOffset::new(place), "an object of a tree is cut off")
}
