//! What the heap holds, exactly, from the media's own bits.

use super::Heap;
use super::extent::live_in;
use super::run::{entry, is_head, is_used};
use crate::layout::{Corrupt, MapEntryKind, SlabHeader, SlabShape};
use crate::media::Media;
use crate::pool::Pool;
use crate::units::{ByteLen, ByteRange};

/// Space in a pool; `used + free + overhead` is the pool's size, exactly, open after open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapStats {
    /// Bytes of live objects, rounded up to their class or run.
    pub used_bytes: u64,
    /// Bytes that objects can still take.
    pub free_bytes: u64,
    /// Metadata, slab headers, what classes leave over, the emergency reserve.
    pub overhead_bytes: u64,
    /// Live objects.
    pub objects: u64,
    /// The longest run of free slabs in bytes.
    pub largest_free_bytes: u64,
}

/// A live object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveObject {
    /// Its bytes, rounded up to its class or run.
    pub range: ByteRange,
    /// Whether it is a run of slabs.
    pub huge: bool,
}

/// Slabs of a run.
pub(super) fn slabs_of(kind: MapEntryKind) -> u64 {
    match kind {
        MapEntryKind::Huge { slabs } => u64::from(slabs),
        MapEntryKind::Slab { .. } => 1,
    }
}

impl Heap {
    /// Visits every live object in order of place. Cost: reads the slab map and every bitmap in use.
    pub(crate) fn for_each_live<M: Media>(
        &self,
        pool: &Pool<M>,
        mut visit: impl FnMut(LiveObject),
    ) -> Result<(), Corrupt> {
        self.for_each_run(pool, |slab, run| {
            let geometry = &pool.geometry();
            let slab_at = geometry.slab_at(slab);
            match run {
                None => {}
                Some((MapEntryKind::Huge { slabs }, _)) => {
                    let len = ByteLen::new(u64::from(slabs) * u64::from(geometry.slab_bytes()));
                    let range = ByteRange::new(slab_at, len).unwrap_or_default();
                    visit(LiveObject { range, huge: true });
                }
                Some((MapEntryKind::Slab { .. }, shape)) => {
                    for word in 0..shape.bitmap_words {
                        let mut bits = pool
                            .media()
                            .load64(SlabHeader::bitmap_word_at(slab_at, word));
                        bits &= shape.valid_bits(word);
                        while bits != 0 {
                            let at = shape.object_at(slab_at, word * 64 + bits.trailing_zeros());
                            let len = ByteLen::new(shape.object_bytes.into());
                            let range = ByteRange::new(at, len).unwrap_or_default();
                            visit(LiveObject { range, huge: false });
                            bits &= bits - 1;
                        }
                    }
                }
            }
        })
    }

    /// Visits every run in order: `None` for a free slab, else what the run is and its shape (meaningful for
    /// slabs of a class).
    pub(super) fn for_each_run<M: Media>(
        &self,
        pool: &Pool<M>,
        mut visit: impl FnMut(u64, Option<(MapEntryKind, SlabShape)>),
    ) -> Result<(), Corrupt> {
        let count = pool.geometry().slab_count();
        let mut slab = 0;
        while slab < count {
            let run = self.run_at(pool, slab)?;
            visit(slab, run);
            slab += run.map_or(1, |(kind, _shape)| slabs_of(kind));
        }
        Ok(())
    }

    /// The run that begins at `slab`, `None` for a free slab.
    pub(super) fn run_at<M: Media>(
        &self,
        pool: &Pool<M>,
        slab: u64,
    ) -> Result<Option<(MapEntryKind, SlabShape)>, Corrupt> {
        let geometry = &pool.geometry();
        if !is_used(pool, slab) {
            return Ok(None);
        }
        if !is_head(pool, slab) {
            let at = geometry.head_word_at(slab);
            return Err(Corrupt::new(at, "a used slab belongs to no run"));
        }
        let kind = entry(pool, slab)?;
        let shape = self.shape_of(pool, slab, kind)?;
        Ok(Some((kind, shape)))
    }

    /// How a run of this kind is divided (meaningful for slabs of a class), if there can be one at `slab`.
    pub(super) fn shape_of<M: Media>(
        &self,
        pool: &Pool<M>,
        slab: u64,
        kind: MapEntryKind,
    ) -> Result<SlabShape, Corrupt> {
        let geometry = &pool.geometry();
        let entry_at = geometry.entry_at(slab);
        let shape = match kind {
            MapEntryKind::Huge { .. } => SlabShape::default(),
            MapEntryKind::Slab { class } => {
                let unknown = Corrupt::new(entry_at, "the slab map names an unknown class");
                *self.classes().shape(class).ok_or(unknown)?
            }
        };
        if slabs_of(kind) > geometry.slab_count() - slab {
            return Err(Corrupt::new(entry_at, "a run of slabs leaves the heap"));
        }
        Ok(shape)
    }

    /// Exact space accounting. Cost: reads the slab map and every bitmap in use.
    pub(crate) fn stats<M: Media>(&self, pool: &Pool<M>) -> Result<HeapStats, Corrupt> {
        let geometry = &pool.geometry();
        let slab_bytes = u64::from(geometry.slab_bytes());
        let mut stats = HeapStats::default();
        let mut free_run = 0;
        let usable = geometry.slab_count() - SlabShape::RESERVED_SLABS;
        self.for_each_run(pool, |slab, run| {
            let mut free_slab = || {
                if slab < usable {
                    stats.free_bytes += slab_bytes;
                    free_run += slab_bytes;
                    stats.largest_free_bytes = stats.largest_free_bytes.max(free_run);
                }
            };
            match run {
                None => free_slab(),
                Some((MapEntryKind::Huge { slabs }, _)) => {
                    stats.objects += 1;
                    stats.used_bytes += u64::from(slabs) * slab_bytes;
                    free_run = 0;
                }
                Some((MapEntryKind::Slab { .. }, shape)) => {
                    let live = live_in(pool, slab, &shape);
                    if live == 0 {
                        free_slab();
                    } else {
                        let object = u64::from(shape.object_bytes);
                        stats.objects += u64::from(live);
                        stats.used_bytes += u64::from(live) * object;
                        stats.free_bytes += u64::from(shape.object_count - live) * object;
                        free_run = 0;
                    }
                }
            }
        })?;
        // Asked for again: objects behind an end that has moved meanwhile are counted.
        stats.overhead_bytes = pool.geometry().len() - stats.used_bytes - stats.free_bytes;
        Ok(stats)
    }
}
