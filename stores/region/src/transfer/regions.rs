//! Regions copied one by one, between pools on any two media. Their identifiers are new.

use everline::media::Media;

use crate::{CopyError, RegionId, Regions};

/// What copying from a pool on `M` to one on `N` may fail with.
pub type CopyFault<M, N> = CopyError<<M as Media>::SyncError, <N as Media>::SyncError>;

impl<M: Media> Regions<M> {
    /// Copies the region, its options and its attributes to another pool, with its name if asked, and answers its
    /// identifier there; the region stays.
    ///
    /// Errors: of either side; nothing is left at the destination. Cost and crash: of [`Regions::copy_to`].
    pub fn migrate_region<N: Media>(
        &self,
        id: RegionId,
        to: &Regions<N>,
        with_name: bool,
    ) -> Result<RegionId, CopyFault<M, N>> {
        let name = match with_name {
            true => self.info(id).map_err(CopyError::Source)?.name,
            false => None,
        };
        self.copy_to(id, to, name.as_deref())
    }
}

/// Copies every region of `from` to `to`, with the names if asked: each one's identifier and that of its copy, in the
/// order of [`Regions::list`].
///
/// Errors: the first that a region gives; copies made before it stay, and are in no answer. Cost and crash: of
/// [`Regions::copy_to`] for each.
pub fn copy_regions<M: Media, N: Media>(
    from: &Regions<M>,
    to: &Regions<N>,
    with_names: bool,
) -> Result<Vec<(RegionId, RegionId)>, CopyFault<M, N>> {
    let list = from.list().map_err(CopyError::Source)?;
    let copied = list.iter().map(|info| {
        let new = from.migrate_region(info.id, to, with_names)?;
        Ok((info.id, new))
    });
    copied.collect()
}
