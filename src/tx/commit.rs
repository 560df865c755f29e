//! Commit: secure room, draw a timestamp, one record, one wait, then the homes.

use super::memory::Stage;
use super::{Tx, TxError, UNDO_BYTES_IN_RECORD};
use crate::layout::{OpKind, RECORD_HEADER_BYTES};
use crate::log::{AppendError, Framed, Room};
use crate::media::{Durability, Media};
use crate::persist::Pending;
use crate::units::ByteRange;

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
    #[inline]
    pub fn commit(mut self) -> Result<Receipt, TxError<M::SyncError>> {
        let durability = self.manager.pool.media().durability();
        // Images of a snapshot that was refused half-way need a record behind them: without one, a later recovery
        // would take them for those of an open transaction.
        let logged = self.lane.cursor.undo_count > 0;
        if self.stage().is_empty()
            && self.lane.ranges.as_slice().is_empty()
            && self.fresh.is_none()
            && !logged
        {
            self.retire_memory();
            return Ok(Receipt {
                timestamp: 0,
                durability,
            });
        }
        if let Err(error) = self.prepare() {
            return Err(self.give_up(error));
        }
        let timestamp = self.seal()?;
        Ok(Receipt {
            timestamp,
            durability,
        })
    }

    /// Everything that may still fail without a trace: the record is complete and has its room.
    fn prepare(&mut self) -> Result<(), TxError<M::SyncError>> {
        self.manager.may_change()?;
        self.record_undo_ranges()?;
        // keeps I6: data that went straight to its home is durable before the COVER that speaks of it
        if let Some(fresh) = self.fresh.take() {
            self.settle(fresh)?;
        }
        let room = Room {
            len: self.stage().len() as u64,
            closing: 0,
        };
        self.secure(room)
    }

    /// Puts the snapshot ranges into the record: their bytes, or COVERs once they are durable at home.
    pub(super) fn record_undo_ranges(&mut self) -> Result<(), TxError<M::SyncError>> {
        let in_record = self.undo_bytes <= UNDO_BYTES_IN_RECORD;
        let mut homes = Pending::new(self.manager.pool.media());
        for index in 0..self.lane.ranges.as_slice().len() {
            let range = self.lane.ranges.as_slice()[index];
            if in_record {
                self.record_home(range)?;
            } else {
                homes.flush(range);
                self.stage_mut()
                    .cover(range)
                    .map_err(|full| self.stage_full(full))?;
            }
        }
        self.settle(homes)
    }

    /// A WRITE of what `range` holds now, staged changes included, so that the order of ops does not matter.
    fn record_home(&mut self, range: ByteRange) -> Result<(), TxError<M::SyncError>> {
        let mut piece = [0u8; UNDO_BYTES_IN_RECORD as usize];
        let Some(bytes) = piece.get_mut(..range.len().get() as usize) else {
            unreachable!("a range in the record is no longer than all ranges in it")
        };
        self.read(range.start(), bytes)?;
        self.stage_mut().savepoint();
        self.stage_mut()
            .write_with(range, |value| value.copy_from_slice(bytes))
            .map_err(|full| self.stage_full(full))
    }

    /// Waits for `pending`, and remembers a failure.
    pub(super) fn settle(&self, pending: Pending<'_, M>) -> Result<(), TxError<M::SyncError>> {
        self.manager
            .pool
            .health()
            .settle(pending.fence())
            .map_err(TxError::Sync)
    }

    /// Room in the lane for a record, and for one to end the transaction with.
    pub(super) fn secure(&mut self, room: Room) -> Result<(), TxError<M::SyncError>> {
        let manager = self.manager;
        let (pool, heap) = (&manager.pool, &manager.heap);
        // An EXTEND joins whatever is fenced next by this thread; it waits for nothing by itself.
        let mut pending = Pending::new(pool.media());
        manager
            .log
            .secure(
                pool,
                &mut self.lane.cursor,
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

    /// From here on only a fence can fail.
    fn seal(mut self) -> Result<u64, TxError<M::SyncError>> {
        let timestamp = self.write_commit()?;
        let Some(stage) = self.stage.take() else {
            unreachable!("taken out only when the transaction ends")
        };
        self.store_homes(&stage);
        self.manager.log.settle(&self.lane.cursor);
        let lane = &mut *self.lane;
        let manager = self.manager;
        if stage.has_bits() {
            let ops = stage.bit_ops(RECORD_HEADER_BYTES);
            manager
                .heap
                .settle_commit(&manager.pool, lane.cursor.lane, &mut lane.cache, ops);
        }
        manager
            .heap
            .release_kept(&manager.pool, lane.cursor.lane, &mut lane.kept);
        self.stage = Some(stage);
        self.end_lane();
        Ok(timestamp)
    }

    /// Writes the COMMIT record and waits for it (I8: the timestamp is drawn after room is secured).
    pub(super) fn write_commit(&mut self) -> Result<u64, TxError<M::SyncError>> {
        let manager = self.manager;
        let lane = self.lane.cursor.lane;
        let timestamp = manager.log.draw_timestamp(lane);
        let mut pending = Pending::new(manager.pool.media());
        let Some(stage) = &mut self.stage else {
            unreachable!("taken out only when the transaction ends")
        };
        let (len, bytes) = stage.record();
        manager.log.append(
            &mut self.lane.cursor,
            Framed::Commit(timestamp),
            len,
            bytes,
            &mut pending,
        );
        match manager.pool.health().settle(pending.fence()) {
            Ok(()) => Ok(timestamp),
            Err(error) => {
                // The outcome is unknown: what the transaction took stays taken until the pool is opened anew.
                self.retire_memory();
                Err(TxError::Sync(error))
            }
        }
    }

    /// Stores the committed ops to their homes; flushing them is the next checkpoint's (I2, I7).
    fn store_homes(&self, stage: &Stage<'_>) {
        let media = self.manager.pool.media();
        for (op, body) in stage.ops(RECORD_HEADER_BYTES, stage.len()) {
            match op.kind {
                OpKind::Cover => {}
                OpKind::Write => {
                    media.write(op.range.start(), &body[..op.range.len().get() as usize])
                }
                OpKind::Set => {
                    media.fetch_or64(op.range.start(), super::memory::load(body, 0));
                }
                OpKind::Clear => {
                    media.fetch_and64(op.range.start(), !super::memory::load(body, 0));
                }
            }
        }
    }

    /// Ends the use of the lane, and checkpoints if its ring is half full.
    pub(super) fn end_lane(mut self) {
        let manager = self.manager;
        let lane = self.lane.cursor.lane;
        self.lane.cursor.place = self.lane.cursor.place.back_in_ring();
        self.retire_memory();
        drop(self);
        if manager.log.wants_checkpoint(lane) {
            let (pool, heap) = (&manager.pool, &manager.heap);
            // A failure poisons the pool, and the next operation says so; this transaction is durable.
            let _poisoned = manager
                .log
                .try_checkpoint(pool, &mut |block| heap.retire(pool, block));
        }
    }

    /// Hands the transaction's memory to the lane's next one. Without a stage a transaction has ended.
    pub(super) fn retire_memory(&mut self) {
        #[cfg(feature = "alloc")]
        {
            use super::memory::Buffer;

            /// Memory above this is given back to the system.
            const KEPT_BYTES: usize = 1 << 20;
            let owned = |buffer| match buffer {
                Some(Buffer::Owned(bytes)) if bytes.len() <= KEPT_BYTES => bytes,
                _ => std_alloc::vec::Vec::new(),
            };
            self.lane.memory = [
                owned(self.stage.take().map(Stage::into_buffer)),
                owned(self.scratch.take()),
            ];
        }
        self.stage = None;
    }
}
