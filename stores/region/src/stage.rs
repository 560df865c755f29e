//! What a transaction stages for a change of the directory: blocks, entries, tails, the root (R1, R2).

use std::collections::HashMap;
use std::sync::MutexGuard;
use std::time::{SystemTime, UNIX_EPOCH};

use everline::alloc::Request;
use everline::layout::{
    ChunkSum, DIRECTORY_BLOCKS_MAX, DirectoryEntry, DirectoryRoot, MapWord, REGION_CHECKED,
    REGION_GROWABLE, REGION_SUM_SHIFT, REGION_WRITTEN, RegionTail, RootSlot, SumWord,
};
use everline::media::Media;
use everline::tx::Tx;
use everline::units::{ByteLen, ByteOffset, ByteRange};
use parking_lot::RwLockWriteGuard;

use crate::chunks::{map_bytes, map_shift};
use crate::counters::Counts;
use crate::directory::{self, Found, Tail, behind, block_bytes};
use crate::draft::Draft;
use crate::id::IdParts;
use crate::index::{Built, Index, Step};
use crate::slots::Live;
use crate::{RegionError, RegionId, RegionOptions, Regions};

/// Bytes of a map that go into the record; longer ones go straight home (as what an undo puts into its record).
const MAP_BYTES_IN_RECORD: u64 = 4096;

/// What the batch changed, and how it is taken back.
pub(crate) struct Changes<'r> {
    /// Taken with the first change of the directory, held to the end (R5).
    pub index: Option<MutexGuard<'r, Index>>,
    pub steps: Vec<Step>,
    /// The slots that change, held to the end (R5).
    pub held: HashMap<u32, RwLockWriteGuard<'r, Option<Live>>>,
    /// Slots whose present block the record has bytes for.
    pub logged: Vec<u32>,
    /// What is counted when the batch is committed.
    pub tally: Counts,
}

impl<'r> Changes<'r> {
    pub fn new() -> Self {
        Changes {
            index: None,
            steps: Vec::new(),
            held: HashMap::new(),
            logged: Vec::new(),
            tally: Counts::default(),
        }
    }

    pub fn lock<M: Media>(&mut self, regions: &'r Regions<M>) -> &mut Index {
        self.index.get_or_insert_with(|| regions.lock_index())
    }

    /// The index, built if need be.
    pub fn open<M: Media>(
        &mut self,
        regions: &'r Regions<M>,
        tx: &Tx<'r, M>,
    ) -> Result<&mut Built, RegionError<M::SyncError>> {
        let changed = !self.held.is_empty();
        let index = self.index.get_or_insert_with(|| regions.lock_index());
        let (built, fresh) = index.get(tx)?;
        if fresh && changed {
            // It holds what the batch has done so far, which no step takes back.
            self.steps.push(Step::Built);
        }
        Ok(built)
    }

    /// Holds a slot of the directory until the batch ends; the index is held before it (R5).
    pub fn hold<M: Media>(&mut self, regions: &'r Regions<M>, slot: u32) {
        self.lock(regions);
        self.held
            .entry(slot)
            .or_insert_with(|| regions.slots().get_or_make(slot).hold());
    }

    /// The live entry that `id` names, as the batch sees it, its slot held.
    pub fn find<M: Media>(
        &mut self,
        regions: &'r Regions<M>,
        tx: &Tx<'r, M>,
        id: RegionId,
        parts: IdParts,
    ) -> Result<Found, RegionError<M::SyncError>> {
        self.lock(regions);
        if directory::place_of(tx, parts.slot)?.is_some() {
            self.hold(regions, parts.slot);
        }
        regions.find(tx, id, parts)
    }

    fn note(&mut self, change: impl FnOnce(&mut Built) -> Option<Step>) {
        let built = self.index.as_mut().and_then(|index| index.known());
        self.steps.extend(built.and_then(change));
    }

    /// The region in `slot` changes its name; an empty one is none.
    pub fn rename(&mut self, old: &str, new: &str, slot: u32) {
        self.note(|built| built.remove_name(old));
        if !new.is_empty() {
            self.note(|built| Some(built.add_name(new, slot)));
        }
    }

    /// The region in `slot` has moved away from what the record has bytes for. Called once nothing can fail any more,
    /// since a member that fails has moved nothing.
    pub fn forget_logged(&mut self, slot: u32) {
        self.logged.retain(|logged| *logged != slot);
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

impl Found {
    /// Stages the entry (R1); the slot is held.
    pub fn stage<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        slot: u32,
    ) -> Result<(), RegionError<M::SyncError>> {
        self.entry.seal(tx.manager().pool().id(), slot);
        Ok(tx.write(self.at, self.entry.bytes())?)
    }

    /// Stages name and attributes, in place of what the entry leads to; the entry itself is the caller's.
    pub fn stage_tail<M: Media>(
        &mut self,
        tx: &mut Tx<'_, M>,
        slot: u32,
        name: &str,
        attributes: &[u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        let mut bytes = [0; RegionTail::BYTES_MAX];
        let pool_id = tx.manager().pool().id();
        let len = RegionTail::encode(name.as_bytes(), attributes, pool_id, slot, &mut bytes);
        let needed = match (name, attributes) {
            ("", []) => 0,
            _ => len as u64,
        };
        let mut at = ByteOffset::new(self.entry.tail());
        let old = match at.get() {
            0 => 0,
            _ => tx.object_at(at)?.range.len().get(),
        };
        if needed > old || (needed == 0 && old > 0) {
            if old > 0 {
                tx.free(at)?;
            }
            at = match needed {
                0 => ByteOffset::ZERO,
                needed => tx.alloc(Request::new(needed).with_align(16))?.start(),
            };
            self.entry.set_tail(at.get());
        }
        if needed > 0 {
            tx.write(at, &bytes[..len])?;
        }
        Ok(())
    }
}

/// Allocates a map or a table that holds `words`, and answers its place.
pub(crate) fn stage_map<M: Media>(
    tx: &mut Tx<'_, M>,
    words: &[u8],
) -> Result<u64, RegionError<M::SyncError>> {
    let place = tx.alloc(Request::new(words.len() as u64))?;
    if words.len() as u64 <= MAP_BYTES_IN_RECORD {
        tx.write(place.start(), words)?;
    } else {
        tx.write_fresh(place.start(), words)?;
    }
    Ok(place.start().get())
}

/// The place of a map that is staged once the region has its slot, on which the checks of its words depend.
const MAP_TO_COME: u64 = 1;

/// Stages the map or the table of a region of which nothing is written.
fn stage_blank_map<M: Media>(
    tx: &mut Tx<'_, M>,
    slot: u32,
    found: &mut Found,
) -> Result<(), RegionError<M::SyncError>> {
    let entry = &mut found.entry;
    let (MAP_TO_COME, shift) = entry.map() else {
        return Ok(());
    };
    let pool_id = *tx.manager().pool().id();
    let word = |index| match entry.has(REGION_CHECKED) {
        true => SumWord::encode(ChunkSum::Unwritten, &pool_id, slot, index).0,
        false => MapWord::encode(0, &pool_id, slot, index).0,
    };
    let count = map_bytes(entry) / 8;
    let words: Vec<u8> = (0..count)
        .flat_map(|index| word(index).to_le_bytes())
        .collect();
    entry.set_map(stage_map(tx, &words)?, shift);
    Ok(())
}

/// The block of a region that is being made, in an entry without slot and generation.
pub(crate) struct Made {
    entry: DirectoryEntry,
}

impl Made {
    fn new<M: Media>(
        tx: &mut Tx<'_, M>,
        len: u64,
        options: &RegionOptions<'_>,
        sparse: bool,
    ) -> Result<(Self, ByteRange), RegionError<M::SyncError>> {
        let mut entry = DirectoryEntry::live(0, now_s());
        entry.len = len.into();
        if options.growable {
            entry.flags |= REGION_GROWABLE;
        }
        if options.checked {
            entry.flags |= REGION_CHECKED;
        }
        if let Some(align) = options.align {
            entry.align_shift = align.ilog2() as u8;
        }
        if len == 0 {
            return Ok((Made { entry }, ByteRange::default()));
        }
        let mut request = Request::new(len);
        if let Some(align) = options.align {
            request = request.with_align(align);
        }
        let block = tx.alloc(if sparse { request.sparse() } else { request })?;
        entry.set_block(block.start().get(), block.len().get());
        Ok((Made { entry }, block))
    }

    /// A region of `len` zero bytes, whose block is not touched (R8).
    pub fn blank<M: Media>(
        tx: &mut Tx<'_, M>,
        len: u64,
        options: &RegionOptions<'_>,
    ) -> Result<Self, RegionError<M::SyncError>> {
        let (mut made, block) = Self::new(tx, len, options, true)?;
        let shift = match options.checked && len > 0 {
            true => REGION_SUM_SHIFT,
            false => map_shift(block.len().get()),
        };
        made.entry
            .set_map(if shift == 0 { 0 } else { MAP_TO_COME }, shift);
        Ok(made)
    }

    /// A region whose `len` bytes `fill` stores to its fresh block.
    pub fn filled<M: Media>(
        tx: &mut Tx<'_, M>,
        len: u64,
        options: &RegionOptions<'_>,
        fill: impl FnOnce(&mut Tx<'_, M>, ByteOffset) -> Result<(), RegionError<M::SyncError>>,
    ) -> Result<Self, RegionError<M::SyncError>> {
        let (mut made, block) = Self::new(tx, len, options, false)?;
        if len == 0 {
            return Ok(made);
        }
        // keeps R2: a COVER of the whole block goes into the commit
        tx.mask(block)?;
        fill(tx, block.start())?;
        let end = behind(block.start(), len);
        let rest = ByteLen::new(block.end().get() - end.get());
        tx.zero_beside(ByteRange::new(end, rest).unwrap_or_default())?;
        made.entry.flags |= REGION_WRITTEN;
        Ok(made)
    }
}

/// A free slot and its entry.
fn take_slot<'r, M: Media>(
    regions: &'r Regions<M>,
    tx: &mut Tx<'r, M>,
    changes: &mut Changes<'r>,
) -> Result<(u32, Found), RegionError<M::SyncError>> {
    let mut taken = changes.open(regions, tx)?.take_slot();
    if taken.is_none() {
        grow(regions, tx, changes)?;
        taken = changes.open(regions, tx)?.take_slot();
    }
    let (slot, step) = taken.ok_or(RegionError::TooMany)?;
    changes.steps.push(step);
    let found = directory::entry(tx, slot)?.ok_or(RegionError::TooMany)?;
    Ok((slot, found))
}

/// Puts a new region into a free slot.
pub(crate) fn insert<'r, M: Media>(
    regions: &'r Regions<M>,
    tx: &mut Tx<'r, M>,
    changes: &mut Changes<'r>,
    made: &Made,
    options: &RegionOptions<'_>,
) -> Result<RegionId, RegionError<M::SyncError>> {
    let (slot, found) = take_slot(regions, tx, changes)?;
    let id = occupy(regions, tx, changes, slot, &found, made, options)?;
    change_root(tx, |live| live + 1)?;
    Ok(id)
}

/// Puts a copy of the region that `draft` describes into a free slot.
pub(crate) fn insert_twin<'r, M: Media>(
    regions: &'r Regions<M>,
    tx: &mut Tx<'r, M>,
    changes: &mut Changes<'r>,
    mut draft: Draft,
    options: &RegionOptions<'_>,
) -> Result<RegionId, RegionError<M::SyncError>> {
    let (slot, found) = take_slot(regions, tx, changes)?;
    let len = draft.len();
    if draft.capacity() > 0 {
        let block = draft.room(tx, len.max(1), len.max(1))?;
        draft.rebuild(tx, block, len, slot)?;
    }
    let mut entry = draft.found.entry;
    entry.set_tail(0);
    entry.created_s = u32::try_from(now_s()).unwrap_or(0).into();
    let id = occupy(regions, tx, changes, slot, &found, &Made { entry }, options)?;
    change_root(tx, |live| live + 1)?;
    Ok(id)
}

fn now_s() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |elapsed| elapsed.as_secs())
}

/// Makes the slot that `found` describes the new region's.
fn occupy<'r, M: Media>(
    regions: &'r Regions<M>,
    tx: &mut Tx<'r, M>,
    changes: &mut Changes<'r>,
    slot: u32,
    found: &Found,
    made: &Made,
    options: &RegionOptions<'_>,
) -> Result<RegionId, RegionError<M::SyncError>> {
    changes.hold(regions, slot);
    // keeps R3: slots whose generations are used up are not free
    let generation = found.entry.generation.get() + 1;
    let mut entry = made.entry;
    entry.generation = generation.into();
    let mut found = Found { entry, ..*found };
    let name = options.name.unwrap_or_default();
    found.stage_tail(tx, slot, name, options.attributes.unwrap_or_default())?;
    stage_blank_map(tx, slot, &mut found)?;
    crate::checked::seal_new(tx, slot, &mut found)?;
    found.stage(tx, slot)?;
    changes.rename("", name, slot);
    Ok(regions.id_of(slot, generation))
}

/// Puts a new region in place of the one in `slot`, which has the same name.
pub(crate) fn replace<'r, M: Media>(
    regions: &'r Regions<M>,
    tx: &mut Tx<'r, M>,
    changes: &mut Changes<'r>,
    slot: u32,
    made: &Made,
    options: &RegionOptions<'_>,
) -> Result<RegionId, RegionError<M::SyncError>> {
    changes.hold(regions, slot);
    let found = directory::entry(tx, slot)?.ok_or(RegionError::TooMany)?;
    if !found.entry.is_live() || found.entry.generation.get() == u32::MAX {
        remove(regions, tx, changes, slot, &found)?;
        return insert(regions, tx, changes, made, options);
    }
    regions.refuse_views(slot, &found)?;
    changes.rename(options.name.unwrap_or_default(), "", slot);
    free_parts(tx, &found)?;
    occupy(regions, tx, changes, slot, &found, made, options)
}

pub(crate) fn remove<'r, M: Media>(
    regions: &'r Regions<M>,
    tx: &mut Tx<'r, M>,
    changes: &mut Changes<'r>,
    slot: u32,
    found: &Found,
) -> Result<(), RegionError<M::SyncError>> {
    changes.hold(regions, slot);
    regions.refuse_views(slot, found)?;
    let name = Tail::read(tx, slot, &found.entry)?.name().to_owned();
    free_parts(tx, found)?;
    let generation = found.entry.generation.get();
    let entry = DirectoryEntry::free_again(generation);
    Found { entry, ..*found }.stage(tx, slot)?;
    changes.rename(&name, "", slot);
    if generation < u32::MAX {
        changes.note(|built| Some(built.free_slot(slot)));
    }
    change_root(tx, |live| live.saturating_sub(1))
}

/// Frees block, map, name and attributes.
fn free_parts<M: Media>(
    tx: &mut Tx<'_, M>,
    found: &Found,
) -> Result<(), RegionError<M::SyncError>> {
    let entry = &found.entry;
    for place in [entry.block().0, entry.map().0, entry.tail()] {
        if place != 0 {
            tx.free(ByteOffset::new(place))?;
        }
    }
    Ok(())
}

/// Stages a change of the number of live regions.
fn change_root<M: Media>(
    tx: &mut Tx<'_, M>,
    change: impl FnOnce(u64) -> u64,
) -> Result<(), RegionError<M::SyncError>> {
    if let Some(at) = directory::root_at(tx)? {
        let mut root = DirectoryRoot::new(0);
        root.set_live(change(directory::live(tx)?), tx.manager().pool().id());
        tx.write(behind(at, DirectoryRoot::COUNT_AT), root.count())?;
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
            let mut root = DirectoryRoot::new(regions.namespace());
            root.set_live(0, tx.manager().pool().id());
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
    match place.len().get() {
        len @ ..=MAP_BYTES_IN_RECORD => tx.write(place.start(), &vec![0; len as usize])?,
        _ => tx.zero_fresh(place)?,
    }
    root.blocks[block] = place.start().get().into();
    root.block_count = (block as u32 + 1).into();
    root.seal(tx.manager().pool().id());
    let word = behind(root_at, DirectoryRoot::block_word(block));
    tx.write(word, &place.start().get().to_le_bytes())?;
    tx.write(behind(root_at, DirectoryRoot::HEAD_AT), root.head())?;
    let (first, count) = (
        DirectoryRoot::slots_of(block),
        DirectoryRoot::block_entries(block),
    );
    changes.note(|built| Some(built.add_slots(first as u32, count)));
    Ok(())
}
