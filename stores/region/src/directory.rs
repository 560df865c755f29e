//! Reads the directory, as committed or as a transaction sees it; every byte is checked before it is believed.

use everline::engine::Engine;
use everline::layout::{
    Corrupt, DIRECTORY_BLOCKS_MAX, DirectoryEntry, DirectoryRoot, RegionTail, RootSlot,
};
use everline::media::Media;
use everline::pool::Pool;
use everline::sync::relax;
use everline::tx::{Tx, TxError};
use everline::units::{ByteOffset, ByteRange};

use crate::RegionError;
use crate::chunks::map_bytes;

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
    match fault_of(view, at, &root) {
        Some(corrupt) => Err(corrupt.into()),
        None => Ok(Some((at, root))),
    }
}

/// What cannot be right in a root that lies at `at`.
pub(crate) fn fault_of<M: Media>(
    view: &impl View<M>,
    at: ByteOffset,
    root: &DirectoryRoot,
) -> Option<Corrupt> {
    if let Some(what) = root.fault(view.pool().id()) {
        return Some(Corrupt::new(at, what));
    }
    let heap = view.pool().geometry().heap();
    let count = root.block_count.get() as usize;
    for (index, block) in root.blocks.iter().take(count).enumerate() {
        let len = block_bytes(index);
        if !ByteRange::at(block.get(), len).is_some_and(|range| heap.contains(range)) {
            let word = behind(at, DirectoryRoot::block_word(index));
            return Some(Corrupt::new(word, "a directory block leaves the heap"));
        }
    }
    None
}

/// Bytes of block `block`.
pub(crate) fn block_bytes(block: usize) -> u64 {
    DirectoryRoot::block_entries(block) * size_of::<DirectoryEntry>() as u64
}

/// Live regions, by the directory's own count: one aligned word, which changes in one piece.
pub(crate) fn live<M: Media>(view: &impl View<M>) -> Result<u64, RegionError<M::SyncError>> {
    match root_at(view)? {
        None => Ok(0),
        Some(root) => word(view, behind(root, DirectoryRoot::COUNT_AT)),
    }
}

/// Where the entry of `slot` lies; `None` where the directory has no such slot.
pub(crate) fn place_of<M: Media>(
    view: &impl View<M>,
    slot: u32,
) -> Result<Option<ByteOffset>, RegionError<M::SyncError>> {
    let (block, inside) = DirectoryRoot::place_of(slot);
    let Some(root) = root_at(view)? else {
        return Ok(None);
    };
    if block >= DIRECTORY_BLOCKS_MAX {
        return Ok(None);
    }
    match word(view, behind(root, DirectoryRoot::block_word(block)))? {
        0 => Ok(None),
        block_at => Ok(Some(behind(ByteOffset::new(block_at), inside))),
    }
}

/// The entry of `slot`, checked; `None` where the directory has no such slot.
pub(crate) fn entry<M: Media>(
    view: &impl View<M>,
    slot: u32,
) -> Result<Option<Found>, RegionError<M::SyncError>> {
    match place_of(view, slot)? {
        None => Ok(None),
        Some(at) => entry_at(view, at, slot).map(Some),
    }
}

/// Looks at an entry that cannot be right: a writer that holds its slot may be storing it.
const LOOKS: u32 = 200;

/// The entry at `at`, checked.
pub(crate) fn entry_at<M: Media>(
    view: &impl View<M>,
    at: ByteOffset,
    slot: u32,
) -> Result<Found, RegionError<M::SyncError>> {
    let mut turn = 0;
    loop {
        let mut bytes = [0; size_of::<DirectoryEntry>()];
        view.bytes(at, &mut bytes)?;
        match checked(view, at, slot, &bytes) {
            Err(_) if turn < LOOKS => relax(turn),
            outcome => return outcome,
        }
        turn += 1;
    }
}

/// The entry in `bytes`, checked.
pub(crate) fn checked<M: Media>(
    view: &impl View<M>,
    at: ByteOffset,
    slot: u32,
    bytes: &[u8; size_of::<DirectoryEntry>()],
) -> Result<Found, RegionError<M::SyncError>> {
    let entry = DirectoryEntry::from_bytes(bytes);
    if let Some(what) = entry.fault(view.pool().id(), slot) {
        return Err(Corrupt::new(at, what).into());
    }
    if entry.is_live() {
        let heap = view.pool().geometry().heap();
        let (block, capacity) = entry.block();
        let parts = [
            (block, capacity),
            (entry.tail(), size_of::<RegionTail>() as u64),
            (entry.map().0, map_bytes(&entry)),
        ];
        for (place, len) in parts {
            let range = ByteRange::at(place, len).unwrap_or_default();
            if place != 0 && (range.is_empty() || !heap.contains(range)) {
                return Err(Corrupt::new(at, "a region leaves the heap").into());
            }
        }
    }
    Ok(Found { at, entry })
}

/// Name and attributes of a region, checked.
pub(crate) struct Tail {
    bytes: [u8; RegionTail::BYTES_MAX],
    name: usize,
    len: usize,
}

impl Tail {
    const HEAD: usize = size_of::<RegionTail>();

    /// That of a region without name and attributes, and room for any other.
    pub fn none() -> Self {
        Tail {
            bytes: [0; RegionTail::BYTES_MAX],
            name: 0,
            len: Self::HEAD,
        }
    }

    /// Reads what `entry` leads to.
    pub fn read<M: Media>(
        view: &impl View<M>,
        slot: u32,
        entry: &DirectoryEntry,
    ) -> Result<Self, RegionError<M::SyncError>> {
        let mut tail = Self::none();
        tail.reread(view, slot, entry)?;
        Ok(tail)
    }

    /// As [`Tail::read`], in place of what it held: for whoever reads many of them.
    pub fn reread<M: Media>(
        &mut self,
        view: &impl View<M>,
        slot: u32,
        entry: &DirectoryEntry,
    ) -> Result<(), RegionError<M::SyncError>> {
        (self.name, self.len) = (0, Self::HEAD);
        if entry.tail() == 0 {
            return Ok(());
        }
        let at = ByteOffset::new(entry.tail());
        let mut head = [0; Self::HEAD];
        view.bytes(at, &mut head)?;
        self.len = RegionTail::bytes_of(&head);
        view.bytes(at, &mut self.bytes[..self.len])?;
        match RegionTail::decode(&self.bytes[..self.len], view.pool().id(), slot) {
            Ok((name, _)) => self.name = name.len(),
            Err(what) => return Err(Corrupt::new(at, what).into()),
        }
        Ok(())
    }

    /// The name; empty for none.
    pub fn name(&self) -> &str {
        core::str::from_utf8(&self.bytes[Self::HEAD..Self::HEAD + self.name]).unwrap_or_default()
    }

    pub fn attributes(&self) -> &[u8] {
        &self.bytes[Self::HEAD + self.name..self.len]
    }
}

/// Entries that are read at once.
const AT_ONCE: usize = 64;

/// Visits every slot's entry in order.
pub(crate) fn for_each<M: Media>(
    view: &impl View<M>,
    visit: impl FnMut(u32, Result<Found, RegionError<M::SyncError>>),
) -> Result<(), RegionError<M::SyncError>> {
    match root(view)? {
        Some((_, root)) => for_each_of(view, &root, visit),
        None => Ok(()),
    }
}

/// Visits every entry of a directory with this root.
pub(crate) fn for_each_of<M: Media>(
    view: &impl View<M>,
    root: &DirectoryRoot,
    mut visit: impl FnMut(u32, Result<Found, RegionError<M::SyncError>>),
) -> Result<(), RegionError<M::SyncError>> {
    const ENTRY: usize = size_of::<DirectoryEntry>();
    let mut slot = 0u32;
    let mut bytes = [0; AT_ONCE * ENTRY];
    for block in 0..root.block_count.get() as usize {
        let block_at = ByteOffset::new(root.blocks[block].get());
        let mut done = 0;
        while done < block_bytes(block) {
            let step = (bytes.len() as u64).min(block_bytes(block) - done);
            let piece = &mut bytes[..step as usize];
            let at = behind(block_at, done);
            view.bytes(at, piece)?;
            for (index, entry) in piece.chunks_exact(ENTRY).enumerate() {
                let at = behind(at, (index * ENTRY) as u64);
                let Some(entry) = entry.first_chunk() else {
                    unreachable!("exact chunks")
                };
                let found = checked(view, at, slot, entry);
                visit(slot, found.or_else(|_| entry_at(view, at, slot)));
                slot = slot.wrapping_add(1);
            }
            done += step;
        }
    }
    Ok(())
}
