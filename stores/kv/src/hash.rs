//! Which stripe a key lies in.

use std::hash::{BuildHasher, RandomState};

/// A hash of keys that nobody outside can foresee.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyHash {
    seed: u64,
}

impl KeyHash {
    pub fn random() -> Self {
        KeyHash {
            seed: RandomState::new().hash_one(0_u8) | 1,
        }
    }

    /// The hash of `key` in the keyspace `space`.
    #[inline]
    pub fn of(&self, space: u32, key: &[u8]) -> u64 {
        let mut hash = self.seed ^ (u64::from(space) << 32) ^ key.len() as u64;
        let mut words = key.chunks_exact(8);
        for word in &mut words {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            hash = fold(hash ^ u64::from_le_bytes(bytes), self.seed | MULTIPLIER);
        }
        let rest = words.remainder();
        let mut bytes = [0; 8];
        bytes[..rest.len()].copy_from_slice(rest);
        fold(
            hash ^ u64::from_le_bytes(bytes),
            self.seed.rotate_left(17) | MULTIPLIER,
        )
    }
}

/// The golden ratio's bits, which are odd and spread well.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Both halves of the product, so that high bits reach low ones.
#[inline]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left ^ MULTIPLIER) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn neighbours_fall_into_different_stripes() {
        let hash = KeyHash::random();
        let mut stripes = HashSet::new();
        for number in 0..10_000_u64 {
            stripes.insert(hash.of(0, &number.to_be_bytes()) % 65_536);
        }
        // A perfect spread would use about 9,270 of them.
        assert!(stripes.len() > 8_500, "{}", stripes.len());
        assert_ne!(hash.of(0, b"key"), hash.of(1, b"key"));
        assert_ne!(hash.of(0, b""), hash.of(0, b"\0"));
    }
}
