//! The pool: superblock A/B, geometry, identity, health. Knows nothing of logs or objects.
//!
//! ```text
//! grow:  medium longer, durable ─▶ copy 1 {generation + 1, len} fence ─▶ copy 0 fence ─▶ length in memory
//! ```
//!
//! Invariants
//! O1  superblocks are stored last at create: a pool is either whole or absent.
//! O2  both copies are equal in peace, so one damaged or torn copy loses nothing; the greater valid one counts.
//! O3  after one failed fence nothing is stored any more until the pool is opened anew (poison).
//! O4  an image that this code cannot serve is refused before a byte of it is changed.
//! O5  a superblock never says a length that its medium does not durably have; nobody reaches the new part of a pool
//!     that grows before both copies say so.
//! Crash: create leaves no pool or the whole one; grow leaves the old length or the new one, and the same bytes.

mod adopt;
mod check;
mod create;
mod error;
mod grow;
mod health;
mod mend;
mod open;

pub(crate) use adopt::{invalidate, restore};
pub(crate) use check::check;
pub use create::{Shape, clear, seal};
pub use error::{CreateError, GrowError, OpenError};
pub(crate) use grow::grow;
pub use health::Health;
pub use mend::mend;
pub use open::{Expectation, open};

use crate::layout::{Geometry, LayoutName, PoolId, Superblock};
use crate::media::Media;
use crate::sync::{Guard, Lock, Monotone};

/// A medium that holds a pool, with what its superblock says.
#[derive(Debug)]
pub struct Pool<M> {
    media: M,
    /// As found at open; the length is `len`'s.
    geometry: Geometry,
    len: Monotone,
    /// As found at open; generation and length are `generation`'s and `len`'s.
    superblock: Superblock,
    /// Of the newest superblock; held while the pool grows.
    generation: Lock<u64>,
    health: Health,
    flawed_copy: Option<(usize, Flaw)>,
}

/// What is wrong with the superblock copy that does not serve (O2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// It has no right checksum, or contradicts the other one.
    Damaged,
    /// A growth was cut between the two copies.
    Older,
}

impl<M: Media> Pool<M> {
    /// The pool on `media` that `superblock` describes.
    fn assemble(
        media: M,
        geometry: Geometry,
        superblock: Superblock,
        flawed_copy: Option<(usize, Flaw)>,
    ) -> Self {
        Pool {
            media,
            geometry,
            len: Monotone::new(geometry.len()),
            generation: Lock::new(superblock.generation.get()),
            superblock,
            health: Health::new(),
            flawed_copy,
        }
    }

    /// The medium.
    #[inline]
    pub fn media(&self) -> &M {
        &self.media
    }

    /// Where everything lies, now: only the length can have changed when it is asked for again, and it only grows.
    #[inline(always)]
    pub fn geometry(&self) -> Geometry {
        self.geometry.with_len(self.len.get())
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
        match self.flawed_copy {
            Some((copy, Flaw::Damaged)) => Some(copy),
            _ => None,
        }
    }

    /// Which superblock copy a growth that was cut had left behind, if one was found so at open.
    pub fn older_copy(&self) -> Option<usize> {
        match self.flawed_copy {
            Some((copy, Flaw::Older)) => Some(copy),
            _ => None,
        }
    }

    /// Whether stores are still allowed.
    #[inline]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Waits for a growth that is under way, and keeps others waiting.
    pub(crate) fn hold_len(&self) -> Guard<'_, u64> {
        self.generation.lock()
    }

    /// Gives the medium back.
    pub fn into_media(self) -> M {
        self.media
    }
}
