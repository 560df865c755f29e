//! Gives an unpublished copy of a pool an identity of its own.
//!
//! ```text
//! check ─▶ no superblock, fence ─▶ rings and slots empty, slab headers sealed anew, fence ─▶ both superblocks, fence
//! ```
//!
//! Two pools with one identity would believe each other's log records and checkpoint slots, and each other's region
//! identifiers. What is sealed with the identity is sealed anew; objects and their places stay, so that every offset
//! inside the pool still leads where it led. Stores above seal their own structures with the new identity.
//!
//! Crash: the image is no pool until its superblocks are back, which are stored last (O1): a copy that was half adopted is
//! never taken for one, and is made again from where it came from.

use super::Identity;
use crate::alloc::Heap;
use crate::layout::Corrupt;
use crate::log::{self, RecoverError};
use crate::media::Media;
use crate::persist::Pending;
use crate::pool::{self, Expectation, OpenError};

/// Why a copy did not get another identity. Unless it says otherwise no byte was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError<E: core::error::Error + 'static> {
    /// It is no pool that this code can serve.
    #[error(transparent)]
    Open(#[from] OpenError<E>),
    /// Its log holds something to recover.
    #[error("the pool was not closed: open it and close it first, so that its log is empty")]
    NotClosed,
    /// Bytes that cannot be right.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// A fence failed. The image is no pool any more: make the copy again.
    #[error("the medium failed ({0}): make the copy again")]
    Sync(E),
}

/// Gives the closed pool on `media`, which nobody else knows of, the identity `identity`: another pool id, key and time
/// of creation. Geometry, layout name, contents and log positions stay.
///
/// Errors: see [`AdoptError`]. Cost: three waits; reads the slab map and every slab's header, stores rings, slots,
/// headers and superblocks. Crash: no pool, or the whole one under its new identity.
pub fn adopt<M: Media>(media: &M, identity: &Identity) -> Result<(), AdoptError<M::SyncError>> {
    let pool = pool::open(media, &Expectation::default())?;
    let geometry = &pool.geometry();
    let retired = log::retired(&pool).map_err(|error| match error {
        RecoverError::Corrupt(corrupt) => AdoptError::Corrupt(corrupt),
        RecoverError::Sync(error) => AdoptError::Sync(error),
        RecoverError::Space(error) => OpenError::Space(error).into(),
        RecoverError::TooManyLanes(lanes) => OpenError::TooManyLanes { lanes }.into(),
    })?;
    let log = retired.ok_or(AdoptError::NotClosed)?;
    let heap = Heap::new(geometry);
    if let Some(problem) = heap.first_problem(&pool) {
        return Err(problem.into());
    }
    // A copy may have holes where the pool had zeros.
    let rings = geometry.zeroed_at_create();
    media.back(rings).map_err(OpenError::Space)?;
    pool::invalidate(&pool).map_err(AdoptError::Sync)?;
    let mut pending = Pending::new(pool.media());
    log::renew(geometry, &identity.pool_id, &log, &mut pending);
    heap.reseal(&pool, &identity.pool_id, &mut pending)?;
    pending.fence().map_err(AdoptError::Sync)?;
    let Identity {
        pool_id,
        key,
        created_s,
    } = *identity;
    pool::restore(&pool, pool_id, key, created_s).map_err(AdoptError::Sync)
}
