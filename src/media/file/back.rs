//! Backing: storage really stands behind a range before anybody stores to it, so that a full device is an
//! error and never a SIGBUS.
//!
//! ```text
//! file    | chunk 0 | chunk 1 | chunk 2 | ... |     1 MiB each
//! bitmap  |    1    |    0    |    1    | ... |     1: allocated as a whole, nothing to ask
//! ```
//!
//! Invariants
//! B1  a bit is set only after the operating system has allocated the whole chunk, up to the file's end.
//! B2  nothing is allocated beyond the file's end.
//! B3  what a file holds is never overwritten: without fallocate only holes get zeros.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use super::error::{errno_of, space_error};
use super::sys;
use crate::media::{Errno, SpaceError};
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::units::{ByteLen, ByteRange, round_down, round_up};

/// What one call allocates where it can; a trade between calls and space taken early.
const CHUNK: u64 = 1 << 20;

/// Zeros written at a time where there is no fallocate.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// What is known to be allocated.
#[derive(Debug)]
pub(in crate::media) struct Backing {
    chunks: Vec<AtomicU64>,
    /// Held while chunks are allocated and while the file's length changes.
    slow: Mutex<()>,
    /// A whole chunk did not fit once: from then on exactly what is asked for.
    tight: AtomicBool,
}

impl Backing {
    /// Nothing is known of a file that may grow to `capacity`.
    pub(in crate::media) fn new(capacity: ByteLen) -> Self {
        let words = capacity.get().div_ceil(CHUNK).div_ceil(64);
        Backing {
            chunks: (0..words).map(|_| AtomicU64::new(0)).collect(),
            slow: Mutex::new(()),
            tight: AtomicBool::new(false),
        }
    }

    /// The right to allocate and to change the length.
    pub(in crate::media) fn hold(&self) -> MutexGuard<'_, ()> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bit(&self, chunk: u64) -> Option<(&AtomicU64, u64)> {
        let word = self.chunks.get((chunk / 64) as usize)?;
        Some((word, 1 << (chunk % 64)))
    }

    fn is_set(&self, chunk: u64) -> bool {
        // Acquire pairs with the release in `note`: the allocation was before.
        self.bit(chunk)
            .is_some_and(|(word, bit)| word.load(Ordering::Acquire) & bit != 0)
    }

    /// Whether nothing has to be asked for `range`; one load for a range within a chunk.
    #[inline]
    pub(in crate::media) fn is_backed(&self, range: ByteRange) -> bool {
        range.is_empty() || chunks_of(range).all(|chunk| self.is_set(chunk))
    }

    /// Notes that the chunks of `range`, whole or up to the file's end, are allocated (B1).
    pub(in crate::media) fn note(&self, range: ByteRange) {
        for (word, bit) in chunks_of(range).filter_map(|chunk| self.bit(chunk)) {
            word.fetch_or(bit, Ordering::Release); // Release pairs with the acquire in `is_set`
        }
    }

    /// Forgets the chunk that holds the old end of a file that has grown: it is not whole any more.
    pub(in crate::media) fn forget_end(&self, old_len: ByteLen) {
        if let Some((word, bit)) = self.bit(old_len.get() / CHUNK) {
            word.fetch_and(!bit, Ordering::Relaxed); // Relaxed: the caller holds `slow` and publishes the length later
        }
        self.tight.store(false, Ordering::Relaxed); // Relaxed: a hint
    }

    /// Allocates what stands behind `range`, which is not empty and lies in the file of `len` bytes; the caller
    /// holds `slow`. `allocate` asks the operating system. What was asked for comes first, so that the rest of its chunks never takes its place.
    pub(in crate::media) fn allocate(
        &self,
        range: ByteRange,
        len: ByteLen,
        allocate: impl Fn(ByteRange) -> Result<(), SpaceError>,
    ) -> Result<(), SpaceError> {
        if self.is_backed(range) {
            return Ok(()); // somebody was faster
        }
        allocate(widened(range, sys::page_bytes(), len))?;
        if self.tight.load(Ordering::Relaxed) {
            return Ok(()); // Relaxed: a hint
        }
        let batch = widened(range, CHUNK, len);
        match allocate(batch) {
            Ok(()) => self.note(batch),
            Err(_) => self.tight.store(true, Ordering::Relaxed), // Relaxed: a hint
        }
        Ok(())
    }
}

/// Prepares `[from, to)` of a file that has just been extended: sparse where blocks can be allocated later,
/// written with zeros where they cannot.
pub(super) fn prepare_extension(file: &File, from: u64, to: u64) -> Result<(), SpaceError> {
    let first_page = (to - from).min(sys::page_bytes());
    match sys::allocate(file, from, first_page) {
        Err(Errno(libc::EOPNOTSUPP)) => write_zeros(file, from, to).map_err(space_error),
        answer => answer.map_err(space_error),
    }
}

fn chunks_of(range: ByteRange) -> impl Iterator<Item = u64> {
    let first = range.start().get() / CHUNK;
    let end = range.end().get().div_ceil(CHUNK);
    first..end
}

/// `range` rounded outwards to `unit`, cut at the file's end (B2).
fn widened(range: ByteRange, unit: u64, len: ByteLen) -> ByteRange {
    let start = round_down(range.start().get(), unit);
    let end = round_up(range.end().get(), unit).map_or(len.get(), |end| end.min(len.get()));
    ByteRange::at(start, end - start).expect("lies in the file")
}

/// Allocates `range` of `file`, writing zeros into its holes where there is no fallocate.
pub(super) fn allocate_or_fill(file: &File, range: ByteRange) -> Result<(), SpaceError> {
    match sys::allocate(file, range.start().get(), range.len().get()) {
        Err(Errno(libc::EOPNOTSUPP)) => fill_holes(file, range).map_err(space_error),
        answer => answer.map_err(space_error),
    }
}

/// Writes zeros where `range` has holes, and only there (B3). Blocks are really there when it returns.
fn fill_holes(file: &File, range: ByteRange) -> Result<(), Errno> {
    let metadata = file.metadata().map_err(|error| errno_of(&error))?;
    let len = metadata.len();
    let has_holes = metadata.blocks() * 512 < len;
    if has_holes && sys::next_hole(file, 0)?.is_none_or(|hole| hole >= len) {
        return Err(Errno(libc::EOPNOTSUPP)); // sparse, and the file system does not tell where
    }
    let end = range.end().get();
    let mut at = range.start().get();
    let mut filled = false;
    while let Some(hole) = sys::next_hole(file, at)?.filter(|hole| *hole < end) {
        at = sys::next_data(file, hole)?.map_or(end, |data| data.min(end));
        write_zeros(file, hole, at)?;
        filled = true;
    }
    if filled {
        // Some file systems find out only now that there is no room.
        file.sync_data().map_err(|error| errno_of(&error))?;
    }
    Ok(())
}

fn write_zeros(file: &File, from: u64, to: u64) -> Result<(), Errno> {
    let mut at = from;
    while at < to {
        let piece = (to - at).min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..piece as usize], at)
            .map_err(|error| errno_of(&error))?;
        at += piece;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn range(at: u64, len: u64) -> ByteRange {
        ByteRange::at(at, len).expect("small")
    }

    fn sparse(len: u64) -> File {
        let file = tempfile::tempfile().expect("temporary file");
        file.set_len(len).expect("extended");
        file
    }

    fn allocated(file: &File) -> u64 {
        file.metadata().expect("open").blocks() * 512
    }

    #[test]
    fn a_range_is_backed_once_its_chunks_are_and_the_file_keeps_its_length() {
        let len = ByteLen::new(3 * MIB + 5000);
        let file = sparse(len.get());
        let backing = Backing::new(len);
        let across = range(MIB - 10, 20);
        assert!(!backing.is_backed(across));
        backing
            .allocate(across, len, |range| allocate_or_fill(&file, range))
            .expect("there is room");
        assert!(backing.is_backed(range(0, 2 * MIB)));
        assert!(!backing.is_backed(range(0, 2 * MIB + 1)));
        assert!(allocated(&file) >= 2 * MIB);
        let tail = range(3 * MIB, 5000);
        backing
            .allocate(tail, len, |range| allocate_or_fill(&file, range))
            .expect("there is room");
        assert!(backing.is_backed(tail));
        assert_eq!(file.metadata().expect("open").len(), len.get());
        backing.forget_end(len);
        assert!(
            !backing.is_backed(tail),
            "a longer file has a new last chunk"
        );
    }

    #[test]
    fn without_fallocate_holes_get_zeros_and_data_stays() {
        let file = sparse(MIB);
        file.write_all_at(b"data", 300 * 1024).expect("written");
        fill_holes(&file, range(0, MIB)).expect("there is room");
        assert!(allocated(&file) >= MIB);
        let mut bytes = std::vec![0; MIB as usize];
        file.read_exact_at(&mut bytes, 0).expect("read");
        assert_eq!(&bytes[300 * 1024..][..4], b"data");
        assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), 4);
    }

    #[test]
    fn an_empty_range_needs_nothing() {
        assert!(Backing::new(ByteLen::ZERO).is_backed(range(5 * MIB, 0)));
    }
}
