//! The portable rung: no known instruction, so nothing is written back and the kind says so.
//!
//! Also the rung of Miri, which has no inline assembly.

use core::sync::atomic::{Ordering, fence as atomic_fence};

use crate::FlushKind;

pub use crate::crc_table::update as crc32c_state;
pub use crate::words::{copy_in, copy_out, fill};

/// The flush instructions of this target, best first: none.
pub const FAMILY: [FlushKind; 0] = [];

pub fn probe() -> FlushKind {
    FlushKind::Portable
}

/// Safety: none needed; unsafe as on the other rungs.
#[inline(always)]
pub unsafe fn flush_lines(_: FlushKind, _: *const u8, _: usize) {}

#[inline(always)]
pub fn fence(_: FlushKind) {
    atomic_fence(Ordering::SeqCst); // SeqCst: the only fence that orders stores before loads too
}

/// Safety: as [`crate::copy_nt`].
#[inline(always)]
pub unsafe fn copy_nt(_: FlushKind, dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the duties of `copy_nt` include those of `copy_in`.
    unsafe { copy_in(dst, src, len) }
}
