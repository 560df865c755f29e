//! Bulk copies and fills: relaxed words while short, `rep movsb` and `rep stosb` beyond.
//!
//! Both forms are safe to race on: the words are atomics, the string instructions assembly.

use core::arch::asm;

use crate::words;

/// Up to here the word loop is faster than the start-up of a string instruction.
const WORD_LOOP_BYTES_MAX: usize = 128;

/// Safety: as [`crate::copy_in`].
#[inline(always)]
pub unsafe fn copy_in(dst: *mut u8, src: *const u8, len: usize) {
    if len <= WORD_LOOP_BYTES_MAX {
        // SAFETY: the duties are the same.
        unsafe { words::copy_in(dst, src, len) }
    } else {
        // SAFETY: the ranges are valid and do not overlap (duty 1).
        unsafe { move_string(dst, src, len) }
    }
}

/// Safety: as [`crate::copy_out`].
#[inline(always)]
pub unsafe fn copy_out(dst: *mut u8, src: *const u8, len: usize) {
    if len <= WORD_LOOP_BYTES_MAX {
        // SAFETY: the duties are the same.
        unsafe { words::copy_out(dst, src, len) }
    } else {
        // SAFETY: the ranges are valid and do not overlap (duty 1).
        unsafe { move_string(dst, src, len) }
    }
}

/// Safety: as [`crate::fill`].
#[inline(always)]
pub unsafe fn fill(dst: *mut u8, byte: u8, len: usize) {
    if len <= WORD_LOOP_BYTES_MAX {
        // SAFETY: the duty is the same.
        unsafe { words::fill(dst, byte, len) }
    } else {
        // SAFETY: the range is writable (caller). The direction flag is clear on entry to any asm block.
        unsafe {
            asm!(
                "rep stosb",
                inout("rdi") dst => _, inout("rcx") len => _, in("al") byte,
                options(nostack, preserves_flags)
            );
        }
    }
}

/// Safety: `src` is readable and `dst` writable for `len` bytes, and they do not overlap.
#[inline(always)]
unsafe fn move_string(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the ranges are valid (caller). The direction flag is clear on entry to any asm block.
    unsafe {
        asm!(
            "rep movsb",
            inout("rdi") dst => _, inout("rsi") src => _, inout("rcx") len => _,
            options(nostack, preserves_flags)
        );
    }
}
