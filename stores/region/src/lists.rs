//! Scatter, gather, and lists where both sides are in pieces.

use everline::media::Media;

use crate::segments::{Extent, WriteMode, cut, pair, segments};
use crate::{RegionError, RegionId, Regions};

impl<M: Media> Regions<M> {
    /// Stores each piece at its place, in list order: where pieces overlap, the later one is there afterwards.
    ///
    /// Errors: as of [`Regions::write`]; one piece that leaves the region refuses them all, and nothing was touched.
    /// Cost and crash: as of one write in that mode, however many pieces; atomic is all of them or none. An empty
    /// list, or one of empty pieces, does nothing.
    pub fn write_list(
        &self,
        id: RegionId,
        pieces: &[(u64, &[u8])],
        mode: WriteMode,
    ) -> Result<(), RegionError<M::SyncError>> {
        self.write_pieces(id, pieces, mode)
    }

    /// [`Regions::write_list`], all or nothing.
    pub fn write_atomic_list(
        &self,
        id: RegionId,
        pieces: &[(u64, &[u8])],
    ) -> Result<(), RegionError<M::SyncError>> {
        self.write_pieces(id, pieces, WriteMode::Atomic)
    }

    /// Spreads one buffer over the ranges of a list, in its order. Errors: [`RegionError::InvalidArgument`] where the
    /// lengths do not sum up to the buffer's; else as of [`Regions::write_list`].
    pub fn scatter(
        &self,
        id: RegionId,
        data: &[u8],
        extents: &[Extent],
        mode: WriteMode,
    ) -> Result<(), RegionError<M::SyncError>> {
        let pieces = self.known(id, || cut(data, extents))?;
        self.write_pieces(id, &pieces, mode)
    }

    /// Collects the ranges of a list into one buffer, in list order. Errors: as of [`Regions::scatter`]; nothing was
    /// stored to the buffer.
    pub fn gather(
        &self,
        id: RegionId,
        extents: &[Extent],
        into: &mut [u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        self.read_vectored(id, extents, &mut [into])
    }

    /// Stores several buffers one after another into the ranges of a list, where the two need not be cut alike.
    /// Errors: as of [`Regions::scatter`].
    pub fn write_vectored(
        &self,
        id: RegionId,
        sources: &[&[u8]],
        extents: &[Extent],
        mode: WriteMode,
    ) -> Result<(), RegionError<M::SyncError>> {
        let pieces = self.known(id, || {
            let sources = sources.iter().copied();
            pair(sources, extents, |b| b.len() as u64, <[u8]>::split_at)
        })?;
        self.write_pieces(id, &pieces, mode)
    }

    /// Reads the ranges of a list into several buffers, where the two need not be cut alike. Errors: as of
    /// [`Regions::gather`].
    pub fn read_vectored(
        &self,
        id: RegionId,
        extents: &[Extent],
        targets: &mut [&mut [u8]],
    ) -> Result<(), RegionError<M::SyncError>> {
        let inside = self.enter(id)?;
        let limit = inside.read_limit();
        let targets = targets.iter_mut().map(|target| &mut **target);
        let take = |buffer, at| <[u8]>::split_at_mut(buffer, at);
        let pieces: Vec<(u64, &mut [u8])> = pair(targets, extents, |b| b.len() as u64, take)?;
        for extent in extents {
            limit.check(id, extent.at, extent.len)?;
        }
        let mut bytes = 0;
        for (at, into) in pieces {
            bytes += into.len() as u64;
            self.read_inside(&inside, at, into)?;
        }
        self.counters.read(bytes);
        Ok(())
    }

    /// Runs `work` if there is such a region, so that an identifier is refused before arguments are.
    fn known<R>(
        &self,
        id: RegionId,
        work: impl FnOnce() -> Result<R, RegionError<M::SyncError>>,
    ) -> Result<R, RegionError<M::SyncError>> {
        drop(self.enter(id)?);
        work()
    }

    fn write_pieces(
        &self,
        id: RegionId,
        pieces: &[(u64, &[u8])],
        mode: WriteMode,
    ) -> Result<(), RegionError<M::SyncError>> {
        let limit = self.enter(id)?.limit();
        let segments = segments(id, pieces.iter().copied(), limit)?;
        if !segments.is_empty() {
            self.write_segments(id, &segments, mode)?;
        }
        let bytes = segments.iter().map(|segment| segment.bytes.len() as u64);
        self.counters.write(bytes.sum(), mode);
        Ok(())
    }
}
