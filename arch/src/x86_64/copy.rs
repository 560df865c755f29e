//! Bulk copies and fills: relaxed words while short, `rep movsq` and `rep stosq` beyond.
//!
//! Both forms are safe to race on, the words being atomics and the string instructions assembly; and both move each
//! aligned word of the shared side whole. Hence quadwords: `rep movsb` could stop in the middle of one.

use core::arch::asm;

use crate::edges::{WORD, WordSpan};
use crate::words;

/// Up to here the word loop is faster than the start-up of a string instruction.
const WORD_LOOP_BYTES_MAX: usize = 256;

/// Safety: as [`crate::copy_in`].
#[inline(always)]
pub unsafe fn copy_in(dst: *mut u8, src: *const u8, len: usize) {
    if len <= WORD_LOOP_BYTES_MAX {
        // SAFETY: the duties are the same.
        return unsafe { words::copy_in(dst, src, len) };
    }
    let span = WordSpan::of(dst.addr(), len);
    let end = span.head_bytes + span.words * WORD;
    // SAFETY: the head of the range.
    unsafe { words::copy_in(dst, src, span.head_bytes) };
    // SAFETY: the words of the range, aligned in `dst`.
    unsafe {
        move_words(
            dst.wrapping_add(span.head_bytes),
            src.wrapping_add(span.head_bytes),
            span.words,
        )
    };
    // SAFETY: the tail of the range.
    unsafe {
        words::copy_in(
            dst.wrapping_add(end),
            src.wrapping_add(end),
            span.tail_bytes,
        )
    };
}

/// Safety: as [`crate::copy_out`].
#[inline(always)]
pub unsafe fn copy_out(dst: *mut u8, src: *const u8, len: usize) {
    if len <= WORD_LOOP_BYTES_MAX {
        // SAFETY: the duties are the same.
        return unsafe { words::copy_out(dst, src, len) };
    }
    let span = WordSpan::of(src.addr(), len);
    let end = span.head_bytes + span.words * WORD;
    // SAFETY: the head of the range.
    unsafe { words::copy_out(dst, src, span.head_bytes) };
    // SAFETY: the words of the range, aligned in `src`.
    unsafe {
        move_words(
            dst.wrapping_add(span.head_bytes),
            src.wrapping_add(span.head_bytes),
            span.words,
        )
    };
    // SAFETY: the tail of the range.
    unsafe {
        words::copy_out(
            dst.wrapping_add(end),
            src.wrapping_add(end),
            span.tail_bytes,
        )
    };
}

/// Safety: as [`crate::fill`].
#[inline(always)]
pub unsafe fn fill(dst: *mut u8, byte: u8, len: usize) {
    if len <= WORD_LOOP_BYTES_MAX {
        // SAFETY: the duty is the same.
        return unsafe { words::fill(dst, byte, len) };
    }
    let span = WordSpan::of(dst.addr(), len);
    let end = span.head_bytes + span.words * WORD;
    // SAFETY: the head of the range.
    unsafe { words::fill(dst, byte, span.head_bytes) };
    // SAFETY: the words of the range, aligned.
    unsafe { fill_words(dst.wrapping_add(span.head_bytes), byte, span.words) };
    // SAFETY: the tail of the range.
    unsafe { words::fill(dst.wrapping_add(end), byte, span.tail_bytes) };
}

/// Safety: `src` is readable and `dst` writable for `count` words, and they do not overlap.
#[inline(always)]
unsafe fn move_words(dst: *mut u8, src: *const u8, count: usize) {
    // SAFETY: the ranges are valid (caller). The direction flag is clear on entry to any asm block.
    unsafe {
        asm!(
            "rep movsq",
            inout("rdi") dst => _, inout("rsi") src => _, inout("rcx") count => _,
            options(nostack, preserves_flags)
        );
    }
}

/// Safety: `dst` is writable for `count` words.
#[inline(always)]
unsafe fn fill_words(dst: *mut u8, byte: u8, count: usize) {
    // SAFETY: the range is writable (caller). The direction flag is clear on entry to any asm block.
    unsafe {
        asm!(
            "rep stosq",
            inout("rdi") dst => _, inout("rcx") count => _, in("rax") u64::from_ne_bytes([byte; 8]),
            options(nostack, preserves_flags)
        );
    }
}
