//! Makes a damaged slab map one that can be walked, without taking a byte from any object.
//!
//! What a run is stands in two places for slabs of a class, map entry and header, and for a huge object in its entry and its
//! used bits: one damaged place is told from the other. What neither explains is isolated: it becomes one object
//! that nobody has, so that its bytes stay where they are and are handed to nobody.
//!
//! Invariants
//! H7  a repair never makes a used slab free, and never moves or shortens what the map explains.

use zerocopy::IntoBytes;

use super::Heap;
use super::object::{check_header, read_header};
use super::run::{entry, is_head, is_used};
use super::stats::slabs_of;
use crate::layout::{MapEntry, MapEntryKind, SlabHeader, SlabShape};
use crate::media::Media;
use crate::persist::Pending;
use crate::pool::Pool;
use crate::units::ByteOffset;

/// What was wrong with the heap, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeapRepair {
    /// A slab's header is as the map says again; its objects stay.
    HeaderRestored,
    /// The map's entry is as the slab's header says again; its objects stay.
    EntryRestored,
    /// A run is marked as its entry says again.
    MarksRestored,
    /// Bits that stand for no object or no slab are clear.
    StrayBitsCleared,
    /// So many slabs that nothing explains are one object that nobody has.
    Isolated {
        /// Slabs.
        slabs: u64,
    },
}

/// Stores of a repair, and who is told of them.
pub(crate) struct Mending<'r, 'm, M> {
    pub pool: &'r Pool<M>,
    pub pending: &'r mut Pending<'m, M>,
    pub tell: &'r mut dyn FnMut(ByteOffset, HeapRepair),
}

impl<M: Media> Mending<'_, '_, M> {
    fn store(&mut self, at: ByteOffset, word: u64) {
        self.pending.write_nt(at, &word.to_le_bytes());
    }

    /// Sets or clears the bit of `slab` in the word at `word`; answers whether that changed it.
    fn mark(&mut self, word: ByteOffset, slab: u64, set: bool) -> bool {
        let old = self.pool.media().load64(word);
        let bit = 1 << (slab % 64);
        let new = if set { old | bit } else { old & !bit };
        if new != old {
            self.store(word, new);
        }
        new != old
    }

    fn set_used(&mut self, slab: u64) -> bool {
        self.mark(self.pool.geometry().used_word_at(slab), slab, true)
    }

    fn set_head(&mut self, slab: u64, head: bool) -> bool {
        self.mark(self.pool.geometry().head_word_at(slab), slab, head)
    }
}

impl Heap {
    /// Mends what can be told from what else stands there, and isolates the rest (H7). No transaction may be open, and
    /// nothing of this heap be in use afterwards: open the pool anew.
    pub(crate) fn repair<M: Media>(&self, mending: &mut Mending<'_, '_, M>) {
        let pool = mending.pool;
        let count = pool.geometry().slab_count();
        let mut slab = 0;
        while slab < count {
            if !is_used(pool, slab) && !self.lost_its_mark(pool, slab) {
                if mending.set_head(slab, false) {
                    let at = pool.geometry().head_word_at(slab);
                    (mending.tell)(at, HeapRepair::StrayBitsCleared);
                }
                slab += 1;
                continue;
            }
            if mending.set_used(slab) {
                let at = pool.geometry().used_word_at(slab);
                (mending.tell)(at, HeapRepair::MarksRestored);
            }
            let kind = self.explain(mending, slab);
            match self.shape_of(pool, slab, kind) {
                Ok(shape) => self.mend_run(mending, slab, kind, &shape),
                Err(_impossible) => unreachable!("an explanation fits the heap"),
            }
            slab += slabs_of(kind);
        }
        clear_behind_the_end(mending);
    }

    /// What the run at `slab` is by its entry, if that can be.
    fn by_entry<M: Media>(&self, pool: &Pool<M>, slab: u64) -> Option<MapEntryKind> {
        let kind = entry(pool, slab).ok()?;
        self.shape_of(pool, slab, kind).ok()?;
        Some(kind)
    }

    /// What the slab is by its header, if that is right.
    fn by_header<M: Media>(&self, pool: &Pool<M>, slab: u64) -> Option<MapEntryKind> {
        let class = u8::try_from(read_header(pool, slab).class.get()).ok()?;
        let shape = self.classes().shape(class)?;
        check_header(pool, slab, class, shape).ok()?;
        Some(MapEntryKind::Slab { class })
    }

    /// Whether a slab that is marked as a head and not as used is a run all the same: at worst a run that was freed
    /// before comes back, which costs space and no data.
    fn lost_its_mark<M: Media>(&self, pool: &Pool<M>, slab: u64) -> bool {
        if is_used(pool, slab) || !is_head(pool, slab) {
            return false;
        }
        match self.by_entry(pool, slab) {
            None => false,
            Some(kind @ MapEntryKind::Slab { .. }) => self.by_header(pool, slab) == Some(kind),
            Some(MapEntryKind::Huge { slabs }) => (slab + 1..slab + u64::from(slabs))
                .all(|inner| is_used(pool, inner) && !is_head(pool, inner)),
        }
    }

    /// Whether `slab` is a slab of a class beyond doubt.
    fn is_surely_a_slab<M: Media>(&self, pool: &Pool<M>, slab: u64) -> bool {
        let by_header = self.by_header(pool, slab);
        is_used(pool, slab)
            && is_head(pool, slab)
            && by_header.is_some()
            && by_header == self.by_entry(pool, slab)
    }

    /// What begins at `slab`, which is in use; makes entry and head say so.
    fn explain<M: Media>(&self, mending: &mut Mending<'_, '_, M>, slab: u64) -> MapEntryKind {
        let pool = mending.pool;
        let geometry = &pool.geometry();
        let (was_head, entry) = (is_head(pool, slab), self.by_entry(pool, slab));
        let stretch = 1
            + (slab + 1..geometry.slab_count())
                .take_while(|slab| is_used(pool, *slab) && !is_head(pool, *slab))
                .count() as u64;
        let holds = |kind: &MapEntryKind| match *kind {
            MapEntryKind::Slab { .. } => was_head || self.by_header(pool, slab) == Some(*kind),
            // Without its head's bit an entry may be an old one.
            MapEntryKind::Huge { .. } if !was_head => slabs_of(*kind) == stretch,
            MapEntryKind::Huge { slabs } => {
                (slab + 1..slab + u64::from(slabs)).all(|inner| !self.is_surely_a_slab(pool, inner))
            }
        };
        if let Some(kind) = entry.filter(holds) {
            if mending.set_head(slab, true) {
                (mending.tell)(geometry.head_word_at(slab), HeapRepair::MarksRestored);
            }
            return kind;
        }
        let (kind, repair) = match self.by_header(pool, slab) {
            Some(kind) => (kind, HeapRepair::EntryRestored),
            None => {
                let slabs = stretch as u32;
                (
                    MapEntryKind::Huge { slabs },
                    HeapRepair::Isolated { slabs: stretch },
                )
            }
        };
        mending.store(geometry.entry_at(slab), MapEntry::encode(kind, slab).0);
        mending.set_head(slab, true);
        (mending.tell)(geometry.entry_at(slab), repair);
        kind
    }

    /// Makes the rest of an explained run as it should be.
    fn mend_run<M: Media>(
        &self,
        mending: &mut Mending<'_, '_, M>,
        slab: u64,
        kind: MapEntryKind,
        shape: &SlabShape,
    ) {
        let pool = mending.pool;
        let slab_at = pool.geometry().slab_at(slab);
        match kind {
            MapEntryKind::Huge { slabs } => {
                let mut changed = false;
                for inner in slab + 1..slab + u64::from(slabs) {
                    changed |= mending.set_used(inner) | mending.set_head(inner, false);
                }
                if changed {
                    let at = pool.geometry().used_word_at(slab);
                    (mending.tell)(at, HeapRepair::MarksRestored);
                }
            }
            MapEntryKind::Slab { class } => {
                if check_header(pool, slab, class, shape).is_err() {
                    let header = SlabHeader::new(pool.id(), slab, class, shape, 0);
                    mending.pending.write_nt(slab_at, header.as_bytes());
                    (mending.tell)(slab_at, HeapRepair::HeaderRestored);
                }
                for word in 0..shape.bitmap_words {
                    let at = SlabHeader::bitmap_word_at(slab_at, word);
                    let bits = pool.media().load64(at);
                    if bits & !shape.valid_bits(word) != 0 {
                        mending.store(at, bits & shape.valid_bits(word));
                        (mending.tell)(at, HeapRepair::StrayBitsCleared);
                    }
                }
            }
        }
    }
}

fn clear_behind_the_end<M: Media>(mending: &mut Mending<'_, '_, M>) {
    let pool = mending.pool;
    let geometry = &pool.geometry();
    let last = geometry.slab_count();
    for word in last / 64..geometry.slab_count_max().div_ceil(64) {
        let first = (word * 64).max(last);
        for at in [geometry.used_word_at(first), geometry.head_word_at(first)] {
            let bits = pool.media().load64(at);
            let kept = bits & !(u64::MAX << (first % 64));
            if kept != bits {
                mending.store(at, kept);
                (mending.tell)(at, HeapRepair::StrayBitsCleared);
            }
        }
    }
}
