//! Identifiers of regions: they name one region of one pool for ever, and cannot be guessed.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use everline::layout::PoolId;
use siphasher::sip::SipHasher24;

/// A region's identifier: {namespace, slot, generation, keyed check}, 4 little-endian bytes each.
///
/// It stays the same over reopening and crashes. A changed byte, an identifier of another pool or one of a region
/// that is gone is refused with [`InvalidRegion`](crate::RegionError::InvalidRegion).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionId([u8; 16]);

/// What an identifier says once its check was found right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdParts {
    pub namespace: u32,
    pub slot: u32,
    pub generation: u32,
}

impl RegionId {
    /// An identifier that was kept as bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        RegionId(bytes)
    }

    /// The identifier to be kept.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The slot that it names if it is right.
    #[inline]
    pub(crate) fn slot_hint(&self) -> u32 {
        let [_, _, _, _, a, b, c, d, ..] = self.0;
        u32::from_le_bytes([a, b, c, d])
    }

    pub(crate) fn seal(parts: IdParts, key: &[u8; 16], pool_id: &PoolId) -> Self {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&parts.namespace.to_le_bytes());
        bytes[4..8].copy_from_slice(&parts.slot.to_le_bytes());
        bytes[8..12].copy_from_slice(&parts.generation.to_le_bytes());
        let check = check(&bytes, key, pool_id);
        bytes[12..].copy_from_slice(&check.to_le_bytes());
        RegionId(bytes)
    }

    /// What it says; `None` where its check is wrong.
    pub(crate) fn open(&self, key: &[u8; 16], pool_id: &PoolId) -> Option<IdParts> {
        let word = |at: usize| {
            let [a, b, c, d] = [0, 1, 2, 3].map(|index| self.0[at + index]);
            u32::from_le_bytes([a, b, c, d])
        };
        (word(12) == check(&self.0, key, pool_id)).then(|| IdParts {
            namespace: word(0),
            slot: word(4),
            generation: word(8),
        })
    }
}

fn check(id: &[u8; 16], key: &[u8; 16], pool_id: &PoolId) -> u32 {
    let mut sum = SipHasher24::new_with_key(key);
    sum.write(&id[..12]);
    sum.write(pool_id);
    sum.finish() as u32
}

impl fmt::Display for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegionId({self})")
    }
}

/// A text that is no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a region identifier is written as 32 hexadecimal digits")]
pub struct ParseRegionIdError;

impl FromStr for RegionId {
    type Err = ParseRegionIdError;

    fn from_str(text: &str) -> Result<Self, ParseRegionIdError> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return Err(ParseRegionIdError);
        }
        let digit = |byte: u8| (byte as char).to_digit(16).ok_or(ParseRegionIdError);
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Ok(RegionId(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_survives_its_text_and_no_flipped_bit() {
        let parts = IdParts {
            namespace: 1,
            slot: 2,
            generation: 3,
        };
        let id = RegionId::seal(parts, &[4; 16], &[5; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.open(&[4; 16], &[5; 16]), Some(parts));
        assert_eq!(id.open(&[5; 16], &[5; 16]), None);
        assert_eq!(id.open(&[4; 16], &[4; 16]), None);
        for bit in 0..128 {
            let mut bytes = *id.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RegionId::from_bytes(bytes).open(&[4; 16], &[5; 16]), None);
        }
        assert_eq!("12".parse::<RegionId>(), Err(ParseRegionIdError));
        assert_eq!("é".repeat(16).parse::<RegionId>(), Err(ParseRegionIdError));
    }
}
