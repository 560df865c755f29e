//! CRC-32C by the CRC32 instruction: eight bytes a step, long inputs as three interleaved streams.
//!
//! ```text
//! | block A | block B | block C |      state(ABC) = A·x^(16n) + B·x^(8n) + C   (n bytes a block, mod P)
//! ```
//!
//! The instruction takes three cycles and a new one starts every cycle, so three streams run at full speed. One
//! carry-less multiplication moves a stream's state behind `n` more bytes. With bits reversed the 64-bit product of two
//! states stands for A·B·x, and CRC32 of it from state 0 for A·B·x^33; so the factor for n bytes is x^(8n-33).

use core::arch::asm;

use super::cpu::Features;
use crate::crc_table::{self, POLYNOMIAL};

/// Bytes of one block of the three streams, largest first.
const LARGE: usize = 1024;
const MEDIUM: usize = 256;
const SMALL: usize = 64;

/// The state after `bytes`.
#[inline]
pub fn crc32c_state(state: u32, bytes: &[u8]) -> u32 {
    let cpu = Features::get();
    if !cpu.crc32() {
        crc_table::update(state, bytes)
    } else if bytes.len() >= 3 * SMALL && cpu.carryless() {
        // SAFETY: both instructions were probed.
        unsafe { interleaved(state, bytes) }
    } else {
        // SAFETY: the instruction was probed.
        unsafe { serial(state, bytes) }
    }
}

/// Words are taken where they are aligned: bytes that were stored a moment ago as aligned words come straight from
/// the store buffer, which a load across two stores would wait for.
///
/// Safety: the CPU has CRC32.
#[inline(always)]
unsafe fn serial(state: u32, mut bytes: &[u8]) -> u32 {
    let mut state = u64::from(state);
    if bytes.as_ptr().addr() % 8 == 4 {
        if let Some((half, behind)) = bytes.split_first_chunk::<4>() {
            // SAFETY: the caller's duty is the same.
            state = unsafe { crc32_half(state, *half) };
            bytes = behind;
        }
    }
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        // SAFETY: the caller's duty is the same.
        state = unsafe { crc32_word(state, word_at(word, 0)) };
    }
    let mut rest = words.remainder();
    if let Some((half, behind)) = rest.split_first_chunk::<4>() {
        // SAFETY: the caller's duty is the same.
        state = unsafe { crc32_half(state, *half) };
        rest = behind;
    }
    for &byte in rest {
        // SAFETY: registers only; the CPU has the instruction (caller).
        unsafe {
            asm!(
                "crc32 {0:e}, {1}",
                inout(reg) state, in(reg_byte) byte,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
    }
    state as u32
}

/// Safety: the CPU has CRC32 and PCLMULQDQ.
#[inline(never)]
unsafe fn interleaved(state: u32, bytes: &[u8]) -> u32 {
    // SAFETY: the caller's duty is the same.
    let (state, bytes) = unsafe { three_streams::<LARGE>(state, bytes) };
    // SAFETY: as above.
    let (state, bytes) = unsafe { three_streams::<MEDIUM>(state, bytes) };
    // SAFETY: as above.
    let (state, bytes) = unsafe { three_streams::<SMALL>(state, bytes) };
    // SAFETY: as above.
    unsafe { serial(state, bytes) }
}

/// Takes as many triples of blocks as there are; returns the state and the rest. Safety: as [`interleaved`].
#[inline(always)]
unsafe fn three_streams<const BLOCK: usize>(mut state: u32, bytes: &[u8]) -> (u32, &[u8]) {
    let mut triples = bytes.chunks_exact(3 * BLOCK);
    for triple in &mut triples {
        let (mut a, mut b, mut c) = (u64::from(state), 0, 0);
        for at in (0..BLOCK).step_by(8) {
            // SAFETY: the caller's duty is the same.
            a = unsafe { crc32_word(a, word_at(triple, at)) };
            // SAFETY: as above.
            b = unsafe { crc32_word(b, word_at(triple, BLOCK + at)) };
            // SAFETY: as above.
            c = unsafe { crc32_word(c, word_at(triple, 2 * BLOCK + at)) };
        }
        // SAFETY: as above.
        let a_moved = unsafe { multiply(a, const { power_of_x(16 * BLOCK - 33) }) };
        // SAFETY: as above.
        let b_moved = unsafe { multiply(b, const { power_of_x(8 * BLOCK - 33) }) };
        // SAFETY: as above.
        state = (c ^ unsafe { crc32_word(0, a_moved ^ b_moved) }) as u32;
    }
    (state, triples.remainder())
}

#[inline(always)]
fn word_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// The state (in the low half) after eight more bytes. Safety: the CPU has CRC32.
#[inline(always)]
unsafe fn crc32_word(mut state: u64, word: u64) -> u64 {
    // SAFETY: registers only; the CPU has the instruction (caller).
    unsafe {
        asm!("crc32 {0}, {1}", inout(reg) state, in(reg) word, options(pure, nomem, nostack, preserves_flags))
    }
    state
}

/// The state (in the low half) after four more bytes. Safety: the CPU has CRC32.
#[inline(always)]
unsafe fn crc32_half(mut state: u64, half: [u8; 4]) -> u64 {
    // SAFETY: registers only; the CPU has the instruction (caller).
    unsafe {
        asm!(
            "crc32 {0:e}, {1:e}",
            inout(reg) state, in(reg) u32::from_le_bytes(half),
            options(pure, nomem, nostack, preserves_flags)
        )
    }
    state
}

/// The carry-less product. Safety: the CPU has PCLMULQDQ.
#[inline(always)]
unsafe fn multiply(state: u64, factor: u32) -> u64 {
    let product: u64;
    // SAFETY: registers only; the CPU has the instruction (caller).
    unsafe {
        asm!(
            "movq {a}, {state}",
            "movq {b}, {factor}",
            "pclmulqdq {a}, {b}, 0",
            "movq {product}, {a}",
            state = in(reg) state, factor = in(reg) u64::from(factor), product = lateout(reg) product,
            a = out(xmm_reg) _, b = out(xmm_reg) _,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    product
}

/// x^`power` mod P, bits reversed: the highest bit is x^0.
const fn power_of_x(power: usize) -> u32 {
    let mut value = 1_u32 << 31;
    let mut done = 0;
    while done < power {
        value = (value >> 1) ^ if value & 1 == 1 { POLYNOMIAL } else { 0 };
        done += 1;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::{Features, crc_table, crc32c_state, interleaved, serial};
    use crate::crc_tests::noise;

    #[test]
    fn serial_and_interleaved_instructions_agree_with_the_table() {
        let cpu = Features::get();
        if !cpu.crc32() || !cpu.carryless() {
            return;
        }
        let bytes: [u8; 8000] = noise(1);
        for len in (0..2000).chain(3000..3100).chain([3072, 6144, 7999, 8000]) {
            for state in [0, !0, 0x1234_5678] {
                let bytes = &bytes[..len];
                let expected = crc_table::update(state, bytes);
                // SAFETY: the instruction was probed above.
                let by_one = unsafe { serial(state, bytes) };
                // SAFETY: the instructions were probed above.
                let by_three = unsafe { interleaved(state, bytes) };
                assert_eq!(by_one, expected, "serial, {len} bytes");
                assert_eq!(by_three, expected, "interleaved, {len} bytes");
                assert_eq!(
                    crc32c_state(state, bytes),
                    expected,
                    "dispatched, {len} bytes"
                );
            }
        }
    }
}
