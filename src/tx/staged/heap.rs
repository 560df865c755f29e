//! Allocation and free inside a transaction: ops of its commit record, no wait of their own.

use super::super::{Tx, TxError};
use crate::alloc::{AllocError, GrantError, LiveObject, Request, UngrantError};
use crate::media::Media;
use crate::units::{ByteOffset, ByteRange};

impl<M: Media> Tx<'_, M> {
    /// Allocates; the block is live once the transaction is committed, and free again if it is not. Its bytes
    /// are indeterminate until written.
    ///
    /// Errors: see [`AllocError`]; the transaction goes on. Cost: no wait; under pressure one for every 46 slabs
    /// that objects of other sizes have left. In a pool with one lane these come back for the next transaction.
    #[inline]
    pub fn alloc(&mut self, request: Request) -> Result<ByteRange, TxError<M::SyncError>> {
        let mut outcome = self.try_alloc(&request);
        let mut more = true;
        while more && matches!(outcome, Err(TxError::Alloc(AllocError::NoSpace { .. }))) {
            let geometry = &self.manager.pool.geometry();
            self.manager.heap.release(geometry, &mut self.lane.cache);
            more = self.manager.free_emptied();
            outcome = self.try_alloc(&request);
            self.lane.starved = outcome.is_err() && self.manager.has_one_lane();
        }
        outcome
    }

    #[inline]
    fn try_alloc(&mut self, request: &Request) -> Result<ByteRange, TxError<M::SyncError>> {
        let manager = self.manager;
        let mut work = self.work();
        let savepoint = work.stage.draft.len();
        let granted = manager.heap.alloc(
            &manager.pool,
            work.cursor.lane,
            work.cache,
            request,
            work.cursor.transaction,
            &mut work.stage,
        );
        match granted {
            Ok(block) => Ok(block),
            Err(GrantError::Alloc(error)) => {
                self.drop_staged(savepoint, false);
                Err(error.into())
            }
            Err(GrantError::Stage) => {
                self.drop_staged(savepoint, false);
                Err(self.stage_full(crate::alloc::StageFull))
            }
        }
    }

    /// Drops what was staged behind `savepoint`, and what it took from the heap. Where images were logged since,
    /// they may be of blocks taken since: these stay taken until the transaction has ended (H6).
    pub(in super::super) fn drop_staged(&mut self, savepoint: usize, images_since: bool) {
        let (heap, pool) = (&self.manager.heap, &self.manager.pool);
        let mut work = self.lane.work(&mut self.lent);
        if work.stage.draft.has_bits() {
            let ops = work.stage.staged().bit_ops(savepoint);
            let kept = images_since.then_some(work.kept);
            let lane = work.cursor.lane;
            heap.unstage(pool, lane, work.cache, savepoint as u64, kept, ops);
        }
        work.stage.truncate(savepoint);
    }

    /// Frees the object that begins at `at` once the transaction is committed.
    ///
    /// Errors: no object begins there, or it is free or being freed already; nothing changed. Cost: no wait.
    pub fn free(&mut self, at: ByteOffset) -> Result<(), TxError<M::SyncError>> {
        // A huge object takes several ops, which are dropped together: none may merge with an earlier one.
        let geometry = &self.manager.pool.geometry();
        let huge = geometry
            .slab_of(at)
            .is_some_and(|slab| geometry.slab_at(slab) == at);
        let savepoint = if huge {
            self.stage().savepoint()
        } else {
            self.lane.draft.len()
        };
        let manager = self.manager;
        match manager.heap.free(&manager.pool, at, &mut self.stage()) {
            Ok(()) => Ok(()),
            Err(UngrantError::Free(error)) => Err(error.into()),
            Err(UngrantError::Stage) => {
                self.stage().truncate(savepoint);
                Err(self.stage_full(crate::alloc::StageFull))
            }
        }
    }

    /// The live object that begins at `at`, as this transaction sees it.
    pub fn object_at(&self, at: ByteOffset) -> Result<LiveObject, TxError<M::SyncError>> {
        let range = self
            .manager
            .heap
            .object_at(&self.manager.pool, at, &self.staged())?;
        let huge = range.len().get() >= u64::from(self.manager.pool.geometry().slab_bytes());
        Ok(LiveObject { range, huge })
    }

    /// Stages the free of slabs without live objects; answers how many.
    pub(in super::super) fn stage_emptied(&mut self) -> Result<u64, TxError<M::SyncError>> {
        let lane = self.lane.cursor.lane;
        let manager = self.manager;
        let stage = &mut self.stage();
        Ok(manager.heap.stage_emptied(&manager.pool, lane, stage)?)
    }
}
