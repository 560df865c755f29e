//! Writes: straight home where the bytes are the region's own already, else in a transaction that makes them so.
//!
//! | what is written to | waits |
//! |---|---|
//! | bytes that were written before | 1, or 0 volatile |
//! | a chunk for the first time, or behind the end of a growable region | 2 |
//! | bytes of which the log holds an atomic write above the cut | 2 |
//! | anything, atomically | 1 through the log, 2 by a copy |

use everline::media::Media;
use everline::tx::{Receipt, Tx, TxError};

use crate::directory::{Found, behind};
use crate::draft::{Draft, How};
use crate::open::Held;
use crate::segments::{Limit, Segment, WriteMode};
use crate::slots::Live;
use crate::{RegionError, RegionId, Regions};
use everline::layout::REGION_GROWABLE;
use everline::units::ByteOffset;
use std::ops::Range;

/// Bytes that an atomic write always puts through the log. There each line is stored twice, at 2-3 ns; a copy of a
/// region up to twice as long stores as many lines once and waits 160 ns longer, which is what 64 lines cost (measured as
/// for [`everline::tx::UNDO_BYTES_IN_RECORD`]), and it allocates and frees. Rows `region/write_atomic/64B` and `/4KiB` of
/// the benchmarks are on the log's side.
const ATOMIC_LOG_BYTES: u64 = 8 << 10;

/// A write that needs a transaction.
pub(crate) struct Write<'w> {
    pub id: RegionId,
    pub segments: &'w [Segment<'w>],
    pub mode: WriteMode,
    /// Becomes the region's own, where it is not, though nothing is stored there.
    pub touch: Range<u64>,
}

impl Live {
    /// How far writes may reach.
    #[inline]
    pub fn limit(&self) -> Limit {
        Limit {
            len: self.entry.len.get(),
            grows: self.entry.has(REGION_GROWABLE),
        }
    }

    /// The place of a byte of the region.
    #[inline]
    pub fn home(&self, at: u64) -> ByteOffset {
        behind(ByteOffset::new(self.entry.block().0), at)
    }
}

impl<M: Media> Regions<M> {
    /// Stores `bytes` into the region from `at` on; durable when it returns. A growable region reaches as far
    /// afterwards, and what lies between reads zero.
    ///
    /// Errors: [`RegionError::OutOfBounds`], nothing was touched; [`RegionError::InvalidRegion`];
    /// [`RegionError::NoSpace`]. Cost: one wait; two where a chunk (64 KiB or more) is written for the first time,
    /// where the region grows, and behind a [`Regions::write_atomic`] until the next checkpoint. Crash: before it
    /// returns, each aligned word of the range is old or new; the length is old, or new with all of its bytes.
    #[inline]
    pub fn write(
        &self,
        id: RegionId,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        self.write_with(id, at, bytes, WriteMode::Durable)
    }

    /// As [`Regions::write`]; visible when it returns, and durable once a [`Regions::persist`] of the range has
    /// returned. Cost: no wait, but where a chunk is written for the first time or the region grows.
    pub fn write_volatile(
        &self,
        id: RegionId,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        self.write_with(id, at, bytes, WriteMode::Volatile)
    }

    /// As [`Regions::write`], all or nothing whatever happens.
    ///
    /// Errors: as of [`Regions::write`]; [`RegionError::InUse`] where only a copy of the region would do and views
    /// lead into it. Cost: one wait through the log; two where the region is copied, because the range is large
    /// beside it or the log is full; the log again where there is no space for a copy. Crash: all of the old bytes, or
    /// all of the new ones.
    pub fn write_atomic(
        &self,
        id: RegionId,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        self.write_with(id, at, bytes, WriteMode::Atomic)
    }

    /// [`Regions::write`], [`Regions::write_volatile`] or [`Regions::write_atomic`].
    #[inline]
    pub fn write_with(
        &self,
        id: RegionId,
        at: u64,
        bytes: &[u8],
        mode: WriteMode,
    ) -> Result<(), RegionError<M::SyncError>> {
        self.write_piece(id, at, bytes, mode)?;
        self.counters.write(bytes.len() as u64, mode);
        Ok(())
    }

    #[inline]
    fn write_piece(
        &self,
        id: RegionId,
        at: u64,
        bytes: &[u8],
        mode: WriteMode,
    ) -> Result<(), RegionError<M::SyncError>> {
        let inside = self.enter(id)?;
        inside.limit().check(id, at, bytes.len() as u64)?;
        if bytes.is_empty() {
            return Ok(());
        }
        if at + bytes.len() as u64 <= inside.ready {
            let home = inside.home(at);
            match mode {
                WriteMode::Volatile => return Ok(self.engine().write_volatile(home, bytes)?),
                // keeps I6: no log record above the cut touches these bytes
                WriteMode::Durable if !self.is_logged(inside.slot) => {
                    return Ok(self.engine().write_durable(home, bytes)?);
                }
                WriteMode::Durable | WriteMode::Atomic => {}
            }
        }
        drop(inside);
        self.write_in_transaction(&Write {
            id,
            segments: &[Segment { at, bytes }],
            mode,
            touch: 0..0,
        })
    }

    /// Several segments, bounded and not empty, by the same rules.
    pub(crate) fn write_segments(
        &self,
        id: RegionId,
        segments: &[Segment<'_>],
        mode: WriteMode,
    ) -> Result<(), RegionError<M::SyncError>> {
        let inside = self.enter(id)?;
        let ready = |segment: &Segment<'_>| segment.range().end <= inside.ready;
        if segments.iter().all(ready) {
            let homes = segments
                .iter()
                .map(|segment| (inside.home(segment.at), segment.bytes));
            match mode {
                WriteMode::Volatile => {
                    for (home, bytes) in homes {
                        self.engine().write_volatile(home, bytes)?;
                    }
                    return Ok(());
                }
                WriteMode::Durable if !self.is_logged(inside.slot) => {
                    return Ok(self.engine().write_durable_all(homes)?); // keeps I6
                }
                WriteMode::Durable | WriteMode::Atomic => {}
            }
        }
        drop(inside);
        self.write_in_transaction(&Write {
            id,
            segments,
            mode,
            touch: 0..0,
        })
    }

    /// Makes every byte of the region its own, so that it can be read without a look at the map. Cost: two waits, or
    /// none.
    pub(crate) fn materialise(&self, id: RegionId) -> Result<(), RegionError<M::SyncError>> {
        self.write_in_transaction(&Write {
            id,
            segments: &[],
            mode: WriteMode::Durable,
            touch: 0..u64::MAX,
        })
    }

    #[cold]
    pub(crate) fn write_in_transaction(
        &self,
        write: &Write<'_>,
    ) -> Result<(), RegionError<M::SyncError>> {
        let mut needs = Needs::default();
        loop {
            let tx = self.begin()?;
            let _moves = needs.moves.then(|| self.lock_moves());
            let held = self.hold(write.id)?;
            match self.try_write(held, tx, write, needs) {
                Err(RegionError::Tx(TxError::LogFull { .. })) if !needs.copy => needs.copy = true,
                Err(RegionError::NoSpace { .. }) if needs.moves && !needs.log => needs.log = true,
                Ok(Step::Again) => {}
                Ok(Step::Move) => needs.moves = true,
                outcome => return outcome.map(|_stored| ()),
            }
        }
    }

    fn try_write(
        &self,
        // In this order: what fails ends the transaction before it gives the slot up (I8).
        held: Held<'_>,
        mut tx: Tx<'_, M>,
        write: &Write<'_>,
        needs: Needs,
    ) -> Result<Step, RegionError<M::SyncError>> {
        let Write { id, segments, .. } = *write;
        let live = held.live();
        let limit = live.limit();
        for segment in segments {
            limit.check(id, segment.at, segment.bytes.len() as u64)?;
        }
        let found = Found {
            at: live.entry_at,
            entry: live.entry,
        };
        let mut draft = Draft::new(live.number, found, live.chunks.clone());
        let first = match draft.is_checked() {
            true => draft.unseal_first(&tx, id, write)?,
            false => None,
        };
        if let Some(step) = first {
            draft.stage(&mut tx)?;
            self.finish(tx, &held, &mut draft)?;
            if step == Step::Store {
                for segment in segments {
                    let home = held.live().home(segment.at);
                    self.engine().write_volatile(home, segment.bytes)?;
                }
            }
            return Ok(step);
        }
        if self.stage_write(&mut tx, &held, &mut draft, write, needs)? == Step::Move {
            return Ok(Step::Move);
        }
        draft.stage(&mut tx)?;
        match self.finish(tx, &held, &mut draft) {
            Ok(_) => held.set(Some((draft.found, draft.chunks))),
            Err(error) => {
                held.set(None);
                return Err(error);
            }
        }
        Ok(Step::Store)
    }

    /// Stages room, bytes and sums of a write, or nothing where it may not move the block and must.
    fn stage_write(
        &self,
        tx: &mut Tx<'_, M>,
        held: &Held<'_>,
        draft: &mut Draft,
        write: &Write<'_>,
        needs: Needs,
    ) -> Result<Step, RegionError<M::SyncError>> {
        let segments = write.segments;
        let ends = segments.iter().map(|segment| segment.range().end);
        let end = ends.max().unwrap_or(0);
        let new_len = draft.len().max(end);
        let bytes: u64 = segments
            .iter()
            .map(|segment| segment.bytes.len() as u64)
            .sum();
        let cheaper = bytes > ATOMIC_LOG_BYTES
            && bytes >= draft.len() / 2
            && held.slot.views() == 0
            && !needs.log;
        let atomic = write.mode == WriteMode::Atomic;
        let mut how = match atomic || draft.logs(bytes) {
            true => How::Logged,
            false => How::Home {
                masked: self.is_logged(held.slot),
            },
        };
        let grows = end > draft.capacity();
        if grows || (draft.len() > 0 && atomic && (cheaper || needs.copy)) {
            self.refuse_views(draft.slot, &draft.found)?;
            if !needs.moves {
                return Ok(Step::Move);
            }
            let want = match grows {
                true => end.max(draft.capacity().saturating_mul(2)),
                false => new_len,
            };
            draft.relocate(tx, want, end.max(draft.len()), draft.len())?;
            // Nobody reads the new block before the commit.
            how = How::Home { masked: false };
        }
        let touch = write.touch.start..write.touch.end.min(new_len);
        let touched: Vec<Range<u64>> = segments.iter().map(Segment::range).chain([touch]).collect();
        let fresh = draft.fresh(tx, touched.iter().cloned(), new_len)?;
        if draft.is_checked() {
            draft.refuse_damaged(tx, write.id, segments, &fresh)?;
        }
        draft.store(tx, segments, &fresh, new_len, how)?;
        if draft.is_checked() {
            let stored = segments.iter().map(Segment::range);
            draft.seal(tx, stored.chain(fresh.iter().cloned()))?;
        }
        Ok(Step::Store)
    }

    /// Commits, and notes what the log holds of the region.
    fn finish(
        &self,
        tx: Tx<'_, M>,
        held: &Held<'_>,
        draft: &mut Draft,
    ) -> Result<Receipt, RegionError<M::SyncError>> {
        let receipt = tx.commit()?;
        if draft.logged {
            held.slot.note_logged(receipt.timestamp); // keeps R6
        }
        Ok(receipt)
    }
}

/// What a transaction of a write leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing but plain stores, which are done with the slot held.
    Store,
    /// Another transaction, which takes its lane first (R5).
    Again,
    /// The same, with leave to move the block.
    Move,
}

/// What an attempt at a write has found to need.
#[derive(Clone, Copy, Debug, Default)]
struct Needs {
    /// A copy of the region, since the log has no room.
    copy: bool,
    /// Leave to move the block.
    moves: bool,
    /// The log where a copy would be cheaper, since there is no space for one.
    log: bool,
}
