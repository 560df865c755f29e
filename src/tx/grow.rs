//! Growth while transactions run.

use super::Manager;
use crate::media::Media;
use crate::pool::{self, GrowError};

impl<M: Media> Manager<M> {
    /// Makes the pool `new_len` bytes long, while others go on; nothing to do where it has that length already.
    ///
    /// What is free grows by the whole slabs that the new part holds; the emergency reserve moves to the new end.
    /// Errors: see [`GrowError`]; after [`GrowError::Sync`] the pool is poisoned, after any other it goes on as it was.
    /// Cost: two waits, and the medium's own for its length. Crash: the old length or the new one, and every byte that
    /// was durable before; a medium that stays longer than its pool does no harm.
    pub fn grow(&self, new_len: u64) -> Result<(), GrowError<M::SyncError>> {
        if self.is_read_only() {
            return Err(GrowError::ReadOnly);
        }
        pool::grow(&self.pool, new_len)
    }
}
