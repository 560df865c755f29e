//! Stores a damaged superblock copy anew (O2).

use zerocopy::IntoBytes;

use super::Pool;
use crate::layout::Superblock;
use crate::media::Media;
use crate::persist::Pending;

/// Makes both copies equal again; answers which one was damaged. The other one is durable by now: recovery has
/// reaffirmed it.
///
/// Errors: a failed fence; the other copy still serves. Cost: one wait where a copy was damaged, else none.
pub fn mend<M: Media>(pool: &Pool<M>) -> Result<Option<usize>, M::SyncError> {
    let Some(copy) = pool.damaged_copy else {
        return Ok(None);
    };
    let mut pending = Pending::new(&pool.media);
    pending.write_nt(Superblock::AT[copy & 1], pool.superblock.as_bytes());
    pool.health.settle(pending.fence())?;
    Ok(Some(copy))
}
