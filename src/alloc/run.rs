//! Runs of slabs: finding them, reserving them, staging their map bits.

use super::{AllocError, Heap, HeapState, StageFull, Staging};
use crate::layout::{Corrupt, Geometry, MapEntry, MapEntryKind, SlabHeader, SlabShape};
use crate::media::Media;
use crate::pool::Pool;
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// Slabs `[first, first + count)` that no commit has settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pub first: u64,
    pub count: u64,
    pub holder: Holder,
    /// What the holder's transaction had staged when the run was taken.
    pub staged_at: u64,
}

/// Who holds a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A reservation outside any transaction.
    #[default]
    Reservation,
    /// The transaction open on a lane.
    Lane(u32),
    /// The same, which has dropped its ops and yet may store there until it ends (H6).
    Kept(u32),
    /// The log, until a checkpoint has passed it.
    Log,
}

/// What a search may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Free slabs but the last (H4).
    Free,
    /// The same; whoever stores to the run secures the space behind what he stores to (H5).
    Sparse,
    /// The last slab too: for the log.
    Reserve,
}

impl Run {
    pub fn overlaps(&self, first: u64, count: u64) -> bool {
        self.first < first + count && first < self.first + self.count
    }

    /// The run's bytes.
    pub fn range(&self, geometry: &Geometry) -> ByteRange {
        let len = self.count * u64::from(geometry.slab_bytes());
        ByteRange::new(geometry.slab_at(self.first), ByteLen::new(len)).unwrap_or_default()
    }
}

/// Visits each word of a slab bitmap that `[first, first + count)` touches with the bits of the run in it.
fn bitmap_words(
    first: u64,
    count: u64,
    word_at: impl Fn(u64) -> ByteOffset,
    mut visit: impl FnMut(ByteOffset, u64) -> Result<(), StageFull>,
) -> Result<(), StageFull> {
    let mut slab = first;
    while slab < first + count {
        let bits = (64 - slab % 64).min(first + count - slab);
        let mask = if bits == 64 {
            u64::MAX
        } else {
            ((1 << bits) - 1) << (slab % 64)
        };
        visit(word_at(slab), mask)?;
        slab += bits;
    }
    Ok(())
}

fn bit<M: Media>(pool: &Pool<M>, word: ByteOffset, slab: u64) -> bool {
    pool.media().load64(word) >> (slab % 64) & 1 == 1
}

/// Whether `slab` is in use, at home.
pub(super) fn is_used<M: Media>(pool: &Pool<M>, slab: u64) -> bool {
    bit(pool, pool.geometry().used_word_at(slab), slab)
}

/// Whether `slab` begins a run, at home.
pub(super) fn is_head<M: Media>(pool: &Pool<M>, slab: u64) -> bool {
    bit(pool, pool.geometry().head_word_at(slab), slab)
}

/// Whether the free of the run that begins at `slab` is not settled (H3).
fn is_being_freed<M: Media>(pool: &Pool<M>, state: &HeapState, slab: u64) -> bool {
    let word = pool.geometry().head_word_at(slab);
    state.freeing.of(word) >> (slab % 64) & 1 == 1
}

/// What the run that begins at `slab` is, at home.
pub(super) fn entry<M: Media>(pool: &Pool<M>, slab: u64) -> Result<MapEntryKind, Corrupt> {
    let at = pool.geometry().entry_at(slab);
    let wrong = Corrupt::new(at, "the slab map's entry has a wrong check");
    MapEntry(pool.media().load64(at)).decode(slab).ok_or(wrong)
}

impl Heap {
    /// Whether no object of the class in `slab` is live or about to be.
    fn is_emptied<M: Media>(
        &self,
        pool: &Pool<M>,
        state: &HeapState,
        slab: u64,
    ) -> Result<bool, Corrupt> {
        let geometry = &pool.geometry();
        let MapEntryKind::Slab { class } = entry(pool, slab)? else {
            return Ok(false);
        };
        let Some(shape) = self.classes.shape(class) else {
            return Ok(false);
        };
        let slab_at = geometry.slab_at(slab);
        let bits = SlabHeader::range(geometry, slab, shape);
        let unsettled = [&state.reserved, &state.freeing];
        if unsettled
            .iter()
            .any(|set| set.any_in(bits.start(), bits.end()))
        {
            return Ok(false);
        }
        let word = |word| {
            pool.media()
                .load64(SlabHeader::bitmap_word_at(slab_at, word))
        };
        Ok((0..shape.bitmap_words).all(|index| word(index) == 0))
    }

    /// Stages the ops that make slabs without live objects free again, as many as the stage has memory for;
    /// answers how many. They may be taken for other classes and runs once that is committed, not before: until
    /// then a crash finds them in use, so their headers must stand.
    pub(crate) fn stage_emptied<M: Media>(
        &self,
        pool: &Pool<M>,
        lane: u32,
        stage: &mut impl Staging,
    ) -> Result<u64, Corrupt> {
        let geometry = &pool.geometry();
        let mut state = self.state.lock();
        let mut count = 0;
        for slab in 0..geometry.slab_count() {
            let in_flight = state
                .runs
                .as_slice()
                .iter()
                .any(|run| run.overlaps(slab, 1));
            if in_flight
                || !is_used(pool, slab)
                || !is_head(pool, slab)
                || !self.is_emptied(pool, &state, slab)?
            {
                continue;
            }
            let run = Run {
                first: slab,
                count: 1,
                holder: Holder::Lane(lane),
                staged_at: stage.mark(),
            };
            if state.runs.push(run).is_err() {
                break;
            }
            if self.stage_run_free(pool, slab, 1, stage).is_err() {
                // A slab is freed by two ops; one of them alone would leave a head that is not in use.
                stage.drop_from(run.staged_at);
                state.runs.retain(|held| *held != run);
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    /// Reserves `count` slabs in a row and secures the space behind them (H5).
    pub(super) fn take_run<M: Media>(
        &self,
        pool: &Pool<M>,
        state: &mut HeapState,
        count: u64,
        holder: Holder,
        staged_at: u64,
        reach: Reach,
    ) -> Result<Option<Run>, AllocError> {
        let geometry = &pool.geometry();
        let kept_back = if reach == Reach::Reserve {
            0
        } else {
            SlabShape::RESERVED_SLABS
        };
        let end = geometry.slab_count().saturating_sub(kept_back);
        let start = if reach == Reach::Reserve {
            0
        } else {
            state.first_free
        };
        let (mut first, mut found) = (start, 0);
        let mut slab = start;
        let mut lowest_free = None;
        while slab < end && found < count {
            if !is_used(pool, slab)
                && !is_being_freed(pool, state, slab)
                && !state
                    .runs
                    .as_slice()
                    .iter()
                    .any(|run| run.overlaps(slab, 1))
            {
                lowest_free.get_or_insert(slab);
                found += 1;
            } else {
                first = slab + 1;
                found = 0;
            }
            slab += 1;
        }
        if reach != Reach::Reserve {
            state.first_free = lowest_free.unwrap_or(slab);
        }
        if found < count {
            return Ok(None);
        }
        let run = Run {
            first,
            count,
            holder,
            staged_at,
        };
        secure_space(pool, &run, reach != Reach::Sparse)?;
        state.runs.push(run).map_err(|_full| AllocError::TooMany)?;
        Ok(Some(run))
    }

    /// Stages the ops that take `run` into use as `kind`.
    pub(super) fn stage_run<M: Media>(
        &self,
        pool: &Pool<M>,
        run: &Run,
        kind: MapEntryKind,
        stage: &mut impl Staging,
    ) -> Result<(), StageFull> {
        let geometry = &pool.geometry();
        stage.write(
            geometry.entry_at(run.first),
            &MapEntry::encode(kind, run.first).0.to_le_bytes(),
        )?;
        bitmap_words(
            run.first,
            run.count,
            |slab| geometry.used_word_at(slab),
            |word, mask| stage.set(word, mask),
        )?;
        stage.set(geometry.head_word_at(run.first), 1 << (run.first % 64))
    }

    /// Stages the ops that free the huge run of `slabs` slabs at `first`.
    pub(super) fn stage_run_free<M: Media>(
        &self,
        pool: &Pool<M>,
        first: u64,
        slabs: u64,
        stage: &mut impl Staging,
    ) -> Result<(), StageFull> {
        let geometry = &pool.geometry();
        bitmap_words(
            first,
            slabs,
            |slab| geometry.used_word_at(slab),
            |word, mask| stage.clear(word, mask),
        )?;
        stage.clear(geometry.head_word_at(first), 1 << (first % 64))
    }

    /// Lends the log a block of at least `bytes` bytes, from the emergency reserve if need be (H4).
    pub(crate) fn lend<M: Media>(&self, pool: &Pool<M>, bytes: u64) -> Option<ByteRange> {
        let mut state = self.state.lock();
        let count = bytes.div_ceil(u64::from(pool.geometry().slab_bytes()));
        for reach in [Reach::Free, Reach::Reserve] {
            if let Ok(Some(run)) = self.take_run(pool, &mut state, count, Holder::Log, 0, reach) {
                return Some(run.range(&pool.geometry()));
            }
        }
        None
    }

    /// Whether the log has a block of the heap.
    pub(crate) fn has_lent(&self) -> bool {
        let state = self.state.lock();
        let mut runs = state.runs.as_slice().iter();
        runs.any(|run| run.holder == Holder::Log)
    }

    /// Takes a lent block back, once a checkpoint has passed it.
    pub(crate) fn retire<M: Media>(&self, pool: &Pool<M>, block: ByteRange) {
        let mut state = self.state.lock();
        let geometry = &pool.geometry();
        state.first_free = geometry
            .slab_of(block.start())
            .unwrap_or(0)
            .min(state.first_free);
        state
            .runs
            .retain(|run| run.holder != Holder::Log || run.range(geometry) != block);
    }
}

fn secure_space<M: Media>(pool: &Pool<M>, run: &Run, whole: bool) -> Result<(), AllocError> {
    let (media, geometry) = (pool.media(), &pool.geometry());
    let last = run.first + run.count - 1;
    let through = |from: ByteOffset, to: ByteOffset| {
        ByteRange::at(from.get(), to.get() + 8 - from.get()).unwrap_or_default()
    };
    if whole {
        media.back(run.range(geometry))?;
    }
    media.back(through(
        geometry.entry_at(run.first),
        geometry.entry_at(run.first),
    ))?;
    media.back(through(
        geometry.used_word_at(run.first),
        geometry.used_word_at(last),
    ))?;
    media.back(through(
        geometry.head_word_at(run.first),
        geometry.head_word_at(last),
    ))?;
    Ok(())
}
