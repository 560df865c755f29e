//! Cache lines: two sizes with two names, and the range that a flush takes.

use super::{ByteOffset, ByteRange, round_down};

/// Bytes of the hardware's write-back unit; fixed by the format.
pub const FLUSH_LINE: u64 = 64;

/// Aligned bytes that a medium with full tear granule never tears.
pub const FAIL_ATOMIC: u64 = 8;

/// Padding of volatile structures that several threads write: two lines, since prefetchers fetch pairs.
pub const FALSE_SHARING: usize = 128;

/// A volatile value on lines of its own ([`FALSE_SHARING`]).
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded<T>(pub T);

/// A number of flush lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LineCount(u64);

impl LineCount {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Whole flush lines; built only by [`LineRange::covering`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineRange {
    first: u64,
    count: u64,
}

impl LineRange {
    /// The lines that hold at least one byte of `range`, and no other; none for an empty range.
    pub const fn covering(range: ByteRange) -> LineRange {
        if range.is_empty() {
            return LineRange { first: 0, count: 0 };
        }
        let first = round_down(range.start().get(), FLUSH_LINE);
        let last = round_down(range.end().get() - 1, FLUSH_LINE);
        LineRange {
            first,
            count: (last - first) / FLUSH_LINE + 1,
        }
    }

    /// Where the first line begins.
    pub const fn start(self) -> ByteOffset {
        ByteOffset::new(self.first)
    }

    /// How many lines.
    pub const fn count(self) -> LineCount {
        LineCount(self.count)
    }

    /// Whether there is no line in it.
    pub const fn is_empty(self) -> bool {
        self.count == 0
    }

    /// Where each line begins, in order.
    pub fn iter(self) -> impl Iterator<Item = ByteOffset> {
        (0..self.count).map(move |line| ByteOffset::new(self.first + line * FLUSH_LINE))
    }
}
