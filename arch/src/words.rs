//! Bulk copies as relaxed atomic words: the shared side tears at worst, on every architecture.
//!
//! The shared side is cut at its aligned words ([`WordSpan`]); head and tail go by smaller atomics. The private side is
//! read and written plainly, at any alignment. Relaxed everywhere: order comes from the caller's fence.

use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicUsize, Ordering::Relaxed};

use crate::edges::{WORD, WordSpan};

/// An integer that moves between the shared and the private side in one access.
trait Piece: Copy {
    /// Safety: `shared` is aligned and readable for one piece, and nobody writes it plainly.
    unsafe fn load(shared: *const u8) -> Self;
    /// Safety: `shared` is aligned and writable for one piece, and nobody accesses it plainly.
    unsafe fn store(self, shared: *mut u8);
}

macro_rules! piece {
    ($plain:ty, $atomic:ty) => {
        impl Piece for $plain {
            #[inline(always)]
            unsafe fn load(shared: *const u8) -> Self {
                // SAFETY: aligned, readable and free of plain writes by the trait's contract; only loaded from.
                unsafe { <$atomic>::from_ptr(shared.cast_mut().cast()) }.load(Relaxed)
            }

            #[inline(always)]
            unsafe fn store(self, shared: *mut u8) {
                // SAFETY: aligned, writable and free of plain accesses by the trait's contract.
                unsafe { <$atomic>::from_ptr(shared.cast()) }.store(self, Relaxed);
            }
        }
    };
}

piece!(u8, AtomicU8);
piece!(u16, AtomicU16);
piece!(u32, AtomicU32);
piece!(usize, AtomicUsize);

/// What to do with one piece of a range.
trait Step {
    /// Safety: `at..at + size_of::<P>()` lies within the range, and is aligned to `P` on the shared side.
    unsafe fn step<P: Piece>(&self, at: usize);
}

/// Cuts `len` bytes at the shared address `shared` into aligned pieces and runs `action` on each.
///
/// Safety: the action's duties hold for the whole range.
#[inline(always)]
unsafe fn for_each_piece(shared: usize, len: usize, action: &impl Step) {
    let span = WordSpan::of(shared, len);
    for at in 0..span.head_bytes {
        // SAFETY: a head byte is within the range (E1); a byte is always aligned.
        unsafe { action.step::<u8>(at) };
    }
    for word in 0..span.words {
        // SAFETY: words follow the head, are whole and aligned (E1).
        unsafe { action.step::<usize>(span.head_bytes + word * WORD) };
    }
    let mut at = span.head_bytes + span.words * WORD;
    if span.tail_bytes & 4 != 0 {
        // SAFETY: the tail starts word-aligned and has four bytes or more (on 64-bit words only).
        unsafe { action.step::<u32>(at) };
        at += 4;
    }
    if span.tail_bytes & 2 != 0 {
        // SAFETY: the tail so far is 0 or 4 bytes, so `at` is even, and two bytes are left.
        unsafe { action.step::<u16>(at) };
        at += 2;
    }
    if span.tail_bytes & 1 != 0 {
        // SAFETY: one byte is left of the tail.
        unsafe { action.step::<u8>(at) };
    }
}

struct CopyIn {
    shared: *mut u8,
    private: *const u8,
}

impl Step for CopyIn {
    #[inline(always)]
    unsafe fn step<P: Piece>(&self, at: usize) {
        // SAFETY: within the range (duty of `step`), which is readable on the private side and written by nobody.
        let piece = unsafe { self.private.wrapping_add(at).cast::<P>().read_unaligned() };
        // SAFETY: within the range and aligned (duties of `step`); the shared side has no plain accesses.
        unsafe { piece.store(self.shared.wrapping_add(at)) };
    }
}

struct CopyOut {
    private: *mut u8,
    shared: *const u8,
}

impl Step for CopyOut {
    #[inline(always)]
    unsafe fn step<P: Piece>(&self, at: usize) {
        // SAFETY: within the range and aligned (duties of `step`); the shared side has no plain writes.
        let piece = unsafe { P::load(self.shared.wrapping_add(at)) };
        // SAFETY: within the range (duty of `step`), which is writable on the private side and touched by nobody else.
        unsafe {
            self.private
                .wrapping_add(at)
                .cast::<P>()
                .write_unaligned(piece)
        };
    }
}

struct Fill {
    shared: *mut u8,
    pattern: [u8; WORD],
}

impl Step for Fill {
    #[inline(always)]
    unsafe fn step<P: Piece>(&self, at: usize) {
        // SAFETY: a piece is at most a word, which is the length of the pattern.
        let piece = unsafe { self.pattern.as_ptr().cast::<P>().read_unaligned() };
        // SAFETY: within the range and aligned (duties of `step`); the shared side has no plain accesses.
        unsafe { piece.store(self.shared.wrapping_add(at)) };
    }
}

/// Private to shared. Safety: as [`crate::copy_in`].
#[inline(always)]
pub unsafe fn copy_in(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller vouches for `len` bytes on both sides.
    unsafe {
        for_each_piece(
            dst.addr(),
            len,
            &CopyIn {
                shared: dst,
                private: src,
            },
        )
    }
}

/// Shared to private. Safety: as [`crate::copy_out`].
#[inline(always)]
pub unsafe fn copy_out(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller vouches for `len` bytes on both sides.
    unsafe {
        for_each_piece(
            src.addr(),
            len,
            &CopyOut {
                private: dst,
                shared: src,
            },
        )
    }
}

/// One byte to all of the shared side. Safety: as [`crate::fill`].
#[inline(always)]
pub unsafe fn fill(dst: *mut u8, byte: u8, len: usize) {
    // SAFETY: the caller vouches for `len` bytes of `dst`.
    unsafe {
        for_each_piece(
            dst.addr(),
            len,
            &Fill {
                shared: dst,
                pattern: [byte; WORD],
            },
        )
    }
}
