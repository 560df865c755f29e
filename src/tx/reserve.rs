//! Reserve, initialise, publish or cancel: for engines that build an object before they decide to keep it.

use super::{Manager, Tx, TxError};
use crate::alloc::{AllocError, Grant, GrantError, Request};
use crate::media::Media;
use crate::persist::Pending;
use crate::units::{ByteOffset, ByteRange};

/// A block that nobody else gets, without a trace on media: a crash or a drop makes it free again.
#[must_use = "a reservation that is dropped is cancelled"]
#[derive(Debug)]
pub struct Reservation<'e, M: Media> {
    manager: &'e Manager<M>,
    block: ByteRange,
    grant: Option<Grant>,
    /// Stores past the cache that no fence has settled yet.
    stored: bool,
}

impl<M: Media> Manager<M> {
    /// Reserves a block. Errors: see [`AllocError`]; also those of a commit, where a slab must be taken into use
    /// first. Cost: no wait; one for each slab taken into use, and under pressure as [`Tx::alloc`].
    #[cfg(feature = "alloc")]
    pub fn reserve(&self, request: Request) -> Result<Reservation<'_, M>, TxError<M::SyncError>> {
        self.reserve_with(request, || self.begin()?.prepare_slab(&request))
    }

    /// As [`Manager::reserve`], staging in `memory` where a slab must be taken into use.
    pub fn reserve_in(
        &self,
        request: Request,
        memory: &mut [u8],
    ) -> Result<Reservation<'_, M>, TxError<M::SyncError>> {
        self.reserve_with(request, || {
            self.begin_in(&mut *memory)?.prepare_slab(&request)
        })
    }

    fn reserve_with(
        &self,
        request: Request,
        mut prepare: impl FnMut() -> Result<(), TxError<M::SyncError>>,
    ) -> Result<Reservation<'_, M>, TxError<M::SyncError>> {
        self.may_change()?;
        loop {
            if let Some(found) = self.try_reserve(&request, false)? {
                return Ok(found);
            }
            let prepared = match prepare() {
                Err(TxError::Alloc(AllocError::NoSpace { .. })) => false,
                outcome => outcome.map(|()| true)?,
            };
            if let Some(found) = self.try_reserve(&request, true)? {
                return Ok(found);
            }
            if !prepared && !self.free_emptied() {
                let bytes = request.bytes();
                return self
                    .try_reserve(&request, true)?
                    .ok_or(AllocError::NoSpace { bytes }.into());
            }
        }
    }

    /// One attempt; `None` where there is no space, or none without another slab.
    fn try_reserve(
        &self,
        request: &Request,
        thorough: bool,
    ) -> Result<Option<Reservation<'_, M>>, TxError<M::SyncError>> {
        let found = match self.heap.reserve(&self.pool, request, thorough) {
            Err(AllocError::NoSpace { .. }) => None,
            outcome => outcome?,
        };
        Ok(found.map(|(block, grant)| Reservation {
            manager: self,
            block,
            grant: Some(grant),
            stored: false,
        }))
    }
}

impl<M: Media> Tx<'_, M> {
    /// Takes a slab for `request` into use, and commits.
    fn prepare_slab(mut self, request: &Request) -> Result<(), TxError<M::SyncError>> {
        let generation = self.lane.cursor.transaction;
        let lane = self.lane.cursor.lane;
        let (heap, pool) = (&self.manager.heap, &self.manager.pool);
        let stage = &mut self.stage();
        match heap.prepare(pool, lane, request, generation, stage) {
            Ok(()) => self.commit().map(|_receipt| ()),
            Err(GrantError::Alloc(error)) => Err(error.into()),
            Err(GrantError::Stage) => Err(self.stage_full(crate::alloc::StageFull)),
        }
    }

    /// Makes a reserved block live with this transaction, with the bytes stored through the reservation; an
    /// abort makes it free. Errors: reserved in another pool, or the caller's staging memory is full. Cost: no
    /// wait; one more at commit where bytes were stored.
    pub fn publish(
        &mut self,
        mut reservation: Reservation<'_, M>,
    ) -> Result<ByteRange, TxError<M::SyncError>> {
        if !core::ptr::eq(reservation.manager, self.manager) {
            // Dropping it cancels it where it came from.
            let range = reservation.block;
            return Err(TxError::OutOfBounds { range });
        }
        let Some(grant) = reservation.grant else {
            unreachable!("taken out only here and in drop")
        };
        let (heap, pool) = (&self.manager.heap, &self.manager.pool);
        let lane = self.lane.cursor.lane;
        let stage = &mut self.stage();
        let savepoint = stage.savepoint();
        let covered = if reservation.stored {
            stage.cover(reservation.block)
        } else {
            Ok(())
        };
        if let Err(full) = covered.and_then(|()| heap.publish(pool, lane, &grant, stage)) {
            stage.truncate(savepoint);
            return Err(self.stage_full(full));
        }
        if reservation.stored {
            let media = pool.media();
            self.fresh
                .get_or_insert_with(|| Pending::new(media))
                .flush(reservation.block);
        }
        reservation.grant = None;
        Ok(reservation.block)
    }
}

impl<M: Media> Reservation<'_, M> {
    /// The block's bytes.
    pub fn block(&self) -> ByteRange {
        self.block
    }

    /// Stores into the block; durable and reachable only with the transaction that publishes it.
    /// Errors: outside the block, poisoned. Cost: no wait.
    pub fn write(&mut self, at: ByteOffset, bytes: &[u8]) -> Result<(), TxError<M::SyncError>> {
        self.manager.may_change()?;
        let range = ByteRange::new(at, crate::units::ByteLen::of(bytes)).unwrap_or_default();
        if range.len().get() != bytes.len() as u64 || !self.block.contains(range) {
            return Err(TxError::OutOfBounds { range });
        }
        self.manager.pool.media().write(at, bytes);
        self.stored = true;
        Ok(())
    }

    /// Gives the block back. Cost: no wait.
    pub fn cancel(self) {
        drop(self);
    }
}

/// Cancels: the block is free again. Its stores were ordinary ones, which later stores of the next owner follow.
impl<M: Media> Drop for Reservation<'_, M> {
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            self.manager.heap.cancel(&self.manager.pool, &grant);
        }
    }
}
