//! Where the bytes of a tree are read from: the medium, or what a writer is about to make of it.

use crate::layout::Corrupt;
use crate::media::Media;
use crate::pool::Pool;
use crate::units::ByteOffset;

/// Places are below this.
const PLACE_MASK: u64 = (1 << 48) - 1;

/// Bytes by their place in the pool. A place may be anything: it is checked.
pub(super) trait Source {
    /// Fills `into` with the bytes of the object at `place` from `at` on.
    fn read(&self, place: u64, at: usize, into: &mut [u8]) -> Result<(), Corrupt>;

    /// The aligned word `at` bytes behind `place`.
    fn word(&self, place: u64, at: usize) -> Result<u64, Corrupt>;

    /// How many bytes of the object at `place` can be read, at most `most`.
    fn reach(&self, place: u64, most: usize) -> usize;
}

/// The medium, as it is.
#[derive(Debug)]
pub(super) struct Medium<'p, M> {
    pool: &'p Pool<M>,
}

impl<M> Clone for Medium<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Medium<'_, M> {}

impl<'p, M: Media> Medium<'p, M> {
    pub fn new(pool: &'p Pool<M>) -> Self {
        Medium { pool }
    }

    #[inline(always)]
    fn check(&self, place: u64, at: usize, len: usize) -> Result<ByteOffset, Corrupt> {
        let geometry = self.pool.geometry();
        // Places have 48 bits, and both lengths are those of objects: no sum overflows.
        let end = (place & PLACE_MASK) + (at + len) as u64;
        if place >= geometry.heap_at().get() && end <= geometry.len() {
            Ok(ByteOffset::new(place + at as u64))
        } else {
            Err(outside(place))
        }
    }
}

#[cold]
fn outside(place: u64) -> Corrupt {
    Corrupt::new(
        ByteOffset::new(place),
        "a tree leads to a place outside the heap",
    )
}

impl<M: Media> Source for Medium<'_, M> {
    #[inline(always)]
    fn read(&self, place: u64, at: usize, into: &mut [u8]) -> Result<(), Corrupt> {
        let at = self.check(place, at, into.len())?;
        self.pool.media().read(at, into);
        Ok(())
    }

    #[inline(always)]
    fn word(&self, place: u64, at: usize) -> Result<u64, Corrupt> {
        let at = self.check(place, at, 8)?;
        if !at.is_aligned(8) {
            return Err(outside(place));
        }
        Ok(self.pool.media().load64(at))
    }

    #[inline(always)]
    fn reach(&self, place: u64, most: usize) -> usize {
        let len = self.pool.geometry().len();
        len.saturating_sub(place).min(most as u64) as usize
    }
}
