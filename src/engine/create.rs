//! Makes a pool and opens it.

use super::{Engine, OpenOptions};
use crate::layout::{Geometry, LayoutName, PoolId};
use crate::log;
use crate::media::Media;
use crate::pool::{self, CreateError, OpenError, Shape};

/// What makes a pool unlike every other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Random.
    pub pool_id: PoolId,
    /// Random, for identifiers that must not be forged.
    pub key: [u8; 16],
    /// Seconds since 1970; 0 where no clock is at hand.
    pub created_s: u64,
}

impl Identity {
    /// From the system's random numbers and clock. Errors: the system has none.
    #[cfg(feature = "std")]
    pub fn random() -> std::io::Result<Self> {
        use std::io::Read;

        let mut bytes = [0u8; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let (mut pool_id, mut key) = ([0; 16], [0; 16]);
        pool_id.copy_from_slice(&bytes[..16]);
        key.copy_from_slice(&bytes[16..]);
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Ok(Identity {
            pool_id,
            key,
            created_s: since_1970.map_or(0, |elapsed| elapsed.as_secs()),
        })
    }
}

/// The shape of a new pool; `None` takes the default for the pool's size (`docs/FORMAT.md`).
#[derive(Clone, Copy, Debug, Default)]
pub struct CreateOptions {
    /// Bytes of the pool; the whole medium where `None`.
    pub len: Option<u64>,
    /// Bytes to which it can grow.
    pub capacity_max: Option<u64>,
    /// Lanes: transactions that run at the same time.
    pub lanes: Option<u32>,
    /// Bytes of a lane's ring.
    pub ring_bytes: Option<u64>,
    /// Bytes of a slab.
    pub slab_bytes: Option<u32>,
    /// The application's layout name.
    pub layout: LayoutName,
    /// Identity; all zeros unless given.
    pub identity: Identity,
}

impl CreateOptions {
    /// The geometry of a pool of `medium_len` bytes, or of the length that was asked for.
    pub fn geometry(&self, medium_len: u64) -> Result<Geometry, crate::layout::GeometryError> {
        let len = self.len.unwrap_or(medium_len);
        Geometry::with_defaults(
            len,
            self.capacity_max,
            self.lanes,
            self.ring_bytes,
            self.slab_bytes,
        )
    }
}

impl<M: Media> Engine<M> {
    /// Makes a pool on `media`, over whatever is there, and opens it.
    ///
    /// Errors: see [`CreateError`]; there is no pool then. Cost: four waits. Crash: no pool or the whole one.
    pub fn create(media: M, options: &CreateOptions) -> Result<Self, CreateError<M::SyncError>> {
        let shape = Shape {
            geometry: options.geometry(media.len().get())?,
            pool_id: options.identity.pool_id,
            key: options.identity.key,
            layout: options.layout,
            created_s: options.identity.created_s,
        };
        let mut pending = pool::clear(&media, &shape)?;
        log::format(&shape.geometry, &shape.pool_id, &mut pending);
        pending.fence().map_err(CreateError::Sync)?;
        let pool = pool::seal(media, &shape)?;
        match Engine::recover(pool, &OpenOptions::default()) {
            Ok((engine, _report)) => Ok(engine),
            Err(OpenError::Sync(error)) => Err(CreateError::Sync(error)),
            Err(OpenError::Space(error)) => Err(CreateError::Space(error)),
            Err(_) => Err(CreateError::NotReadBack),
        }
    }
}
