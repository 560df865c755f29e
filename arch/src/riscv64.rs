//! riscv64: CBO.CLEAN of the Zicbom extension.
//!
//! The instruction is encoded by hand, so that no target feature is needed to assemble it. Linux lets user code run it,
//! and reports it through `riscv_hwprobe`, since 6.15. The extension cleans to the point of coherence: that this is
//! persistent memory is a promise of the machine, not of the instruction.

use core::arch::asm;
use core::sync::atomic::{AtomicUsize, Ordering, fence as atomic_fence};

use crate::{FLUSH_LINE, FlushKind};

pub use crate::cached::copy_nt;
pub use crate::crc_table::update as crc32c_state;
pub use crate::words::{copy_in, copy_out, fill};

/// The flush instructions of this target, best first.
pub const FAMILY: [FlushKind; 1] = [FlushKind::CboClean];

pub fn probe() -> FlushKind {
    if hwprobe::has_zicbom() {
        FlushKind::CboClean
    } else {
        FlushKind::Portable
    }
}

/// What Linux reports; numbers from its `arch/riscv/include/uapi/asm/hwprobe.h`.
#[cfg(all(feature = "std", target_os = "linux"))]
mod hwprobe {
    const SYS_RISCV_HWPROBE: libc::c_long = 258;
    const KEY_IMA_EXT_0: i64 = 4;
    const EXT_ZICBOM: u64 = 1 << 55;
    const KEY_ZICBOM_BLOCK_SIZE: i64 = 12;

    #[repr(C)]
    struct Pair {
        key: i64,
        value: u64,
    }

    /// The value of `key`, or `None` where the kernel does not know it.
    fn ask(key: i64) -> Option<u64> {
        let mut pair = Pair { key, value: 0 };
        // SAFETY: one pair is passed and one counted; no CPU set (null, 0) means all CPUs; no flags.
        let status = unsafe {
            libc::syscall(
                SYS_RISCV_HWPROBE,
                &raw mut pair,
                1_usize,
                0_usize,
                0_usize,
                0_usize,
            )
        };
        (status == 0 && pair.key == key).then_some(pair.value)
    }

    pub fn has_zicbom() -> bool {
        ask(KEY_IMA_EXT_0).is_some_and(|extensions| extensions & EXT_ZICBOM != 0)
    }

    pub fn block_bytes() -> Option<usize> {
        usize::try_from(ask(KEY_ZICBOM_BLOCK_SIZE)?)
            .ok()
            .filter(|bytes| bytes.is_power_of_two())
    }
}

/// Nobody to ask.
#[cfg(not(all(feature = "std", target_os = "linux")))]
mod hwprobe {
    pub const fn has_zicbom() -> bool {
        cfg!(target_feature = "zicbom")
    }

    pub const fn block_bytes() -> Option<usize> {
        None
    }
}

/// There is no such hint here.
#[inline(always)]
pub fn prefetch(_: *const u8, _: usize) {}

/// Safety: as [`crate::flush_lines`].
#[inline(always)]
pub unsafe fn flush_lines(kind: FlushKind, first: *const u8, lines: usize) {
    if kind == FlushKind::Portable {
        return;
    }
    let step = block_step();
    let end = lines * FLUSH_LINE;
    let mut at = 0; // a loop by hand: `step_by` would divide
    while at < end {
        // SAFETY: the byte is mapped and the CPU executes the kind, by the caller's duties.
        unsafe { cbo_clean(first.wrapping_add(at)) };
        at += step;
    }
}

/// Safety: `block` is readable, and the CPU has Zicbom, enabled for this privilege level.
#[inline(always)]
unsafe fn cbo_clean(block: *const u8) {
    // SAFETY: a clean changes no memory and needs a readable address (caller). Not `nomem`: stores stay before it.
    // cbo.clean is MISC-MEM (0x0F), funct3 2, immediate 1.
    unsafe { asm!(".insn i 0x0F, 2, x0, {0}, 1", in(reg) block, options(nostack, preserves_flags)) }
}

/// [`FLUSH_LINE`], or the block size of this machine where that is smaller.
#[inline(always)]
fn block_step() -> usize {
    /// 0 before the kernel was asked.
    static STEP: AtomicUsize = AtomicUsize::new(0);
    match STEP.load(Ordering::Relaxed) {
        0 => {
            let step = hwprobe::block_bytes().map_or(FLUSH_LINE, |bytes| bytes.min(FLUSH_LINE));
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
        // SAFETY: a barrier has no operands. CBO instructions are ordered by the memory bits of a fence.
        unsafe { asm!("fence iorw, iorw", options(nostack, preserves_flags)) }
    }
}
