//! What a transaction stages for a change of the directory: blocks, entries, the root (R1, R2).

use std::sync::MutexGuard;
use std::time::{SystemTime, UNIX_EPOCH};

use everline::alloc::Request;
use everline::layout::{DIRECTORY_BLOCKS_MAX, DirectoryEntry, DirectoryRoot, EntryState, RootSlot};
use everline::media::Media;
use everline::tx::Tx;
use everline::units::{ByteLen, ByteOffset, ByteRange};

use crate::directory::{self, Found, behind, block_bytes};
use crate::index::{Built, Index, Step};
use crate::{RegionError, RegionId, Regions};

/// What the batch changed, and how it is taken back.
pub(crate) struct Changes<'r> {
    /// Taken with the first change of the directory, held to the end (R5).
    pub index: Option<MutexGuard<'r, Index>>,
    pub steps: Vec<Step>,
    pub slots: Vec<u32>,
}

/// The block of a region that is being made.
pub(crate) struct Made {
    block: ByteRange,
    len: u64,
}

impl<'r> Changes<'r> {
    pub fn lock<M: Media>(&mut self, regions: &'r Regions<M>) -> &mut Index {
        self.index.get_or_insert_with(|| regions.lock_index())
    }

    /// The index, built if need be.
    pub fn open<M: Media>(
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

    pub fn rename(&mut self, old: &str, new: &str, slot: u32) {
        self.note(|built| built.remove_name(old));
        self.note(|built| Some(built.add_name(new, slot)));
    }

    pub fn roll_back(&mut self, to: usize) {
        if let Some(index) = &mut self.index {
            index.roll_back(self.steps.drain(to..));
        }
    }
}

impl Built {
    pub fn refuse_taken<E: std::error::Error + 'static>(
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

/// Puts `data` into a fresh block, and zeros behind it.
pub(crate) fn fill<M: Media>(
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
pub(crate) fn make<'r, M: Media>(
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
pub(crate) fn store<M: Media>(
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
pub(crate) fn insert<'r, M: Media>(
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
pub(crate) fn replace<'r, M: Media>(
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

pub(crate) fn remove<M: Media>(
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
