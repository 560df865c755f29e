//! Stores a damaged or older superblock copy anew (O2).

use zerocopy::IntoBytes;

use super::Pool;
use crate::layout::Superblock;
use crate::media::Media;
use crate::persist::Pending;

/// Makes both copies equal again. The one that serves is durable by now: recovery has reaffirmed it.
///
/// Errors: a failed fence; the other copy still serves. Cost: one wait where the copies differed, else none.
pub fn mend<M: Media>(pool: &Pool<M>) -> Result<(), M::SyncError> {
    let Some((copy, _flaw)) = pool.flawed_copy else {
        return Ok(());
    };
    let mut pending = Pending::new(&pool.media);
    pending.write_nt(Superblock::AT[copy & 1], pool.superblock.as_bytes());
    pool.health.settle(pending.fence())
}
