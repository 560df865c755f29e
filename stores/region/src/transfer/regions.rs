//! Regions copied one by one, between pools on any two media. Their identifiers are new.

use everline::media::Media;

use super::TransferOptions;
use crate::{RegionError, RegionId, RegionOptions, Regions};

/// How regions are copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// Bytes copied at a time; 0 means a whole region.
    pub transfer: TransferOptions,
    /// Whether the copy has the region's name.
    pub with_name: bool,
}

/// Why a region was not copied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionCopyError<S: std::error::Error + 'static, T: std::error::Error + 'static> {
    /// The source refused.
    #[error("the source: {0}")]
    Source(RegionError<S>),
    /// The destination refused.
    #[error("the destination: {0}")]
    Destination(RegionError<T>),
}

/// What copying from a pool on `M` to one on `N` may fail with.
pub type CopyFault<M, N> = RegionCopyError<<M as Media>::SyncError, <N as Media>::SyncError>;

impl<M: Media> Regions<M> {
    /// Copies the region to another pool and answers its identifier there; the region stays.
    ///
    /// A region of at most one piece is copied in one step. A larger one is written piece by piece into a region
    /// without a name, which gets its name when it is whole; others may store to the source meanwhile, and the copy
    /// then has some of that.
    ///
    /// Errors: [`RegionCopyError`]; nothing is left at the destination. Cost: a buffer of one piece; two waits, one
    /// more for each piece and one for the name. Crash: the whole region, or nothing; of a larger one perhaps a region
    /// without a name that nobody knows.
    pub fn migrate_region<N: Media>(
        &self,
        id: RegionId,
        to: &Regions<N>,
        options: &CopyOptions,
    ) -> Result<RegionId, CopyFault<M, N>> {
        let info = self.info(id).map_err(RegionCopyError::Source)?;
        let name = info.name.as_deref().filter(|_| options.with_name);
        let piece = match options.transfer.transfer_size {
            0 => info.len,
            piece => piece,
        };
        if info.len <= piece {
            let bytes = self.read_all(id).map_err(RegionCopyError::Source)?;
            let made = RegionOptions { name, align: None };
            return to
                .create_with(&bytes, &made)
                .map_err(RegionCopyError::Destination);
        }
        let unnamed = RegionOptions {
            name: None,
            align: None,
        };
        let new = to
            .create(info.len, &unnamed)
            .map_err(RegionCopyError::Destination)?;
        let copied = self
            .copy_pieces(id, info.len, to, new, piece)
            .and_then(|()| match name {
                Some(name) => to.rename(new, name).map_err(RegionCopyError::Destination),
                None => Ok(()),
            });
        copied.map(|()| new).inspect_err(|_| {
            to.destroy(new).ok(); // best effort: the first error is the one to tell
        })
    }

    fn copy_pieces<N: Media>(
        &self,
        id: RegionId,
        len: u64,
        to: &Regions<N>,
        new: RegionId,
        piece: u64,
    ) -> Result<(), CopyFault<M, N>> {
        let mut buffer = vec![0; piece.min(len) as usize];
        let mut at = 0;
        while at < len {
            let count = (len - at).min(piece);
            let bytes = &mut buffer[..count as usize];
            self.read(id, at, bytes).map_err(RegionCopyError::Source)?;
            to.write(new, at, bytes)
                .map_err(RegionCopyError::Destination)?;
            at += count;
        }
        Ok(())
    }
}

/// Copies every region of `from` to `to`: each one's identifier and that of its copy, in the order of
/// [`Regions::list`].
///
/// Errors: the first that a region gives; copies made before it stay, and are in no answer. Cost and crash: of
/// [`Regions::migrate_region`] for each.
pub fn copy_regions<M: Media, N: Media>(
    from: &Regions<M>,
    to: &Regions<N>,
    options: &CopyOptions,
) -> Result<Vec<(RegionId, RegionId)>, CopyFault<M, N>> {
    let list = from.list().map_err(RegionCopyError::Source)?;
    let copied = list.iter().map(|info| {
        let new = from.migrate_region(info.id, to, options)?;
        Ok((info.id, new))
    });
    copied.collect()
}
