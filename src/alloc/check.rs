//! Checks every structure of the heap against H1-H5 as far as media can tell; reads only.

use super::Heap;
use super::object::check_header;
use super::run::{is_head, is_used};
use super::stats::slabs_of;
use crate::layout::{Corrupt, MapEntryKind, SlabHeader, SlabShape};
use crate::media::Media;
use crate::pool::Pool;

impl Heap {
    /// Tells `report` of everything that cannot be right. Cost: reads the slab map and every bitmap in use.
    pub(crate) fn check<M: Media>(&self, pool: &Pool<M>, mut report: impl FnMut(Corrupt)) {
        let geometry = &pool.geometry();
        let count = geometry.slab_count();
        let mut slab = 0;
        while slab < count {
            slab += match self.run_at(pool, slab) {
                Ok(run) => {
                    check_run(pool, slab, run, &mut report);
                    run.map_or(1, |(kind, _shape)| slabs_of(kind))
                }
                Err(corrupt) => {
                    report(corrupt);
                    // What follows it without a head of its own is part of the same damage.
                    let rest = (slab + 1..count)
                        .take_while(|slab| is_used(pool, *slab) && !is_head(pool, *slab));
                    1 + rest.count() as u64
                }
            };
        }
        check_behind_the_end(pool, &mut report);
    }

    /// The first thing that cannot be right, if there is one.
    pub(crate) fn first_problem<M: Media>(&self, pool: &Pool<M>) -> Option<Corrupt> {
        let mut first = None;
        self.check(pool, |problem| {
            first.get_or_insert(problem);
        });
        first
    }
}

/// One run, or a free slab.
fn check_run<M: Media>(
    pool: &Pool<M>,
    slab: u64,
    run: Option<(MapEntryKind, SlabShape)>,
    report: &mut impl FnMut(Corrupt),
) {
    let geometry = &pool.geometry();
    match run {
        None => {
            if is_head(pool, slab) {
                let at = geometry.head_word_at(slab);
                report(Corrupt::new(
                    at,
                    "a free slab is marked as the head of a run",
                ));
            }
        }
        Some((MapEntryKind::Huge { slabs }, _)) => {
            for inner in slab + 1..slab + u64::from(slabs) {
                if !is_used(pool, inner) || is_head(pool, inner) {
                    let at = geometry.used_word_at(inner);
                    report(Corrupt::new(
                        at,
                        "a slab inside a run is marked free or as a head",
                    ));
                }
            }
        }
        Some((MapEntryKind::Slab { class }, shape)) => {
            if let Err(corrupt) = check_header(pool, slab, class, &shape) {
                report(corrupt);
            }
            for word in 0..shape.bitmap_words {
                let at = SlabHeader::bitmap_word_at(geometry.slab_at(slab), word);
                if pool.media().load64(at) & !shape.valid_bits(word) != 0 {
                    report(Corrupt::new(
                        at,
                        "a bitmap has bits that stand for no object",
                    ));
                }
            }
        }
    }
}

/// The map has bits for every slab up to the capacity; those behind the present end are clear, so that a pool that
/// grows gets free slabs.
fn check_behind_the_end<M: Media>(pool: &Pool<M>, report: &mut impl FnMut(Corrupt)) {
    let geometry = &pool.geometry();
    let last = geometry.slab_count();
    for word in last / 64..geometry.slab_count_max().div_ceil(64) {
        let first = (word * 64).max(last);
        for at in [geometry.used_word_at(first), geometry.head_word_at(first)] {
            let bits = pool.media().load64(at) >> (first % 64) << (first % 64);
            let slab = word * 64 + u64::from(bits.trailing_zeros());
            // Asked for again, since the pool may have grown meanwhile.
            if bits != 0 && slab >= pool.geometry().slab_count() {
                report(Corrupt::new(
                    at,
                    "a slab behind the end of the heap is marked used",
                ));
            }
        }
    }
}
