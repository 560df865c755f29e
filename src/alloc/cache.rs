//! What a lane keeps of the heap between transactions: for each class, a word of reserved bits.

use super::{Heap, HeapState};
use crate::layout::{CLASS_COUNT_MAX, Geometry};
use crate::units::ByteOffset;

/// Bits of one bitmap word that only this lane hands out; all of them are in the heap's `reserved` set (H1).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CachedWord {
    /// Bits still to be handed out.
    pub free: u64,
    pub slab: u64,
    pub word: u32,
    /// The slab is being taken into use by the lane's present transaction: its home bytes mean nothing (H2).
    pub fresh: bool,
}

/// One lane's words by class.
#[derive(Debug)]
pub(crate) struct LaneCache {
    pub words: [CachedWord; CLASS_COUNT_MAX],
}

impl LaneCache {
    pub fn new() -> Self {
        LaneCache {
            words: [CachedWord::default(); CLASS_COUNT_MAX],
        }
    }
}

impl Heap {
    /// Gives the bits that a lane holds back to all lanes, but for slabs that it is taking into use itself.
    pub(crate) fn release(&self, geometry: &Geometry, cache: &mut LaneCache) {
        let mut state = self.state.lock();
        for (class, word) in cache
            .words
            .iter_mut()
            .enumerate()
            .filter(|(_, word)| !word.fresh)
        {
            give_back(&mut state, geometry, class as u8, word);
        }
    }
}

/// Returns what is left of a word.
pub(super) fn give_back(
    state: &mut HeapState,
    geometry: &Geometry,
    class: u8,
    word: &mut CachedWord,
) {
    if word.free != 0 {
        state.reserved.remove(word_at(geometry, word), word.free);
        if !word.fresh {
            state.partials.push(class, word.slab);
        }
    }
    *word = CachedWord::default();
}

/// Where the cached word lies.
#[inline]
pub(super) fn word_at(geometry: &Geometry, word: &CachedWord) -> ByteOffset {
    crate::layout::SlabHeader::bitmap_word_at(geometry.slab_at(word.slab), word.word)
}
