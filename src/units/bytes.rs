//! Places, lengths and ranges in bytes from the start of a medium.

use core::fmt;

/// A place in a medium: bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteOffset(u64);

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteLen(u64);

/// Bytes `[at, at + len)`; its end never overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ByteRange {
    at: ByteOffset,
    len: ByteLen,
}

impl ByteOffset {
    /// The first byte of a medium.
    pub const ZERO: ByteOffset = ByteOffset(0);

    /// The place `bytes` from the start.
    pub const fn new(bytes: u64) -> Self {
        ByteOffset(bytes)
    }

    /// Bytes from the start.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The place `len` further on; `None` past the end of the address space.
    pub const fn checked_add(self, len: ByteLen) -> Option<ByteOffset> {
        match self.0.checked_add(len.0) {
            Some(sum) => Some(ByteOffset(sum)),
            None => None,
        }
    }

    /// Whether the place is a multiple of `align`, a power of two.
    pub const fn is_aligned(self, align: u64) -> bool {
        self.0 & (align - 1) == 0
    }
}

impl ByteLen {
    /// No bytes.
    pub const ZERO: ByteLen = ByteLen(0);

    /// `bytes` bytes.
    pub const fn new(bytes: u64) -> Self {
        ByteLen(bytes)
    }

    /// The number of bytes in `slice`.
    pub const fn of(slice: &[u8]) -> Self {
        ByteLen(slice.len() as u64)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl ByteRange {
    /// `len` bytes from `at`; `None` where the end overflows.
    pub const fn new(at: ByteOffset, len: ByteLen) -> Option<Self> {
        match at.0.checked_add(len.0) {
            Some(_) => Some(ByteRange { at, len }),
            None => None,
        }
    }

    /// [`ByteRange::new`] from bare numbers.
    pub const fn at(at: u64, len: u64) -> Option<Self> {
        Self::new(ByteOffset(at), ByteLen(len))
    }

    /// The first byte.
    pub const fn start(self) -> ByteOffset {
        self.at
    }

    /// The number of bytes.
    pub const fn len(self) -> ByteLen {
        self.len
    }

    /// The place just behind the last byte.
    pub const fn end(self) -> ByteOffset {
        ByteOffset(self.at.0 + self.len.0)
    }

    /// Whether there are no bytes in it.
    pub const fn is_empty(self) -> bool {
        self.len.0 == 0
    }

    /// Whether every byte of `other` lies in this range.
    pub const fn contains(self, other: ByteRange) -> bool {
        other.at.0 >= self.at.0 && other.end().0 <= self.end().0
    }

    /// The bytes in both; `None` where there are none.
    pub const fn intersect(self, other: ByteRange) -> Option<ByteRange> {
        let at = if self.at.0 > other.at.0 {
            self.at.0
        } else {
            other.at.0
        };
        let end = if self.end().0 < other.end().0 {
            self.end().0
        } else {
            other.end().0
        };
        if at < end {
            ByteRange::at(at, end - at)
        } else {
            None
        }
    }
}

impl fmt::Display for ByteOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {:#x}", self.0)
    }
}

impl fmt::Display for ByteLen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:#x}, {:#x})", self.at.0, self.end().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_whose_end_overflows_cannot_be_made() {
        assert!(ByteRange::at(u64::MAX, 1).is_none());
        assert!(ByteRange::at(u64::MAX, 0).is_some());
    }

    #[test]
    fn intersections_hold_exactly_the_common_bytes() {
        let range = |at, len| ByteRange::at(at, len).expect("small");
        assert_eq!(range(0, 10).intersect(range(5, 10)), Some(range(5, 5)));
        assert_eq!(range(0, 5).intersect(range(5, 5)), None);
        assert!(range(0, 10).contains(range(3, 7)));
        assert!(!range(0, 10).contains(range(3, 8)));
    }
}
