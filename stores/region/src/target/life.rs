//! The end of a target, and whether its file is still what was opened.

use super::{Target, TargetError, TargetMedia};
use crate::Retirement;

impl Target {
    /// Whether the file is still what was opened: not cut, not removed, no page lost. Memory always is.
    /// Cost: one fstat.
    ///
    /// Errors: [`TargetError::File`] with what happened; nothing stored from now on can be trusted to last.
    pub fn still_whole(&self) -> Result<(), TargetError> {
        match self.engine().pool().media() {
            TargetMedia::Pmem(file) => Ok(file.still_whole()?),
            TargetMedia::Memory(_) | TargetMedia::ReadOnly(_) => Ok(()),
        }
    }

    /// Ends the work: the log is empty, so that the next open replays nothing, and other handles to the regions
    /// answer [`RegionError::Retired`](crate::RegionError::Retired). The lock goes with the last of them.
    ///
    /// Errors: a failed sync, or a file that is no longer what was opened; what was acknowledged before stays as
    /// durable as it was. Cost: two waits, or none.
    pub fn close(self) -> Result<(), TargetError> {
        let engine = self.engine();
        if !engine.is_read_only() {
            let outcome = engine.checkpoint();
            outcome.map_err(|error| TargetError::tx(&self.place, error))?;
        }
        let whole = self.still_whole();
        self.regions.retire(Retirement::Closed);
        whole
    }

    /// Removes the pool's file, durably. From then on every handle answers
    /// [`RegionError::Retired`](crate::RegionError::Retired) (T2). For memory there is only that.
    ///
    /// Errors: open read-only, or the name leads to another file by now; then everything is as it was.
    pub fn destroy_pool(&self) -> Result<(), TargetError> {
        match self.engine().pool().media() {
            TargetMedia::Pmem(file) => file.remove()?,
            TargetMedia::Memory(_) => {}
            TargetMedia::ReadOnly(_) => {
                let refused = crate::RegionError::ReadOnly;
                return Err(TargetError::regions(&self.place, refused));
            }
        }
        self.regions.retire(Retirement::Destroyed);
        Ok(())
    }
}
