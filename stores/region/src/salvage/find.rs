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
/// Slab headers that must agree on an identity.
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
    let mut notes = Vec::new();
    let told = origin.root.map(|at| at.get());
    if let Some(found) = told.and_then(|at| by_root(source, origin, at)) {
        return found;
    }
    notes.push(match told {
        Some(at) => format!("no whole directory of regions at {at:#x}, where root slot 0 leads"),
        None => "root slot 0 leads nowhere".to_owned(),
    });
    let mut roots = Vec::new();
    each_line(source, |at, line| {
        if DirectoryRoot::is_marked(line) {
            roots.push(at);
        }
    });
    let mut found: Vec<Directory> = roots
        .iter()
        .filter_map(|at| by_root(source, origin, *at))
        .collect();
    if found.len() > 1 {
        notes.push(format!(
            "there are {} directories of regions; none is believed by itself",
            found.len()
        ));
    } else if let Some(mut only) = found.pop() {
        only.notes = notes;
        return only;
    }
    by_entries(source, origin, told, &roots, notes)
}

/// The root in `bytes` with the identity that its checksums fit.
fn believe(bytes: &[u8; ROOT], origin: &Origin) -> Option<(DirectoryRoot, PoolId, Way)> {
    let root = DirectoryRoot::from_bytes(bytes);
    let sums = |id: &PoolId| {
        let mut counted = root;
        // Its count may be wrong by itself.
        counted.set_live(0, id);
        counted.fault(id).is_none()
    };
    let own = state_by_head(bytes);
    // Two checksums that agree on what they begin with are right, both of them.
    let reversed = (own == state_by_count(bytes)).then(|| mend::stand_in(own));
    if let Some(id) = origin.pool_id.into_iter().chain(reversed).find(sums) {
        return Some((root, id, Way::Root));
    }
    let by_count = DirectoryRoot::is_marked(bytes).then(|| mend::stand_in(state_by_count(bytes)));
    origin
        .pool_id
        .into_iter()
        .chain(by_count)
        .find_map(|id| Some((mend::root(bytes, &id)?, id, Way::MendedRoot)))
}

fn state_by_head(bytes: &[u8; ROOT]) -> u32 {
    let root = DirectoryRoot::from_bytes(bytes);
    mend::state_before(root.crc.get(), &[&bytes[..16], &bytes[40..]].concat())
}

fn state_by_count(bytes: &[u8; ROOT]) -> u32 {
    let root = DirectoryRoot::from_bytes(bytes);
    mend::state_before(root.live_crc.get(), &bytes[24..32])
}

fn by_root(source: &(impl Readable + ?Sized), origin: &Origin, at: u64) -> Option<Directory> {
    let mut bytes = [0; ROOT];
    if !source.read(at, &mut bytes) {
        return None;
    }
    let (root, pool_id, way) = believe(&bytes, origin)?;
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

/// Looks for entries everywhere.
fn by_entries(
    source: &(impl Readable + ?Sized),
    origin: &Origin,
    told: Option<u64>,
    roots: &[u64],
    mut notes: Vec<String>,
) -> Directory {
    let mut ids: Vec<PoolId> = origin.pool_id.into_iter().collect();
    ids.extend(by_headers(source));
    for at in told.iter().chain(roots) {
        let mut bytes = [0; ROOT];
        if source.read(*at, &mut bytes) {
            ids.push(mend::stand_in(state_by_count(&bytes)));
        }
    }
    for id in ids {
        let blocks = entries(source, &id, &mut notes);
        if !blocks.is_empty() {
            return Directory {
                way: Way::Entries,
                pool_id: Some(id),
                namespace: None,
                blocks,
                notes,
            };
        }
    }
    notes.push("no entry of a region was found".to_owned());
    Directory {
        way: Way::Nothing,
        pool_id: None,
        namespace: None,
        blocks: Vec::new(),
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

/// An identity on which the headers of slabs agree.
fn by_headers(source: &(impl Readable + ?Sized)) -> Option<PoolId> {
    const SUM_AT: usize = SLAB_HEADER_BYTES as usize - 4;
    let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
    each_line(source, |_, line| {
        if line.first_chunk().is_some_and(SlabHeader::is_marked) {
            let sum = line[SUM_AT..].try_into().map_or(0, u32::from_le_bytes);
            *votes
                .entry(mend::state_before(sum, &line[..SUM_AT]))
                .or_default() += 1;
        }
    });
    let (state, count) = votes.into_iter().max_by_key(|(_, count)| *count)?;
    (count >= WITNESSES).then(|| mend::stand_in(state))
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
