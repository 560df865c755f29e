//! Writing what was flushed, and syncing it.
//!
//! Invariants
//! Q1  a round writes every line that a fence queued before it had flushed, and then syncs once; with nothing to
//!     write it asks nothing of the operating system, since whoever cleaned those lines has synced them.
//! Q2  nothing past the end of the file is written, and a file that somebody cut is not made longer again. Where the
//!     end is, is asked after a frame's lines were taken: a line of a part that is new by then is not cut off.

use std::vec::Vec;

use super::frames::{FRAME, Frame};
use super::{FileIo, IoMedia};
use crate::media::file::space_error;
use crate::media::group::{Batch, PageRun, SyncGroup};
use crate::media::{Errno, SpaceError};
use crate::sync::Ordering;
use crate::units::{ByteLen, ByteOffset, ByteRange, round_down, round_up};

/// Bytes written by one call at most.
const GATHER_MAX: usize = 1 << 20;

/// Bytes that follow one another in the file, on their way to it.
struct Gather<'f, F> {
    media: &'f IoMedia<F>,
    at: u64,
    bytes: Vec<u8>,
    wrote: bool,
}

impl<F: FileIo> IoMedia<F> {
    /// Notes that `range`, not empty, was flushed by this thread: its next fence waits until that is durable.
    pub(super) fn note_flushed(&self, group: &std::sync::Arc<SyncGroup>, range: ByteRange) {
        group.record(PageRun {
            start: round_down(range.start().get(), FRAME),
            end: round_up(range.end().get(), FRAME).unwrap_or(u64::MAX),
        });
    }

    /// One round of the shared sync (Q1).
    pub(super) fn sync_now(&self, batch: Batch) -> Result<(), Errno> {
        let (start, end) = match batch {
            Batch::One(run) => (run.start, run.end),
            Batch::Many => (0, self.capacity.get()),
        };
        // Acquire pairs with the release in `grow_to`.
        let len = self.len.load(Ordering::Acquire);
        let mut gather = Gather {
            media: self,
            at: 0,
            bytes: Vec::new(),
            wrote: false,
        };
        let mut checked = false;
        self.frames.take_marked(start, end, |at, frame| {
            if !core::mem::replace(&mut checked, true) && self.file.len()?.get() < len {
                return Err(Errno(libc::EIO)); // keeps Q2
            }
            gather.add_frame(at, frame)
        })?;
        gather.write()?;
        match gather.wrote {
            true => self.file.sync_data(),
            false => Ok(()),
        }
    }

    /// See [`Media::set_len`](crate::media::Media::set_len). A crash leaves the old or the new length, and zeros in
    /// the new part.
    pub(super) fn grow_to(&self, len: ByteLen) -> Result<(), SpaceError> {
        let _held = self.space.hold();
        // Acquire pairs with the release below.
        let old = ByteLen::new(self.len.load(Ordering::Acquire));
        let Some(group) = &self.sync else {
            return match len == old {
                true => Ok(()),
                false => Err(SpaceError::Unsupported),
            };
        };
        let sync_length = || {
            self.file.sync_all().map_err(|errno| {
                group.poison(errno); // the failed sync may have been about anybody's bytes
                space_error(errno)
            })
        };
        if len == old {
            // A killed process may have left a length that no sync has seen.
            return sync_length();
        }
        if len < old || len > self.capacity {
            return Err(SpaceError::Unsupported);
        }
        group.health().map_err(SpaceError::Io)?;
        self.check_uncut(old)?;
        self.file.set_len(len).inspect_err(|_| {
            // Best effort: a file that is too long does no harm.
            self.file.set_len(old).ok();
        })?;
        sync_length()?;
        self.space.forget_end(old);
        self.len.store(len.get(), Ordering::Release); // Release: who sees the length may touch the bytes
        Ok(())
    }

    /// Fails where the file is shorter than this medium.
    pub(super) fn check_uncut(&self, len: ByteLen) -> Result<(), SpaceError> {
        if self.file.len().map_err(SpaceError::Io)? < len {
            return Err(SpaceError::Io(Errno(libc::EIO)));
        }
        Ok(())
    }
}

impl<F: FileIo> Gather<'_, F> {
    /// Adds the flushed lines of the frame that begins at `base`, writing out what does not join them.
    fn add_frame(&mut self, base: u64, frame: &Frame) -> Result<(), Errno> {
        let runs = frame.take_runs();
        // Acquire, after the lines were taken: who flushed them knew of the part that they lie in.
        let len = self.media.len.load(Ordering::Acquire);
        for (within, run) in runs {
            let at = base + within;
            let run = run.min(len.saturating_sub(at)); // keeps Q2
            let joins = self.at + self.bytes.len() as u64 == at;
            if !joins || self.bytes.len() + run as usize > GATHER_MAX {
                self.write()?;
                self.at = at;
            }
            let held = self.bytes.len();
            self.bytes.resize(held + run as usize, 0);
            frame.copy_out(within, &mut self.bytes[held..]);
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Errno> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        self.wrote = true;
        self.media
            .file
            .write_at(ByteOffset::new(self.at), &self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}
