//! Group commit: several members on one lane, one record, one wait; all of them or none survive a crash.

use super::begin::Floor;
use super::{Tx, TxError};
use crate::log::undo;
use crate::media::Media;

impl<'e, M: Media> Tx<'e, M> {
    /// Runs one member of a group: later members see what earlier ones did, and nobody else sees any of them
    /// before [`Tx::commit`]. A member that fails leaves no trace, and the others go on.
    ///
    /// Errors: the member's own; [`TxError`] where what it stored in place cannot be restored. Cost: none of its
    /// own for staged members; one wait where a member fails after something was stored to fresh blocks.
    pub fn member<R, E: From<TxError<M::SyncError>>>(
        &mut self,
        member: impl FnOnce(&mut Tx<'e, M>) -> Result<R, E>,
    ) -> Result<R, E> {
        let outer = self.floor;
        self.floor = Floor {
            staged: self.stage().savepoint(),
            ranges: self.lane.ranges.as_slice().len(),
        };
        let savepoint = self.floor.staged;
        let undo_count = self.lane.cursor.undo_count;
        let outcome = member(self);
        self.floor = outer;
        if outcome.is_err() {
            self.settle_fresh(); // keeps I9
            let newer = self.lane.cursor.undo_count - undo_count;
            self.drop_staged(savepoint, newer > 0);
            let (media, geometry) = (self.manager.pool.media(), &self.manager.pool.geometry());
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
