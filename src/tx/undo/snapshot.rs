//! Snapshots: one wait for a whole batch of before-images, then stores in place through a guard (I2).

use super::super::memory::Buffer;
use super::super::{Tx, TxError, UNDO_BYTES_IN_RECORD};
use crate::alloc::StageFull;
use crate::layout::{OpKind, OpWord, RECORD_HEADER_BYTES, RECORD_UNIT};
use crate::log::{Framed, Room};
use crate::media::Media;
use crate::persist::Pending;
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// A before-image is cut into records of at most this many bytes.
const RECORD_BYTES_MAX: usize = 16 << 10;
/// Ranges are compared with earlier ones only while these are few.
const COMPARED_RANGES_MAX: usize = 64;

/// Stores in place to ranges with durable before-images.
#[derive(Debug)]
pub struct InPlace<'t, 'e, M: Media> {
    tx: &'t mut Tx<'e, M>,
}

impl<M: Media> core::fmt::Debug for Tx<'_, M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tx")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl<'e, M: Media> Tx<'e, M> {
    /// Makes the before-images of `ranges` durable; until the guard is gone, stores to them go in place.
    ///
    /// Errors: a range outside root slots and heap, no log space, no memory for the list (all: nothing may be
    /// stored to the new ranges, the transaction goes on), poisoned, [`TxError::Sync`]. Cost: one wait for the
    /// whole batch; none where every range has its before-image already. Crash: recovery restores the oldest
    /// image of each byte unless the transaction committed.
    pub fn snapshot(
        &mut self,
        ranges: &[ByteRange],
    ) -> Result<InPlace<'_, 'e, M>, TxError<M::SyncError>> {
        self.manager.may_change()?; // keeps O3
        for range in ranges {
            self.changeable(range.start(), range.len().get())?;
        }
        let known = self.lane.ranges.as_slice().len();
        let bytes = self.undo_bytes;
        let outcome = self.log_images(ranges);
        if outcome.is_err() {
            // Images that were logged restore what is there anyway; their ranges may not be stored to.
            self.lane.ranges.truncate(known);
            self.undo_bytes = bytes;
        }
        outcome.map(|()| InPlace { tx: self })
    }

    fn log_images(&mut self, ranges: &[ByteRange]) -> Result<(), TxError<M::SyncError>> {
        let known = self.lane.ranges.as_slice().len();
        for range in ranges.iter().filter(|range| !range.is_empty()) {
            // A member that fails restores its own images only, so it takes one even where another has.
            let earlier = &self.lane.ranges.as_slice()[self.floor.ranges..];
            let compared = &earlier[..earlier.len().min(COMPARED_RANGES_MAX)];
            if compared.iter().any(|earlier| earlier.contains(*range)) {
                continue;
            }
            let capacity = self.stage().capacity();
            self.lane
                .ranges
                .push(*range)
                .map_err(|_full| TxError::StageFull { capacity })?;
            self.undo_bytes += range.len().get();
        }
        if self.lane.ranges.as_slice().len() == known {
            return Ok(());
        }
        // keeps I11: memory and log space for the record that ends the transaction, come what may
        let closing = self.closing_bytes();
        let needed = self.stage().len() + closing;
        self.stage_mut()
            .ensure(needed)
            .map_err(|full| self.stage_full(full))?;
        let mut scratch = match self.scratch.take() {
            Some(scratch) => scratch,
            None => unreachable!("the scratch memory is only ever borrowed"),
        };
        let mut pending = Pending::new(self.manager.pool.media());
        let logged = self.log_images_from(known, closing as u64, &mut scratch, &mut pending);
        self.scratch = Some(scratch);
        logged?;
        self.settle(pending)
    }

    /// Packs the images of the ranges from index `first` on into as few records as fit.
    fn log_images_from(
        &mut self,
        first: usize,
        closing: u64,
        scratch: &mut Buffer<'e>,
        pending: &mut Pending<'e, M>,
    ) -> Result<(), TxError<M::SyncError>> {
        let capacity = self.record_capacity(scratch, first)?;
        let mut len = RECORD_HEADER_BYTES;
        for index in first..self.lane.ranges.as_slice().len() {
            let range = self.lane.ranges.as_slice()[index];
            let mut done = 0;
            while done < range.len().get() {
                const OP_HEAD_MAX: usize = 16;
                if len + OP_HEAD_MAX + 8 > capacity {
                    self.log_record(len, closing, scratch, pending)?;
                    len = RECORD_HEADER_BYTES;
                }
                let left = range.len().get() - done;
                let step = left.min((capacity - len - OP_HEAD_MAX) as u64 & !7);
                let part = ByteRange::at(range.start().get() + done, step).unwrap_or_default();
                len = self.put_image(scratch.bytes_mut(), len, part);
                done += step;
            }
        }
        self.log_record(len, closing, scratch, pending)
    }

    /// Bytes of a record that the scratch memory holds, made as large as is useful where it can grow.
    fn record_capacity(
        &self,
        scratch: &mut Buffer<'e>,
        first: usize,
    ) -> Result<usize, TxError<M::SyncError>> {
        const OP_HEAD_MAX: usize = 16;
        let images = self.lane.ranges.as_slice()[first..].iter();
        let wanted = images
            .map(|range| range.len().get().div_ceil(8) as usize * 8 + OP_HEAD_MAX)
            .sum::<usize>();
        let wanted = (RECORD_HEADER_BYTES + wanted)
            .min(RECORD_BYTES_MAX)
            .next_multiple_of(RECORD_UNIT as usize);
        match scratch.ensure(wanted) {
            Ok(()) => Ok(wanted),
            Err(StageFull) => {
                Ok(scratch.bytes().len() / RECORD_UNIT as usize * RECORD_UNIT as usize)
            }
        }
    }

    /// Puts an op with what `range` holds at home at `at`; answers where the next op goes.
    fn put_image(&self, bytes: &mut [u8], at: usize, range: ByteRange) -> usize {
        let (word, long) = OpWord::encode(OpKind::Write, range);
        bytes[at..at + 8].copy_from_slice(&word.0.to_le_bytes());
        let mut body = at + 8;
        if let Some(long) = long {
            bytes[body..body + 8].copy_from_slice(&long.to_le_bytes());
            body += 8;
        }
        let len = range.len().get() as usize;
        let padded = len.div_ceil(8) * 8;
        self.manager
            .pool
            .media()
            .read(range.start(), &mut bytes[body..body + len]);
        bytes[body + len..body + padded].fill(0);
        body + padded
    }

    fn log_record(
        &mut self,
        len: usize,
        closing: u64,
        scratch: &mut Buffer<'e>,
        pending: &mut Pending<'e, M>,
    ) -> Result<(), TxError<M::SyncError>> {
        if len == RECORD_HEADER_BYTES {
            return Ok(());
        }
        self.secure(Room {
            len: len as u64,
            closing: closing + RECORD_HEADER_BYTES as u64,
        })?;
        let padded = len.div_ceil(RECORD_UNIT as usize) * RECORD_UNIT as usize;
        let bytes = &mut scratch.bytes_mut()[..padded];
        bytes[len..].fill(0);
        self.manager.log.append(
            &mut self.lane.cursor,
            Framed::Undo,
            len as u64,
            bytes,
            pending,
        );
        Ok(())
    }

    /// Bytes of ops for all snapshot ranges in the record that ends the transaction.
    fn closing_bytes(&self) -> usize {
        let in_record = self.undo_bytes <= UNDO_BYTES_IN_RECORD;
        let of_range = |range: &ByteRange| {
            16 + if in_record {
                range.len().get().div_ceil(8) as usize * 8
            } else {
                0
            }
        };
        self.lane.ranges.as_slice().iter().map(of_range).sum()
    }
}

impl<M: Media> InPlace<'_, '_, M> {
    fn covered(&self, at: ByteOffset, len: u64) -> Result<ByteRange, TxError<M::SyncError>> {
        let range = ByteRange::new(at, ByteLen::new(len)).unwrap_or_default();
        let held = self
            .tx
            .lane
            .ranges
            .as_slice()
            .iter()
            .skip(self.tx.floor.ranges)
            .any(|snapshot| snapshot.contains(range));
        if range.len().get() == len && held {
            Ok(range)
        } else {
            Err(TxError::NotSnapshotted { range })
        }
    }

    /// What is staged for `range` follows the store that is about to be made.
    fn overrule(&mut self, range: ByteRange, bytes: &[u8]) -> Result<(), TxError<M::SyncError>> {
        self.tx.manager.may_change()?;
        let floor = self.tx.floor.staged;
        self.tx
            .stage_mut()
            .patch(range, bytes, floor)
            .map_err(|full| self.tx.stage_full(full))
    }

    /// Stores `bytes` in place.
    ///
    /// Errors: not within one range of a snapshot (in a group: of the running member), poisoned, or the caller's
    /// staging memory is full; nothing stored. Cost: no wait.
    #[inline]
    pub fn store(&mut self, at: ByteOffset, bytes: &[u8]) -> Result<(), TxError<M::SyncError>> {
        let range = self.covered(at, bytes.len() as u64)?;
        self.overrule(range, bytes)?;
        self.tx.manager.pool.media().write(at, bytes);
        Ok(())
    }

    /// Stores an aligned word in place. Errors: as [`InPlace::store`], or misaligned.
    #[inline]
    pub fn store64(&mut self, at: ByteOffset, value: u64) -> Result<(), TxError<M::SyncError>> {
        let range = self.covered(at, 8)?;
        if !at.is_aligned(8) {
            return Err(TxError::NotSnapshotted { range });
        }
        self.overrule(range, &value.to_le_bytes())?;
        self.tx.manager.pool.media().store64(at, value);
        Ok(())
    }

    /// Stores `byte` to every byte of `range` in place. Errors: as [`InPlace::store`].
    pub fn fill(&mut self, range: ByteRange, byte: u8) -> Result<(), TxError<M::SyncError>> {
        let range = self.covered(range.start(), range.len().get())?;
        const PIECE: u64 = 64;
        let mut done = 0;
        while done < range.len().get() {
            let step = PIECE.min(range.len().get() - done);
            self.store(
                ByteOffset::new(range.start().get() + done),
                &[byte; PIECE as usize][..step as usize],
            )?;
            done += step;
        }
        Ok(())
    }
}
