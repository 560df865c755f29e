//! `copy_nt` where there is nothing to stream with: copy through the cache, then flush the covered lines.

use crate::edges::Lines;
use crate::{FlushKind, copy_in, flush_lines};

/// Safety: as [`crate::copy_nt`].
#[inline]
pub unsafe fn copy_nt(kind: FlushKind, dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the duties of `copy_nt` include those of `copy_in`.
    unsafe { copy_in(dst, src, len) };
    let lines = Lines::covering(dst.addr(), len);
    // SAFETY: the covering lines are whole and mapped, and the kind runs, by the caller's duties 3 and 4.
    unsafe { flush_lines(kind, dst.wrapping_sub(lines.before), lines.count) }
}
