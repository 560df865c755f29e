//! The end of a target, and whether its file is still what was opened.

use std::path::Path;

use everline::media::Media;
use everline::media::file::FileError;
use everline::tx::TxError;
use everline::units::{ByteOffset, ByteRange, LineRange};

use super::{Target, TargetError, TargetMedia};
use crate::{RegionError, Retirement};

impl Target {
    /// Whether the file is still what was opened: not cut, not removed, no page lost. Memory always is.
    /// Cost: one fstat.
    ///
    /// Errors: [`TargetError::File`] with what happened; nothing stored from now on can be trusted to last.
    pub fn still_whole(&self) -> Result<(), TargetError> {
        match self.engine().pool().media().inner() {
            TargetMedia::Pmem(file) => file.still_whole()?,
            TargetMedia::File(file) => {
                file.file().still_whole(self.file_path(), file.len())?;
            }
            TargetMedia::Memory(_) | TargetMedia::ReadOnly(_) => {}
        }
        self.still_intact()
    }

    /// Nothing that was read was zeros in place of bytes that could not be read.
    pub(super) fn still_intact(&self) -> Result<(), TargetError> {
        if self.engine().pool().media().intact() {
            return Ok(());
        }
        let path = self.file_path().to_path_buf();
        Err(FileError::Lost { path }.into())
    }

    /// The path of a target that is no memory.
    fn file_path(&self) -> &Path {
        self.path().unwrap_or(Path::new(""))
    }

    /// Ends the work: what was written volatile goes to the file too, the log is empty, so that the next open replays nothing, and other handles to the regions
    /// answer [`RegionError::Retired`]. The lock goes with the last of them.
    ///
    /// Errors: a failed sync, or a file that is no longer what was opened; what was acknowledged before stays as
    /// durable as it was. Cost: two waits, or none.
    pub fn close(self) -> Result<(), TargetError> {
        let engine = self.engine();
        if !engine.is_read_only() {
            let outcome = engine.checkpoint();
            outcome.map_err(|error| TargetError::tx(&self.place, error))?;
            self.write_back()?;
        }
        let whole = self.still_whole();
        self.regions.retire(Retirement::Closed);
        whole
    }

    /// What was written volatile and never persisted outlives a close in a mapped file, since the system has it; here
    /// only this process does.
    fn write_back(&self) -> Result<(), TargetError> {
        let TargetMedia::File(file) = self.engine().pool().media().inner() else {
            return Ok(());
        };
        let whole = ByteRange::new(ByteOffset::ZERO, file.len()).unwrap_or_default();
        file.flush(LineRange::covering(whole));
        let outcome = file.fence();
        outcome.map_err(|errno| TargetError::tx(&self.place, TxError::Sync(errno)))
    }

    /// Removes the pool's file, durably. From then on every handle answers
    /// [`RegionError::Retired`] (T2). For memory there is only that.
    ///
    /// Errors: open read-only, or the name leads to another file by now; then everything is as it was.
    pub fn destroy_pool(&self) -> Result<(), TargetError> {
        if self.engine().is_read_only() {
            return Err(TargetError::regions(&self.place, RegionError::ReadOnly));
        }
        match self.engine().pool().media().inner() {
            TargetMedia::Pmem(file) => file.remove()?,
            TargetMedia::File(file) => file.file().remove(self.file_path())?,
            TargetMedia::Memory(_) | TargetMedia::ReadOnly(_) => {}
        }
        self.regions.retire(Retirement::Destroyed);
        Ok(())
    }
}
