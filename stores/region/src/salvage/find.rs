//! Finds the blocks of entries, whatever is left to find them by.

use std::collections::BTreeMap;

use everline::layout::{
    DIRECTORY_BLOCKS_MAX, DirectoryEntry, DirectoryRoot, PoolId, SLAB_HEADER_BYTES, SlabHeader,
};

use super::{Origin, Readable, Way};
use crate::mend;

const ROOT: usize = size_of::<DirectoryRoot>();
const ENTRY: usize = size_of::<DirectoryEntry>();
/// What is read at once while everything is looked at.
const PIECE: usize = 64 << 10;
/// Objects of a line or more begin at one.
const LINE: usize = 64;
/// Checksums that must agree on an identity that nobody has told.
const WITNESSES: usize = 2;

/// Where the entries are.
pub(super) struct Directory {
    pub way: Way,
    /// The identity, or one that stands for it in checksums.
    pub pool_id: Option<PoolId>,
    pub namespace: Option<u32>,
    /// Block numbers and places.
    pub blocks: Vec<(usize, u64)>,
    pub notes: Vec<String>,
}

/// Finds the directory.
pub(super) fn directory(source: &(impl Readable + ?Sized), origin: &Origin) -> Directory {
    let told = origin.root.map(|at| at.get());
    let whole = |at: u64, ids: &[PoolId]| by_root(source, at, ids, false);
    if let Some(found) = told.and_then(|at| whole(at, origin.pool_id.as_slice())) {
        return found;
    }
    let mut notes = vec![match told {
        Some(at) => format!("no whole directory of regions at {at:#x}, where root slot 0 leads"),
        None => "root slot 0 leads nowhere".to_owned(),
    }];
    let (pool_id, mut roots) = witnesses(source, origin.pool_id);
    let Some(pool_id) = pool_id else {
        notes.push("nothing tells the identity with which checksums begin".to_owned());
        return Directory {
            way: Way::Nothing,
            pool_id: None,
            namespace: None,
            blocks: Vec::new(),
            notes,
        };
    };
    roots.extend(told);
    roots.sort_unstable();
    roots.dedup();
    for mend in [false, true] {
        let mut found: Vec<Directory> = roots
            .iter()
            .filter_map(|at| by_root(source, *at, &[pool_id], mend))
            .collect();
        if found.len() > 1 {
            notes.push(format!(
                "there are {} directories of regions; none is believed by itself",
                found.len()
            ));
            break;
        }
        if let Some(mut only) = found.pop() {
            notes.append(&mut only.notes);
            only.notes = notes;
            return only;
        }
    }
    by_entries(source, pool_id, notes)
}

fn state_by_head(bytes: &[u8; ROOT]) -> u32 {
    let root = DirectoryRoot::from_bytes(bytes);
    mend::state_before(root.crc.get(), &[&bytes[..16], &bytes[40..]].concat())
}

fn state_by_count(bytes: &[u8; ROOT]) -> u32 {
    let root = DirectoryRoot::from_bytes(bytes);
    mend::state_before(root.live_crc.get(), &bytes[24..32])
}

/// The directory of the root at `at`, if that fits one of the identities; with `mend` also if one byte of it was changed.
fn by_root(
    source: &(impl Readable + ?Sized),
    at: u64,
    ids: &[PoolId],
    mend: bool,
) -> Option<Directory> {
    let mut bytes = [0; ROOT];
    if !source.read(at, &mut bytes) {
        return None;
    }
    let stored = DirectoryRoot::from_bytes(&bytes);
    let fits = |id: &&PoolId| {
        let mut counted = stored;
        // Its count may be wrong by itself.
        counted.set_live(0, id);
        counted.fault(id).is_none()
    };
    let (root, pool_id, way) = match ids.iter().find(fits) {
        Some(id) => (stored, *id, Way::Root),
        None if mend => ids
            .iter()
            .find_map(|id| Some((mend::root(&bytes, id)?, *id, Way::MendedRoot)))?,
        None => return None,
    };
    let count = root.block_count.get() as usize;
    let blocks = root.blocks.iter().take(count).enumerate();
    let blocks: Vec<(usize, u64)> = blocks.map(|(block, at)| (block, at.get())).collect();
    let inside = |(block, at): &(usize, u64)| {
        let end = at.checked_add(crate::directory::block_bytes(*block));
        *at != 0 && end.is_some_and(|end| end <= source.len())
    };
    // A truncated pool has lost the blocks behind its end, and no others.
    let (kept, cut): (Vec<_>, Vec<_>) = blocks.into_iter().partition(inside);
    let say = |(block, at): &(usize, u64)| {
        format!("block {block} of the directory at {at:#x} lies behind the end of the pool")
    };
    Some(Directory {
        way,
        pool_id: Some(pool_id),
        namespace: Some(root.namespace.get()),
        blocks: kept,
        notes: cut.iter().map(say).collect(),
    })
}

/// The identity that checksums anywhere tell, and where roots seem to lie. One that was given counts where any of them
/// agrees, or none can be read; another one where two agree. A wrong one must not be believed: with it every structure looks
/// as if the same byte of it had been changed.
pub(super) fn witnesses(
    source: &(impl Readable + ?Sized),
    given: Option<PoolId>,
) -> (Option<PoolId>, Vec<u64>) {
    const SUM_AT: usize = SLAB_HEADER_BYTES as usize - 4;
    let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
    let mut roots = Vec::new();
    each_line(source, |at, line| {
        if line.first_chunk().is_some_and(SlabHeader::is_marked) {
            let sum = line[SUM_AT..].try_into().map_or(0, u32::from_le_bytes);
            let state = mend::state_before(sum, &line[..SUM_AT]);
            *votes.entry(state).or_default() += 1;
        } else if DirectoryRoot::is_marked(line) {
            roots.push(at);
        }
    });
    for at in &roots {
        let mut bytes = [0; ROOT];
        if source.read(*at, &mut bytes) {
            *votes.entry(state_by_head(&bytes)).or_default() += 1;
            *votes.entry(state_by_count(&bytes)).or_default() += 1;
        }
    }
    let agrees = |id: &PoolId| votes.contains_key(&mend::state_of(id));
    let proven = || {
        let best = votes.iter().max_by_key(|(_, count)| **count)?;
        (*best.1 >= WITNESSES).then(|| mend::stand_in(*best.0))
    };
    let id = given.filter(agrees).or_else(proven).or(given);
    (id, roots)
}

/// Looks for entries everywhere.
fn by_entries(
    source: &(impl Readable + ?Sized),
    pool_id: PoolId,
    mut notes: Vec<String>,
) -> Directory {
    let blocks = entries(source, &pool_id, &mut notes);
    let way = if blocks.is_empty() {
        Way::Nothing
    } else {
        Way::Entries
    };
    if way == Way::Nothing {
        notes.push("no entry of a region was found".to_owned());
    }
    Directory {
        way,
        pool_id: Some(pool_id),
        namespace: None,
        blocks,
        notes,
    }
}

/// Calls `visit` with each line and its place.
fn each_line(source: &(impl Readable + ?Sized), mut visit: impl FnMut(u64, &[u8])) {
    let mut bytes = vec![0; PIECE];
    let mut at = 0;
    while at < source.len() {
        let step = (source.len() - at).min(PIECE as u64) as usize;
        if source.read(at, &mut bytes[..step]) {
            for (index, line) in bytes[..step].chunks_exact(LINE).enumerate() {
                visit(at + (index * LINE) as u64, line);
            }
        }
        at += step as u64;
    }
}

/// The blocks that entries anywhere say they lie in: the place that most of a block's entries tell.
fn entries(
    source: &(impl Readable + ?Sized),
    pool_id: &PoolId,
    notes: &mut Vec<String>,
) -> Vec<(usize, u64)> {
    let mut votes: BTreeMap<usize, BTreeMap<u64, u32>> = BTreeMap::new();
    let before = mend::state_of(pool_id);
    let mut bytes = vec![0; PIECE + ENTRY];
    let mut at = 0;
    while at < source.len() {
        let step = (source.len() - at).min(bytes.len() as u64) as usize;
        if source.read(at, &mut bytes[..step]) {
            // Entries lie 48 bytes apart, from a line on.
            for from in (0..step.min(PIECE)).step_by(16) {
                let Some(entry) = bytes[..step].get(from..).and_then(|b| b.first_chunk()) else {
                    break;
                };
                if let Some((block, start)) = home_of(pool_id, before, entry, at + from as u64) {
                    *votes.entry(block).or_default().entry(start).or_default() += 1;
                }
            }
        }
        at += step.min(PIECE) as u64;
    }
    let choose = |(block, places): (usize, BTreeMap<u64, u32>)| {
        if places.len() > 1 {
            notes.push(format!(
                "entries of block {block} of the directory lie in {} places",
                places.len()
            ));
        }
        let best = places.into_iter().max_by_key(|(_, votes)| *votes)?;
        Some((block, best.0))
    };
    votes.into_iter().filter_map(choose).collect()
}

/// Which block the entry at `at` belongs to, and where that begins: its checksum fits one slot alone.
fn home_of(pool_id: &PoolId, before: u32, bytes: &[u8; ENTRY], at: u64) -> Option<(usize, u64)> {
    let entry = DirectoryEntry::from_bytes(bytes);
    // A quick look first: nearly nothing that is no entry passes.
    let plausible = matches!(entry.state, 1 | 2) && entry.flags < 8 && entry.align_shift <= 12;
    if !plausible || entry.generation.get() == 0 {
        return None;
    }
    let behind_slot = mend::state_before(entry.crc.get(), &bytes[4..]);
    let slot = u32::from_le_bytes(mend::bytes_between(before, behind_slot));
    let (block, inside) = DirectoryRoot::place_of(slot);
    let start = at.checked_sub(inside)?;
    let fits = block < DIRECTORY_BLOCKS_MAX
        && start % LINE as u64 == 0
        && entry.fault(pool_id, slot).is_none();
    fits.then_some((block, start))
}
