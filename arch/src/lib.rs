//! Placeholder until the instructions land.
#![no_std]
#![allow(missing_docs, clippy::all)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlushKind {
    Clwb,
    ClflushOpt,
    Clflush,
    DcCvap,
    DcCvadp,
    CboClean,
    Portable,
}
pub const FLUSH_LINE: usize = 64;
impl FlushKind {
    pub fn detect() -> Self {
        FlushKind::Clflush
    }
    pub fn name(self) -> &'static str {
        "stub"
    }
    pub fn is_durable(self) -> bool {
        true
    }
}
#[inline(always)]
pub unsafe fn flush_lines(_k: FlushKind, _first: *const u8, _lines: usize) {}
#[inline(always)]
pub fn fence(_k: FlushKind) {}
#[inline]
pub unsafe fn copy_nt(_k: FlushKind, d: *mut u8, s: *const u8, n: usize) {
    unsafe { core::ptr::copy_nonoverlapping(s, d, n) }
}
#[inline]
pub unsafe fn copy_in(d: *mut u8, s: *const u8, n: usize) {
    unsafe { core::ptr::copy_nonoverlapping(s, d, n) }
}
#[inline]
pub unsafe fn copy_out(d: *mut u8, s: *const u8, n: usize) {
    unsafe { core::ptr::copy_nonoverlapping(s, d, n) }
}
#[inline]
pub unsafe fn fill(d: *mut u8, b: u8, n: usize) {
    unsafe { core::ptr::write_bytes(d, b, n) }
}
pub fn crc32c(mut crc: u32, bytes: &[u8]) -> u32 {
    crc = !crc;
    for b in bytes {
        crc ^= *b as u32;
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0x82f63b78
            } else {
                crc >> 1
            }
        }
    }
    !crc
}
