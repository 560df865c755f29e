//! Growth: the file is longer, durably, before anybody may use the new part. The base never moves.

use super::FileMedia;
use super::back;
use super::error::{errno_of, space_error};
use crate::media::{Errno, Media, SpaceError};
use crate::units::ByteLen;

impl FileMedia {
    /// See [`Media::set_len`]. A crash leaves the old or the new length, and zeros in the new part.
    pub(super) fn grow_to(&self, len: ByteLen) -> Result<(), SpaceError> {
        let _held = self.space.hold();
        let old = self.len();
        if len == old {
            // A killed process may have left a length that no sync has seen.
            return self.sync_length();
        }
        if len < old || !self.mapping.has_room_for(len) {
            return Err(SpaceError::Unsupported);
        }
        self.check_uncut()?;
        self.extend(old, len).inspect_err(|_| {
            // Best effort: a file that is too long does no harm.
            drop(self.file.set_len(old.get()));
        })?;
        self.space.forget_end(old);
        self.watch.resize(len.get() as usize);
        Ok(())
    }

    fn extend(&self, old: ByteLen, len: ByteLen) -> Result<(), SpaceError> {
        self.file
            .set_len(len.get())
            .map_err(|error| space_error(errno_of(&error)))?;
        back::prepare_extension(&self.file, old.get(), len.get())?;
        self.sync_length()?;
        self.mapping.grow(&self.file, len).map_err(SpaceError::Io)
    }

    fn sync_length(&self) -> Result<(), SpaceError> {
        self.file.sync_all().map_err(|error| {
            let errno = errno_of(&error);
            self.poison(errno); // the failed sync may have been about anybody's pages
            SpaceError::Io(errno)
        })
    }

    /// Fails where the file is shorter than its mapping.
    pub(super) fn check_uncut(&self) -> Result<(), SpaceError> {
        let metadata = self
            .file
            .metadata()
            .map_err(|error| SpaceError::Io(errno_of(&error)))?;
        if metadata.len() < self.len().get() {
            return Err(SpaceError::Io(Errno(libc::EIO)));
        }
        Ok(())
    }
}
