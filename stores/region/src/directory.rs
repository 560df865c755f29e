//! Reads the directory, as committed or as a transaction sees it; every byte is checked before it is believed.

use everline::engine::Engine;
use everline::layout::{
    Corrupt, DIRECTORY_ENTRY_HEAD, DirectoryEntry, DirectoryRoot, EntryState, RootSlot,
};
use everline::media::Media;
use everline::pool::Pool;
use everline::tx::{Tx, TxError};
use everline::units::{ByteOffset, ByteRange};

use crate::RegionError;

/// What the directory can be read through.
pub(crate) trait View<M: Media> {
    fn pool(&self) -> &Pool<M>;
    fn bytes(&self, at: ByteOffset, into: &mut [u8]) -> Result<(), TxError<M::SyncError>>;
}

impl<M: Media> View<M> for Engine<M> {
    fn pool(&self) -> &Pool<M> {
        (**self).pool()
    }
    fn bytes(&self, at: ByteOffset, into: &mut [u8]) -> Result<(), TxError<M::SyncError>> {
        self.read(at, into)
    }
}

impl<M: Media> View<M> for Tx<'_, M> {
    fn pool(&self) -> &Pool<M> {
        self.manager().pool()
    }
    fn bytes(&self, at: ByteOffset, into: &mut [u8]) -> Result<(), TxError<M::SyncError>> {
        self.read(at, into)
    }
}

/// An entry and where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub at: ByteOffset,
    pub entry: DirectoryEntry,
}

fn word<M: Media>(view: &impl View<M>, at: ByteOffset) -> Result<u64, RegionError<M::SyncError>> {
    let mut bytes = [0; 8];
    view.bytes(at, &mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// `more` bytes behind `at`; both come from the pool, so neither overflows unless the pool lies.
pub(crate) fn behind(at: ByteOffset, more: u64) -> ByteOffset {
    ByteOffset::new(at.get().saturating_add(more))
}

/// Where the root lies; `None` in a pool that never had a region.
pub(crate) fn root_at<M: Media>(
    view: &impl View<M>,
) -> Result<Option<ByteOffset>, RegionError<M::SyncError>> {
    let at = word(view, RootSlot::REGIONS.at(&view.pool().geometry()))?;
    Ok((at != 0).then(|| ByteOffset::new(at)))
}

/// The root, checked.
pub(crate) fn root<M: Media>(
    view: &impl View<M>,
) -> Result<Option<(ByteOffset, DirectoryRoot)>, RegionError<M::SyncError>> {
    let Some(at) = root_at(view)? else {
        return Ok(None);
    };
    let mut bytes = [0; size_of::<DirectoryRoot>()];
    view.bytes(at, &mut bytes)?;
    let root = DirectoryRoot::from_bytes(&bytes);
    if let Some(what) = root.fault(view.pool().id()) {
        return Err(Corrupt::new(at, what).into());
    }
    let heap = view.pool().geometry().heap();
    for (index, block) in root
        .blocks
        .iter()
        .take(root.block_count.get() as usize)
        .enumerate()
    {
        let len = block_bytes(index);
        if !ByteRange::at(block.get(), len).is_some_and(|range| heap.contains(range)) {
            let word = behind(at, DirectoryRoot::block_word(index));
            return Err(Corrupt::new(word, "a directory block leaves the heap").into());
        }
    }
    Ok(Some((at, root)))
}

/// Bytes of block `block`.
pub(crate) fn block_bytes(block: usize) -> u64 {
    DirectoryRoot::block_entries(block) * size_of::<DirectoryEntry>() as u64
}

/// Live regions, by the directory's own count: one aligned word, which changes in one piece.
pub(crate) fn live<M: Media>(view: &impl View<M>) -> Result<u64, RegionError<M::SyncError>> {
    match root_at(view)? {
        None => Ok(0),
        Some(root) => word(view, behind(root, DirectoryRoot::COUNTS_AT)),
    }
}

/// The entry of `slot`, checked; `None` where the directory has no such slot.
pub(crate) fn entry<M: Media>(
    view: &impl View<M>,
    slot: u32,
) -> Result<Option<Found>, RegionError<M::SyncError>> {
    let (block, inside) = DirectoryRoot::place_of(slot);
    let Some(root) = root_at(view)? else {
        return Ok(None);
    };
    if block >= everline::layout::DIRECTORY_BLOCKS_MAX {
        return Ok(None);
    }
    match word(view, behind(root, DirectoryRoot::block_word(block)))? {
        0 => Ok(None),
        block_at => entry_at(view, behind(ByteOffset::new(block_at), inside), slot).map(Some),
    }
}

/// The entry at `at`, checked. Only as much as means something is read.
pub(crate) fn entry_at<M: Media>(
    view: &impl View<M>,
    at: ByteOffset,
    slot: u32,
) -> Result<Found, RegionError<M::SyncError>> {
    let mut bytes = [0; size_of::<DirectoryEntry>()];
    let (head, tail) = bytes.split_at_mut(DIRECTORY_ENTRY_HEAD);
    view.bytes(at, head)?;
    let name_len = usize::from(head[core::mem::offset_of!(DirectoryEntry, name_len)]);
    if name_len > 0 {
        let name_at = behind(at, DIRECTORY_ENTRY_HEAD as u64);
        view.bytes(name_at, &mut tail[..name_len])?;
    }
    let entry = DirectoryEntry::from_bytes(&bytes);
    if let Some(what) = entry.fault(view.pool().id(), slot) {
        return Err(Corrupt::new(at, what).into());
    }
    let block = ByteRange::at(entry.at.get(), entry.capacity.get()).unwrap_or_default();
    let heap = view.pool().geometry().heap();
    if entry.state() == Some(EntryState::Live)
        && entry.at.get() != 0
        && (block.is_empty() || !heap.contains(block))
    {
        return Err(Corrupt::new(at, "a region leaves the heap").into());
    }
    Ok(Found { at, entry })
}

/// Visits every slot's entry in order.
pub(crate) fn for_each<M: Media>(
    view: &impl View<M>,
    mut visit: impl FnMut(u32, Result<Found, RegionError<M::SyncError>>),
) -> Result<(), RegionError<M::SyncError>> {
    let Some((_, root)) = root(view)? else {
        return Ok(());
    };
    let mut slot = 0u32;
    for block in 0..root.block_count.get() as usize {
        let block_at = ByteOffset::new(root.blocks[block].get());
        for index in 0..DirectoryRoot::block_entries(block) {
            let at = behind(block_at, index * size_of::<DirectoryEntry>() as u64);
            visit(slot, entry_at(view, at, slot));
            slot = slot.wrapping_add(1);
        }
    }
    Ok(())
}
