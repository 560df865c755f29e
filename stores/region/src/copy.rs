//! Copies of regions in other pools.

use everline::layout::{REGION_CHECKED, REGION_GROWABLE};
use everline::media::Media;

use crate::directory::{Tail, behind};
use crate::stage::Made;
use crate::{RegionError, RegionId, RegionOptions, Regions};

/// Why a copy was refused, and by which side; the other pool is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError<E: std::error::Error + 'static, F: std::error::Error + 'static> {
    /// The region cannot be read.
    #[error("the region that is copied: {0}")]
    Source(RegionError<E>),
    /// Its copy cannot be made.
    #[error("the pool that it is copied to: {0}")]
    Target(RegionError<F>),
}

/// Bytes that are copied at once.
const PIECE: u64 = 64 << 10;

impl<M: Media> Regions<M> {
    /// Makes a region in `other` with the same bytes and the same options, under a name or none.
    ///
    /// Writers of the region wait meanwhile. Errors: of either side. Cost: two waits of the other pool. Crash: the
    /// whole copy, or nothing of it.
    pub fn copy_to<N: Media>(
        &self,
        id: RegionId,
        other: &Regions<N>,
        name: Option<&str>,
    ) -> Result<RegionId, CopyError<M::SyncError, N::SyncError>> {
        let mut batch = other.batch().map_err(CopyError::Target)?;
        // keeps R5: the other pool's lane and index come before this pool's slot, so that two copies that cross do not
        // wait for each other
        batch.lock();
        let inside = self.enter(id).map_err(CopyError::Source)?;
        let tail = Tail::read(self.engine(), inside.number, &inside.entry);
        let tail = tail.map_err(CopyError::Source)?;
        let options = RegionOptions {
            name,
            align: inside.entry.align(),
            growable: inside.entry.has(REGION_GROWABLE),
            checked: inside.entry.has(REGION_CHECKED),
            attributes: Some(tail.attributes()),
        };
        let len = inside.entry.len.get();
        let mut unread = None;
        let made = batch.add(&options, |tx| {
            Made::filled(tx, len, &options, |tx, block| {
                let mut buffer = vec![0; PIECE.min(len) as usize];
                let mut done = 0;
                while done < len && unread.is_none() {
                    let step = PIECE.min(len - done);
                    let piece = &mut buffer[..step as usize];
                    unread = self.read_inside(&inside, done, piece).err();
                    tx.write_beside(behind(block, done), piece)?;
                    done += step;
                }
                Ok(())
            })
        });
        if let Some(error) = unread {
            return Err(CopyError::Source(error));
        }
        let made = made.map_err(CopyError::Target)?;
        batch.commit().map_err(CopyError::Target)?;
        Ok(made)
    }
}
