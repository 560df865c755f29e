//! Abort: drops what is staged, restores what was stored in place, and commits the restored bytes, so that no
//! recovery ever restores them again over somebody's later commit.

use super::super::{Tx, TxError};
use crate::layout::RECORD_HEADER_BYTES;
use crate::log::undo;
use crate::media::Media;

impl<M: Media> Tx<'_, M> {
    /// Ends the transaction with the old state.
    ///
    /// Cannot fail for lack of space (I11). Errors: [`TxError::Sync`] or [`TxError::Poisoned`]: the next open
    /// restores the old state; [`TxError::Corrupt`]: the medium changed the log under us. Cost: no wait for a
    /// staged transaction; one, or two above 2 KiB, for one with snapshots. Crash: the old state.
    pub fn abort(mut self) -> Result<(), TxError<M::SyncError>> {
        self.roll_back()
    }

    /// What [`Tx::abort`], a failed commit and `Drop` have in common.
    pub(in super::super) fn roll_back(&mut self) -> Result<(), TxError<M::SyncError>> {
        let manager = self.manager;
        self.settle_fresh();
        let images = self.lane.cursor.undo_count > 0;
        self.drop_staged(RECORD_HEADER_BYTES, images);
        let mut outcome = Ok(());
        if images {
            outcome = self.restore();
        }
        if outcome.is_ok() {
            if self.lane.kept.any() {
                let lane = self.lane.cursor.lane;
                let kept = &mut self.lane.kept;
                manager.heap.release_kept(&manager.pool, lane, kept);
            }
            self.lane.cursor.place = self.lane.cursor.place.back_in_ring();
            manager.log.settle(&self.lane.cursor);
        }
        self.lane.end();
        outcome
    }

    #[cold]
    #[inline(never)]
    fn roll_back_dropped(&mut self) {
        let _poisoned = self.roll_back();
    }

    /// keeps I9: non-temporal stores to a block that is about to be free again must not land later
    pub(in super::super) fn settle_fresh(&mut self) {
        if let Some(fresh) = self.fresh.take() {
            let _poisoned = self.manager.settle(fresh);
        }
    }

    fn restore(&mut self) -> Result<(), TxError<M::SyncError>> {
        let manager = self.manager;
        let (media, geometry) = (manager.pool.media(), &manager.pool.geometry());
        let (last, count) = (self.lane.cursor.last_undo, self.lane.cursor.undo_count);
        if manager.pool.health().is_poisoned() {
            return Err(TxError::Poisoned);
        }
        undo(media, geometry, last, count, |_range| {})?;
        self.record_undo_ranges()?;
        let timestamp = self.write_commit()?;
        self.store_homes(timestamp);
        Ok(())
    }

    /// A commit that cannot be: the old state, and why.
    pub(in super::super) fn give_up(
        &mut self,
        error: TxError<M::SyncError>,
    ) -> TxError<M::SyncError> {
        match self.roll_back() {
            // Poisoned by the very failure that is being told.
            Ok(()) | Err(TxError::Poisoned) => error,
            Err(worse) => worse,
        }
    }
}

/// Aborts a transaction that was neither committed nor aborted, a panic's included. A failure poisons the pool,
/// and the next open restores the old state.
impl<M: Media> Drop for Tx<'_, M> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.lane.open {
            self.roll_back_dropped();
        }
    }
}
