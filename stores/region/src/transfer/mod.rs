//! Pools on their way: snapshots of pools in use, restoring them, moving pools, and copying regions between pools.
//!
//! ```text
//! snapshot   pool in use ─ one moment ─▶ image ─▶ verified ─▶ named
//! restore    image ─ checked ──────────▶ image ─▶ verified ─▶ named
//! migrate    pool, nobody inside ──────▶ image ─▶ verified ─▶ note beside the source ─▶ named ─▶ source gone ─▶ note gone
//! region     bytes of one region ──────▶ a new region of another pool
//! ```
//!
//! Everything works on any [`Disk`](everline::media::io::Disk), so that the laboratory explores each step.
//!
//! | file | holds |
//! |---|---|
//! | `image.rs` | a pool's file that nobody can find yet: written in pieces, verified, named |
//! | `snapshot.rs`, `restore.rs`, `migrate.rs`, `regions.rs` | the four ways |
//! | `secure.rs` | space behind the copy where the source had some |
//! | `adopt.rs` | an identity of its own, for a copy whose source stays |
//! | `note.rs`, `open.rs` | the note that says which of two copies is the pool, and opening with respect to it |
//! | `options.rs`, `error.rs` | what can be chosen, and what can go wrong |
//!
//! Invariants
//! D1  a destination gets its name when all its bytes are durable and equal to the source's, and not before.
//! D2  the source of a move goes when the destination's name is durable, and not before.
//! D3  while both have names, the note beside the source is durable, and an open of the source obeys it: it serves if
//!     the destination is not there, and says where the pool is if it is.
//! D4  what fails or is cancelled leaves the source as it was, and nothing at the destination.
//! Crash: a snapshot, a restored pool: whole or absent. A move: the pool at the source or at the destination, whole,
//! and an open of the other one says so.

mod adopt;
mod error;
mod image;
mod migrate;
mod note;
mod open;
mod options;
mod regions;
mod restore;
mod secure;
mod snapshot;

pub use adopt::Renamed;
pub use error::ImageError;
pub use image::{ImageReport, Phase, Progress};
pub use migrate::{Migration, migrate};
pub use note::{admit, note_path};
pub use open::{PoolInFile, open_pool};
pub use options::{MigrateOptions, TransferOptions};
pub use regions::{CopyFault, copy_regions};
pub use restore::{RestoreOptions, check_image, restore};

use std::ops::ControlFlow;

/// Goes on, whatever has been done: for whoever neither shows progress nor cancels.
pub fn unattended(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
