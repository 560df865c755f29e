//! CRC-32C in tables: eight bytes a step, for CPUs without the instruction.
//!
//! States here are the inner register, complemented at both ends by [`crate::crc32c`]. The polynomial 0x1EDC6F41 is
//! used bit-reversed, as the `crc32` instructions of x86-64 and aarch64 do.

/// The Castagnoli polynomial, lowest power in the highest bit (RFC 3720, section 12.1).
pub const POLYNOMIAL: u32 = 0x82F6_3B78;

/// `TABLES[k][b]`: the state after byte `b` and then `k` zero bytes, from state 0.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut state = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            state = (state >> 1) ^ if state & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte] = state;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let state = tables[zeros - 1][byte];
            tables[zeros][byte] = (state >> 8) ^ tables[0][state as usize % 256];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// The state after `bytes`.
pub fn update(mut state: u32, bytes: &[u8]) -> u32 {
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut mixed = [0; 8];
        mixed.copy_from_slice(word);
        let mixed = (u64::from_le_bytes(mixed) ^ u64::from(state)).to_le_bytes();
        state = 0;
        for (zeros, &byte) in mixed.iter().rev().enumerate() {
            state ^= TABLES[zeros][usize::from(byte)];
        }
    }
    for &byte in words.remainder() {
        state = (state >> 8) ^ TABLES[0][usize::from(state as u8 ^ byte)];
    }
    state
}
