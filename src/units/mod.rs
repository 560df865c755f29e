//! Byte offsets, ranges and line ranges: the only rounding in the workspace.
//!
//! Bare integers stop here. Everything above speaks of [`ByteOffset`], [`ByteLen`], [`ByteRange`] and
//! [`LineRange`]; a [`LineRange`] comes only from [`LineRange::covering`], which rounds each end from the
//! caller's own numbers, never one end from the other.

mod bytes;
mod line;

pub use bytes::{ByteLen, ByteOffset, ByteRange};
pub use line::{FAIL_ATOMIC, FALSE_SHARING, FLUSH_LINE, LineCount, LineRange, Padded};

/// `value` rounded up to a multiple of `align`, a power of two; `None` where that overflows.
pub const fn round_up(value: u64, align: u64) -> Option<u64> {
    match value.checked_add(align - 1) {
        Some(sum) => Some(sum & !(align - 1)),
        None => None,
    }
}

/// `value` rounded down to a multiple of `align`, a power of two.
pub const fn round_down(value: u64, align: u64) -> u64 {
    value & !(align - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_to_the_nearest_multiple_and_never_wraps() {
        assert_eq!(round_up(0, 64), Some(0));
        assert_eq!(round_up(1, 64), Some(64));
        assert_eq!(round_up(64, 64), Some(64));
        assert_eq!(round_up(u64::MAX, 64), None);
        assert_eq!(round_down(127, 64), 64);
    }
}
