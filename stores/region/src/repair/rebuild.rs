//! Makes the root anew from the blocks of entries that lie in the heap: each entry's checksum says which slot it is, and so
//! which block it lies in.

use std::collections::BTreeMap;

use everline::engine::Engine;
use everline::layout::{DIRECTORY_BLOCKS_MAX, DirectoryRoot};
use everline::media::Media;
use everline::units::ByteOffset;

use crate::check::{Survey, candidates, holds_entries};
use crate::directory::{self, block_bytes};

/// The root, and whether it is proven to be the one that was there. `stored` lies at `at` and is damaged.
pub(super) fn rebuild<M: Media>(
    engine: &Engine<M>,
    survey: &Survey,
    at: ByteOffset,
    stored: &DirectoryRoot,
) -> Option<(DirectoryRoot, bool)> {
    let mut blocks: BTreeMap<usize, u64> = BTreeMap::new();
    for (object, len) in &survey.unreached {
        for block in candidates(*len) {
            let certain = holds_entries(engine, ByteOffset::new(*object), block);
            if certain && blocks.insert(block, *object).is_some() {
                return None; // two of them: nobody knows which one counts
            }
        }
    }
    let count = blocks.keys().next_back()? + 1;
    let pool_id = engine.pool().id();
    let [a, b, c, d, ..] = *pool_id;
    let usual = u32::from_le_bytes([a, b, c, d]);
    let mut best = None;
    let told = stored.namespace.get();
    let namespaces = match DirectoryRoot::is_marked(&stored.magic) {
        true => [told, usual],
        false => [usual, told],
    };
    for namespace in namespaces {
        // A block in which no entry can be read is known by the damaged root alone.
        for count in [count, stored.block_count.get() as usize] {
            let Some(mut root) = with_blocks(survey, stored, &blocks, namespace, count) else {
                continue;
            };
            root.seal(pool_id);
            root.set_live(
                stored.live.get().min(DirectoryRoot::slots_of(count)),
                pool_id,
            );
            if directory::fault_of(engine, at, &root).is_some() {
                continue;
            }
            let proven = root.crc.get() == stored.crc.get();
            if proven {
                return Some((root, true));
            }
            // Of what is not proven, the most plausible: a namespace that says the same twice.
            best.get_or_insert((root, told == usual));
        }
    }
    best
}

fn with_blocks(
    survey: &Survey,
    stored: &DirectoryRoot,
    known: &BTreeMap<usize, u64>,
    namespace: u32,
    count: usize,
) -> Option<DirectoryRoot> {
    if count == 0 || count > DIRECTORY_BLOCKS_MAX || known.keys().any(|block| *block >= count) {
        return None;
    }
    let mut root = DirectoryRoot::new(namespace);
    root.block_count = (count as u32).into();
    for block in 0..count {
        let hint = stored.blocks[block].get();
        let fits = |at: &u64| {
            let len = survey.unreached.get(at).copied().unwrap_or(0);
            len >= block_bytes(block) && !known.values().any(|other| other == at)
        };
        let at = known.get(&block).copied().or(Some(hint).filter(fits))?;
        root.blocks[block] = at.into();
    }
    Some(root)
}
