//! CRC-32C against its bitwise definition and the vectors of RFC 3720, appendix B.4.

use crate::{crc_table, crc32c};

/// The definition: one bit at a time.
fn bitwise(crc: u32, bytes: &[u8]) -> u32 {
    let mut state = !crc;
    for &byte in bytes {
        state ^= u32::from(byte);
        for _ in 0..8 {
            state = (state >> 1)
                ^ if state & 1 == 1 {
                    crc_table::POLYNOMIAL
                } else {
                    0
                };
        }
    }
    !state
}

/// Reproducible noise (xorshift64*, from `seed`).
pub fn noise<const N: usize>(seed: u64) -> [u8; N] {
    let mut state = seed;
    core::array::from_fn(|_| next(&mut state) as u8)
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
}

#[test]
fn the_published_vectors_hold() {
    let ascending: [u8; 32] = core::array::from_fn(|at| at as u8);
    let descending: [u8; 32] = core::array::from_fn(|at| 31 - at as u8);
    assert_eq!(crc32c(0, b""), 0);
    assert_eq!(crc32c(0, b"123456789"), 0xE306_9283);
    assert_eq!(crc32c(0, &[0; 32]), 0x8A91_36AA);
    assert_eq!(crc32c(0, &[0xFF; 32]), 0x62A8_AB43);
    assert_eq!(crc32c(0, &ascending), 0x46DD_794E);
    assert_eq!(crc32c(0, &descending), 0x113F_DB5C);
}

#[test]
fn every_length_agrees_with_the_definition_and_the_table() {
    const LEN_MAX: usize = if cfg!(miri) { 100 } else { 2000 };
    let bytes: [u8; LEN_MAX] = noise(2);
    for len in 0..=LEN_MAX {
        let expected = bitwise(0, &bytes[..len]);
        assert_eq!(crc32c(0, &bytes[..len]), expected, "{len} bytes");
        assert_eq!(
            !crc_table::update(!0, &bytes[..len]),
            expected,
            "table, {len} bytes"
        );
    }
}

#[test]
fn a_split_anywhere_continues_to_the_same_value() {
    const SPLITS: usize = if cfg!(miri) { 20 } else { 2000 };
    const SEED: u64 = 3;
    let bytes: [u8; 4096] = noise(SEED);
    let mut state = SEED;
    for _ in 0..SPLITS {
        let len = next(&mut state) as usize % (bytes.len() + 1);
        let split = next(&mut state) as usize % (len + 1);
        let (head, tail) = bytes[..len].split_at(split);
        assert_eq!(
            crc32c(crc32c(0, head), tail),
            crc32c(0, &bytes[..len]),
            "seed {SEED}, {split} of {len}"
        );
    }
}

#[test]
fn any_single_flipped_bit_of_a_record_changes_the_value() {
    let record: [u8; 64] = noise(4);
    let whole = crc32c(0, &record);
    for bit in 0..record.len() * 8 {
        let mut flipped = record;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(crc32c(0, &flipped), whole, "bit {bit}");
    }
}
