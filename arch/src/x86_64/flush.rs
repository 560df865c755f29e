//! CLWB, CLFLUSHOPT, CLFLUSH and SFENCE.
//!
//! CLWB and CLFLUSHOPT are ordered only by the fence; CLFLUSH is ordered by itself, and SFENCE still ends the batch.

use core::arch::asm;
use core::arch::x86_64::{_MM_HINT_T0, _mm_clflush, _mm_prefetch, _mm_sfence};
use core::sync::atomic::{Ordering, fence as atomic_fence};

use super::cpu::Features;
use crate::{FLUSH_LINE, FlushKind};

/// The flush instructions of this target, best first.
pub const FAMILY: [FlushKind; 3] = [FlushKind::Clwb, FlushKind::ClflushOpt, FlushKind::Clflush];

pub fn probe() -> FlushKind {
    let cpu = Features::get();
    if cpu.clwb() {
        FlushKind::Clwb
    } else if cpu.clflushopt() {
        FlushKind::ClflushOpt
    } else if cpu.clflush() {
        FlushKind::Clflush
    } else {
        FlushKind::Portable
    }
}

#[inline(always)]
pub fn prefetch(first: *const u8, lines: usize) {
    for line in 0..lines {
        // SAFETY: a prefetch reads nothing and cannot fault, whatever the address; SSE is part of the rung's target.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(line * FLUSH_LINE).cast()) };
    }
}

/// Safety: as [`crate::flush_lines`]. A kind of another architecture becomes CLFLUSH.
#[inline(always)]
pub unsafe fn flush_lines(kind: FlushKind, first: *const u8, lines: usize) {
    match kind {
        FlushKind::Clwb => {
            for line in 0..lines {
                // SAFETY: the line is mapped and the CPU executes the kind, by the caller's duties.
                unsafe { clwb(first.wrapping_add(line * FLUSH_LINE)) };
            }
        }
        FlushKind::ClflushOpt => {
            for line in 0..lines {
                // SAFETY: the line is mapped and the CPU executes the kind, by the caller's duties.
                unsafe { clflushopt(first.wrapping_add(line * FLUSH_LINE)) };
            }
        }
        FlushKind::Portable => {}
        _ => {
            for line in 0..lines {
                // SAFETY: the line is mapped, by the caller's duties.
                unsafe { _mm_clflush(first.wrapping_add(line * FLUSH_LINE)) };
            }
        }
    }
}

/// Safety: `line` is readable, and the CPU has CLWB.
#[inline(always)]
unsafe fn clwb(line: *const u8) {
    // SAFETY: a write-back changes no memory and needs a readable address (caller). Not `nomem`: stores stay before it.
    unsafe { asm!("clwb [{0}]", in(reg) line, options(nostack, preserves_flags)) }
}

/// Safety: `line` is readable, and the CPU has CLFLUSHOPT.
#[inline(always)]
unsafe fn clflushopt(line: *const u8) {
    // SAFETY: a write-back changes no memory and needs a readable address (caller). Not `nomem`: stores stay before it.
    unsafe { asm!("clflushopt [{0}]", in(reg) line, options(nostack, preserves_flags)) }
}

#[inline(always)]
#[allow(
    unused_unsafe,
    reason = "the SFENCE intrinsic is unsafe in Rust 1.85 and may become safe"
)]
pub fn fence(kind: FlushKind) {
    if kind == FlushKind::Portable {
        atomic_fence(Ordering::SeqCst); // SeqCst: the only fence that orders stores before loads too
    } else {
        // SAFETY: SSE is part of x86-64, and a fence has no operands.
        unsafe { _mm_sfence() }
    }
}

#[cfg(test)]
mod tests {
    use super::{clflushopt, clwb};
    use core::arch::x86_64::_mm_clflush;

    #[inline(never)]
    extern "C" fn only_clwb(line: *const u8) {
        // SAFETY: never called, only read as machine code.
        unsafe { clwb(line) }
    }

    #[inline(never)]
    extern "C" fn only_clflushopt(line: *const u8) {
        // SAFETY: never called, only read as machine code.
        unsafe { clflushopt(line) }
    }

    #[inline(never)]
    extern "C" fn only_clflush(line: *const u8) {
        // SAFETY: never called, only read as machine code.
        unsafe { _mm_clflush(line) }
    }

    /// The flush instructions in the machine code of `function`, up to its first return.
    ///
    /// 0F AE with a memory operand: /7 is CLFLUSH, behind a 66 prefix CLFLUSHOPT; 66 0F AE /6 is CLWB.
    fn flushes_in(function: extern "C" fn(*const u8)) -> [usize; 3] {
        const RETURN: u8 = 0xC3;
        let start = function as *const u8;
        let code: [u8; 48] = core::array::from_fn(|at| {
            // SAFETY: code is readable, and a test binary has more than 48 bytes of it behind any function.
            unsafe { start.wrapping_add(at).read() }
        });
        let len = code
            .iter()
            .position(|&byte| byte == RETURN)
            .unwrap_or(code.len());
        let mut found = [0; 3];
        for at in 0..len.saturating_sub(2) {
            let [0x0F, 0xAE, operand] = code[at..at + 3] else {
                continue;
            };
            let prefixed = code[at.saturating_sub(2)..at].contains(&0x66);
            match (operand >> 6, (operand >> 3) & 7, prefixed) {
                (0..=2, 6, true) => found[0] += 1,
                (0..=2, 7, true) => found[1] += 1,
                (0..=2, 7, false) => found[2] += 1,
                _ => {}
            }
        }
        found
    }

    #[test]
    fn j1_each_kind_emits_its_own_instruction_and_no_other() {
        assert_eq!(flushes_in(only_clwb), [1, 0, 0]);
        assert_eq!(flushes_in(only_clflushopt), [0, 1, 0]);
        // Without full optimisation the intrinsic may be a call, and the instruction is behind it.
        let found = flushes_in(only_clflush);
        let is_call = cfg!(debug_assertions) && found == [0, 0, 0];
        assert!(is_call || found == [0, 0, 1], "{found:?}");
    }
}
