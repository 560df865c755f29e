//! The heap as a row of extents, for reports and pictures.

use super::Heap;
use crate::layout::{Corrupt, MapEntryKind, SlabHeader, SlabShape};
use crate::media::Media;
use crate::pool::Pool;
use crate::units::{ByteLen, ByteRange};

/// A stretch of the heap of one kind. All of them in order make up the heap, without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its bytes.
    pub range: ByteRange,
    /// What it is.
    pub kind: ExtentKind,
}

/// What a stretch of the heap is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtentKind {
    /// Slabs that nobody uses, the emergency reserve among them.
    Free,
    /// A slab of objects of one size.
    Slab {
        /// Bytes of an object.
        object_bytes: u32,
        /// Objects that fit.
        objects: u32,
        /// Objects that are live.
        live: u32,
    },
    /// One object that takes whole slabs.
    Huge,
}

impl Heap {
    /// Visits every extent in order of place; free slabs that follow each other are one. Errors: metadata that cannot be
    /// right. Cost: reads the slab map and every bitmap in use.
    pub(crate) fn for_each_extent<M: Media>(
        &self,
        pool: &Pool<M>,
        mut visit: impl FnMut(Extent),
    ) -> Result<(), Corrupt> {
        let geometry = pool.geometry();
        let extent = |first, slabs, kind| {
            let len = ByteLen::new(slabs * u64::from(geometry.slab_bytes()));
            let range = ByteRange::new(geometry.slab_at(first), len).unwrap_or_default();
            Extent { range, kind }
        };
        // The first of the free slabs met last, and how many they are.
        let mut free: Option<(u64, u64)> = None;
        self.for_each_run(pool, |slab, run| {
            let Some((kind, shape)) = run else {
                free.get_or_insert((slab, 0)).1 += 1;
                return;
            };
            if let Some((first, slabs)) = free.take() {
                visit(extent(first, slabs, ExtentKind::Free));
            }
            visit(match kind {
                MapEntryKind::Huge { slabs } => extent(slab, slabs.into(), ExtentKind::Huge),
                MapEntryKind::Slab { .. } => {
                    let kind = ExtentKind::Slab {
                        object_bytes: shape.object_bytes,
                        objects: shape.object_count,
                        live: live_in(pool, slab, &shape),
                    };
                    extent(slab, 1, kind)
                }
            });
        })?;
        if let Some((first, slabs)) = free {
            visit(extent(first, slabs, ExtentKind::Free));
        }
        Ok(())
    }
}

/// Live objects in a slab of a class.
pub(super) fn live_in<M: Media>(pool: &Pool<M>, slab: u64, shape: &SlabShape) -> u32 {
    let slab_at = pool.geometry().slab_at(slab);
    let live = |word| {
        let at = SlabHeader::bitmap_word_at(slab_at, word);
        (pool.media().load64(at) & shape.valid_bits(word)).count_ones()
    };
    (0..shape.bitmap_words).map(live).sum()
}
