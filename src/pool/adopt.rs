//! Superblocks of a pool that gets another identity: gone first, back last (O1).

use zerocopy::IntoBytes;

use super::Pool;
use super::create::superblock_range;
use crate::layout::{PoolId, Superblock};
use crate::media::Media;
use crate::persist::Pending;

/// Leaves no pool: neither copy is one. Cost: one wait.
pub(crate) fn invalidate<M: Media>(pool: &Pool<M>) -> Result<(), M::SyncError> {
    let mut pending = Pending::new(&pool.media);
    for at in Superblock::AT {
        pending.fill(superblock_range(at), 0);
    }
    pending.fence()
}

/// Stores both copies anew, under another identity; everything else is durable by now (O1). Cost: one wait.
pub(crate) fn restore<M: Media>(
    pool: &Pool<M>,
    pool_id: PoolId,
    key: [u8; 16],
    created_s: u64,
) -> Result<(), M::SyncError> {
    let superblock = pool.superblock.adopted(pool_id, key, created_s);
    let mut pending = Pending::new(&pool.media);
    for at in Superblock::AT {
        pending.write_nt(at, superblock.as_bytes());
    }
    pending.fence()
}
