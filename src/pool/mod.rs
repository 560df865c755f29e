//! The pool: superblock A/B, geometry, identity, health. Knows nothing of logs or objects.
//!
//! Invariants
//! O1  superblocks are stored last at create: a pool is either whole or absent.
//! O2  both copies are equal in peace, so one damaged or torn copy loses nothing; the greater valid one counts.
//! O3  after one failed fence nothing is stored any more until the pool is opened anew (poison).
//! O4  an image that this code cannot serve is refused before a byte of it is changed.
//! Crash: create leaves no pool or the whole one.

mod create;
mod error;
mod health;
mod mend;
mod open;

pub use create::{Shape, clear, seal};
pub use error::{CreateError, OpenError};
pub use health::Health;
pub use mend::mend;
pub use open::{Expectation, open};

use crate::layout::{Geometry, LayoutName, PoolId, Superblock};
use crate::media::Media;

/// A medium that holds a pool, with what its superblock says.
#[derive(Debug)]
pub struct Pool<M> {
    media: M,
    geometry: Geometry,
    superblock: Superblock,
    health: Health,
    damaged_copy: Option<usize>,
}

impl<M: Media> Pool<M> {
    /// The medium.
    #[inline]
    pub fn media(&self) -> &M {
        &self.media
    }

    /// Where everything lies.
    #[inline]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The pool's random identity.
    pub fn id(&self) -> &PoolId {
        &self.superblock.pool_id
    }

    /// The pool's random key, for identifiers that must not be forged.
    pub fn key(&self) -> &[u8; 16] {
        &self.superblock.key
    }

    /// The application's layout name.
    pub fn layout_name(&self) -> LayoutName {
        self.superblock.layout_name()
    }

    /// Seconds since 1970 at create; 0 where no clock was at hand.
    pub fn created_s(&self) -> u64 {
        self.superblock.created_s.get()
    }

    /// Which superblock copy was found damaged at open, if one was; the other one serves (O2).
    pub fn damaged_copy(&self) -> Option<usize> {
        self.damaged_copy
    }

    /// Whether stores are still allowed.
    #[inline]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Gives the medium back.
    pub fn into_media(self) -> M {
        self.media
    }
}
