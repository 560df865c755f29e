//! Makes a pool on a medium: clear, (the log writes its slot), seal.

use zerocopy::IntoBytes;

use super::{CreateError, Pool};
use crate::layout::{Geometry, LayoutName, PoolId, Superblock};
use crate::media::Media;
use crate::persist::Pending;
use crate::units::{ByteOffset, ByteRange};

/// Identity and shape of a pool to be made.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Sizes and counts.
    pub geometry: Geometry,
    /// Random identity.
    pub pool_id: PoolId,
    /// Random key.
    pub key: [u8; 16],
    /// The application's layout name.
    pub layout: LayoutName,
    /// Seconds since 1970; 0 where no clock is at hand.
    pub created_s: u64,
}

/// Step 1: no superblock, then zeros wherever a pool must begin with zeros. `pending` stays open, so that the
/// log's first slot shares its fence.
///
/// Cost: one wait where an old superblock had to go, else none of its own. Crash: no pool.
pub fn clear<'m, M: Media>(
    media: &'m M,
    shape: &Shape,
) -> Result<Pending<'m, M>, CreateError<M::SyncError>> {
    let geometry = &shape.geometry;
    let (found, needed) = (media.len().get(), geometry.len());
    if found < needed {
        return Err(CreateError::MediumTooShort { found, needed });
    }
    let zeroed = geometry.zeroed_at_create();
    media.back(zeroed)?;
    // keeps O1: an old pool is gone before its areas are
    let mut old = Pending::new(media);
    for at in Superblock::AT {
        if media.load64(at) != 0 {
            let copy = superblock_range(at);
            media.fill(copy, 0);
            old.flush(copy);
        }
    }
    old.fence().map_err(CreateError::Sync)?;
    let mut pending = Pending::new(media);
    media.fill(zeroed, 0);
    pending.flush(zeroed);
    if !media.reads_zero_when_fresh() {
        media.back(geometry.slab_map())?;
        media.fill(geometry.slab_map(), 0);
        pending.flush(geometry.slab_map());
    }
    Ok(pending)
}

/// Step 3: the superblocks; everything else is durable by now (O1).
///
/// Cost: one wait. Crash: no pool or the whole one.
pub fn seal<M: Media>(media: M, shape: &Shape) -> Result<Pool<M>, CreateError<M::SyncError>> {
    let superblock = Superblock::new(
        &shape.geometry,
        shape.pool_id,
        shape.key,
        shape.layout,
        shape.created_s,
    );
    let mut pending = Pending::new(&media);
    for at in Superblock::AT {
        pending.write_nt(at, superblock.as_bytes());
    }
    pending.fence().map_err(CreateError::Sync)?;
    Ok(Pool::assemble(media, shape.geometry, superblock, None))
}

/// The bytes of the copy at `at`.
pub(super) fn superblock_range(at: ByteOffset) -> ByteRange {
    ByteRange::at(at.get(), size_of::<Superblock>() as u64).unwrap_or_default()
}
