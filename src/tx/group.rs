//! Group commit: several members on one lane, one record, one wait; all of them or none survive a crash.

use super::{Tx, TxError};
use crate::layout::RECORD_HEADER_BYTES;
use crate::log::undo;
use crate::media::Media;

impl<'e, M: Media> Tx<'e, M> {
    /// Runs one member of a group: later members see what earlier ones did, and nobody else sees any of them
    /// before [`Tx::commit`]. A member that fails leaves no trace, and the others go on.
    ///
    /// Errors: the member's own; [`TxError`] where what it stored in place cannot be restored. Cost: none of its
    /// own for staged members.
    pub fn member<R, E: From<TxError<M::SyncError>>>(
        &mut self,
        member: impl FnOnce(&mut Tx<'e, M>) -> Result<R, E>,
    ) -> Result<R, E> {
        let savepoint = self.stage().savepoint();
        let undo_count = self.lane.cursor.undo_count;
        let outcome = member(self);
        if outcome.is_err() {
            self.drop_staged(savepoint.max(RECORD_HEADER_BYTES));
            let newer = self.lane.cursor.undo_count - undo_count;
            let (media, geometry) = (self.manager.pool.media(), self.manager.pool.geometry());
            undo(
                media,
                geometry,
                self.lane.cursor.last_undo,
                newer,
                |_range| {},
            )
            .map_err(|corrupt| E::from(corrupt.into()))?;
        }
        outcome
    }
}
