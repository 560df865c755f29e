//! Checks both superblock copies as they stand on the medium; reads only.

use zerocopy::IntoBytes;

use super::Pool;
use super::open::copy_at;
use crate::layout::{Corrupt, Superblock};
use crate::media::Media;

/// Tells `report` of a copy that is damaged or says something else than the pool is (O2).
pub(crate) fn check<M: Media>(pool: &Pool<M>, report: &mut impl FnMut(Corrupt)) {
    let generation = *pool.generation.lock();
    let expected = pool.superblock.grown(generation, pool.geometry().len());
    for at in Superblock::AT {
        match copy_at(&pool.media, at) {
            Ok(copy) if copy.as_bytes() == expected.as_bytes() => {}
            Ok(_) => report(Corrupt::new(
                at,
                "a superblock copy differs from what it should be",
            )),
            Err(_) => report(Corrupt::new(at, "a superblock copy is damaged")),
        }
    }
}
