//! Changes of the directory: several of them in one transaction, or one by itself.

use everline::layout::REGION_NAME_BYTES_MAX;
use everline::media::Media;
use everline::tx::{Receipt, Tx};
use everline::units::ByteRange;

use crate::directory::Found;
use crate::stage::{Changes, fill, insert, make, remove, replace, store};
use crate::{RegionError, RegionId, Regions};

/// How a region is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionOptions<'n> {
    /// Its name: 1 to 255 bytes without control characters, unlike every other region's.
    pub name: Option<&'n str>,
    /// Alignment of its block in the pool, a power of two up to 4,096; a flush line by default.
    pub align: Option<u64>,
}

/// Changes of the directory in one transaction: all of them survive a crash, or none. Dropping it aborts it.
///
/// It takes a lane, and with the first change the directory's lock, until it ends: from the thread that holds it,
/// call no other operation of these [`Regions`] that looks names up, lists, checks or changes anything.
/// An operation that fails leaves the batch as it was before.
#[must_use = "a batch that is dropped is aborted"]
pub struct Batch<'r, M: Media> {
    regions: &'r Regions<M>,
    /// Taken out when the batch ends.
    tx: Option<Tx<'r, M>>,
    changes: Changes<'r>,
}

impl<M: Media> Regions<M> {
    /// Begins a batch. Errors: read-only, poisoned. Cost: no wait.
    pub fn batch(&self) -> Result<Batch<'_, M>, RegionError<M::SyncError>> {
        self.in_service()?;
        Ok(Batch {
            regions: self,
            tx: Some(self.engine().begin()?),
            changes: Changes {
                index: None,
                steps: Vec::new(),
                slots: Vec::new(),
            },
        })
    }

    /// One operation in a transaction of its own.
    pub(crate) fn change<R>(
        &self,
        change: impl FnOnce(&mut Batch<'_, M>) -> Result<R, RegionError<M::SyncError>>,
    ) -> Result<R, RegionError<M::SyncError>> {
        let mut batch = self.batch()?;
        let answer = change(&mut batch)?;
        batch.commit()?;
        Ok(answer)
    }
}

impl<'r, M: Media> Batch<'r, M> {
    /// The transaction, for operations of others that are to be atomic with the batch.
    pub fn tx(&mut self) -> &mut Tx<'r, M> {
        match &mut self.tx {
            Some(tx) => tx,
            None => unreachable!("taken out only when the batch ends"),
        }
    }

    /// As [`Regions::create`]; valid once the batch is committed.
    pub fn create(
        &mut self,
        len: u64,
        options: &RegionOptions<'_>,
    ) -> Result<RegionId, RegionError<M::SyncError>> {
        if len == 0 {
            return Err(RegionError::InvalidSize);
        }
        self.add(len, options, |tx, block| Ok(tx.zero_fresh(block)?))
    }

    /// As [`Regions::create_with`]; valid once the batch is committed.
    pub fn create_with(
        &mut self,
        data: &[u8],
        options: &RegionOptions<'_>,
    ) -> Result<RegionId, RegionError<M::SyncError>> {
        self.add(data.len() as u64, options, |tx, block| {
            fill(tx, block, data)
        })
    }

    fn add(
        &mut self,
        len: u64,
        options: &RegionOptions<'_>,
        fill: impl FnOnce(&mut Tx<'r, M>, ByteRange) -> Result<(), RegionError<M::SyncError>>,
    ) -> Result<RegionId, RegionError<M::SyncError>> {
        if let Some(name) = options.name {
            check_name(name)?;
        }
        let align = check_align(options.align)?;
        self.member(|regions, tx, changes| {
            let made = make(tx, len, align, fill)?;
            let index = changes.open(regions, tx)?;
            if let Some(name) = options.name {
                index.refuse_taken(name)?;
            }
            insert(regions, tx, changes, &made, options.name)
        })
    }

    /// As [`Regions::put`]; valid once the batch is committed.
    pub fn put(&mut self, name: &str, data: &[u8]) -> Result<RegionId, RegionError<M::SyncError>> {
        check_name(name)?;
        self.member(|regions, tx, changes| {
            let made = make(tx, data.len() as u64, None, |tx, block| {
                fill(tx, block, data)
            })?;
            match changes.open(regions, tx)?.slot_of(name) {
                None => insert(regions, tx, changes, &made, Some(name)),
                Some(slot) => replace(regions, tx, changes, slot, &made, name),
            }
        })
    }

    /// As [`Regions::rename`]; others see it once the batch is committed.
    pub fn rename(&mut self, id: RegionId, new: &str) -> Result<(), RegionError<M::SyncError>> {
        check_name(new)?;
        let parts = self.regions.parts(id)?;
        self.member(|regions, tx, changes| {
            let index = changes.open(regions, tx)?;
            let Found { at, mut entry } = regions.find(tx, id, parts)?;
            if entry.name() == new.as_bytes() {
                return Ok(());
            }
            index.refuse_taken(new)?;
            let old = String::from_utf8_lossy(entry.name()).into_owned();
            entry.set_name(new.as_bytes());
            store(tx, changes, parts.slot, Found { at, entry })?;
            changes.rename(&old, new, parts.slot);
            Ok(())
        })
    }

    /// As [`Regions::destroy`]; others see it once the batch is committed.
    pub fn destroy(&mut self, id: RegionId) -> Result<(), RegionError<M::SyncError>> {
        let parts = self.regions.parts(id)?;
        self.member(|regions, tx, changes| {
            changes.lock(regions);
            let found = regions.find(tx, id, parts)?;
            remove(tx, changes, parts.slot, &found)
        })
    }

    /// Makes every change of the batch durable.
    ///
    /// Errors: as of [`Tx::commit`]; unless it is a failed sync, nothing changed. Cost: one wait, two where
    /// regions were made, none for an empty batch.
    pub fn commit(mut self) -> Result<Receipt, RegionError<M::SyncError>> {
        let Some(tx) = self.tx.take() else {
            unreachable!("taken out only here, in abort and in drop")
        };
        // keeps R5: nobody reads an entry while it changes, and nobody is inside a block that is being freed
        let gates = self.regions.close_gates(&self.changes.slots);
        let outcome = tx.commit();
        drop(gates);
        if outcome.is_ok() {
            self.changes.steps.clear();
        }
        Ok(outcome?)
    }

    /// Ends the batch with the old state. Errors and cost: as of [`Tx::abort`].
    pub fn abort(mut self) -> Result<(), RegionError<M::SyncError>> {
        let tx = self.tx.take();
        Ok(tx.map_or(Ok(()), Tx::abort)?)
    }

    /// One operation: whole, or without a trace in the batch.
    fn member<R>(
        &mut self,
        work: impl FnOnce(
            &'r Regions<M>,
            &mut Tx<'r, M>,
            &mut Changes<'r>,
        ) -> Result<R, RegionError<M::SyncError>>,
    ) -> Result<R, RegionError<M::SyncError>> {
        let (regions, changes) = (self.regions, &mut self.changes);
        let Some(tx) = &mut self.tx else {
            unreachable!("taken out only when the batch ends")
        };
        let (steps, slots) = (changes.steps.len(), changes.slots.len());
        let outcome = tx.member(|tx| work(regions, tx, changes));
        if outcome.is_err() {
            changes.roll_back(steps);
            changes.slots.truncate(slots);
        }
        outcome
    }
}

/// Takes back what was not committed: first on media, then in the index, then the lock (R5).
impl<M: Media> Drop for Batch<'_, M> {
    fn drop(&mut self) {
        drop(self.tx.take());
        self.changes.roll_back(0);
    }
}

impl<M: Media> std::fmt::Debug for Batch<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("slots", &self.changes.slots)
            .finish_non_exhaustive()
    }
}

fn check_name<E: std::error::Error + 'static>(name: &str) -> Result<(), RegionError<E>> {
    let bad = |reason| RegionError::BadName {
        name: name.to_owned(),
        reason,
    };
    if name.is_empty() {
        Err(bad("it is empty"))
    } else if name.len() > REGION_NAME_BYTES_MAX {
        Err(RegionError::NameTooLong {
            len: name.len(),
            max: REGION_NAME_BYTES_MAX,
        })
    } else if name.chars().any(char::is_control) {
        Err(bad("it holds a control character"))
    } else {
        Ok(())
    }
}

fn check_align<E: std::error::Error + 'static>(
    align: Option<u64>,
) -> Result<Option<u64>, RegionError<E>> {
    match align {
        Some(align) if !align.is_power_of_two() || align > 4096 => {
            Err(RegionError::BadAlign { align })
        }
        align => Ok(align),
    }
}
