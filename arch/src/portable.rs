//! The portable rung: no known instruction, so nothing is written back and the kind says so.
//!
//! Also the rung of Miri, which has no inline assembly.

use core::sync::atomic::{Ordering, fence as atomic_fence};

use crate::FlushKind;

pub use crate::cached::copy_nt;
pub use crate::crc_table::update as crc32c_state;
pub use crate::words::{copy_in, copy_out, fill};

/// The flush instructions of this target, best first: none.
pub const FAMILY: [FlushKind; 0] = [];

pub fn probe() -> FlushKind {
    FlushKind::Portable
}

/// There is no such hint here.
#[inline(always)]
pub fn prefetch(_: *const u8, _: usize) {}

/// Safety: none needed; unsafe as on the other rungs.
#[inline(always)]
pub unsafe fn flush_lines(_: FlushKind, _: *const u8, _: usize) {}

#[inline(always)]
pub fn fence(_: FlushKind) {
    atomic_fence(Ordering::SeqCst); // SeqCst: the only fence that orders stores before loads too
}
