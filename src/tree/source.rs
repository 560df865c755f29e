//! Where the bytes of a tree are read from: the medium, or what a writer is about to make of it.

use crate::layout::Corrupt;
use crate::media::{Mapped, Media};
use crate::pool::Pool;
use crate::units::ByteOffset;

/// Bytes by their place in the pool. A place may be anything: it is checked.
pub(super) trait Source {
    /// Fills `into` with the bytes of the object at `place` from `at` on.
    fn read(&self, place: u64, at: usize, into: &mut [u8]) -> Result<(), Corrupt>;

    /// Whether an object of `len` bytes, aligned to words, can lie at `place`.
    fn window(&self, place: u64, len: usize) -> Result<(), Corrupt>;

    /// The aligned word `at` bytes behind `place`, within what was asked [`Source::window`] for.
    fn word(&self, place: u64, at: usize) -> u64;

    /// Has the lines of the window's first `len` bytes fetched together.
    fn fetch(&self, place: u64, len: usize);

    /// How many bytes of the object at `place` can be read, at most `most`.
    fn reach(&self, place: u64, most: usize) -> usize;
}

/// The medium, as it is.
#[derive(Debug)]
pub(super) struct Medium<'p, M> {
    pool: &'p Pool<M>,
    /// Where loads go, if they need nothing but a mapping.
    mapped: Option<&'p Mapped>,
    heap_at: u64,
    /// Bytes of the pool when the reading began; it may have grown since.
    len: u64,
}

impl<M> Clone for Medium<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Medium<'_, M> {}

impl<'p, M: Media> Medium<'p, M> {
    #[inline]
    pub fn new(pool: &'p Pool<M>) -> Self {
        let geometry = pool.geometry();
        Medium {
            pool,
            mapped: pool.media().loads_from(),
            heap_at: geometry.heap_at().get(),
            len: geometry.len(),
        }
    }

    #[cold]
    #[inline(never)]
    fn len_by_now(&self) -> u64 {
        self.pool.geometry().len()
    }

    #[inline(always)]
    fn check(&self, place: u64, at: usize, len: usize) -> Result<ByteOffset, Corrupt> {
        // Both lengths are those of objects, so their sum does not overflow; a forged place may be any number.
        let end = place.saturating_add((at + len) as u64);
        if place >= self.heap_at && (end <= self.len || end <= self.len_by_now()) {
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
        match self.mapped {
            Some(mapped) => mapped.read(at, into),
            None => self.pool.media().read(at, into),
        }
        Ok(())
    }

    #[inline(always)]
    fn window(&self, place: u64, len: usize) -> Result<(), Corrupt> {
        match self.check(place, 0, len) {
            Ok(at) if at.is_aligned(8) => Ok(()),
            _ => Err(outside(place)),
        }
    }

    #[inline(always)]
    fn word(&self, place: u64, at: usize) -> u64 {
        let at = ByteOffset::new(place + at as u64);
        match self.mapped {
            Some(mapped) => mapped.load64(at),
            None => self.pool.media().load64(at),
        }
    }

    #[inline(always)]
    fn fetch(&self, place: u64, len: usize) {
        if let Some(mapped) = self.mapped {
            mapped.prefetch(ByteOffset::new(place), len as u64);
        }
    }

    #[inline(always)]
    fn reach(&self, place: u64, most: usize) -> usize {
        let len = match self.len.saturating_sub(place) < most as u64 {
            true => self.len_by_now(),
            false => self.len,
        };
        len.saturating_sub(place).min(most as u64) as usize
    }
}

/// What a draft reads beside its own bytes: nothing.
pub(super) struct Nowhere;

impl Source for Nowhere {
    fn read(&self, place: u64, _: usize, _: &mut [u8]) -> Result<(), Corrupt> {
        Err(outside(place))
    }

    fn window(&self, place: u64, _: usize) -> Result<(), Corrupt> {
        Err(outside(place))
    }

    fn word(&self, _: u64, _: usize) -> u64 {
        0
    }

    fn fetch(&self, _: u64, _: usize) {}

    fn reach(&self, _: u64, _: usize) -> usize {
        0
    }
}
