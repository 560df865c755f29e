//! Allocates: an object of a class from the lane's word, or a run of slabs.

use zerocopy::{FromZeros, IntoBytes};

use super::cache::{CachedWord, word_at};
use super::run::{Holder, Reach, Run, entry, is_head, is_used};
use super::{AllocError, Heap, HeapState, LaneCache, Request, StageFull, Staging};
use crate::layout::{Corrupt, MapEntryKind, SLAB_HEADER_BYTES, SlabHeader, SlabShape};
use crate::media::Media;
use crate::pool::Pool;
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// How many slabs a lane looks at for a used one before it takes a fresh one.
const SCAN_AT_ONCE: u64 = 16;

/// A block that was granted, and how it is made live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// One bit of a bitmap word.
    Object {
        at: ByteOffset,
        word: ByteOffset,
        mask: u64,
    },
    /// A run of slabs.
    Huge { run: Run },
}

/// Why nothing was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantError {
    Alloc(AllocError),
    /// The transaction has no memory for the op.
    Stage,
}

impl From<AllocError> for GrantError {
    fn from(error: AllocError) -> Self {
        GrantError::Alloc(error)
    }
}

impl From<Corrupt> for GrantError {
    fn from(error: Corrupt) -> Self {
        GrantError::Alloc(error.into())
    }
}

impl From<StageFull> for GrantError {
    fn from(StageFull: StageFull) -> Self {
        GrantError::Stage
    }
}

/// A request that this pool can serve at all.
enum Sized {
    Class(u8),
    Huge { slabs: u64 },
}

impl Heap {
    #[inline]
    fn size<M: Media>(&self, pool: &Pool<M>, request: &Request) -> Result<Sized, AllocError> {
        let Request { bytes, align, .. } = *request;
        if bytes == 0 {
            return Err(AllocError::ZeroSize);
        }
        if !align.is_power_of_two() || align > 4096 {
            return Err(AllocError::BadAlign { align });
        }
        if let Some(class) = self.classes.class_for(bytes, align) {
            return Ok(Sized::Class(class));
        }
        let most = pool.geometry().object_bytes_max();
        if bytes > most {
            return Err(AllocError::TooLarge { bytes, most });
        }
        Ok(Sized::Huge {
            slabs: bytes.div_ceil(u64::from(pool.geometry().slab_bytes())),
        })
    }

    /// Allocates for the transaction open on `lane` and stages what makes it live.
    #[inline]
    pub(crate) fn alloc<M: Media>(
        &self,
        pool: &Pool<M>,
        lane: u32,
        cache: &mut LaneCache,
        request: &Request,
        generation: u64,
        stage: &mut impl Staging,
    ) -> Result<ByteRange, GrantError> {
        match self.size(pool, request)? {
            Sized::Huge { slabs } => {
                let run = self.take_huge(pool, slabs, Holder::Lane(lane), stage.mark(), request)?;
                self.stage_run(
                    pool,
                    &run,
                    MapEntryKind::Huge {
                        slabs: slabs as u32,
                    },
                    stage,
                )?;
                Ok(run.range(&pool.geometry()))
            }
            Sized::Class(class) => {
                let shape = *self.shape(class)?;
                let cached = &mut cache.words[usize::from(class)];
                if cached.free == 0 {
                    self.refill(
                        pool, lane, class, &shape, cached, request, generation, stage,
                    )?;
                }
                let index = cached.free.trailing_zeros();
                stage.set(word_at(&pool.geometry(), cached), 1 << index)?;
                cached.free &= cached.free - 1;
                let at = shape.object_at(
                    pool.geometry().slab_at(cached.slab),
                    cached.word * 64 + index,
                );
                Ok(ByteRange::new(at, ByteLen::new(shape.object_bytes.into())).unwrap_or_default())
            }
        }
    }

    #[inline]
    fn shape(&self, class: u8) -> Result<&SlabShape, Corrupt> {
        self.classes.shape(class).ok_or(Corrupt::new(
            ByteOffset::ZERO,
            "a class that this slab size does not have",
        ))
    }

    fn take_huge<M: Media>(
        &self,
        pool: &Pool<M>,
        slabs: u64,
        holder: Holder,
        staged_at: u64,
        request: &Request,
    ) -> Result<Run, AllocError> {
        let reach = if request.sparse {
            Reach::Sparse
        } else {
            Reach::Free
        };
        let mut state = self.state.lock();
        self.take_run(pool, &mut state, slabs, holder, staged_at, reach)?
            .ok_or(AllocError::NoSpace {
                bytes: request.bytes,
            })
    }

    /// Fills the lane's word of `class`: from the slab it takes into use, one that is in use, a fresh one.
    #[cold]
    #[allow(
        clippy::too_many_arguments,
        reason = "one call site; each is a different thing"
    )]
    fn refill<M: Media>(
        &self,
        pool: &Pool<M>,
        lane: u32,
        class: u8,
        shape: &SlabShape,
        cached: &mut CachedWord,
        request: &Request,
        generation: u64,
        stage: &mut impl Staging,
    ) -> Result<(), GrantError> {
        let mut state = self.state.lock();
        if cached.fresh && cached.word + 1 < shape.bitmap_words {
            let next = CachedWord {
                free: shape.valid_bits(cached.word + 1),
                word: cached.word + 1,
                ..*cached
            };
            return self
                .lease(pool, &mut state, cached, next)
                .map_err(Into::into);
        }
        if let Some(next) = self.word_in_use(pool, &mut state, class, shape, SCAN_AT_ONCE)? {
            return self
                .lease(pool, &mut state, cached, next)
                .map_err(Into::into);
        }
        let holder = Holder::Lane(lane);
        let Some(run) = self.take_run(pool, &mut state, 1, holder, stage.mark(), Reach::Free)?
        else {
            let next = self.word_in_use(pool, &mut state, class, shape, u64::MAX)?;
            let next = next.ok_or(AllocError::NoSpace {
                bytes: request.bytes,
            })?;
            return self
                .lease(pool, &mut state, cached, next)
                .map_err(Into::into);
        };
        self.stage_format(pool, &run, class, shape, generation, stage)?;
        let next = CachedWord {
            free: shape.valid_bits(0),
            slab: run.first,
            word: 0,
            fresh: true,
        };
        self.lease(pool, &mut state, cached, next)
            .map_err(Into::into)
    }

    fn lease<M: Media>(
        &self,
        pool: &Pool<M>,
        state: &mut HeapState,
        cached: &mut CachedWord,
        next: CachedWord,
    ) -> Result<(), AllocError> {
        state
            .reserved
            .add(word_at(&pool.geometry(), &next), next.free)
            .map_err(|_full| AllocError::TooMany)?;
        *cached = next;
        Ok(())
    }

    /// Stages the ops that make `run` a slab of `class` with no live object (H2).
    fn stage_format<M: Media>(
        &self,
        pool: &Pool<M>,
        run: &Run,
        class: u8,
        shape: &SlabShape,
        generation: u64,
        stage: &mut impl Staging,
    ) -> Result<(), StageFull> {
        self.stage_run(pool, run, MapEntryKind::Slab { class }, stage)?;
        let header = SlabHeader::new(pool.id(), run.first, class, shape, generation);
        let slab_at = pool.geometry().slab_at(run.first);
        stage.write(slab_at, header.as_bytes())?;
        let zeros = [0u8; 64];
        let mut left = u64::from(shape.bitmap_words) * 8;
        let mut at = slab_at.get() + SLAB_HEADER_BYTES;
        while left > 0 {
            let step = left.min(64);
            stage.write(ByteOffset::new(at), &zeros[..step as usize])?;
            at += step;
            left -= step;
        }
        Ok(())
    }

    /// A word with free bits in a slab of `class` that is in use, after looking at up to `scan` more slabs.
    fn word_in_use<M: Media>(
        &self,
        pool: &Pool<M>,
        state: &mut HeapState,
        class: u8,
        shape: &SlabShape,
        scan: u64,
    ) -> Result<Option<CachedWord>, Corrupt> {
        let mut looked = 0;
        loop {
            while let Some(slab) = state.partials.top(class) {
                if let Some(word) = free_word(pool, state, class, shape, slab)? {
                    return Ok(Some(word));
                }
                state.partials.pop(class);
            }
            if state.scanned >= pool.geometry().slab_count() {
                if scan == u64::MAX && state.partials.take_dropped() {
                    state.scanned = 0;
                    continue;
                }
                return Ok(None);
            }
            if looked >= scan {
                return Ok(None);
            }
            self.list_if_partial(pool, state)?;
            looked += 1;
        }
    }

    /// Looks at the next slab since open and lists it if it has a free object.
    fn list_if_partial<M: Media>(
        &self,
        pool: &Pool<M>,
        state: &mut HeapState,
    ) -> Result<(), Corrupt> {
        let slab = state.scanned;
        state.scanned += 1;
        // A commit that takes the slab into use may be between its map bits and its header; it lists the slab itself.
        let mut runs = state.runs.as_slice().iter();
        if runs.any(|run| run.overlaps(slab, 1)) || !is_used(pool, slab) || !is_head(pool, slab) {
            return Ok(());
        }
        if let MapEntryKind::Slab { class } = entry(pool, slab)? {
            let shape = *self.shape(class)?;
            check_header(pool, slab, class, &shape)?;
            if free_word(pool, state, class, &shape, slab)?.is_some() {
                state.partials.push(class, slab);
            }
        }
        Ok(())
    }

    /// Reserves outside a transaction, with a `thorough` look at every slab or a short one; `None` where a slab
    /// must be taken into use first.
    pub(crate) fn reserve<M: Media>(
        &self,
        pool: &Pool<M>,
        request: &Request,
        thorough: bool,
    ) -> Result<Option<(ByteRange, Grant)>, AllocError> {
        match self.size(pool, request)? {
            Sized::Huge { slabs } => {
                let run = self.take_huge(pool, slabs, Holder::Reservation, 0, request)?;
                Ok(Some((run.range(&pool.geometry()), Grant::Huge { run })))
            }
            Sized::Class(class) => {
                let shape = *self.shape(class)?;
                let mut state = self.state.lock();
                let scan = if thorough { u64::MAX } else { SCAN_AT_ONCE };
                let Some(found) = self.word_in_use(pool, &mut state, class, &shape, scan)? else {
                    return Ok(None);
                };
                let word = word_at(&pool.geometry(), &found);
                let index = found.free.trailing_zeros();
                state
                    .reserved
                    .add(word, 1 << index)
                    .map_err(|_full| AllocError::TooMany)?;
                let at =
                    shape.object_at(pool.geometry().slab_at(found.slab), found.word * 64 + index);
                let range =
                    ByteRange::new(at, ByteLen::new(shape.object_bytes.into())).unwrap_or_default();
                Ok(Some((
                    range,
                    Grant::Object {
                        at,
                        word,
                        mask: 1 << index,
                    },
                )))
            }
        }
    }

    /// Takes a slab for `request`'s class into use with no live object, for [`Heap::reserve`].
    pub(crate) fn prepare<M: Media>(
        &self,
        pool: &Pool<M>,
        lane: u32,
        request: &Request,
        generation: u64,
        stage: &mut impl Staging,
    ) -> Result<(), GrantError> {
        let no_space = AllocError::NoSpace {
            bytes: request.bytes,
        };
        let Sized::Class(class) = self.size(pool, request)? else {
            return Err(no_space.into());
        };
        let shape = *self.shape(class)?;
        let mut state = self.state.lock();
        let run = self
            .take_run(
                pool,
                &mut state,
                1,
                Holder::Lane(lane),
                stage.mark(),
                Reach::Free,
            )?
            .ok_or(no_space)?;
        self.stage_format(pool, &run, class, &shape, generation, stage)
            .map_err(Into::into)
    }

    /// Stages what makes a reserved block live in the transaction open on `lane`.
    pub(crate) fn publish<M: Media>(
        &self,
        pool: &Pool<M>,
        lane: u32,
        grant: &Grant,
        stage: &mut impl Staging,
    ) -> Result<(), StageFull> {
        match grant {
            Grant::Object { word, mask, .. } => stage.set(*word, *mask),
            Grant::Huge { run } => {
                let staged_at = stage.mark();
                self.stage_run(
                    pool,
                    run,
                    MapEntryKind::Huge {
                        slabs: run.count as u32,
                    },
                    stage,
                )?;
                let mut state = self.state.lock();
                for held in state
                    .runs
                    .as_mut_slice()
                    .iter_mut()
                    .filter(|held| *held == run)
                {
                    (held.holder, held.staged_at) = (Holder::Lane(lane), staged_at);
                }
                Ok(())
            }
        }
    }

    /// Gives a reserved block back; its non-temporal stores were fenced (I9).
    pub(crate) fn cancel<M: Media>(&self, pool: &Pool<M>, grant: &Grant) {
        let mut state = self.state.lock();
        match grant {
            Grant::Object { at, word, mask } => {
                state.reserved.remove(*word, *mask);
                self.list(pool, &mut state, *at);
            }
            Grant::Huge { run } => {
                state.first_free = state.first_free.min(run.first);
                state.runs.retain(|held| held != run);
            }
        }
    }

    /// Lists the slab that holds `at` as one with a free object.
    pub(super) fn list<M: Media>(&self, pool: &Pool<M>, state: &mut HeapState, at: ByteOffset) {
        if let Some(slab) = pool.geometry().slab_of(at) {
            if let Ok(MapEntryKind::Slab { class }) = entry(pool, slab) {
                state.partials.push(class, slab);
            }
        }
    }
}

/// The slab's header must be what the map says, before its bitmap is believed (I12).
pub(super) fn check_header<M: Media>(
    pool: &Pool<M>,
    slab: u64,
    class: u8,
    shape: &SlabShape,
) -> Result<(), Corrupt> {
    if read_header(pool, slab).is_right(pool.id(), slab, class, shape) {
        Ok(())
    } else {
        Err(Corrupt::new(
            pool.geometry().slab_at(slab),
            "a slab's header does not match the slab map",
        ))
    }
}

/// What stands where `slab`'s header belongs.
pub(super) fn read_header<M: Media>(pool: &Pool<M>, slab: u64) -> SlabHeader {
    let mut header = SlabHeader::new_zeroed();
    let at = pool.geometry().slab_at(slab);
    pool.media().read(at, header.as_mut_bytes());
    header
}

/// The first word of `slab` with bits that may be handed out (H1).
fn free_word<M: Media>(
    pool: &Pool<M>,
    state: &HeapState,
    class: u8,
    shape: &SlabShape,
    slab: u64,
) -> Result<Option<CachedWord>, Corrupt> {
    let in_flight = state
        .runs
        .as_slice()
        .iter()
        .any(|run| run.first <= slab && slab < run.first + run.count);
    let same = !in_flight
        && is_used(pool, slab)
        && is_head(pool, slab)
        && entry(pool, slab)? == MapEntryKind::Slab { class };
    if !same {
        return Ok(None);
    }
    let slab_at = pool.geometry().slab_at(slab);
    for word in 0..shape.bitmap_words {
        let at = SlabHeader::bitmap_word_at(slab_at, word);
        let unsettled = state.reserved.of(at) | state.freeing.of(at);
        let free = !pool.media().load64(at) & shape.valid_bits(word) & !unsettled;
        if free != 0 {
            return Ok(Some(CachedWord {
                free,
                slab,
                word,
                fresh: false,
            }));
        }
    }
    Ok(None)
}
