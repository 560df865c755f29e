//! Changes of the directory: several of them in one transaction, or one by itself.

use everline::layout::{REGION_ATTRIBUTES_BYTES_MAX, REGION_NAME_BYTES_MAX};
use everline::media::Media;
use everline::tx::{Receipt, Tx};

use crate::directory::Tail;
use crate::stage::{Changes, Made, insert, remove, replace};
use crate::{RegionError, RegionId, Regions};

/// How a region is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionOptions<'n> {
    /// Its name: 1 to 255 bytes without control characters, unlike every other region's.
    pub name: Option<&'n str>,
    /// Alignment of its block in the pool, a power of two up to 4,096; a flush line by default. It stays wherever the
    /// block moves.
    pub align: Option<u64>,
    /// Whether it grows with its writes: its length is the highest end of any.
    pub growable: bool,
    /// Whether each 4 KiB of it have a checksum, so that [`Regions::scrub`] can tell what was changed behind its back.
    pub checked: bool,
    /// A few bytes that say what it is: at most 1,024.
    pub attributes: Option<&'n [u8]>,
}

/// Changes of the directory in one transaction: all of them survive a crash, or none. Dropping it aborts it.
///
/// It takes a lane, and with the first change the directory's lock, until it ends: from the thread that holds it,
/// call no other operation of these [`Regions`] that looks names up, lists, checks, writes or changes anything.
/// A region that it has changed is held until it ends: whoever reads or writes it waits, and that thread must not.
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
        Ok(Batch {
            regions: self,
            tx: Some(self.begin()?),
            changes: Changes::new(),
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
    /// Takes the directory's lock now.
    pub(crate) fn lock(&mut self) {
        self.changes.lock(self.regions);
    }

    pub(crate) fn regions(&self) -> &'r Regions<M> {
        self.regions
    }

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
        if len == 0 && !options.growable {
            return Err(RegionError::InvalidSize);
        }
        self.add(options, |tx| Made::blank(tx, len, options))
    }

    /// As [`Regions::create_with`]; valid once the batch is committed.
    pub fn create_with(
        &mut self,
        data: &[u8],
        options: &RegionOptions<'_>,
    ) -> Result<RegionId, RegionError<M::SyncError>> {
        let id = self.add(options, |tx| {
            Made::filled(tx, data.len() as u64, options, |tx, at| {
                Ok(tx.write_beside(at, data)?)
            })
        })?;
        self.changes.tally.write(data.len() as u64);
        Ok(id)
    }

    /// A region whose block `make` makes.
    pub(crate) fn add(
        &mut self,
        options: &RegionOptions<'_>,
        make: impl FnOnce(&mut Tx<'r, M>) -> Result<Made, RegionError<M::SyncError>>,
    ) -> Result<RegionId, RegionError<M::SyncError>> {
        if let Some(name) = options.name {
            check_name(name)?;
        }
        check_align(options.align)?;
        check_attributes(options.attributes.unwrap_or_default())?;
        self.member(|regions, tx, changes| {
            let made = make(tx)?;
            let index = changes.open(regions, tx)?;
            if let Some(name) = options.name {
                index.refuse_taken(name)?;
            }
            changes.tally.creates += 1;
            insert(regions, tx, changes, &made, options)
        })
    }

    /// As [`Regions::put`]; valid once the batch is committed.
    pub fn put(&mut self, name: &str, data: &[u8]) -> Result<RegionId, RegionError<M::SyncError>> {
        check_name(name)?;
        let options = RegionOptions {
            name: Some(name),
            ..RegionOptions::default()
        };
        self.member(|regions, tx, changes| {
            let made = Made::filled(tx, data.len() as u64, &options, |tx, at| {
                Ok(tx.write_beside(at, data)?)
            })?;
            changes.tally.creates += 1;
            changes.tally.write(data.len() as u64);
            match changes.open(regions, tx)?.slot_of(name) {
                None => insert(regions, tx, changes, &made, &options),
                Some(slot) => {
                    changes.tally.destroys += 1;
                    replace(regions, tx, changes, slot, &made, &options)
                }
            }
        })
    }

    /// As [`Regions::rename`]; others see it once the batch is committed.
    pub fn rename(&mut self, id: RegionId, new: &str) -> Result<(), RegionError<M::SyncError>> {
        check_name(new)?;
        self.set_name(id, new)
    }

    /// As [`Regions::unname`]; others see it once the batch is committed.
    pub fn unname(&mut self, id: RegionId) -> Result<(), RegionError<M::SyncError>> {
        self.set_name(id, "")
    }

    fn set_name(&mut self, id: RegionId, new: &str) -> Result<(), RegionError<M::SyncError>> {
        let parts = self.regions.parts(id)?;
        self.member(|regions, tx, changes| {
            changes.open(regions, tx)?;
            let mut found = changes.find(regions, tx, id, parts)?;
            let tail = Tail::read(tx, parts.slot, &found.entry)?;
            if tail.name() == new {
                return Ok(());
            }
            changes.open(regions, tx)?.refuse_taken(new)?;
            found.stage_tail(tx, parts.slot, new, tail.attributes())?;
            found.stage(tx, parts.slot)?;
            changes.rename(tail.name(), new, parts.slot);
            Ok(())
        })
    }

    /// As [`Regions::set_attributes`]; others see it once the batch is committed.
    pub fn set_attributes(
        &mut self,
        id: RegionId,
        attributes: &[u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        check_attributes(attributes)?;
        let parts = self.regions.parts(id)?;
        self.member(|regions, tx, changes| {
            let mut found = changes.find(regions, tx, id, parts)?;
            let tail = Tail::read(tx, parts.slot, &found.entry)?;
            found.stage_tail(tx, parts.slot, tail.name(), attributes)?;
            found.stage(tx, parts.slot)
        })
    }

    /// As [`Regions::destroy`]; others see it once the batch is committed.
    pub fn destroy(&mut self, id: RegionId) -> Result<(), RegionError<M::SyncError>> {
        let parts = self.regions.parts(id)?;
        self.member(|regions, tx, changes| {
            let found = changes.find(regions, tx, id, parts)?;
            changes.tally.destroys += 1;
            remove(regions, tx, changes, parts.slot, &found)
        })
    }

    /// Makes every change of the batch durable.
    ///
    /// Errors: as of [`Tx::commit`]; unless it is a failed sync, nothing changed. Cost: one wait, two where
    /// regions were made, none for an empty batch.
    pub fn commit(self) -> Result<Receipt, RegionError<M::SyncError>> {
        self.commit_between(|_timestamp| ())
    }

    /// As [`Batch::commit`], with a call at the moment that [`Tx::commit_between`] describes.
    pub fn commit_between<R>(
        mut self,
        between: impl FnOnce(u64) -> R,
    ) -> Result<Receipt, RegionError<M::SyncError>> {
        let Some(tx) = self.tx.take() else {
            unreachable!("taken out only here, in abort and in drop")
        };
        let outcome = tx.commit_between(between);
        if outcome.is_ok() {
            self.changes.steps.clear();
        }
        // keeps R5: nobody was inside a region while its entry changed, or its block was freed
        for state in self.changes.held.values_mut() {
            **state = None;
        }
        let receipt = outcome?;
        self.regions.counters.add_all(&self.changes.tally);
        for slot in &self.changes.logged {
            // keeps R6
            self.regions
                .slots()
                .get_or_make(*slot)
                .note_logged(receipt.timestamp);
        }
        Ok(receipt)
    }

    /// Ends the batch with the old state. Errors and cost: as of [`Tx::abort`].
    pub fn abort(mut self) -> Result<(), RegionError<M::SyncError>> {
        let tx = self.tx.take();
        Ok(tx.map_or(Ok(()), Tx::abort)?)
    }

    /// One operation: whole, or without a trace in the batch.
    pub(crate) fn member<R>(
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
        let (steps, tally) = (changes.steps.len(), changes.tally);
        let outcome = tx.member(|tx| work(regions, tx, changes));
        if outcome.is_err() {
            changes.roll_back(steps);
            changes.tally = tally;
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
            .field("held", &self.changes.held.len())
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

fn check_align<E: std::error::Error + 'static>(align: Option<u64>) -> Result<(), RegionError<E>> {
    match align {
        Some(align) if !align.is_power_of_two() || align > 4096 => {
            Err(RegionError::BadAlign { align })
        }
        _ => Ok(()),
    }
}

fn check_attributes<E: std::error::Error + 'static>(
    attributes: &[u8],
) -> Result<(), RegionError<E>> {
    match attributes.len() {
        ..=REGION_ATTRIBUTES_BYTES_MAX => Ok(()),
        len => Err(RegionError::AttributesTooLong {
            len,
            max: REGION_ATTRIBUTES_BYTES_MAX,
        }),
    }
}
