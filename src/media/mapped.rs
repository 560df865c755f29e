//! Memory at a known address: DAX mappings, device-DAX, battery-backed RAM, FRAM.
//!
//! | base ............................ base + len |   one instruction kind, chosen once
//!
//! `store, flush, store, flush, fence` compiles to `mov, clwb, mov, clwb, sfence` with one bounds check and one
//! dispatch branch a range; `tests/disassembly.rs` holds it to that.
#![allow(unsafe_code)]

use core::convert::Infallible;
#[cfg(target_has_atomic = "64")]
use core::sync::atomic::AtomicU64;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering};

use everline_arch::{self as arch, FlushKind};
#[cfg(not(target_has_atomic = "64"))]
use portable_atomic::AtomicU64;

use super::{Domain, Durability, Media};
use crate::units::{ByteLen, ByteOffset, ByteRange, FLUSH_LINE, LineRange};

/// A mapped range of memory with the write-back instruction that fits it.
#[derive(Debug)]
pub struct Mapped {
    base: *mut u8,
    len: AtomicU64,
    flush_kind: FlushKind,
    fence_kind: FlushKind,
    durability: Durability,
}

// SAFETY:
// - shared: every access is an atomic operation or assembly that tolerates races (V2);
// - moved: the range is owned by whoever called `new`, which promises it for the value's whole life.
unsafe impl Send for Mapped {}
// SAFETY:
// - shared: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Wraps `len` bytes at `base`, whose domain and instruction the caller knows.
    ///
    /// Flushes, never fences, are skipped where `durability` says [`Domain::CpuCache`].
    ///
    /// # Safety
    /// - `base .. base + len` stays mapped readable and writable for the life of the value;
    /// - `base` is aligned to 64 bytes;
    /// - the range is reached from this process only through this value or through atomic operations.
    pub unsafe fn new(
        base: *mut u8,
        len: ByteLen,
        flush_kind: FlushKind,
        durability: Durability,
    ) -> Self {
        assert!(
            base as usize % arch::FLUSH_LINE == 0,
            "a mapped medium begins at a flush line"
        );
        let skips_flushes = durability.domain == Domain::CpuCache;
        Mapped {
            base,
            len: AtomicU64::new(len.get()),
            flush_kind: if skips_flushes {
                FlushKind::Portable
            } else {
                flush_kind
            },
            fence_kind: flush_kind,
            durability,
        }
    }

    /// The address of the first byte.
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// Tells that the mapping behind the base is now `len` bytes long.
    ///
    /// # Safety
    /// As for [`Mapped::new`], for the new length.
    pub unsafe fn resize(&self, len: ByteLen) {
        // Release pairs with the acquire in `len`: a thread that sees the length may touch the bytes.
        self.len.store(len.get(), Ordering::Release);
    }

    /// Asks for the lines of `len` bytes from `at` on to come into the cache together. A hint: nothing is read.
    #[inline(always)]
    pub fn prefetch(&self, at: ByteOffset, len: u64) {
        let first = self.base.wrapping_add(at.get() as usize);
        arch::prefetch(first, len.div_ceil(FLUSH_LINE) as usize);
    }

    #[inline(always)]
    #[track_caller]
    fn pointer(&self, at: ByteOffset, len: u64) -> *mut u8 {
        let whole = self.len.load(Ordering::Relaxed);
        if len > whole || at.get() > whole - len {
            out_of_bounds(at, len, whole);
        }
        self.base.wrapping_add(at.get() as usize)
    }

    #[inline(always)]
    #[track_caller]
    fn word(&self, at: ByteOffset, size: u64) -> *mut u8 {
        if !at.is_aligned(size) {
            misaligned(at, size);
        }
        let whole = self.len.load(Ordering::Relaxed);
        // One comparison where `pointer` needs two: no word is empty.
        if at.get() >= whole.saturating_sub(size - 1) {
            out_of_bounds(at, size, whole);
        }
        self.base.wrapping_add(at.get() as usize)
    }

    #[inline(always)]
    #[track_caller]
    fn atomic64(&self, at: ByteOffset) -> &AtomicU64 {
        let pointer = self.word(at, 8).cast::<u64>();
        // SAFETY:
        // - in bounds and aligned: `word` checked both, and the base is line-aligned;
        // - race-free: the range is reached through atomic operations only (`new`).
        unsafe { AtomicU64::from_ptr(pointer) }
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn out_of_bounds(at: ByteOffset, len: u64, whole: u64) -> ! {
    panic!("access of {len} bytes at {at} leaves a medium of {whole} bytes")
}

#[cold]
#[inline(never)]
#[track_caller]
fn misaligned(at: ByteOffset, size: u64) -> ! {
    panic!("access at {at} is not aligned to {size} bytes")
}

impl Media for Mapped {
    type SyncError = Infallible;

    #[inline]
    fn loads_from(&self) -> Option<&Mapped> {
        Some(self)
    }

    #[inline]
    fn len(&self) -> ByteLen {
        // Acquire pairs with the release in `resize`.
        ByteLen::new(self.len.load(Ordering::Acquire))
    }

    #[inline]
    fn durability(&self) -> Durability {
        self.durability
    }

    #[inline]
    #[track_caller]
    fn load8(&self, at: ByteOffset) -> u8 {
        let pointer = self.word(at, 1);
        // SAFETY: in bounds and race-free, as in `atomic64`; a byte is always aligned.
        unsafe { AtomicU8::from_ptr(pointer) }.load(Ordering::Relaxed)
    }

    #[inline]
    #[track_caller]
    fn load16(&self, at: ByteOffset) -> u16 {
        let pointer = self.word(at, 2).cast();
        // SAFETY: in bounds, aligned and race-free, as in `atomic64`.
        u16::from_le(unsafe { AtomicU16::from_ptr(pointer) }.load(Ordering::Relaxed))
    }

    #[inline]
    #[track_caller]
    fn load32(&self, at: ByteOffset) -> u32 {
        let pointer = self.word(at, 4).cast();
        // SAFETY: in bounds, aligned and race-free, as in `atomic64`.
        u32::from_le(unsafe { AtomicU32::from_ptr(pointer) }.load(Ordering::Relaxed))
    }

    #[inline]
    #[track_caller]
    fn load64(&self, at: ByteOffset) -> u64 {
        // Acquire pairs with the release in `store64`.
        u64::from_le(self.atomic64(at).load(Ordering::Acquire))
    }

    #[inline]
    #[track_caller]
    fn store8(&self, at: ByteOffset, value: u8) {
        let pointer = self.word(at, 1);
        // SAFETY: in bounds and race-free, as in `atomic64`; a byte is always aligned.
        unsafe { AtomicU8::from_ptr(pointer) }.store(value, Ordering::Relaxed);
    }

    #[inline]
    #[track_caller]
    fn store16(&self, at: ByteOffset, value: u16) {
        let pointer = self.word(at, 2).cast();
        // SAFETY: in bounds, aligned and race-free, as in `atomic64`.
        unsafe { AtomicU16::from_ptr(pointer) }.store(value.to_le(), Ordering::Relaxed);
    }

    #[inline]
    #[track_caller]
    fn store32(&self, at: ByteOffset, value: u32) {
        let pointer = self.word(at, 4).cast();
        // SAFETY: in bounds, aligned and race-free, as in `atomic64`.
        unsafe { AtomicU32::from_ptr(pointer) }.store(value.to_le(), Ordering::Relaxed);
    }

    #[inline]
    #[track_caller]
    fn store64(&self, at: ByteOffset, value: u64) {
        // Release pairs with the acquire in `load64`.
        self.atomic64(at).store(value.to_le(), Ordering::Release);
    }

    #[inline]
    #[track_caller]
    fn fetch_or64(&self, at: ByteOffset, bits: u64) -> u64 {
        u64::from_le(self.atomic64(at).fetch_or(bits.to_le(), Ordering::AcqRel))
    }

    #[inline]
    #[track_caller]
    fn fetch_and64(&self, at: ByteOffset, bits: u64) -> u64 {
        u64::from_le(self.atomic64(at).fetch_and(bits.to_le(), Ordering::AcqRel))
    }

    #[inline]
    #[track_caller]
    fn compare_exchange64(&self, at: ByteOffset, current: u64, new: u64) -> Result<u64, u64> {
        self.atomic64(at)
            .compare_exchange(
                current.to_le(),
                new.to_le(),
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .map(u64::from_le)
            .map_err(u64::from_le)
    }

    #[inline]
    #[track_caller]
    fn read(&self, at: ByteOffset, into: &mut [u8]) {
        let pointer = self.pointer(at, into.len() as u64);
        // SAFETY: in bounds by `pointer`; `copy_out` tolerates races (V2); `into` is private to the caller.
        unsafe { arch::copy_out(into.as_mut_ptr(), pointer, into.len()) }
    }

    #[inline]
    #[track_caller]
    fn write(&self, at: ByteOffset, bytes: &[u8]) {
        let pointer = self.pointer(at, bytes.len() as u64);
        // SAFETY: in bounds by `pointer`; `copy_in` tolerates races (V2).
        unsafe { arch::copy_in(pointer, bytes.as_ptr(), bytes.len()) }
    }

    #[inline]
    #[track_caller]
    fn write_nt(&self, at: ByteOffset, bytes: &[u8]) {
        let pointer = self.pointer(at, bytes.len() as u64);
        // SAFETY: in bounds by `pointer`; `copy_nt` tolerates races (V2).
        unsafe { arch::copy_nt(self.flush_kind, pointer, bytes.as_ptr(), bytes.len()) }
    }

    #[inline]
    #[track_caller]
    fn address(&self, range: ByteRange) -> Option<*const u8> {
        Some(self.pointer(range.start(), range.len().get()).cast_const())
    }

    #[inline]
    #[track_caller]
    fn fill(&self, range: ByteRange, byte: u8) {
        let pointer = self.pointer(range.start(), range.len().get());
        // SAFETY: in bounds by `pointer`; `fill` tolerates races (V2).
        unsafe { arch::fill(pointer, byte, range.len().get() as usize) }
    }

    #[inline]
    #[track_caller]
    fn flush(&self, lines: LineRange) {
        if lines.is_empty() {
            return;
        }
        let whole = self.len.load(Ordering::Relaxed);
        let last = lines.start().get() + (lines.count().get() - 1) * FLUSH_LINE;
        if last >= whole {
            out_of_bounds(ByteOffset::new(last), 1, whole);
        }
        let first = self.base.wrapping_add(lines.start().get() as usize);
        // SAFETY:
        // - aligned: the base and every line begin at a multiple of a line;
        // - mapped: the last line begins in bounds, and no page ends within a line;
        // - known to the CPU: by the caller of `new`.
        unsafe { arch::flush_lines(self.flush_kind, first, lines.count().get() as usize) }
    }

    #[inline]
    fn fence(&self) -> Result<(), Infallible> {
        arch::fence(self.fence_kind);
        Ok(())
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use crate::media::{Media, Ram};
    use crate::units::{ByteLen, ByteOffset, ByteRange, LineRange};

    #[test]
    #[should_panic(expected = "leaves a medium of 4096 bytes")]
    fn a_store_past_the_end_panics_before_it_touches_anything() {
        Ram::new(ByteLen::new(4096)).write(ByteOffset::new(4090), &[1; 7]);
    }

    #[test]
    #[should_panic(expected = "leaves a medium of 4096 bytes")]
    fn a_flush_past_the_end_panics_wherever_it_begins() {
        let whole = ByteRange::at(0, 1 << 40).expect("small");
        Ram::new(ByteLen::new(4096)).flush(LineRange::covering(whole));
    }

    #[test]
    fn words_are_refused_from_the_last_that_does_not_fit() {
        for len in [0, 1, 7, 8, 4095, 4096] {
            let ram = Ram::new(ByteLen::new(len));
            for at in [0, 1, 8, 4088, 4096, u64::MAX - 7] {
                let store = || ram.store64(ByteOffset::new(at), 1);
                let stored = std::panic::catch_unwind(std::panic::AssertUnwindSafe(store));
                let fits = at % 8 == 0 && at.checked_add(8).is_some_and(|end| end <= len);
                assert_eq!(stored.is_ok(), fits, "{at} of {len}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "not aligned")]
    fn a_misaligned_word_is_refused() {
        Ram::new(ByteLen::new(4096)).store64(ByteOffset::new(4), 1);
    }

    #[test]
    fn words_are_little_endian_and_read_modify_writes_answer_the_old_value() {
        let ram = Ram::new(ByteLen::new(4096));
        let at = ByteOffset::new(8);
        ram.store64(at, 0x0102_0304_0506_0708);
        let mut bytes = [0; 8];
        ram.read(at, &mut bytes);
        assert_eq!(bytes, [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(ram.fetch_or64(at, 0xf0), 0x0102_0304_0506_0708);
        assert_eq!(ram.fetch_and64(at, 0xff), 0x0102_0304_0506_07f8);
        assert_eq!(ram.compare_exchange64(at, 0xf8, 1), Ok(0xf8));
        assert_eq!(ram.compare_exchange64(at, 0xf8, 2), Err(1));
        ram.fill(ByteRange::at(8, 8).expect("small"), 0xaa);
        assert_eq!(ram.load16(ByteOffset::new(10)), 0xaaaa);
    }
}
