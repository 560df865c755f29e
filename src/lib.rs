//! Everline: cache-line flush primitives → persistent allocator → undo-log transactions, validated by simulated
//! power failure.
//!
//! Layers, each of which uses only those above it:
//!
//! | module | holds |
//! |---|---|
//! | [`arch`] | instructions: CLWB, CLFLUSHOPT, SFENCE, DC CVAP, CBO.CLEAN, non-temporal copies, CRC-32C |
//! | [`units`] | byte offsets, ranges, lines: the only rounding |
//! | [`layout`] | every byte on media |
//! | [`media`] | the medium: stores, flushes, fences; mapped memory, files, RAM |
//! | [`persist`] | Dirty → Flushed → Durable in the type system |
//! | [`pool`] | superblock, identity, health |
//! | [`log`] | lanes, records, checkpoint, recovery |
//! | [`alloc`] | classes, slabs, bitmaps |
//! | [`tx`] | undo-log and staged transactions |
//! | [`engine`] | an open pool: start here |
//! | [`tree`] | an ordered index of byte strings (with `alloc`) |
#![no_std]
#![deny(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc as std_alloc;
#[cfg(feature = "std")]
extern crate std;

pub use everline_arch as arch;

pub mod alloc;
pub mod engine;
pub mod layout;
pub mod log;
pub mod media;
mod mem;
pub mod persist;
pub mod pool;
pub mod sync;
#[cfg(feature = "alloc")]
pub mod tree;
pub mod tx;
pub mod units;

/// The examples of the README, which run as doctests.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
