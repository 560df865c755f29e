//! aarch64: DC CVAP and DC CVADP, DSB, and the CRC32C instructions.
//!
//! Both cache instructions are encoded as SYS, so that no target feature is needed to assemble them. Without Linux to
//! ask (HWCAP), the target features `dpb`, `dpb2` and `crc` of the build decide.

use core::arch::asm;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence as atomic_fence};

use crate::{FLUSH_LINE, FlushKind, crc_table};

pub use crate::cached::copy_nt;
pub use crate::words::{copy_in, copy_out, fill};

/// The flush instructions of this target, best first.
pub const FAMILY: [FlushKind; 2] = [FlushKind::DcCvadp, FlushKind::DcCvap];

pub fn probe() -> FlushKind {
    if cfg!(target_feature = "dpb2") || hwcap::has_dc_cvadp() {
        FlushKind::DcCvadp
    } else if cfg!(target_feature = "dpb") || hwcap::has_dc_cvap() {
        FlushKind::DcCvap
    } else {
        FlushKind::Portable
    }
}

/// What Linux reports in the auxiliary vector; bits from its `arch/arm64/include/uapi/asm/hwcap.h`.
#[cfg(all(feature = "std", target_os = "linux"))]
mod hwcap {
    const HWCAP_CRC32: u64 = 1 << 7;
    const HWCAP_DCPOP: u64 = 1 << 16;
    const HWCAP2_DCPODP: u64 = 1 << 0;

    fn auxiliary(entry: libc::c_ulong) -> u64 {
        // SAFETY: getauxval takes any number and answers 0 for those it does not know.
        unsafe { libc::getauxval(entry) }
    }

    pub fn has_crc32() -> bool {
        auxiliary(libc::AT_HWCAP) & HWCAP_CRC32 != 0
    }

    pub fn has_dc_cvap() -> bool {
        auxiliary(libc::AT_HWCAP) & HWCAP_DCPOP != 0
    }

    pub fn has_dc_cvadp() -> bool {
        auxiliary(libc::AT_HWCAP2) & HWCAP2_DCPODP != 0
    }
}

/// Nobody to ask.
#[cfg(not(all(feature = "std", target_os = "linux")))]
mod hwcap {
    pub const fn has_crc32() -> bool {
        false
    }

    pub const fn has_dc_cvap() -> bool {
        false
    }

    pub const fn has_dc_cvadp() -> bool {
        false
    }
}

#[inline(always)]
pub fn prefetch(first: *const u8, lines: usize) {
    for line in 0..lines {
        let at = first.wrapping_add(line * FLUSH_LINE);
        // SAFETY: a prefetch reads nothing and cannot fault, whatever the address.
        unsafe {
            asm!("prfm pldl1keep, [{0}]", in(reg) at, options(nostack, preserves_flags, readonly))
        };
    }
}

/// Safety: as [`crate::flush_lines`].
#[inline(always)]
pub unsafe fn flush_lines(kind: FlushKind, first: *const u8, lines: usize) {
    let step = line_step();
    let end = lines * FLUSH_LINE;
    let mut at = 0; // a loop by hand: `step_by` would divide
    match kind {
        FlushKind::Portable => {}
        FlushKind::DcCvadp => {
            while at < end {
                // SAFETY: the byte is mapped and the CPU executes the kind, by the caller's duties.
                unsafe { dc_cvadp(first.wrapping_add(at)) };
                at += step;
            }
        }
        _ => {
            while at < end {
                // SAFETY: the byte is mapped and the CPU executes the kind, by the caller's duties.
                unsafe { dc_cvap(first.wrapping_add(at)) };
                at += step;
            }
        }
    }
}

/// Safety: `line` is readable, and the CPU has FEAT_DPB.
#[inline(always)]
unsafe fn dc_cvap(line: *const u8) {
    // SAFETY: a clean changes no memory and needs a readable address (caller). Not `nomem`: stores stay before it.
    unsafe { asm!("sys #3, c7, c12, #1, {0}", in(reg) line, options(nostack, preserves_flags)) }
}

/// Safety: `line` is readable, and the CPU has FEAT_DPB2.
#[inline(always)]
unsafe fn dc_cvadp(line: *const u8) {
    // SAFETY: a clean changes no memory and needs a readable address (caller). Not `nomem`: stores stay before it.
    unsafe { asm!("sys #3, c7, c13, #1, {0}", in(reg) line, options(nostack, preserves_flags)) }
}

/// [`FLUSH_LINE`], or the smallest data cache line of this machine where that is smaller.
#[inline(always)]
fn line_step() -> usize {
    /// 0 before CTR_EL0 was read.
    static STEP: AtomicUsize = AtomicUsize::new(0);
    match STEP.load(Ordering::Relaxed) {
        0 => {
            let cache_type: u64;
            // SAFETY: reads an identification register, which systems let user code read or emulate.
            unsafe {
                asm!("mrs {0}, ctr_el0", out(reg) cache_type, options(nomem, nostack, preserves_flags))
            }
            let line_min_bytes = 4_usize << ((cache_type >> 16) & 0xF); // DminLine: log2 of 4-byte words
            let step = line_min_bytes.min(FLUSH_LINE);
            STEP.store(step, Ordering::Relaxed); // Relaxed: every thread computes the same
            step
        }
        step => step,
    }
}

#[inline(always)]
pub fn fence(kind: FlushKind) {
    if kind == FlushKind::Portable {
        atomic_fence(Ordering::SeqCst); // SeqCst: the only fence that orders stores before loads too
    } else {
        // SAFETY: a barrier has no operands. SY, since a point of persistence may lie outside the inner domain.
        unsafe { asm!("dsb sy", options(nostack, preserves_flags)) }
    }
}

/// The state of a CRC-32C after `bytes`.
#[inline]
pub fn crc32c_state(state: u32, bytes: &[u8]) -> u32 {
    if has_crc32() {
        // SAFETY: the CPU has the instruction, as just probed.
        unsafe { crc32c_by_instruction(state, bytes) }
    } else {
        crc_table::update(state, bytes)
    }
}

#[inline]
fn has_crc32() -> bool {
    /// 0 before the probe, 1 without, 2 with the instruction.
    static KNOWN: AtomicU8 = AtomicU8::new(0);
    if cfg!(target_feature = "crc") {
        return true;
    }
    match KNOWN.load(Ordering::Relaxed) {
        0 => {
            let has = hwcap::has_crc32();
            KNOWN.store(1 + u8::from(has), Ordering::Relaxed); // Relaxed: every thread learns the same
            has
        }
        known => known == 2,
    }
}

/// Safety: the CPU has FEAT_CRC32.
#[target_feature(enable = "crc")]
unsafe fn crc32c_by_instruction(mut state: u32, bytes: &[u8]) -> u32 {
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut whole = [0; 8];
        whole.copy_from_slice(word);
        let word = u64::from_le_bytes(whole);
        // SAFETY: registers only; the instruction exists by the caller's duty.
        unsafe {
            asm!(
                "crc32cx {0:w}, {0:w}, {1}",
                inout(reg) state, in(reg) word,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
    }
    for &byte in words.remainder() {
        // SAFETY: registers only; the instruction exists by the caller's duty.
        unsafe {
            asm!(
                "crc32cb {0:w}, {0:w}, {1:w}",
                inout(reg) state, in(reg) u32::from(byte),
                options(pure, nomem, nostack, preserves_flags)
            );
        }
    }
    state
}
