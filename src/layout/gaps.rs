//! Bytes between the areas of a pool, which nothing uses and which are zero since create.

use super::{Geometry, META_PAGE, Shared, SlotHeader, Superblock};
use crate::units::ByteRange;

impl Geometry {
    /// What lies behind each superblock copy, slot, the shared area and the slab map up to the next area, and the shared
    /// area's own gap. The reader table and the lanes' lines are left out: a later version may use them.
    pub fn gaps(&self) -> [ByteRange; 7] {
        let between =
            |from: u64, to: u64| ByteRange::at(from, to.saturating_sub(from)).unwrap_or_default();
        let behind = |at: u64| between(at + size_of::<Superblock>() as u64, at + META_PAGE);
        let slot = |index: usize, end: u64| {
            let slot = SlotHeader::slot_range(self, index);
            between(slot.end().get(), end)
        };
        let shared = self.shared_at().get();
        let zero = shared + core::mem::offset_of!(Shared, zero) as u64;
        let map = self.slab_map();
        let words = self.slab_count_max().div_ceil(64) * 8;
        [
            behind(Superblock::AT[0].get()),
            behind(Superblock::AT[1].get()),
            slot(0, self.slot_at(1).get()),
            slot(1, shared),
            between(zero, shared + core::mem::offset_of!(Shared, readers) as u64),
            between(
                shared + Shared::bytes(self.lane_count()),
                self.ring_at(0).get(),
            ),
            between(self.head_word_at(0).get() + words, map.end().get()),
        ]
    }
}
