//! Flushes and non-temporal stores whose number is known only at run time, settled by one fence.

use core::marker::PhantomData;

use crate::media::Media;
use crate::units::{ByteOffset, ByteRange, LineRange};

/// Collects what one fence will settle. Ranges were checked by the caller; a range outside the medium panics.
#[must_use = "pending write-back is durable only after a fence"]
pub struct Pending<'m, M> {
    media: &'m M,
    any: bool,
    on_this_thread: PhantomData<*const ()>,
}

impl<'m, M: Media> Pending<'m, M> {
    /// Nothing pending yet.
    #[inline]
    pub fn new(media: &'m M) -> Self {
        Pending {
            media,
            any: false,
            on_this_thread: PhantomData,
        }
    }

    /// Starts write-back of the lines of `range`.
    #[inline]
    #[track_caller]
    pub fn flush(&mut self, range: ByteRange) {
        let lines = LineRange::covering(range);
        if !lines.is_empty() {
            self.media.flush(lines);
            self.any = true;
        }
    }

    /// Stores `bytes` past the cache.
    #[inline]
    #[track_caller]
    pub fn write_nt(&mut self, at: ByteOffset, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.media.write_nt(at, bytes);
            self.any = true;
        }
    }

    /// Stores `byte` to all of `range` and starts its write-back.
    #[track_caller]
    pub fn fill(&mut self, range: ByteRange, byte: u8) {
        self.media.fill(range, byte);
        self.flush(range);
    }

    /// Makes visible bytes durable even where an earlier sync of them failed ([`Media::reaffirm`]).
    #[inline]
    #[track_caller]
    pub fn reaffirm(&mut self, range: ByteRange) {
        if !range.is_empty() {
            self.media.reaffirm(range);
            self.any = true;
        }
    }

    /// Waits for all of it; no fence where nothing is pending.
    ///
    /// Errors: what the medium's fence fails with. Cost: one wait, or none.
    #[inline]
    #[track_caller]
    pub fn fence(self) -> Result<(), M::SyncError> {
        if self.any { self.media.fence() } else { Ok(()) }
    }
}
