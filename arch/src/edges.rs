//! Where a byte range begins and ends in words and lines: pure arithmetic, no memory touched.
//!
//! ```text
//! |.....hhh|wwwwwwww|wwwwwwww|tt......|     h head bytes, w whole aligned words, t tail bytes
//! ```
//!
//! Invariants
//! - E1  head, words and tail are disjoint, in order, and cover the range exactly;
//! - E2  neither head nor tail crosses a word, hence neither crosses a line;
//! - E3  each end is rounded from the original range, never from the other rounded end.

use crate::FLUSH_LINE;

/// The machine word of the relaxed atomic copies.
pub const WORD: usize = size_of::<usize>();

/// A range split at its whole aligned words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordSpan {
    /// Bytes before the first whole word.
    pub head_bytes: usize,
    /// Whole aligned words.
    pub words: usize,
    /// Bytes after the last whole word.
    pub tail_bytes: usize,
}

impl WordSpan {
    /// Splits `len` bytes at address `addr`.
    #[inline(always)]
    pub const fn of(addr: usize, len: usize) -> WordSpan {
        let to_word = addr.wrapping_neg() % WORD;
        let head_bytes = if to_word < len { to_word } else { len };
        let rest = len - head_bytes;
        WordSpan {
            head_bytes,
            words: rest / WORD,
            tail_bytes: rest % WORD,
        }
    }
}

/// The consecutive flush lines that cover a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Bytes from the start of the first line to the start of the range.
    pub before: usize,
    /// Lines, 0 for an empty range.
    pub count: usize,
}

impl Lines {
    /// The lines under `len` bytes at address `addr`.
    #[inline(always)]
    pub const fn covering(addr: usize, len: usize) -> Lines {
        let before = addr % FLUSH_LINE;
        let count = if len == 0 {
            0
        } else {
            (before + len).div_ceil(FLUSH_LINE)
        };
        Lines { before, count }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, WORD, WordSpan};
    use crate::FLUSH_LINE;

    #[test]
    fn j2_an_empty_range_covers_no_line() {
        for addr in 0..2 * FLUSH_LINE {
            assert_eq!(Lines::covering(addr, 0).count, 0, "at {addr}");
        }
    }

    #[test]
    fn j2_two_bytes_across_a_line_end_cover_both_lines() {
        assert_eq!(
            Lines::covering(63, 2),
            Lines {
                before: 63,
                count: 2
            }
        );
        assert_eq!(
            Lines::covering(62, 2),
            Lines {
                before: 62,
                count: 1
            }
        );
        assert_eq!(
            Lines::covering(64, 64),
            Lines {
                before: 0,
                count: 1
            }
        );
        assert_eq!(
            Lines::covering(1, 64),
            Lines {
                before: 1,
                count: 2
            }
        );
    }

    #[test]
    fn j2_every_byte_of_a_range_is_covered_and_no_line_is_spare() {
        for addr in 1024..1024 + 2 * FLUSH_LINE {
            for len in 1..=300 {
                let lines = Lines::covering(addr, len);
                let first = addr - lines.before;
                let end = first + lines.count * FLUSH_LINE;
                assert_eq!(first % FLUSH_LINE, 0);
                assert!(
                    first <= addr && addr < first + FLUSH_LINE,
                    "first line of {addr}+{len}"
                );
                assert!(
                    addr + len <= end && end < addr + len + FLUSH_LINE,
                    "last line of {addr}+{len}"
                );
            }
        }
    }

    #[test]
    fn j2_the_last_line_of_the_address_space_can_be_covered() {
        let last = usize::MAX - (FLUSH_LINE - 1);
        assert_eq!(
            Lines::covering(last, FLUSH_LINE),
            Lines {
                before: 0,
                count: 1
            }
        );
        assert_eq!(
            Lines::covering(usize::MAX, 1),
            Lines {
                before: FLUSH_LINE - 1,
                count: 1
            }
        );
    }

    #[test]
    fn head_words_and_tail_cover_the_range_exactly() {
        for addr in 1024..1024 + 2 * FLUSH_LINE {
            for len in 0..=300 {
                let span = WordSpan::of(addr, len);
                assert_eq!(
                    span.head_bytes + span.words * WORD + span.tail_bytes,
                    len,
                    "E1 at {addr}+{len}"
                );
                assert!(
                    span.head_bytes < WORD && span.tail_bytes < WORD,
                    "E2 at {addr}+{len}"
                );
                if span.words > 0 || span.tail_bytes > 0 {
                    assert_eq!((addr + span.head_bytes) % WORD, 0, "{addr}+{len}");
                }
                if span.head_bytes > 0 {
                    assert_eq!(
                        addr / WORD,
                        (addr + span.head_bytes - 1) / WORD,
                        "E2 at {addr}+{len}"
                    );
                }
            }
        }
    }
}
