//! Slab headers of a pool that gets another identity.

use zerocopy::IntoBytes;

use super::Heap;
use super::object::read_header;
use crate::layout::{Corrupt, MapEntryKind, PoolId, SlabHeader};
use crate::media::Media;
use crate::persist::Pending;
use crate::pool::Pool;

impl Heap {
    /// Stores the header of every slab of a class anew, for a pool of another identity; its objects stay.
    ///
    /// Errors: metadata that cannot be right, as [`Heap::check`] has told before. Cost: no wait of its own.
    pub(crate) fn reseal<M: Media>(
        &self,
        pool: &Pool<M>,
        pool_id: &PoolId,
        pending: &mut Pending<'_, M>,
    ) -> Result<(), Corrupt> {
        self.for_each_run(pool, |slab, run| {
            if let Some((MapEntryKind::Slab { class }, shape)) = run {
                let generation = read_header(pool, slab).generation.get();
                let header = SlabHeader::new(pool_id, slab, class, &shape, generation);
                pending.write_nt(pool.geometry().slab_at(slab), header.as_bytes());
            }
        })
    }
}
