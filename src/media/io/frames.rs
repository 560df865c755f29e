//! The bytes of a file in memory, in frames that are loaded when first touched.
//!
//! ```text
//! table   | block | ------ | block |        32 MiB each, made on demand
//! block   | frame | ------ | frame | ... |  64 KiB each, and one mark for each: something in it is to be written
//! frame   | words .................... |   dirty: one bit a line, flushed: one bit a line
//! ```
//!
//! Invariants
//! P1  a frame, once there, stays until the table goes: references to it need no lock.
//! P2  a line whose memory differs from the file is dirty, or a fence that is under way has taken it. A store marks
//!     after it has stored, by a read-modify-write, and a fence unmarks before it reads, by another: whichever comes
//!     second in the order of that word, the store is either read by the fence or still marked.
//! P3  a flushed line's frame is marked: marks are set from the line up and taken from the frame down.

use std::boxed::Box;
use std::sync::OnceLock;
use std::vec::Vec;

use crate::sync::{AtomicU64, Ordering};
use crate::units::{ByteLen, ByteOffset, FLUSH_LINE};

/// Bytes of a frame.
pub(super) const FRAME: u64 = 64 << 10;
const LINE_WORDS: usize = (FRAME / FLUSH_LINE / 64) as usize;
/// Frames of a block.
const FRAMES: usize = 512;

/// 64 KiB of the file.
#[derive(Debug)]
pub(super) struct Frame {
    /// Little-endian words as numbers.
    words: Box<[AtomicU64]>,
    dirty: [AtomicU64; LINE_WORDS],
    flushed: [AtomicU64; LINE_WORDS],
}

#[derive(Debug)]
struct Block {
    frames: Box<[OnceLock<Box<Frame>>]>,
    marked: [AtomicU64; FRAMES / 64],
}

/// The frames of a file that may grow to a fixed capacity.
#[derive(Debug)]
pub(super) struct Frames {
    blocks: Box<[OnceLock<Box<Block>>]>,
}

fn zeros<const N: usize>() -> [AtomicU64; N] {
    core::array::from_fn(|_| AtomicU64::new(0))
}

/// The bits of lines `[first, end)` of a frame, word by word.
fn masks(first: usize, end: usize) -> impl Iterator<Item = (usize, u64)> {
    (first / 64..end.div_ceil(64)).map(move |word| {
        let low = first.saturating_sub(word * 64);
        let high = (end - word * 64).min(64);
        (word, (u64::MAX >> (64 - (high - low))) << low)
    })
}

impl Frame {
    /// A frame that holds `bytes`, all of it.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let words = bytes.chunks_exact(8).map(word_of);
        Frame {
            words: words.map(AtomicU64::new).collect(),
            dirty: zeros(),
            flushed: zeros(),
        }
    }

    /// The word that holds byte `within` of the frame.
    #[inline(always)]
    pub(super) fn word(&self, within: u64) -> &AtomicU64 {
        &self.words[(within % FRAME / 8) as usize]
    }

    /// Replaces the bits of `mask` in the word that holds byte `within`.
    #[inline]
    pub(super) fn merge(&self, within: u64, bits: u64, mask: u64) {
        let word = self.word(within);
        let mut old = word.load(Ordering::Relaxed);
        // Relaxed: parts of words order nothing; `mark_dirty` publishes them to the fence.
        while let Err(found) = word.compare_exchange_weak(
            old,
            old & !mask | bits & mask,
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            old = found;
        }
    }

    /// Copies bytes out, from `within` on.
    pub(super) fn copy_out(&self, within: u64, into: &mut [u8]) {
        let head = into.len().min((8 - within as usize % 8) % 8);
        let (head, rest) = into.split_at_mut(head);
        self.copy_part(within, head);
        let mut at = within + head.len() as u64;
        let (whole, tail) = rest.split_at_mut(rest.len() / 8 * 8);
        let first = (at / 8) as usize;
        for (bytes, word) in whole.chunks_exact_mut(8).zip(&self.words[first..]) {
            // Relaxed: bulk copies may tear (V2).
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        at += whole.len() as u64;
        self.copy_part(at, tail);
    }

    /// Copies a part of one word out.
    fn copy_part(&self, within: u64, into: &mut [u8]) {
        if !into.is_empty() {
            let bytes = self.word(within).load(Ordering::Relaxed).to_le_bytes(); // Relaxed: as above
            into.copy_from_slice(&bytes[within as usize % 8..][..into.len()]);
        }
    }

    /// Copies bytes in, from `within` on, and marks their lines.
    pub(super) fn copy_in(&self, within: u64, bytes: &[u8]) {
        let head = bytes.len().min((8 - within as usize % 8) % 8);
        let (head, rest) = bytes.split_at(head);
        self.merge_part(within, head);
        let mut at = within + head.len() as u64;
        let (whole, tail) = rest.split_at(rest.len() / 8 * 8);
        let first = (at / 8) as usize;
        for (bytes, word) in whole.chunks_exact(8).zip(&self.words[first..]) {
            word.store(word_of(bytes), Ordering::Relaxed); // Relaxed: bulk copies may tear (V2)
        }
        at += whole.len() as u64;
        self.merge_part(at, tail);
        self.mark_dirty(within, bytes.len() as u64);
    }

    fn merge_part(&self, within: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            let shift = within as usize % 8;
            let (mut new, mut mask) = ([0; 8], [0; 8]);
            new[shift..][..bytes.len()].copy_from_slice(bytes);
            mask[shift..][..bytes.len()].fill(0xff);
            self.merge(within, u64::from_le_bytes(new), u64::from_le_bytes(mask));
        }
    }

    /// Marks the lines of `len` bytes, not none, that have just been stored (P2).
    #[inline]
    pub(super) fn mark_dirty(&self, within: u64, len: u64) {
        let (first, end) = lines_of(within, len);
        for (word, mask) in masks(first, end) {
            // AcqRel: pairs with the step in `take`, see P2.
            self.dirty[word].fetch_or(mask, Ordering::AcqRel);
        }
    }

    /// Marks the dirty ones of the lines of `len` bytes to be written; whether there are any.
    pub(super) fn mark_flushed(&self, within: u64, len: u64) -> bool {
        let (first, end) = lines_of(within, len);
        let mut any = false;
        for (word, mask) in masks(first, end) {
            // Acquire: what another thread stored and this one flushes is seen by the fence too.
            let lines = self.dirty[word].load(Ordering::Acquire) & mask;
            if lines != 0 {
                self.flushed[word].fetch_or(lines, Ordering::AcqRel); // AcqRel: pairs with the swap in `take` (P3)
                any = true;
            }
        }
        any
    }

    /// Takes the flushed lines, which are clean from here on: the bytes that are read after this are written.
    fn take(&self) -> [u64; LINE_WORDS] {
        core::array::from_fn(|word| {
            let taken = self.flushed[word].swap(0, Ordering::AcqRel); // AcqRel: pairs with `mark_flushed`
            if taken != 0 {
                self.dirty[word].fetch_and(!taken, Ordering::AcqRel); // AcqRel: pairs with `mark_dirty` (P2)
            }
            taken
        })
    }

    /// Takes the flushed lines and names each run of them: first byte in the frame, and length.
    pub(super) fn take_runs(&self) -> Vec<(u64, u64)> {
        let taken = self.take();
        let is_taken = |line: usize| taken[line / 64] >> (line % 64) & 1 == 1;
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for line in (0..LINE_WORDS * 64).filter(|line| is_taken(*line)) {
            let start = line as u64 * FLUSH_LINE;
            match runs.last_mut() {
                Some((at, len)) if *at + *len == start => *len += FLUSH_LINE,
                _ => runs.push((start, FLUSH_LINE)),
            }
        }
        runs
    }
}

fn word_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

fn lines_of(within: u64, len: u64) -> (usize, usize) {
    let first = within / FLUSH_LINE;
    let end = (within + len).div_ceil(FLUSH_LINE);
    (first as usize, end as usize)
}

impl Block {
    fn new() -> Self {
        Block {
            frames: (0..FRAMES).map(|_| OnceLock::new()).collect(),
            marked: zeros(),
        }
    }
}

impl Frames {
    /// No frame yet, of a file that may grow to `capacity`.
    pub(super) fn new(capacity: ByteLen) -> Self {
        let blocks = capacity.get().div_ceil(FRAME).div_ceil(FRAMES as u64);
        Frames {
            blocks: (0..blocks).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The frame that holds `at`, if it is there.
    #[inline]
    pub(super) fn get(&self, at: ByteOffset) -> Option<&Frame> {
        let number = (at.get() / FRAME) as usize;
        let block = self.blocks.get(number / FRAMES)?.get()?;
        block.frames[number % FRAMES].get().map(|frame| &**frame)
    }

    /// The frame that holds `at`, which lies in the capacity; made by `load`, by one thread, if it is not there.
    #[cold]
    #[inline(never)]
    pub(super) fn get_or_load(&self, at: ByteOffset, load: impl FnOnce() -> Frame) -> &Frame {
        let number = (at.get() / FRAME) as usize;
        let block = self.blocks[number / FRAMES].get_or_init(|| Box::new(Block::new()));
        block.frames[number % FRAMES].get_or_init(|| Box::new(load()))
    }

    /// Marks the frame that holds `at`, which is there: some of its lines are flushed (P3).
    pub(super) fn mark(&self, at: ByteOffset) {
        let number = (at.get() / FRAME) as usize;
        if let Some(block) = self.blocks[number / FRAMES].get() {
            let (word, bit) = (number % FRAMES / 64, number % 64);
            block.marked[word].fetch_or(1 << bit, Ordering::AcqRel); // AcqRel: pairs with the step in `take_marked`
        }
    }

    /// Unmarks each marked frame that meets `[start, end)`, in order of place, and hands it on with its first byte.
    pub(super) fn take_marked<E>(
        &self,
        start: u64,
        end: u64,
        mut visit: impl FnMut(u64, &Frame) -> Result<(), E>,
    ) -> Result<(), E> {
        let (first, end) = ((start / FRAME) as usize, end.div_ceil(FRAME) as usize);
        let blocks = self.blocks.len().min(end.div_ceil(FRAMES));
        for number in first / FRAMES..blocks {
            let Some(block) = self.blocks[number].get() else {
                continue;
            };
            for (word, marked) in block.marked.iter().enumerate() {
                let base = number * FRAMES + word * 64;
                if base >= end || base + 64 <= first {
                    continue;
                }
                let all = masks(first.saturating_sub(base), (end - base).min(64));
                let wanted = all.fold(0, |bits, (_, mask)| bits | mask);
                // AcqRel: unmarked before its lines are taken (P3).
                let mut taken = marked.fetch_and(!wanted, Ordering::AcqRel) & wanted;
                while taken != 0 {
                    let bit = taken.trailing_zeros() as usize;
                    taken &= taken - 1;
                    if let Some(frame) = block.frames[word * 64 + bit].get() {
                        visit((base + bit) as u64 * FRAME, frame)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Bytes of the frames that are there. Cost: looks at each place of each block that is there.
    pub(super) fn resident(&self) -> ByteLen {
        let blocks = self.blocks.iter().filter_map(OnceLock::get);
        let frames = blocks.flat_map(|block| block.frames.iter());
        ByteLen::new(frames.filter(|frame| frame.get().is_some()).count() as u64 * FRAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_cover_the_lines_asked_for_and_no_other() {
        for first in [0usize, 1, 63, 64, 65, 1000] {
            for end in [first + 1, first + 2, first + 64, 1024] {
                let end = end.min(1024);
                if first >= end {
                    continue;
                }
                let mut covered = std::vec![false; 1024];
                for (word, mask) in masks(first, end) {
                    for bit in (0..64).filter(|bit| mask >> bit & 1 == 1) {
                        covered[word * 64 + bit] = true;
                    }
                }
                for (line, covered) in covered.iter().enumerate() {
                    assert_eq!(
                        *covered,
                        (first..end).contains(&line),
                        "{line} of {first}..{end}"
                    );
                }
            }
        }
    }

    #[test]
    fn only_flushed_lines_are_taken_and_only_once() {
        let frame = Frame::new(&[0; FRAME as usize]);
        frame.copy_in(60, &[1; 10]);
        frame.copy_in(1000, &[2; 1]);
        assert!(frame.mark_flushed(0, 200));
        assert_eq!(frame.take_runs(), [(0, 128)]);
        assert_eq!(frame.take_runs(), []);
        assert!(!frame.mark_flushed(0, 200), "clean lines need no write");
        assert!(frame.mark_flushed(0, FRAME));
        assert_eq!(frame.take_runs(), [(960, 64)]);
    }
}
