//! Makes a pool longer while others use it (O5).

use zerocopy::IntoBytes;

use super::{GrowError, Pool};
use crate::layout::{Corrupt, Geometry, Superblock};
use crate::media::Media;
use crate::persist::Pending;
use crate::sync::Monotone;
use crate::units::ByteLen;

/// Makes the pool `new_len` bytes long. See `Manager::grow`.
pub(crate) fn grow<M: Media>(pool: &Pool<M>, new_len: u64) -> Result<(), GrowError<M::SyncError>> {
    let mut generation = pool.generation.lock();
    let old = pool.geometry();
    if pool.health.is_poisoned() {
        return Err(GrowError::Poisoned);
    }
    if new_len == old.len() {
        return Ok(());
    }
    admit(&old, new_len)?;
    let new = old.with_len(new_len);
    check_unclaimed(pool, &old, &new)?;
    // keeps O5: the length of a medium that is long enough may not be durable, where a process was killed before
    let medium = pool.media.len().max(ByteLen::new(new_len));
    pool.media.set_len(medium)?;
    let superblock = pool.superblock.grown(*generation + 1, new_len);
    // keeps O2: while one copy is torn the other one is whole
    for at in [Superblock::AT[1], Superblock::AT[0]] {
        let mut pending = Pending::new(&pool.media);
        pending.write_nt(at, superblock.as_bytes());
        let fenced = pool.health.settle(pending.fence());
        fenced.map_err(GrowError::Sync)?;
    }
    *generation += 1;
    pool.len.raise(new_len);
    Ok(())
}

/// The slabs of the new part are free by create, which has zeroed the slab map up to the capacity.
fn check_unclaimed<M: Media>(
    pool: &Pool<M>,
    old: &Geometry,
    new: &Geometry,
) -> Result<(), Corrupt> {
    let is_claimed = |slab: u64| {
        let any = |word| pool.media.load64(word) >> (slab % 64) != 0;
        any(old.used_word_at(slab)) || any(old.head_word_at(slab))
    };
    let words = old.slab_count() / 64 + 1..new.slab_count().div_ceil(64);
    let mut slabs = core::iter::once(old.slab_count()).chain(words.map(|word| word * 64));
    match slabs.find(|slab| is_claimed(*slab)) {
        None => Ok(()),
        Some(slab) => Err(Corrupt::new(
            old.used_word_at(slab),
            "a slab behind the end of the heap is marked used",
        )),
    }
}

/// Whether a pool of this shape can have this length.
fn admit<E: core::error::Error>(old: &Geometry, new_len: u64) -> Result<(), GrowError<E>> {
    let (len, capacity_max) = (old.len(), old.capacity_max());
    if new_len < len {
        return Err(GrowError::Smaller {
            len,
            asked: new_len,
        });
    }
    if new_len > capacity_max {
        return Err(GrowError::BeyondCapacity {
            capacity_max,
            asked: new_len,
        });
    }
    if !Monotone::CAN_RISE {
        return Err(GrowError::NoWideAtomics);
    }
    Ok(())
}
