//! One method for each operation. Reads and what stays in a transaction are done at once; what may wait for the medium is
//! done on a thread of the module's, and its future is woken when it is durable, as far as the mode promises that.

use std::sync::Arc;

use everline::media::Errno;

use super::life::{Live, Medium, Slot};
use super::{ModuleError, PersistentMemoryModule};
use crate::{KvError, Transaction, TransactionInfo};

impl Live {
    fn id_of(&self, number: u64) -> String {
        let [a, b, c, d, e, f, g, h] = self.session;
        let number = number.to_be_bytes();
        let [i, j, k, l, m, n, o, p] = number;
        let word = |bytes: &[u8]| super::bytes::to_hex(bytes);
        format!(
            "{}-{}-{}-{}-{}",
            word(&[a, b, c, d]),
            word(&[e, f]),
            word(&[g, h]),
            word(&[i, j]),
            word(&[k, l, m, n, o, p])
        )
    }

    fn slot(&self, id: &str) -> Option<Slot> {
        self.transactions.lock().get(id).map(Arc::clone)
    }

    /// Takes a transaction out of the table, for whoever ends it (P2).
    fn take(&self, id: &str) -> Option<Transaction<Medium>> {
        let slot = self.transactions.lock().remove(id)?;
        slot.lock().take()
    }

    /// Does `work` with the open transaction `id`, on the caller's thread: nothing in it waits for the medium, and commits
    /// take the transaction out of the table instead of holding its lock.
    fn within<T>(
        &self,
        id: &str,
        work: impl FnOnce(&Transaction<Medium>) -> Result<T, KvError<Errno>>,
    ) -> Result<T, ModuleError> {
        let missing = || ModuleError::NoTransaction { id: id.to_owned() };
        let slot = self.slot(id).ok_or_else(missing)?;
        let state = slot.lock();
        let transaction = state.as_ref().ok_or_else(missing)?;
        match work(transaction) {
            // Between the look into the table and here, a shutdown has aborted it.
            Err(KvError::Finished { .. }) => Err(missing()),
            done => Ok(done?),
        }
    }
}

/// Whether it was this call that ended a transaction; a shutdown at the same time may have aborted it before.
fn ended<T>(outcome: Result<T, KvError<Errno>>) -> Result<bool, ModuleError> {
    match outcome {
        Err(KvError::Finished { .. }) => Ok(false),
        outcome => Ok(outcome.map(|_done| true)?),
    }
}

impl PersistentMemoryModule {
    /// Stores `value` under `key`: at once, or in `transaction` until that commits.
    ///
    /// Errors: [`ModuleError::NoTransaction`]; key or value too long; no space; a medium that fails. Cost: one wait or sync
    /// in mode `sync`, which commits under way share; none in a transaction. Crash: the old value or the new one.
    pub async fn put(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        transaction: Option<&str>,
    ) -> Result<(), ModuleError> {
        let live = self.live()?;
        let (key, value) = (key.as_ref(), value.as_ref());
        if let Some(id) = transaction {
            return live.within(id, |transaction| transaction.put(key, value));
        }
        let (key, value) = (key.to_vec(), value.to_vec());
        let done = self.work(move || Ok(live.store.put(&key, &value).map(drop)?))?;
        done.await
    }

    /// The value of `key`; `None` where there is none, which is not an empty value. In a transaction: as it began, with its
    /// own changes.
    ///
    /// Errors: [`ModuleError::NoTransaction`]; damaged bytes. Cost: no wait.
    pub async fn get(
        &self,
        key: impl AsRef<[u8]>,
        transaction: Option<&str>,
    ) -> Result<Option<Vec<u8>>, ModuleError> {
        let live = self.live()?;
        match transaction {
            Some(id) => live.within(id, |transaction| transaction.get(key.as_ref())),
            None => Ok(live.store.get(key.as_ref())?),
        }
    }

    /// Removes `key`; answers whether it was there. Errors, cost and crash: as of [`PersistentMemoryModule::put`].
    pub async fn delete(
        &self,
        key: impl AsRef<[u8]>,
        transaction: Option<&str>,
    ) -> Result<bool, ModuleError> {
        let live = self.live()?;
        let key = key.as_ref();
        if let Some(id) = transaction {
            return live.within(id, |transaction| transaction.delete(key));
        }
        let key = key.to_vec();
        let done = self.work(move || Ok(live.store.delete(&key)?))?;
        done.await
    }

    /// Begins a transaction and answers its identifier, which no other transaction has had. Cost: no wait.
    pub async fn begin_transaction(&self) -> Result<String, ModuleError> {
        let live = self.live()?;
        let transaction = live.store.begin()?;
        let id = live.id_of(transaction.id());
        let slot = Arc::new(parking_lot::Mutex::new(Some(transaction)));
        live.transactions.lock().insert(id.clone(), slot);
        Ok(id)
    }

    /// Commits a transaction; `false` where no open one has this identifier, also for one that was committed or aborted.
    ///
    /// Errors: [`KvError::Conflict`](crate::KvError::Conflict) and whatever else keeps it from committing: it is aborted
    /// then. Cost: one wait or sync in mode `sync`. Crash: all of it or nothing.
    pub async fn commit(&self, transaction: &str) -> Result<bool, ModuleError> {
        let live = self.live()?;
        let Some(transaction) = live.take(transaction) else {
            return Ok(false);
        };
        let done = self.work(move || {
            // Until the commit has ended, which needs the pool.
            let _live = live;
            ended(transaction.commit())
        })?;
        done.await
    }

    /// Aborts a transaction: everything is as if it had never begun, and nobody else is touched. `false` as for
    /// [`PersistentMemoryModule::commit`]. Cost: no wait.
    pub async fn abort(&self, transaction: &str) -> Result<bool, ModuleError> {
        let live = self.live()?;
        match live.take(transaction) {
            Some(transaction) => ended(transaction.abort()),
            None => Ok(false),
        }
    }

    /// Makes everything durable that was committed, and empties the log as far as nobody needs it. Open transactions stay
    /// open. Cost: two waits or syncs.
    pub async fn checkpoint(&self) -> Result<(), ModuleError> {
        let live = self.live()?;
        let done = self.work(move || Ok(live.store.checkpoint().map(drop)?))?;
        done.await
    }

    /// The open transactions with their identifiers here: state, age, what they have read and written.
    pub fn transactions(&self) -> Result<Vec<(String, TransactionInfo)>, ModuleError> {
        let live = self.live()?;
        let open = live.store.transactions();
        Ok(open
            .into_iter()
            .map(|info| (live.id_of(info.id), info))
            .collect())
    }

    /// Bytes of log that no checkpoint has retired.
    pub fn log_bytes(&self) -> Result<u64, ModuleError> {
        let live = self.live()?;
        Ok(live.store.regions().engine().log().status().used_bytes)
    }

    /// Does what is due by a clock that a test advances; nothing where the system's clock drives a thread.
    pub fn run_due(&self) -> Result<(), ModuleError> {
        Ok(self.live()?.store.run_due()?)
    }
}
