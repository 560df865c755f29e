//! What lies in the heap and looks like a part of a directory, whoever leads to it.

use std::collections::BTreeMap;

use everline::alloc::ExtentKind;
use everline::engine::Engine;
use everline::layout::{DIRECTORY_BLOCKS_MAX, DirectoryEntry, DirectoryRoot, SlabHeader};
use everline::media::Media;
use everline::units::ByteOffset;

use crate::directory::{self, block_bytes};

/// Directories that lie whole at the start of one of these objects.
pub(crate) fn find_root<'o, M: Media>(
    engine: &Engine<M>,
    objects: impl Iterator<Item = &'o u64>,
) -> Vec<(ByteOffset, DirectoryRoot)> {
    let mut bytes = [0; size_of::<DirectoryRoot>()];
    let mut roots = Vec::new();
    for at in objects.map(|at| ByteOffset::new(*at)) {
        if engine.read(at, &mut bytes).is_ok() {
            let mut root = DirectoryRoot::from_bytes(&bytes);
            let counted = root.live.get();
            // Its count may be wrong by itself.
            root.set_live(0, engine.pool().id());
            if directory::fault_of(engine, at, &root).is_none() {
                root.set_live(counted, engine.pool().id());
                roots.push((at, root));
            }
        }
    }
    roots
}

/// Whether a directory's root or its first entries lie in a slab that nobody uses: they are never freed, so the slab map has
/// lost them.
pub(crate) fn lies_in_free_slabs<M: Media>(engine: &Engine<M>) -> bool {
    const LINE: u64 = 64;
    let slab_bytes = u64::from(engine.pool().geometry().slab_bytes());
    let mut lost = false;
    let mut slab = vec![0; slab_bytes as usize];
    let walked = engine.for_each_extent(|extent| {
        if extent.kind != ExtentKind::Free {
            return;
        }
        let mut at = extent.range.start().get();
        while at < extent.range.end().get() && !lost {
            let mut mark = [0; 4];
            let used = engine.read(ByteOffset::new(at), &mut mark).is_ok();
            // A slab that was never in use holds nothing.
            if used
                && SlabHeader::is_marked(&mark)
                && engine.read(ByteOffset::new(at), &mut slab).is_ok()
            {
                let mut lines = (at..)
                    .step_by(LINE as usize)
                    .zip(slab.chunks(LINE as usize));
                lost = lines.any(|(at, line)| {
                    let root = || !find_root(engine, [at].iter()).is_empty();
                    (DirectoryRoot::is_marked(line) && root())
                        || holds_entries(engine, ByteOffset::new(at), 0)
                });
            }
            at += slab_bytes;
        }
    });
    lost && walked.is_ok()
}

/// Whether any of these objects, places and bytes, holds entries that were ever used.
pub(crate) fn holds_any_entries<M: Media>(
    engine: &Engine<M>,
    objects: &BTreeMap<u64, u64>,
) -> bool {
    objects.iter().any(|(at, len)| {
        candidates(*len).any(|block| holds_entries(engine, ByteOffset::new(*at), block))
    })
}

/// Blocks of entries that an object of so many bytes may be.
pub(crate) fn candidates(len: u64) -> impl Iterator<Item = usize> {
    (0..DIRECTORY_BLOCKS_MAX)
        .filter(move |block| block_bytes(*block) <= len && len < 2 * block_bytes(*block))
}

/// Whether an entry that was ever used lies in the object, as block `block` holds it.
pub(crate) fn holds_entries<M: Media>(engine: &Engine<M>, at: ByteOffset, block: usize) -> bool {
    let mut bytes = vec![0; block_bytes(block) as usize];
    if engine.read(at, &mut bytes).is_err() {
        return false;
    }
    let first = DirectoryRoot::slots_of(block);
    bytes
        .chunks_exact(size_of::<DirectoryEntry>())
        .zip(first..)
        .filter_map(|(bytes, slot)| Some((bytes.first_chunk()?, u32::try_from(slot).ok()?)))
        .any(|(bytes, slot)| {
            let entry = DirectoryEntry::from_bytes(bytes);
            entry.state != 0 && entry.fault(engine.pool().id(), slot).is_none()
        })
}
