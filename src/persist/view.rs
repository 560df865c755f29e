//! Stores that remember what they still owe.

use core::fmt;
use core::marker::PhantomData;

use crate::media::Media;
use crate::units::{ByteLen, ByteOffset, ByteRange, FAIL_ATOMIC, LineRange};

/// Why a store was refused; nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// The bytes do not lie in the medium.
    #[error("{len} at {at} leave a medium of {whole}")]
    OutOfBounds {
        /// Where the store was to begin.
        at: ByteOffset,
        /// How many bytes.
        len: ByteLen,
        /// The length of the medium.
        whole: ByteLen,
    },
    /// A publish slot is one aligned word.
    #[error("the publish slot at {at} is not aligned to 8 bytes")]
    Misaligned {
        /// Where the slot was said to be.
        at: ByteOffset,
    },
    /// The medium tears an 8-byte store: publish through a commit or an A/B slot instead.
    #[error(
        "this medium tears stores above {granule} bytes: publish through a transaction instead"
    )]
    Tears {
        /// The medium's tear granule in bytes.
        granule: u64,
    },
}

/// A face of a medium whose stores are typed by how durable they are.
#[derive(Debug)]
pub struct View<'m, M> {
    media: &'m M,
}

impl<M> Clone for View<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for View<'_, M> {}

impl<'m, M: Media> View<'m, M> {
    /// A view of `media`.
    pub fn new(media: &'m M) -> Self {
        View { media }
    }

    #[inline]
    fn checked(self, at: ByteOffset, len: ByteLen) -> Result<ByteRange, ViewError> {
        let whole = self.media.len();
        match ByteRange::new(at, len) {
            Some(range) if range.end().get() <= whole.get() => Ok(range),
            _ => Err(ViewError::OutOfBounds { at, len, whole }),
        }
    }

    /// Stores `bytes` with ordinary stores. Errors: out of bounds, nothing stored. Cost: no wait.
    #[inline]
    #[track_caller]
    pub fn write(self, at: ByteOffset, bytes: &[u8]) -> Result<Dirty<'m, M>, ViewError> {
        let range = self.checked(at, ByteLen::of(bytes))?;
        self.media.write(at, bytes);
        Ok(Dirty {
            media: self.media,
            range,
        })
    }

    /// Stores one aligned little-endian word, which never tears where the tear granule is 8 or more.
    /// Errors: out of bounds or misaligned, nothing stored. Cost: no wait.
    #[inline]
    #[track_caller]
    pub fn store64(self, at: ByteOffset, value: u64) -> Result<Dirty<'m, M>, ViewError> {
        let range = self.checked(at, ByteLen::new(FAIL_ATOMIC))?;
        if !at.is_aligned(FAIL_ATOMIC) {
            return Err(ViewError::Misaligned { at });
        }
        self.media.store64(at, value);
        Ok(Dirty {
            media: self.media,
            range,
        })
    }

    /// Stores `bytes` past the cache: write-back has begun when this returns, so the result is already
    /// [`Flushed`]. Errors: out of bounds, nothing stored. Cost: no wait.
    #[inline]
    #[track_caller]
    pub fn write_nt(self, at: ByteOffset, bytes: &[u8]) -> Result<Flushed<'m, M>, ViewError> {
        let range = self.checked(at, ByteLen::of(bytes))?;
        self.media.write_nt(at, bytes);
        Ok(Flushed {
            media: self.media,
            range,
            on_this_thread: PhantomData,
        })
    }

    /// Stores the place of `target` to the word at `slot`: the one 8-byte store that makes it reachable (P3).
    ///
    /// Errors: the slot is out of bounds or misaligned, or the medium tears 8-byte stores; nothing stored.
    /// Cost: no wait. Crash: the slot holds its old or its new value, and the target is durable either way.
    #[inline]
    #[track_caller]
    pub fn publish(
        self,
        slot: ByteOffset,
        target: &Durable<'m, M>,
    ) -> Result<Dirty<'m, M>, ViewError> {
        let granule = self.media.tear_granule();
        if granule < FAIL_ATOMIC {
            return Err(ViewError::Tears { granule });
        }
        self.store64(slot, target.range.start().get())
    }
}

/// Bytes that were stored and whose lines are still to be flushed.
#[must_use = "a dirty range is lost in a power cut until it is flushed and fenced"]
pub struct Dirty<'m, M> {
    media: &'m M,
    range: ByteRange,
}

impl<'m, M: Media> Dirty<'m, M> {
    /// Starts write-back of every line that holds a byte of the range. Cost: no wait.
    #[inline]
    #[track_caller]
    pub fn flush(self) -> Flushed<'m, M> {
        self.media.flush(LineRange::covering(self.range));
        Flushed {
            media: self.media,
            range: self.range,
            on_this_thread: PhantomData,
        }
    }
}

/// Bytes whose write-back has begun on this thread; it stays here, as a fence orders only its own thread (P2).
#[must_use = "a flushed range is durable only after a fence"]
pub struct Flushed<'m, M> {
    pub(super) media: &'m M,
    pub(super) range: ByteRange,
    on_this_thread: PhantomData<*const ()>,
}

impl<'m, M> Flushed<'m, M> {
    /// What the fence made true of the range.
    pub(super) fn settle(self) -> Durable<'m, M> {
        Durable {
            media: PhantomData,
            range: self.range,
        }
    }
}

/// Proof that a range has survived a fence: it is there after a power cut until it is stored to again.
pub struct Durable<'m, M> {
    media: PhantomData<&'m M>,
    range: ByteRange,
}

impl<M> Clone for Durable<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Durable<'_, M> {}

impl<M> Durable<'_, M> {
    /// The bytes that are durable.
    pub fn range(&self) -> ByteRange {
        self.range
    }
}

macro_rules! show_range {
    ($($name:ident),*) => {
        $(impl<M> fmt::Debug for $name<'_, M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.range).finish()
            }
        })*
    };
}

show_range!(Dirty, Flushed, Durable);

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::media::{Counted, Ram};
    use crate::persist::fence;
    use static_assertions::{assert_impl_all, assert_not_impl_any};

    assert_not_impl_any!(Flushed<'static, Ram>: Send, Sync, Clone);
    assert_impl_all!(Durable<'static, Ram>: Send, Sync, Clone);

    #[test]
    fn many_flushes_cost_one_wait() {
        let media = Counted::new(Ram::new(ByteLen::new(4096)));
        let view = View::new(&media);
        let flushed = [0u64, 100, 3000].map(|at| {
            view.write(ByteOffset::new(at), &[1; 80])
                .expect("inside")
                .flush()
        });
        fence(flushed).expect("infallible");
        let cost = media.cost();
        assert_eq!((cost.waits, cost.fences, cost.lines), (1, 1, 2 + 2 + 3));
    }

    #[test]
    fn a_store_outside_the_medium_is_an_error_and_stores_nothing() {
        let media = Counted::new(Ram::new(ByteLen::new(4096)));
        let view = View::new(&media);
        assert!(matches!(
            view.write(ByteOffset::new(4095), &[1; 2]),
            Err(ViewError::OutOfBounds { .. })
        ));
        assert!(matches!(
            view.write(ByteOffset::new(u64::MAX), &[1; 2]),
            Err(ViewError::OutOfBounds { .. })
        ));
        assert!(matches!(
            view.store64(ByteOffset::new(4), 1),
            Err(ViewError::Misaligned { .. })
        ));
        assert_eq!(media.cost().bytes, 0);
    }
}
