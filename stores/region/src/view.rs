//! Views: straight into a region's block, without a copy and without a lock (R7).

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange};

use crate::chunks::Grid;
use crate::open::Inside;
use crate::segments::Limit;
use crate::slots::Slot;
use crate::{RegionError, RegionId, Regions, WriteMode};

/// Bytes that are compared or handed on at once.
const PIECE: usize = 4096;

/// A region's bytes, to be read where they lie and stored to in place.
///
/// It keeps the block where it is: as long as it lives, whatever would move or free the block is refused with
/// [`RegionError::InUse`], and nothing else is. Other threads may write to the region meanwhile; a reader then sees each
/// aligned word as it was before or after.
pub struct RegionView<'r, M: Media> {
    regions: &'r Regions<M>,
    slot: &'r Slot,
    id: RegionId,
    block: ByteRange,
    checked: bool,
}

impl<M: Media> Regions<M> {
    /// A view of the region, as long as it is now.
    ///
    /// Errors: [`RegionError::InvalidRegion`]; [`RegionError::NoSpace`] and [`RegionError::ReadOnly`] where bytes that
    /// were never written must become the region's own first. Cost: no wait, but two in that case, and zeros to those
    /// bytes.
    pub fn view(&self, id: RegionId) -> Result<RegionView<'_, M>, RegionError<M::SyncError>> {
        loop {
            let inside = self.enter(id)?;
            if self.is_whole(&inside)? {
                inside.slot.look();
                return Ok(RegionView {
                    regions: self,
                    slot: inside.slot,
                    id,
                    block: inside.home_range(0, inside.entry.len.get()),
                    checked: inside.entry.has(everline::layout::REGION_CHECKED),
                });
            }
            drop(inside);
            self.materialise(id)?;
        }
    }

    fn is_whole(&self, inside: &Inside<'_>) -> Result<bool, RegionError<M::SyncError>> {
        let len = inside.entry.len.get();
        if inside.ready >= len {
            return Ok(true);
        }
        for index in Grid::of(&inside.entry).indices(&(0..len)) {
            if !self.is_written(inside.number, &inside.entry, &inside.chunks, index)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl<M: Media> RegionView<'_, M> {
    /// The region's identifier.
    pub fn id(&self) -> RegionId {
        self.id
    }

    /// Bytes of the region when the view was made.
    pub fn len(&self) -> u64 {
        self.block.len().get()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    fn home(&self, at: u64, len: u64) -> Result<ByteRange, RegionError<M::SyncError>> {
        let limit = Limit {
            len: self.len(),
            grows: false,
        };
        limit.check(self.id, at, len)?;
        let start = ByteOffset::new(self.block.start().get() + at);
        Ok(ByteRange::new(start, ByteLen::new(len)).unwrap_or_default())
    }

    fn word(&self, at: u64, bytes: u64) -> Result<ByteOffset, RegionError<M::SyncError>> {
        let home = self.home(at, bytes)?;
        match home.start().is_aligned(bytes) {
            true => Ok(home.start()),
            false => Err(RegionError::InvalidArgument {
                what: "a word is loaded from a place that is not aligned to its size",
            }),
        }
    }

    fn media(&self) -> &M {
        self.regions.engine().pool().media()
    }

    /// Copies bytes out. Errors: [`RegionError::OutOfBounds`].
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<(), RegionError<M::SyncError>> {
        let home = self.home(at, into.len() as u64)?;
        self.regions.engine().read(home.start(), into)?;
        self.regions.counters.read(into.len() as u64);
        self.regions.intact()
    }

    /// One byte. Errors: [`RegionError::OutOfBounds`].
    pub fn load8(&self, at: u64) -> Result<u8, RegionError<M::SyncError>> {
        Ok(self.media().load8(self.word(at, 1)?))
    }

    /// A little-endian word at an aligned place, in one piece. Errors: [`RegionError::OutOfBounds`],
    /// [`RegionError::InvalidArgument`] for a place that is not aligned.
    pub fn load32(&self, at: u64) -> Result<u32, RegionError<M::SyncError>> {
        Ok(self.media().load32(self.word(at, 4)?))
    }

    /// As [`RegionView::load32`], 8 bytes.
    pub fn load64(&self, at: u64) -> Result<u64, RegionError<M::SyncError>> {
        Ok(self.media().load64(self.word(at, 8)?))
    }

    /// Whether the bytes from `at` on are these. Errors: [`RegionError::OutOfBounds`].
    pub fn equals(&self, at: u64, bytes: &[u8]) -> Result<bool, RegionError<M::SyncError>> {
        let (mut same, mut done) = (true, 0);
        self.copy_to(at, bytes.len() as u64, |piece| {
            same &= bytes[done..done + piece.len()] == *piece;
            done += piece.len();
        })?;
        Ok(same)
    }

    /// Hands `len` bytes from `at` on to `take`, piece by piece in order. Errors: [`RegionError::OutOfBounds`].
    pub fn copy_to(
        &self,
        at: u64,
        len: u64,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), RegionError<M::SyncError>> {
        let home = self.home(at, len)?;
        let mut buffer = [0; PIECE];
        let mut done = 0;
        while done < len {
            let step = (PIECE as u64).min(len - done);
            let piece = &mut buffer[..step as usize];
            let from = ByteOffset::new(home.start().get() + done);
            self.regions.engine().read(from, piece)?;
            take(piece);
            done += step;
        }
        Ok(())
    }

    /// The address of the region's first byte, where the medium maps its bytes as they are.
    ///
    /// What an engine may do with it, as long as the view lives: read [`RegionView::len`] bytes through volatile or
    /// atomic loads at any time; make a `&[u8]` of them only while it knows that no thread of this process and no other
    /// process writes to them, by any path. It must never store through it: a store that the pool does not see is not
    /// made durable by a persist of its range on media that keep a list, and leaves the checksums of a checked region
    /// wrong. [`RegionView::write_at`] is the store.
    pub fn as_ptr(&self) -> Option<*const u8> {
        self.media().address(self.block)
    }

    /// Stores `bytes` from `at` on; durable once [`RegionView::persist`] of them has returned.
    ///
    /// Errors: [`RegionError::OutOfBounds`], nothing was touched. Cost: no wait; one in a checked region where chunks
    /// are sealed.
    pub fn write_at(&self, at: u64, bytes: &[u8]) -> Result<(), RegionError<M::SyncError>> {
        let home = self.home(at, bytes.len() as u64)?;
        if self.checked {
            return self.regions.write_volatile(self.id, at, bytes);
        }
        self.regions.engine().write_volatile(home.start(), bytes)?;
        let counters = &self.regions.counters;
        counters.write(bytes.len() as u64, WriteMode::Volatile);
        Ok(())
    }

    /// Makes `len` bytes from `at` on durable as they are. As [`Regions::persist`].
    pub fn persist(&self, at: u64, len: u64) -> Result<(), RegionError<M::SyncError>> {
        self.home(at, len)?;
        self.regions.persist(self.id, at, len)
    }
}

impl<M: Media> Drop for RegionView<'_, M> {
    fn drop(&mut self) {
        self.slot.leave();
    }
}

impl<M: Media> std::fmt::Debug for RegionView<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegionView")
            .field("id", &self.id)
            .field("block", &self.block)
            .finish_non_exhaustive()
    }
}
