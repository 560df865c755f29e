//! Snapshots: one wait for a whole batch of before-images, then stores in place through a guard (I2).

use super::super::memory::{Buffer, zero_padding};
use super::super::{Manager, Tx, TxError, UNDO_BYTES_IN_RECORD};
use crate::alloc::StageFull;
use crate::layout::{OpKind, OpWord, RECORD_HEADER_BYTES, RECORD_UNIT};
use crate::log::{Cursor, Framed, Room};
use crate::media::Media;
use crate::persist::Pending;
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// A before-image is cut into records of at most this many bytes.
const RECORD_BYTES_MAX: usize = 16 << 10;
/// The longest head of an op: its word and a length word.
const OP_HEAD_MAX: usize = 16;
/// Ranges are compared with earlier ones only while these are few.
const COMPARED_RANGES_MAX: usize = 64;

/// Stores in place to ranges with durable before-images.
#[derive(Debug)]
pub struct InPlace<'t, 'e, M: Media> {
    tx: &'t mut Tx<'e, M>,
    /// Where the last store found its range, counted from the floor: stores tend to follow the order of the snapshot.
    found: usize,
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
        let bytes = self.lane.undo_bytes;
        let outcome = self.log_images(ranges);
        if outcome.is_err() {
            // Images that were logged restore what is there anyway; their ranges may not be stored to.
            self.lane.ranges.truncate(known);
            self.lane.undo_bytes = bytes;
        }
        let found = known - self.floor.ranges;
        outcome.map(|()| InPlace { tx: self, found })
    }

    fn log_images(&mut self, ranges: &[ByteRange]) -> Result<(), TxError<M::SyncError>> {
        let known = self.lane.ranges.as_slice().len();
        // Ranges in ascending order lie behind all earlier ones, and need no comparison.
        let ends = self.lane.ranges.as_slice().iter().map(|range| range.end());
        let mut end = ends.max().unwrap_or(ByteOffset::ZERO);
        for range in ranges.iter().filter(|range| !range.is_empty()) {
            if range.start() < end {
                // A member that fails restores its own images only, so it takes one even where another has.
                let earlier = &self.lane.ranges.as_slice()[self.floor.ranges..];
                let compared = &earlier[..earlier.len().min(COMPARED_RANGES_MAX)];
                if compared.iter().any(|earlier| earlier.contains(*range)) {
                    continue;
                }
            }
            end = end.max(range.end());
            let capacity = self.staged().bytes.len();
            self.lane
                .ranges
                .push(*range)
                .map_err(|_full| TxError::StageFull { capacity })?;
            self.lane.undo_bytes += range.len().get();
        }
        if self.lane.ranges.as_slice().len() == known {
            return Ok(());
        }
        // keeps I11: memory and log space for the record that ends the transaction, come what may
        let closing = self.closing_bytes();
        let needed = self.lane.draft.len() + closing;
        self.stage()
            .ensure(needed)
            .map_err(|full| self.stage_full(full))?;
        let manager = self.manager;
        let work = self.work();
        let mut images = Images {
            manager,
            cursor: work.cursor,
            scratch: work.scratch,
            closing: closing as u64,
            pending: Pending::new(manager.pool.media()),
        };
        images.log(&work.ranges.as_slice()[known..])?;
        manager.settle(images.pending)
    }

    /// Bytes of ops for all snapshot ranges in the record that ends the transaction.
    fn closing_bytes(&self) -> usize {
        let in_record = self.lane.undo_bytes <= UNDO_BYTES_IN_RECORD;
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

/// Before-images on their way into the log.
struct Images<'t, M: Media> {
    manager: &'t Manager<M>,
    cursor: &'t mut Cursor,
    scratch: Buffer<'t>,
    /// Bytes of ops in the record that will end the transaction.
    closing: u64,
    pending: Pending<'t, M>,
}

impl<M: Media> Images<'_, M> {
    /// Packs the images of `ranges` into as few records as fit.
    fn log(&mut self, ranges: &[ByteRange]) -> Result<(), TxError<M::SyncError>> {
        let capacity = self.record_capacity(ranges);
        let mut len = RECORD_HEADER_BYTES;
        for range in ranges {
            let mut done = 0;
            while done < range.len().get() {
                if len + OP_HEAD_MAX + 8 > capacity {
                    self.log_record(len)?;
                    len = RECORD_HEADER_BYTES;
                }
                let left = range.len().get() - done;
                let step = left.min((capacity - len - OP_HEAD_MAX) as u64 & !7);
                let part = ByteRange::at(range.start().get() + done, step).unwrap_or_default();
                len = self.put_image(len, part);
                done += step;
            }
        }
        self.log_record(len)
    }

    /// Bytes of a record that the scratch memory holds, made as large as is useful where it can grow.
    fn record_capacity(&mut self, ranges: &[ByteRange]) -> usize {
        let wanted = ranges
            .iter()
            .map(|range| range.len().get().div_ceil(8) as usize * 8 + OP_HEAD_MAX)
            .sum::<usize>();
        let wanted = (RECORD_HEADER_BYTES + wanted)
            .min(RECORD_BYTES_MAX)
            .next_multiple_of(RECORD_UNIT as usize);
        match self.scratch.ensure(wanted) {
            Ok(()) => wanted,
            Err(StageFull) => {
                self.scratch.bytes().len() / RECORD_UNIT as usize * RECORD_UNIT as usize
            }
        }
    }

    /// Puts an op with what `range` holds at home at `at`; answers where the next op goes.
    fn put_image(&mut self, at: usize, range: ByteRange) -> usize {
        let bytes = self.scratch.bytes_mut();
        let (word, long) = OpWord::encode(OpKind::Write, range);
        bytes[at..at + 8].copy_from_slice(&word.0.to_le_bytes());
        let mut body = at + 8;
        if let Some(long) = long {
            bytes[body..body + 8].copy_from_slice(&long.to_le_bytes());
            body += 8;
        }
        let len = range.len().get() as usize;
        let padded = len.div_ceil(8) * 8;
        let media = self.manager.pool.media();
        media.read(range.start(), &mut bytes[body..body + len]);
        bytes[body + len..body + padded].fill(0);
        body + padded
    }

    fn log_record(&mut self, len: usize) -> Result<(), TxError<M::SyncError>> {
        if len == RECORD_HEADER_BYTES {
            return Ok(());
        }
        let room = Room {
            len: len as u64,
            closing: self.closing + RECORD_HEADER_BYTES as u64,
        };
        self.manager.secure(self.cursor, room)?;
        let padded = len.div_ceil(RECORD_UNIT as usize) * RECORD_UNIT as usize;
        let bytes = self.scratch.bytes_mut();
        zero_padding(bytes, len, padded);
        self.manager.log.append(
            self.cursor,
            Framed::Undo,
            len as u64,
            &mut bytes[..padded],
            &mut self.pending,
        );
        Ok(())
    }
}

impl<M: Media> InPlace<'_, '_, M> {
    #[inline]
    fn covered(&mut self, at: ByteOffset, len: u64) -> Result<ByteRange, TxError<M::SyncError>> {
        let range = ByteRange::new(at, ByteLen::new(len)).unwrap_or_default();
        let floor = self.tx.floor.ranges;
        let snapshots = &self.tx.lane.ranges.as_slice()[floor..];
        let (before, from) = snapshots.split_at(self.found.min(snapshots.len()));
        let holds = |snapshot: &ByteRange| snapshot.contains(range);
        let found = match from.iter().position(holds) {
            Some(index) => Some(before.len() + index),
            None => before.iter().position(holds),
        };
        match found {
            Some(index) if range.len().get() == len => {
                self.found = index;
                Ok(range)
            }
            _ => Err(TxError::NotSnapshotted { range }),
        }
    }

    /// What is staged for `range` follows the store that is about to be made.
    #[inline]
    fn overrule(&mut self, range: ByteRange, bytes: &[u8]) -> Result<(), TxError<M::SyncError>> {
        self.tx.manager.may_change()?;
        let floor = self.tx.floor.staged;
        self.tx
            .stage()
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
