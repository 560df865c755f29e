//! Cache-line flushes, fences, non-temporal and racy bulk copies, CRC-32C: every machine instruction Everline needs.
//!
//! ```text
//! store ──► cache line ──flush_lines──► memory controller ──fence──► durable
//!    └────────────── copy_nt (past the cache) ────────┘
//! ```
//!
//! Invariants
//! - A1  a flush covers every byte of its lines: lines are counted from the original ends, never from a rounded one;
//! - A2  the instruction is chosen once per range, never per line;
//! - A3  a flush or a fence is a compiler barrier: no store moves across it;
//! - A4  a kind that writes nothing back says so: [`FlushKind::is_durable`] is false for [`FlushKind::Portable`];
//! - A5  a bulk copy touches no byte outside its range, on either side.
//!
//! Crash: a line is durable only after `flush_lines` (or `copy_nt`) *and then* `fence` on the same thread. Between the
//! two, any of its aligned 8-byte words may or may not have reached the medium.
//!
//! One ladder below picks the architecture; every rung exports the same names. Under Miri the portable rung is used.
#![no_std]

#[cfg(feature = "std")]
extern crate std;

mod cached;
mod crc_table;
mod edges;
#[cfg(feature = "std")]
mod forced;
mod kind;
#[cfg(all(feature = "std", unix))]
pub mod msync;
mod words;

#[cfg_attr(
    all(target_arch = "x86_64", target_feature = "sse2", not(miri)),
    path = "x86_64/mod.rs"
)]
#[cfg_attr(all(target_arch = "aarch64", not(miri)), path = "aarch64.rs")]
#[cfg_attr(all(target_arch = "riscv64", not(miri)), path = "riscv64.rs")]
#[cfg_attr(
    any(
        miri,
        not(any(
            all(target_arch = "x86_64", target_feature = "sse2"),
            target_arch = "aarch64",
            target_arch = "riscv64"
        ))
    ),
    path = "portable.rs"
)]
mod rung;

#[cfg(test)]
mod copy_tests;

#[cfg(feature = "std")]
pub use forced::UnknownFlushKind;
pub use kind::FlushKind;

/// Bytes written back by one flush. The media format fixes it; hardware with smaller lines is stepped accordingly.
pub const FLUSH_LINE: usize = 64;

/// Starts the write-back of `lines` consecutive 64-byte lines from `first`. Nothing is durable before [`fence`].
///
/// [`FlushKind::Portable`] does nothing. A kind of another architecture falls back to the strongest one here.
///
/// # Safety
///
/// 1. `first` is a multiple of [`FLUSH_LINE`];
/// 2. all `lines * FLUSH_LINE` bytes are mapped and readable;
/// 3. the CPU executes `kind`: it comes from [`FlushKind::detect`], or the caller knows better.
#[inline(always)]
pub unsafe fn flush_lines(kind: FlushKind, first: *const u8, lines: usize) {
    // SAFETY: the caller's duties 1 to 3 are the rung's.
    unsafe { rung::flush_lines(kind, first, lines) }
}

/// Asks for `lines` lines of 64 bytes from `first` on to come into the cache, side by side. A hint: any address will do, and
/// nothing is read.
#[inline(always)]
pub fn prefetch(first: *const u8, lines: usize) {
    rung::prefetch(first, lines);
}

/// Waits until this thread's earlier flushes and non-temporal stores have been written back.
///
/// It also orders all earlier stores before all later ones. [`FlushKind::Portable`] has only that half.
#[inline(always)]
pub fn fence(kind: FlushKind) {
    rung::fence(kind);
}

/// Copies past the cache: after [`fence`] all `len` bytes are written back, and the caller flushes nothing.
///
/// Any alignment of either side. Pieces of `dst` below an aligned 8-byte word are plain stores and a flush of the line.
/// Made for 64-byte aligned ranges of whole lines, which become a loop of full-line streaming stores.
/// [`FlushKind::Portable`] copies and writes nothing back.
///
/// # Safety
///
/// 1. `src` is readable and `dst` writable for `len` bytes, and the two do not overlap;
/// 2. nobody writes `src` meanwhile; other threads may race on `dst` as in [`copy_in`];
/// 3. the whole lines around `dst..dst + len` are mapped;
/// 4. the CPU executes `kind`, as for [`flush_lines`].
#[inline]
pub unsafe fn copy_nt(kind: FlushKind, dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller's duties 1 to 4 are the rung's.
    unsafe { rung::copy_nt(kind, dst, src, len) }
}

/// Copies private bytes into memory on which other threads may race.
///
/// Each aligned machine word of `dst` inside the range is stored whole, by one instruction or relaxed atomic; a racing
/// reader may see old and new words in any mixture. The race is no undefined behaviour of the machine code; a racing
/// access from Rust must itself be atomic or come from this crate.
///
/// # Safety
///
/// 1. `src` is readable and `dst` writable for `len` bytes, and the two do not overlap;
/// 2. nobody writes `src` meanwhile, and nobody holds a reference to plain (non-atomic) data in `dst`.
#[inline]
pub unsafe fn copy_in(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller's duties 1 and 2 are the rung's.
    unsafe { rung::copy_in(dst, src, len) }
}

/// Copies memory on which other threads may race into private bytes. May tear, as [`copy_in`] may.
///
/// # Safety
///
/// 1. `src` is readable and `dst` writable for `len` bytes, and the two do not overlap;
/// 2. nobody else touches `dst` meanwhile, and nobody writes `src` through a plain (non-atomic) reference;
/// 3. `src` comes from a pointer that may write, such as the base of a mapping, and not from a `&` to plain data. The
///    memory itself may be read-only.
#[inline]
pub unsafe fn copy_out(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller's duties 1 to 3 are the rung's.
    unsafe { rung::copy_out(dst, src, len) }
}

/// Sets `len` bytes, on which other threads may race as in [`copy_in`], to `byte`.
///
/// # Safety
///
/// `dst` is writable for `len` bytes, and nobody holds a reference to plain (non-atomic) data in it.
#[inline]
pub unsafe fn fill(dst: *mut u8, byte: u8, len: usize) {
    // SAFETY: the caller's duty is the rung's.
    unsafe { rung::fill(dst, byte, len) }
}

/// CRC-32C (Castagnoli) of `bytes`, continuing from `crc`, which is 0 at the start.
///
/// ```
/// assert_eq!(everline_arch::crc32c(0, b"123456789"), 0xE306_9283);
/// let first = everline_arch::crc32c(0, b"1234");
/// assert_eq!(everline_arch::crc32c(first, b"56789"), 0xE306_9283);
/// ```
#[inline]
#[must_use]
pub fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    !rung::crc32c_state(!crc, bytes)
}

#[cfg(test)]
mod crc_tests;
