//! Interleaving models of the core's shared state, for `RUSTFLAGS="--cfg loom"`; empty without it.
//!
//! Loom enters by two doors (`docs/adr/0006-loom-has-two-doors.md`): `everline::sync` hands the core loom's atomics,
//! and `LoomMedia` makes words on media visible to it. The code under test is the shipped one.
#![cfg_attr(not(loom), allow(unused))]

#[cfg(loom)]
mod media;

#[cfg(loom)]
pub use media::{LoomMedia, explore};
