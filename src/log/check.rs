//! Checks both checkpoint slots as they stand on the medium; reads only.

use super::Log;
use super::slot::Slot;
use crate::layout::Corrupt;
use crate::media::Media;
use crate::pool::Pool;

impl Log {
    /// Tells `report` of a slot that is not whole: the open and every checkpoint since left two that are. Waits for a
    /// checkpoint that is running.
    pub(crate) fn check<M: Media>(&self, pool: &Pool<M>, report: &mut impl FnMut(Corrupt)) {
        let state = self.checkpoint.lock();
        let geometry = &pool.geometry();
        for index in 0..2 {
            let slot = Slot::load(pool.media(), geometry, pool.id(), index);
            let at = geometry.slot_at(index);
            match slot {
                None => report(Corrupt::new(at, "a checkpoint slot is damaged")),
                Some(slot) if index == state.slot.index && slot != state.slot => report(
                    Corrupt::new(at, "a checkpoint slot differs from what it should be"),
                ),
                Some(_) => {}
            }
        }
    }
}
