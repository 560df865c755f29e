//! Commit: secure room, draw a timestamp, one record, one wait, then the homes.

use super::memory::load;
use super::{Manager, Tx, TxError, UNDO_BYTES_IN_RECORD};
use crate::layout::{Op, OpKind, RECORD_HEADER_BYTES};
use crate::log::{AppendError, Cursor, Framed, Room};
use crate::media::{Durability, Media};
use crate::persist::Pending;

/// What a commit reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The commit timestamp (LSN); 0 for a transaction that changed nothing.
    pub timestamp: u64,
    /// What its fence reached.
    pub durability: Durability,
}

impl<'e, M: Media> Tx<'e, M> {
    /// Makes the transaction durable, then stores it to its homes.
    ///
    /// Errors: [`TxError::Sync`], outcome unknown and pool poisoned; any other, the old state stands (I10).
    /// Cost: see [`crate::tx`]. Crash: before the record is durable the old state, from then on the new one.
    #[inline(always)]
    pub fn commit(self) -> Result<Receipt, TxError<M::SyncError>> {
        self.commit_between(|_timestamp| ())
    }

    /// As [`Tx::commit`], and calls `between` with the commit timestamp at the one moment when the transaction is durable
    /// and none of its homes is stored yet: lock-free readers are told there which homes are about to change. What it
    /// answers is dropped as soon as they are stored, before a checkpoint that the commit may take in passing.
    ///
    /// It is called once if the commit succeeds and anything was changed, else never. Nothing may fail in it: a panic
    /// there poisons the pool, and the transaction, which is durable, becomes visible when that is opened anew. What is
    /// stored in place under a before-image has its bytes already.
    #[inline(always)]
    pub fn commit_between<R>(
        mut self,
        between: impl FnOnce(u64) -> R,
    ) -> Result<Receipt, TxError<M::SyncError>> {
        let durability = self.manager.pool.media().durability();
        let timestamp = if self.is_untouched() {
            self.commit_nothing()?;
            0
        } else {
            self.commit_changes(between)?
        };
        Ok(Receipt {
            timestamp,
            durability,
        })
    }

    /// Images of a snapshot that was refused half-way need a record behind them: without one, a later recovery would
    /// take them for those of an open transaction.
    #[inline]
    fn is_untouched(&self) -> bool {
        self.lane.draft.is_empty()
            && self.lane.ranges.as_slice().is_empty()
            && self.lane.cursor.undo_count == 0
    }

    /// There is nothing to say; what went straight home becomes durable all the same.
    #[inline]
    fn commit_nothing(&mut self) -> Result<(), TxError<M::SyncError>> {
        let fresh = self.fresh.take();
        self.lane.end();
        match fresh {
            Some(fresh) => self.manager.settle(fresh),
            None => Ok(()),
        }
    }

    #[inline(never)]
    fn commit_changes<R>(
        &mut self,
        between: impl FnOnce(u64) -> R,
    ) -> Result<u64, TxError<M::SyncError>> {
        if let Err(error) = self.prepare() {
            return Err(self.give_up(error));
        }
        let timestamp = self.seal(between)?;
        if self.manager.log.wants_checkpoint(self.lane.cursor.lane) {
            self.manager.checkpoint_in_passing();
        }
        Ok(timestamp)
    }

    /// Everything that may still fail without a trace: the record is complete and has its room.
    #[inline]
    fn prepare(&mut self) -> Result<(), TxError<M::SyncError>> {
        self.manager.may_change()?;
        if !self.lane.ranges.as_slice().is_empty() {
            self.record_undo_ranges()?;
        }
        // keeps I6: data that went straight to its home is durable before the COVER that speaks of it
        if let Some(fresh) = self.fresh.take() {
            self.manager.settle(fresh)?;
        }
        let room = Room {
            len: self.lane.draft.len() as u64,
            closing: 0,
        };
        self.manager.secure(&mut self.lane.cursor, room)
    }

    /// Puts the snapshot ranges into the record: their bytes, or COVERs once they are durable at home.
    #[inline]
    pub(super) fn record_undo_ranges(&mut self) -> Result<(), TxError<M::SyncError>> {
        let in_record = self.lane.undo_bytes <= UNDO_BYTES_IN_RECORD;
        let media = self.manager.pool.media();
        let mut homes = Pending::new(media);
        let mut work = self.work();
        let staged = *work.stage.draft;
        work.stage.draft.mark_stored();
        let recorded = work.ranges.as_slice().iter().try_for_each(|range| {
            if in_record {
                work.stage.write_home(*range, &staged, |value| {
                    media.read(range.start(), value);
                })
            } else {
                homes.flush(*range);
                work.stage.cover(*range)
            }
        });
        recorded.map_err(|full| self.stage_full(full))?;
        self.manager.settle(homes)
    }

    /// From here on only a fence can fail.
    #[inline]
    fn seal<R>(&mut self, between: impl FnOnce(u64) -> R) -> Result<u64, TxError<M::SyncError>> {
        let timestamp = self.write_commit()?;
        let durable = Durable(self);
        let until_stored = between(timestamp);
        core::mem::forget(durable);
        self.store_homes(timestamp);
        drop(until_stored);
        let manager = self.manager;
        let work = self.work();
        manager.log.settle(work.cursor);
        if work.stage.draft.has_bits() {
            let ops = work.stage.staged().bit_ops(RECORD_HEADER_BYTES);
            manager
                .heap
                .settle_commit(&manager.pool, work.cursor.lane, work.cache, ops);
        }
        if work.kept.any() {
            let lane = work.cursor.lane;
            manager.heap.release_kept(&manager.pool, lane, work.kept);
        }
        work.cursor.place = work.cursor.place.back_in_ring();
        self.lane.end();
        Ok(timestamp)
    }

    /// Writes the COMMIT record and waits for it (I8: the timestamp is drawn after room is secured).
    #[inline]
    pub(super) fn write_commit(&mut self) -> Result<u64, TxError<M::SyncError>> {
        let manager = self.manager;
        let lane = self.lane.cursor.lane;
        let timestamp = manager.log.draw_timestamp(lane);
        let mut pending = Pending::new(manager.pool.media());
        let mut work = self.work();
        let (len, bytes) = work.stage.record();
        manager.log.append(
            work.cursor,
            Framed::Commit(timestamp),
            len,
            bytes,
            &mut pending,
        );
        match manager.settle(pending) {
            Ok(()) => Ok(timestamp),
            Err(error) => {
                // The outcome is unknown: what the transaction took stays taken until the pool is opened anew.
                self.lane.end();
                Err(error)
            }
        }
    }

    /// Stores the committed ops to their homes, and lists these for the next checkpoint to flush (I2, I7). What was
    /// stored in place is there already.
    #[inline]
    pub(super) fn store_homes(&self, timestamp: u64) {
        let media = self.manager.pool.media();
        let mut homes = self.manager.log.homes(self.lane.cursor.lane);
        homes.commit(timestamp);
        let mut ops = self.staged().ops(RECORD_HEADER_BYTES);
        loop {
            let stored = self.lane.draft.is_stored(ops.at());
            let Some((op, body)) = ops.next() else {
                return;
            };
            if op.kind == OpKind::Cover {
                continue;
            }
            homes.list(op.range);
            if !stored {
                store_home(media, &op, body);
            }
        }
    }
}

/// A transaction whose record is durable. Dropping it means that somebody panicked before its homes were stored: it must not be
/// rolled back, and nobody may work on the old state. Its timestamp stays in flight, so that no cut passes it.
struct Durable<'t, 'e, M: Media>(&'t mut Tx<'e, M>);

impl<M: Media> Drop for Durable<'_, '_, M> {
    fn drop(&mut self) {
        self.0.lane.end();
        self.0.manager.pool.health().poison();
    }
}

/// Stores what an op says to its home.
#[inline]
fn store_home<M: Media>(media: &M, op: &Op, body: &[u8]) {
    let at = op.range.start();
    match op.kind {
        OpKind::Cover => {}
        OpKind::Write if op.range.len().get() == 8 && at.is_aligned(8) => {
            media.store64(at, load(body, 0));
        }
        OpKind::Write => media.write(at, &body[..op.range.len().get() as usize]),
        OpKind::Set => {
            media.fetch_or64(at, load(body, 0));
        }
        OpKind::Clear => {
            media.fetch_and64(at, !load(body, 0));
        }
    }
}

impl<M: Media> Manager<M> {
    /// Waits for `pending`, and remembers a failure.
    #[inline]
    pub(super) fn settle(&self, pending: Pending<'_, M>) -> Result<(), TxError<M::SyncError>> {
        self.pool
            .health()
            .settle(pending.fence())
            .map_err(TxError::Sync)
    }

    /// Room in the lane for a record, and for one to end the transaction with.
    #[inline]
    pub(super) fn secure(
        &self,
        cursor: &mut Cursor,
        room: Room,
    ) -> Result<(), TxError<M::SyncError>> {
        let (pool, heap) = (&self.pool, &self.heap);
        // An EXTEND joins whatever is fenced next by this thread; it waits for nothing by itself.
        let mut pending = Pending::new(pool.media());
        self.log
            .secure(
                pool,
                cursor,
                room,
                &mut pending,
                |block| heap.retire(pool, block),
                |bytes| heap.lend(pool, bytes),
            )
            .map_err(|error| match error {
                AppendError::Full { needed } => TxError::LogFull { needed },
                AppendError::Sync(error) => TxError::Sync(error),
            })
    }

    /// Checkpoints for a lane whose ring is half full, unless somebody else is at it.
    #[cold]
    #[inline(never)]
    fn checkpoint_in_passing(&self) {
        let (pool, heap) = (&self.pool, &self.heap);
        // A failure poisons the pool, and the next operation says so; the transaction before is durable.
        let _poisoned = self
            .log
            .try_checkpoint(pool, &mut |block| heap.retire(pool, block));
    }
}
