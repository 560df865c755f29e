//! Changes of the directory: several of them in one transaction, or one by itself.

use std::sync::MutexGuard;
use std::time::{SystemTime, UNIX_EPOCH};

use everline::alloc::Request;
use everline::layout::{
    DIRECTORY_BLOCKS_MAX, DirectoryEntry, DirectoryRoot, EntryState, REGION_NAME_BYTES_MAX,
    RootSlot,
};
use everline::media::Media;
use everline::tx::{Receipt, Tx};
use everline::units::{ByteLen, ByteOffset, ByteRange};

use crate::directory::{self, Found, behind, block_bytes};
use crate::index::{Built, Index, Step};
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
/// call no other operation of these [`Regions`] that looks names up, lists, counts, checks or changes anything.
/// An operation that fails leaves the batch as it was before.
#[must_use = "a batch that is dropped is aborted"]
pub struct Batch<'r, M: Media> {
    regions: &'r Regions<M>,
    /// Taken out when the batch ends.
    tx: Option<Tx<'r, M>>,
    changes: Changes<'r>,
}

/// What the batch changed, and how it is taken back.
struct Changes<'r> {
    /// Taken with the first change of the directory, held to the end (R5).
    index: Option<MutexGuard<'r, Index>>,
    steps: Vec<Step>,
    slots: Vec<u32>,
}

/// The block of a region that is being made.
struct Made {
    block: ByteRange,
    len: u64,
}

impl<M: Media> Regions<M> {
    /// Begins a batch. Errors: read-only, poisoned. Cost: no wait.
    pub fn batch(&self) -> Result<Batch<'_, M>, RegionError<M::SyncError>> {
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

impl<'r> Changes<'r> {
    fn lock<M: Media>(&mut self, regions: &'r Regions<M>) -> &mut Index {
        self.index.get_or_insert_with(|| regions.lock_index())
    }

    /// The index, built if need be.
    fn open<M: Media>(
        &mut self,
        regions: &'r Regions<M>,
        tx: &Tx<'r, M>,
    ) -> Result<&mut Built, RegionError<M::SyncError>> {
        let index = self.index.get_or_insert_with(|| regions.lock_index());
        let (built, fresh) = index.get(tx)?;
        if fresh && !self.slots.is_empty() {
            // It holds what the batch has done so far, which no step takes back.
            self.steps.push(Step::Built);
        }
        Ok(built)
    }

    fn note(&mut self, change: impl FnOnce(&mut Built) -> Option<Step>) {
        let built = self.index.as_mut().and_then(|index| index.known());
        self.steps.extend(built.and_then(change));
    }

    fn rename(&mut self, old: &str, new: &str, slot: u32) {
        self.note(|built| built.remove_name(old));
        self.note(|built| Some(built.add_name(new, slot)));
    }

    fn roll_back(&mut self, to: usize) {
        if let Some(index) = &mut self.index {
            index.roll_back(self.steps.drain(to..));
        }
    }
}

impl Built {
    fn refuse_taken<E: std::error::Error + 'static>(
        &self,
        name: &str,
    ) -> Result<(), RegionError<E>> {
        match self.slot_of(name) {
            Some(_) => Err(RegionError::AlreadyExists {
                name: name.to_owned(),
            }),
            None => Ok(()),
        }
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

/// Puts `data` into a fresh block, and zeros behind it.
fn fill<M: Media>(
    tx: &mut Tx<'_, M>,
    block: ByteRange,
    data: &[u8],
) -> Result<(), RegionError<M::SyncError>> {
    tx.write_fresh(block.start(), data)?;
    let end = behind(block.start(), data.len() as u64);
    let rest = block.end().get() - end.get();
    Ok(tx.zero_fresh(ByteRange::new(end, ByteLen::new(rest)).unwrap_or_default())?)
}

/// Allocates and fills the block of a region of `len` bytes.
fn make<'r, M: Media>(
    tx: &mut Tx<'r, M>,
    len: u64,
    align: Option<u64>,
    fill: impl FnOnce(&mut Tx<'r, M>, ByteRange) -> Result<(), RegionError<M::SyncError>>,
) -> Result<Made, RegionError<M::SyncError>> {
    if len == 0 {
        let block = ByteRange::default();
        return Ok(Made { block, len });
    }
    let mut request = Request::new(len);
    if let Some(align) = align {
        request = request.with_align(align);
    }
    let block = tx.alloc(request)?;
    // keeps R2: a COVER of the whole block goes into the commit
    fill(tx, block)?;
    Ok(Made { block, len })
}

fn entry_of(made: &Made, generation: u32, name: Option<&str>) -> DirectoryEntry {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let created_s = since_1970.map_or(0, |elapsed| elapsed.as_secs());
    let mut entry = DirectoryEntry::live(generation, created_s);
    entry.at = made.block.start().get().into();
    entry.len = made.len.into();
    entry.capacity = made.block.len().get().into();
    entry.set_name(name.unwrap_or_default().as_bytes());
    entry
}

/// Stages an entry (R1).
fn store<M: Media>(
    tx: &mut Tx<'_, M>,
    changes: &mut Changes<'_>,
    slot: u32,
    mut found: Found,
) -> Result<(), RegionError<M::SyncError>> {
    found.entry.seal(tx.manager().pool().id(), slot);
    tx.write(found.at, found.entry.used_bytes())?;
    changes.slots.push(slot);
    Ok(())
}

/// Puts a new region into a free slot.
fn insert<'r, M: Media>(
    regions: &'r Regions<M>,
    tx: &mut Tx<'r, M>,
    changes: &mut Changes<'r>,
    made: &Made,
    name: Option<&str>,
) -> Result<RegionId, RegionError<M::SyncError>> {
    let mut taken = changes.open(regions, tx)?.take_slot();
    if taken.is_none() {
        grow(regions, tx, changes)?;
        taken = changes.open(regions, tx)?.take_slot();
    }
    let (slot, step) = taken.ok_or(RegionError::TooMany)?;
    changes.steps.push(step);
    let found = directory::entry(tx, slot)?.ok_or(RegionError::TooMany)?;
    // keeps R3: slots whose generations are used up are not free
    let generation = found.entry.generation.get() + 1;
    let entry = entry_of(made, generation, name);
    store(tx, changes, slot, Found { entry, ..found })?;
    if let Some(name) = name {
        changes.note(|built| Some(built.add_name(name, slot)));
    }
    change_root(tx, |root| root.live = (root.live.get() + 1).into())?;
    Ok(regions.id_of(slot, generation))
}

/// Puts a new region in place of the one in `slot`, which has the same name.
fn replace<'r, M: Media>(
    regions: &'r Regions<M>,
    tx: &mut Tx<'r, M>,
    changes: &mut Changes<'r>,
    slot: u32,
    made: &Made,
    name: &str,
) -> Result<RegionId, RegionError<M::SyncError>> {
    let found = directory::entry(tx, slot)?.ok_or(RegionError::TooMany)?;
    if found.entry.state() != Some(EntryState::Live) || found.entry.generation.get() == u32::MAX {
        remove(tx, changes, slot, &found)?;
        return insert(regions, tx, changes, made, Some(name));
    }
    free_block(tx, &found)?;
    let generation = found.entry.generation.get() + 1;
    let entry = entry_of(made, generation, Some(name));
    store(tx, changes, slot, Found { entry, ..found })?;
    Ok(regions.id_of(slot, generation))
}

fn remove<M: Media>(
    tx: &mut Tx<'_, M>,
    changes: &mut Changes<'_>,
    slot: u32,
    found: &Found,
) -> Result<(), RegionError<M::SyncError>> {
    free_block(tx, found)?;
    let generation = found.entry.generation.get();
    let entry = DirectoryEntry::free_again(generation);
    store(tx, changes, slot, Found { entry, ..*found })?;
    let name = String::from_utf8_lossy(found.entry.name());
    changes.note(|built| built.remove_name(&name));
    if generation < u32::MAX {
        changes.note(|built| Some(built.free_slot(slot)));
    }
    change_root(tx, |root| {
        root.live = root.live.get().saturating_sub(1).into();
    })
}

fn free_block<M: Media>(
    tx: &mut Tx<'_, M>,
    found: &Found,
) -> Result<(), RegionError<M::SyncError>> {
    match found.entry.at.get() {
        0 => Ok(()),
        at => Ok(tx.free(ByteOffset::new(at))?),
    }
}

/// Stages a change of the root's counts.
fn change_root<M: Media>(
    tx: &mut Tx<'_, M>,
    change: impl FnOnce(&mut DirectoryRoot),
) -> Result<(), RegionError<M::SyncError>> {
    if let Some((at, mut root)) = directory::root(tx)? {
        change(&mut root);
        root.seal(tx.manager().pool().id());
        tx.write(behind(at, DirectoryRoot::COUNTS_AT), root.counts())?;
    }
    Ok(())
}

/// Adds a block of entries, and the root before the first.
fn grow<'r, M: Media>(
    regions: &'r Regions<M>,
    tx: &mut Tx<'r, M>,
    changes: &mut Changes<'r>,
) -> Result<(), RegionError<M::SyncError>> {
    let known = directory::root(tx)?;
    let (root_at, mut root) = match known {
        Some(known) => known,
        None => {
            let root = DirectoryRoot::new(regions.namespace());
            let at = tx.alloc(Request::new(size_of::<DirectoryRoot>() as u64))?;
            tx.set(at.start(), &root)?;
            tx.set_root(RootSlot::REGIONS, at.start())?;
            (at.start(), root)
        }
    };
    let block = root.block_count.get() as usize;
    if block == DIRECTORY_BLOCKS_MAX {
        return Err(RegionError::TooMany);
    }
    let place = tx.alloc(Request::new(block_bytes(block)))?;
    tx.zero_fresh(place)?;
    root.blocks[block] = place.start().get().into();
    root.block_count = (block as u32 + 1).into();
    root.seal(tx.manager().pool().id());
    let word = behind(root_at, DirectoryRoot::block_word(block));
    tx.write(word, &place.start().get().to_le_bytes())?;
    tx.write(behind(root_at, DirectoryRoot::COUNTS_AT), root.counts())?;
    let (first, count) = (
        DirectoryRoot::slots_of(block),
        DirectoryRoot::block_entries(block),
    );
    changes.note(|built| Some(built.add_slots(first as u32, count)));
    Ok(())
}
