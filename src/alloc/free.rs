//! Frees, and what the end of a transaction settles.

use super::cache::{CachedWord, give_back, word_at};
use super::run::{Holder, Run};
use super::{FreeError, Heap, HeapState, Kept, LaneCache, Overlay, Staging};
use crate::layout::{Corrupt, MapEntry, MapEntryKind, OpKind, SlabHeader};
use crate::media::Media;
use crate::pool::Pool;
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// Why no free was staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UngrantError {
    Free(FreeError),
    Stage,
}

impl From<FreeError> for UngrantError {
    fn from(error: FreeError) -> Self {
        UngrantError::Free(error)
    }
}

impl From<Corrupt> for UngrantError {
    fn from(error: Corrupt) -> Self {
        UngrantError::Free(error.into())
    }
}

/// An object's bytes and its bit.
struct Found {
    range: ByteRange,
    word: ByteOffset,
    mask: u64,
    /// Slabs of a huge object.
    slabs: Option<u64>,
}

impl Heap {
    /// The live object that begins at `at`, in the eyes of a transaction.
    fn find<M: Media>(
        &self,
        pool: &Pool<M>,
        at: ByteOffset,
        stage: &impl Overlay,
    ) -> Result<Found, FreeError> {
        let (media, geometry) = (pool.media(), &pool.geometry());
        let foreign = FreeError::Foreign { at };
        let slab = geometry.slab_of(at).ok_or(foreign)?;
        let load = |word: ByteOffset| stage.overlay64(word, media.load64(word));
        let bit = |word: ByteOffset| load(word) >> (slab % 64) & 1 == 1;
        let slab_at = geometry.slab_at(slab);
        if !bit(geometry.head_word_at(slab)) {
            // The start of a freed run is a double free; anything else was never an object.
            let was_huge = at == slab_at && !bit(geometry.used_word_at(slab));
            return Err(if was_huge {
                FreeError::DoubleFree { at }
            } else {
                foreign
            });
        }
        let entry_at = geometry.entry_at(slab);
        let wrong = Corrupt::new(entry_at, "the slab map's entry has a wrong check");
        match MapEntry(load(entry_at)).decode(slab).ok_or(wrong)? {
            MapEntryKind::Huge { slabs } => {
                let slabs = u64::from(slabs);
                if slabs > geometry.slab_count() - slab {
                    return Err(Corrupt::new(entry_at, "a run of slabs leaves the heap").into());
                }
                if at != slab_at {
                    return Err(foreign);
                }
                let len = ByteLen::new(slabs * u64::from(geometry.slab_bytes()));
                let range = ByteRange::new(at, len).unwrap_or_default();
                Ok(Found {
                    range,
                    word: geometry.head_word_at(slab),
                    mask: 1 << (slab % 64),
                    slabs: Some(slabs),
                })
            }
            MapEntryKind::Slab { class } => {
                let class = self.classes.shape(class);
                let shape = class.ok_or(Corrupt::new(
                    entry_at,
                    "the slab map names an unknown class",
                ))?;
                let index = shape.index_of(slab_at, at).ok_or(foreign)?;
                let (word, mask) = (
                    SlabHeader::bitmap_word_at(slab_at, index / 64),
                    1 << (index % 64),
                );
                if load(word) & mask == 0 {
                    return Err(FreeError::DoubleFree { at });
                }
                let range =
                    ByteRange::new(at, ByteLen::new(shape.object_bytes.into())).unwrap_or_default();
                Ok(Found {
                    range,
                    word,
                    mask,
                    slabs: None,
                })
            }
        }
    }

    /// The bytes of the live object that begins at `at`.
    pub(crate) fn object_at<M: Media>(
        &self,
        pool: &Pool<M>,
        at: ByteOffset,
        stage: &impl Overlay,
    ) -> Result<ByteRange, FreeError> {
        self.find(pool, at, stage).map(|found| found.range)
    }

    /// Stages the free of the object that begins at `at`.
    pub(crate) fn free<M: Media>(
        &self,
        pool: &Pool<M>,
        at: ByteOffset,
        stage: &mut impl Staging,
    ) -> Result<(), UngrantError> {
        let found = self.find(pool, at, stage)?;
        {
            let mut state = self.state.lock();
            // Another transaction may have freed the object since it was found: then either its free is not settled,
            // or its CLEAR stands at home (H3), where the lock lets us see it.
            let home = stage.overlay64(found.word, pool.media().load64(found.word));
            if state.freeing.of(found.word) & found.mask != 0 || home & found.mask == 0 {
                return Err(FreeError::DoubleFree { at }.into());
            }
            state
                .freeing
                .add(found.word, found.mask)
                .map_err(|_full| FreeError::TooMany)?;
        }
        let first = pool.geometry().slab_of(at).unwrap_or(0);
        let staged = match found.slabs {
            None => stage.clear(found.word, found.mask),
            Some(slabs) => self.stage_run_free(pool, first, slabs, stage),
        };
        if staged.is_err() {
            self.state.lock().freeing.remove(found.word, found.mask);
            return Err(UngrantError::Stage);
        }
        Ok(())
    }

    /// The transaction on `lane` has committed and its homes are stored: its bits stand at home now (H1, H3).
    pub(crate) fn settle_commit<M: Media>(
        &self,
        pool: &Pool<M>,
        lane: u32,
        cache: &mut LaneCache,
        bit_ops: impl Iterator<Item = (OpKind, ByteOffset, u64)>,
    ) {
        let geometry = &pool.geometry();
        let mut state = self.state.lock();
        for (kind, word, mask) in bit_ops {
            let in_slab = word >= geometry.heap_at();
            match kind {
                OpKind::Set if in_slab => state.reserved.remove(word, mask),
                OpKind::Clear => {
                    state.freeing.remove(word, mask);
                    if in_slab {
                        self.list(pool, &mut state, word);
                    } else {
                        lower_first_free(pool, &mut state, word);
                    }
                }
                _ => {}
            }
        }
        let mut index = 0;
        while let Some(run) = state.runs.as_slice().get(index).copied() {
            if run.holder == Holder::Lane(lane) {
                state.runs.swap_remove(index);
                self.list(pool, &mut state, geometry.slab_at(run.first));
            } else {
                index += 1;
            }
        }
        for word in &mut cache.words {
            word.fresh = false;
        }
    }

    /// The ops that the transaction on `lane` staged from `mark` on are dropped: what they took is free again, at
    /// once or, with `kept`, by [`Heap::release_kept`].
    pub(crate) fn unstage<M: Media>(
        &self,
        pool: &Pool<M>,
        lane: u32,
        cache: &mut LaneCache,
        mark: u64,
        mut kept: Option<&mut Kept>,
        bit_ops: impl Iterator<Item = (OpKind, ByteOffset, u64)>,
    ) {
        let geometry = &pool.geometry();
        let mut state = self.state.lock();
        let dropped = |run: &Run| run.holder == Holder::Lane(lane) && run.staged_at >= mark;
        for (class, word) in cache.words.iter_mut().enumerate() {
            let gone = |run: &&Run| dropped(run) && run.first == word.slab;
            if word.fresh && state.runs.as_slice().iter().any(|run| gone(&run)) {
                give_back(&mut state, geometry, class as u8, word);
            }
        }
        for (kind, word, mask) in bit_ops {
            match kind {
                OpKind::Set if word >= geometry.heap_at() => {
                    let slab = geometry.slab_of(word).unwrap_or(0);
                    let mut runs = state.runs.as_slice().iter();
                    let in_dropped_run = runs.any(|run| dropped(run) && run.first == slab);
                    let holds = |cached: &&mut CachedWord| {
                        cached.free != 0 && word_at(geometry, cached) == word
                    };
                    match (&mut kept, cache.words.iter_mut().find(holds)) {
                        (Some(kept), _) if !in_dropped_run => {
                            // What finds no room stays reserved for good.
                            let _full = kept.bits.push((word, mask));
                        }
                        (None, Some(cached)) => cached.free |= mask,
                        _ => {
                            state.reserved.remove(word, mask);
                            self.list(pool, &mut state, word);
                        }
                    }
                }
                OpKind::Clear => state.freeing.remove(word, mask),
                _ => {}
            }
        }
        if let Some(kept) = kept {
            kept.any = true;
            let runs = state.runs.as_mut_slice().iter_mut();
            for run in runs.filter(|run| dropped(run)) {
                run.holder = Holder::Kept(lane);
            }
        } else {
            drop_runs(&mut state, dropped);
        }
    }

    /// The transaction on `lane` has ended: what it kept from others is free (H6).
    #[cold]
    pub(crate) fn release_kept<M: Media>(&self, pool: &Pool<M>, lane: u32, kept: &mut Kept) {
        kept.any = false;
        let mut state = self.state.lock();
        for (word, mask) in kept.bits.as_slice() {
            state.reserved.remove(*word, *mask);
            self.list(pool, &mut state, *word);
        }
        kept.bits.truncate(0);
        drop_runs(&mut state, |run| run.holder == Holder::Kept(lane));
    }
}

/// Runs that nobody settled are free.
fn drop_runs(state: &mut HeapState, dropped: impl Fn(&Run) -> bool) {
    let runs = state.runs.as_slice().iter();
    let first = runs.filter(|run| dropped(run)).map(|run| run.first).min();
    state.first_free = state.first_free.min(first.unwrap_or(u64::MAX));
    state.runs.retain(|run| !dropped(run));
}

/// A word of the map had bits cleared: slabs from its first on may be free.
fn lower_first_free<M: Media>(pool: &Pool<M>, state: &mut HeapState, word: ByteOffset) {
    let first_word = pool.geometry().used_word_at(0);
    if word >= first_word && word < pool.geometry().head_word_at(0) {
        let slab = (word.get() - first_word.get()) / 8 * 64;
        state.first_free = state.first_free.min(slab);
    }
}
