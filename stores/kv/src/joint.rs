//! Joint transactions: keys, regions and anything else in the pool, in one commit.

use std::fmt;

use everline::media::Media;
use everline::tx::Tx;
use everline_region::Batch;
use parking_lot::MutexGuard;

use crate::core::{Outcome, Writer, WriterGuard};
use crate::lead::{Committed, Group, Job};
use crate::{Receipt, Transaction, TxState};

/// A transaction that changes more than keys. It is exclusive: until it ends, nobody else commits to the store.
///
/// From the thread that has it, commit nothing else to the store, and mind what [`Batch`] says. Nor may a thread that has a
/// batch of its own open commit to the store: it holds what a joint transaction may wait for. Dropping it aborts the
/// transaction.
#[must_use = "a transaction that is dropped is aborted"]
pub struct Joint<'t, M: Media> {
    // Dropped in this order: the lane goes before the locks that were taken before it.
    batch: Option<Batch<'t, M>>,
    order: Option<MutexGuard<'t, ()>>,
    writer: WriterGuard<'t, M>,
    tx: &'t Transaction<M>,
}

impl<M: Media> fmt::Debug for Joint<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joint")
            .field("tx", &self.tx)
            .finish_non_exhaustive()
    }
}

impl<M: Media> Transaction<M> {
    /// Goes on together with regions and other objects of the pool. Nobody else can commit from now on, so that what the
    /// transaction has read and written so far cannot fail any more for what others do.
    ///
    /// Errors: [`KvError::Conflict`](crate::KvError::Conflict) and
    /// [`KvError::SnapshotTooOld`](crate::KvError::SnapshotTooOld), and the transaction is aborted; it has ended; the pool is
    /// poisoned. Cost: waits for those who commit; in the weaker modes, what is not durable yet becomes so first.
    pub fn join(&mut self) -> Outcome<Joint<'_, M>, M> {
        drop(self.active()?);
        let tx = &*self;
        let core = &*tx.core;
        let mut writer = core.writer();
        let order = match &core.window {
            Some(window) => {
                let order = window.lock();
                core.flush_with(window, &mut writer)?;
                Some(order)
            }
            None => None,
        };
        if let Err(error) = core.validate(&tx.shared, false) {
            tx.finish(TxState::Aborted);
            return Err(error);
        }
        core.serving()?;
        let batch = Some(core.regions.batch()?);
        Ok(Joint {
            batch,
            order,
            writer,
            tx,
        })
    }
}

impl<'t, M: Media> Joint<'t, M> {
    /// The keys: puts, gets and deletes through it belong to the commit.
    pub fn keys(&self) -> &'t Transaction<M> {
        self.tx
    }

    /// The regions: what is done through it belongs to the commit.
    pub fn batch(&mut self) -> &mut Batch<'t, M> {
        match &mut self.batch {
            Some(batch) => batch,
            None => unreachable!("taken out only when the transaction ends"),
        }
    }

    /// The transaction of the core, for anything else.
    pub fn tx(&mut self) -> &mut Tx<'t, M> {
        self.batch().tx()
    }

    /// Makes everything durable and visible at once, in every mode.
    ///
    /// Errors: as of [`Transaction::commit`] and [`Batch::commit`]; nothing of it happened then, unless the medium failed. Cost:
    /// one wait, two where regions were made or a value lies in a block of its own. Crash: all of it or nothing.
    pub fn commit(mut self) -> Outcome<Receipt<M::SyncError>, M> {
        let (tx, core) = (self.tx, &*self.tx.core);
        core.validate(&tx.shared, true)?; // keys that were added since
        let started = core.counters.start();
        let writes = tx.shared.inner.lock().writes.len() as u64;
        let committed = self.commit_all()?;
        tx.finish(TxState::Committed);
        core.counters.written(writes, started);
        let receipt = core.receipt(&committed);
        drop(self);
        core.limit_log();
        Ok(receipt)
    }

    fn commit_all(&mut self) -> Outcome<Committed, M> {
        let (tx, core) = (self.tx, &*self.tx.core);
        let Some(mut batch) = self.batch.take() else {
            unreachable!("taken out only here and when it is dropped")
        };
        let Writer { edit, .. } = &mut *self.writer;
        let staged = tx.shared.inner.lock().apply::<M>(edit, batch.tx());
        let staged = staged.and_then(|done| Ok(edit.stage(batch.tx()).map(|()| done)?));
        let done = match staged {
            Ok(done) => done,
            Err(error) => {
                drop(batch);
                edit.clear();
                return Err(error);
            }
        };
        let base = core.applied();
        let job = Job::Transaction(tx.shared.clone());
        let outcome = batch.commit_between(|_timestamp| {
            let locked = edit.lock(&core.versions);
            let changed = [(0, &job)];
            let changed = if done.changed { &changed[..] } else { &[] };
            core.publish(base, 1, &Group(changed));
            locked
        });
        edit.clear();
        let receipt = outcome?;
        let sequence = core.applied();
        if let Some(window) = &core.window {
            window.settle(sequence);
        }
        Ok(Committed {
            done,
            sequence,
            lsn: receipt.timestamp,
        })
    }

    /// Ends it with the old state. Errors and cost: as of [`Batch::abort`].
    pub fn abort(mut self) -> Outcome<(), M> {
        let batch = self.batch.take();
        self.tx.finish(TxState::Aborted);
        match batch {
            Some(batch) => Ok(batch.abort()?),
            None => Ok(()),
        }
    }
}

impl<M: Media> Drop for Joint<'_, M> {
    fn drop(&mut self) {
        drop(self.batch.take());
        drop(self.order.take());
        self.tx.finish(TxState::Aborted); // unless it has ended
    }
}
