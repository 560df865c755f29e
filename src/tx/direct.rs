//! Bytes that go straight to their home: fresh blocks within a transaction, and data that only its owner
//! changes outside of one (I6).

use super::{Manager, Tx, TxError};
use crate::media::Media;
use crate::persist::Pending;
use crate::units::{ByteLen, ByteOffset, ByteRange, FLUSH_LINE};

impl<'e, M: Media> Tx<'e, M> {
    /// Writes into a block that this transaction allocated or is about to publish, past cache and log. Cheaper
    /// than [`Tx::write`] from about 1 KiB on; reads through the transaction see the bytes at once.
    ///
    /// The commit makes them durable before its record, and masks older log records of the range. The block
    /// must be fresh: bytes of an object that was live before would be lost by an abort.
    /// Errors: outside the heap, poisoned, or the caller's staging memory is full. Cost: one more wait at commit, however
    /// many calls.
    pub fn write_fresh(
        &mut self,
        at: ByteOffset,
        bytes: &[u8],
    ) -> Result<(), TxError<M::SyncError>> {
        self.manager.may_change()?; // keeps O3
        let range = self.changeable(at, bytes.len() as u64)?;
        self.stage()
            .cover(range)
            .map_err(|full| self.stage_full(full))?;
        self.fresh_pending().write_nt(at, bytes);
        Ok(())
    }

    /// Fills a fresh range with zeros, past cache and log. As [`Tx::write_fresh`].
    pub fn zero_fresh(&mut self, range: ByteRange) -> Result<(), TxError<M::SyncError>> {
        self.manager.may_change()?; // keeps O3
        let range = self.changeable(range.start(), range.len().get())?;
        self.stage()
            .cover(range)
            .map_err(|full| self.stage_full(full))?;
        zero(self.fresh_pending(), range);
        Ok(())
    }

    /// Masks older log records of `range`, whose bytes go straight to their home: by [`Tx::write_beside`],
    /// [`Tx::zero_beside`] or [`Tx::flush_beside`] of this transaction, or of what was durable before (I6).
    /// Errors: outside the heap, or the caller's staging memory is full. Cost: no wait.
    pub fn mask(&mut self, range: ByteRange) -> Result<(), TxError<M::SyncError>> {
        let range = self.changeable(range.start(), range.len().get())?;
        self.stage()
            .cover(range)
            .map_err(|full| self.stage_full(full))
    }

    /// Stores `bytes` that no transaction writes to their home, as [`Manager::write_durable`] and with its duties;
    /// they are durable before the commit's record. An abort leaves each aligned word old or new.
    /// Errors: outside the heap, poisoned. Cost: one more wait at commit, however many calls.
    pub fn write_beside(
        &mut self,
        at: ByteOffset,
        bytes: &[u8],
    ) -> Result<(), TxError<M::SyncError>> {
        let range = self.manager.in_heap(at, bytes.len() as u64)?;
        self.fresh_pending().write_nt(range.start(), bytes);
        Ok(())
    }

    /// Fills a range with zeros. As [`Tx::write_beside`].
    pub fn zero_beside(&mut self, range: ByteRange) -> Result<(), TxError<M::SyncError>> {
        let range = self.manager.in_heap(range.start(), range.len().get())?;
        zero(self.fresh_pending(), range);
        Ok(())
    }

    /// Makes `range` durable with the commit as it is now, however it was stored. As [`Tx::write_beside`].
    pub fn flush_beside(&mut self, range: ByteRange) -> Result<(), TxError<M::SyncError>> {
        let range = self.manager.in_heap(range.start(), range.len().get())?;
        self.fresh_pending().flush(range);
        Ok(())
    }

    fn fresh_pending(&mut self) -> &mut Pending<'e, M> {
        let media = self.manager.pool.media();
        self.fresh.get_or_insert_with(|| Pending::new(media))
    }
}

fn zero<M: Media>(pending: &mut Pending<'_, M>, range: ByteRange) {
    const PIECE: u64 = 16 * FLUSH_LINE;
    let zeros = [0u8; PIECE as usize];
    let mut done = 0;
    while done < range.len().get() {
        let step = PIECE.min(range.len().get() - done);
        let at = ByteOffset::new(range.start().get() + done);
        pending.write_nt(at, &zeros[..step as usize]);
        done += step;
    }
}

impl<M: Media> Manager<M> {
    /// Makes `bytes` durable at their home, without a transaction.
    ///
    /// For data that no transaction writes: no log record above the cut may touch the range (I6); a block from
    /// [`Tx::write_fresh`] or [`Tx::zero_fresh`] qualifies from its commit on. Errors: outside the heap,
    /// read-only, poisoned, [`TxError::Sync`]. Cost: one wait. Crash: before the fence returns each aligned word
    /// is old or new.
    pub fn write_durable(&self, at: ByteOffset, bytes: &[u8]) -> Result<(), TxError<M::SyncError>> {
        let range = self.in_heap(at, bytes.len() as u64)?;
        let mut pending = Pending::new(self.pool.media());
        pending.write_nt(range.start(), bytes);
        self.settle(pending)
    }

    /// As [`Manager::write_durable`] for several ranges, stored in their order. Errors: one of them is refused, then
    /// none was stored. Cost: one wait for all.
    pub fn write_durable_all<'b>(
        &self,
        pieces: impl Iterator<Item = (ByteOffset, &'b [u8])> + Clone,
    ) -> Result<(), TxError<M::SyncError>> {
        for (at, bytes) in pieces.clone() {
            self.in_heap(at, bytes.len() as u64)?;
        }
        let mut pending = Pending::new(self.pool.media());
        for (at, bytes) in pieces {
            pending.write_nt(at, bytes);
        }
        self.settle(pending)
    }

    /// Stores `bytes` at their home; they are durable after [`Manager::persist`]. As [`Manager::write_durable`].
    /// Cost: no wait.
    pub fn write_volatile(
        &self,
        at: ByteOffset,
        bytes: &[u8],
    ) -> Result<(), TxError<M::SyncError>> {
        let range = self.in_heap(at, bytes.len() as u64)?;
        self.pool.media().write(range.start(), bytes);
        Ok(())
    }

    /// As [`Manager::persist`] for several ranges. Cost: one wait for all.
    pub fn persist_all(
        &self,
        ranges: impl Iterator<Item = ByteRange>,
    ) -> Result<(), TxError<M::SyncError>> {
        let mut pending = Pending::new(self.pool.media());
        for range in ranges {
            pending.flush(self.in_heap(range.start(), range.len().get())?);
        }
        self.settle(pending)
    }

    /// Makes `range` durable as it is now. Errors: as [`Manager::write_durable`]. Cost: one wait.
    pub fn persist(&self, range: ByteRange) -> Result<(), TxError<M::SyncError>> {
        let range = self.in_heap(range.start(), range.len().get())?;
        let mut pending = Pending::new(self.pool.media());
        pending.flush(range);
        self.settle(pending)
    }

    fn in_heap(&self, at: ByteOffset, len: u64) -> Result<ByteRange, TxError<M::SyncError>> {
        self.may_change()?;
        let range = ByteRange::new(at, ByteLen::new(len)).unwrap_or_default();
        let inside = range.len().get() == len && self.pool.geometry().heap().contains(range);
        if inside {
            Ok(range)
        } else {
            Err(TxError::OutOfBounds { range })
        }
    }
}
