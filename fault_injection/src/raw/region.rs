//! [`RawRegion`]: the slice and its hooks.

use std::fmt;
use std::ops::{Bound, Range, RangeBounds};
use std::panic::Location;

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, FLUSH_LINE, LineRange};

use super::buffer::{Buffer, Side};
use crate::event::{FOUND_LATER, Place};
use crate::media::{CrashMedia, CrashSyncError};
use crate::record::Recording;

const WORD: usize = 8;
const LINE: usize = FLUSH_LINE as usize;
/// Bytes that are compared at once before one looks closer.
const BLOCK: usize = 4096;

/// A byte that changed and that nobody declared, on a region that is [`strict`](RawRegion::strict).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undeclared {
    /// Which byte.
    pub at: ByteOffset,
    /// What it held.
    pub was: u8,
    /// What it holds.
    pub is: u8,
    /// The barrier that found it.
    pub found: &'static Location<'static>,
}

impl fmt::Display for Undeclared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Undeclared { at, was, is, found } = self;
        write!(
            f,
            "byte {at} changed from {was:#04x} to {is:#04x} and was not declared, found at {found}"
        )
    }
}

impl std::error::Error for Undeclared {}

/// A byte slice at a steady address, with hooks for flush and fence.
///
/// Under a workload the slice holds what the program stored, and at each hook it is compared with what it held at the one
/// before (cost: its length). Under recovery it shows one crashed state, of which only what is asked for is decided: ask
/// [`bytes`](RawRegion::bytes) for little. Offsets are bytes from its beginning. Pointers may be taken and stored through
/// until the next hook; under recovery only within what was asked for.
pub struct RawRegion {
    media: CrashMedia,
    live: Buffer,
    /// What the medium knows of.
    shadow: Vec<u8>,
    /// Words that `live` and `shadow` show; others wait for recovery to ask.
    known: Vec<bool>,
    /// The known words, as ranges of bytes.
    looked_at: Vec<Range<usize>>,
    strict: bool,
    undeclared: Option<Undeclared>,
}

impl fmt::Debug for RawRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRegion")
            .field("address", &self.live.address())
            .field("len", &self.shadow.len())
            .finish_non_exhaustive()
    }
}

impl RawRegion {
    /// A region of `len` durable zero bytes.
    pub fn new(len: ByteLen) -> Self {
        Self::on(CrashMedia::new(len))
    }

    /// A region over all of a recording medium: to ask for faults, another tear granule or dirty bytes.
    pub fn on(media: CrashMedia) -> Self {
        let shadow = media.snapshot();
        let mut live = Buffer::new(shadow.len(), Side::Workload);
        live.bytes_mut().copy_from_slice(&shadow);
        let looked_at = 0..shadow.len();
        RawRegion {
            media,
            live,
            known: vec![true; shadow.len().div_ceil(WORD)],
            looked_at: vec![looked_at],
            shadow,
            strict: false,
            undeclared: None,
        }
    }

    pub(super) fn recovering(media: &CrashMedia) -> Self {
        let len = usize::try_from(media.len().get()).expect("a length that fits memory");
        RawRegion {
            media: media.clone(),
            live: Buffer::new(len, Side::Recovery),
            shadow: vec![0; len],
            known: vec![false; len.div_ceil(WORD)],
            looked_at: Vec::new(),
            strict: false,
            undeclared: None,
        }
    }

    /// The same region on the next crashed state.
    pub(super) fn open_again(&mut self, media: &CrashMedia) {
        for range in self.looked_at.drain(..) {
            // A run that panicked has left stores that no barrier came to see.
            self.shadow[range.clone()].copy_from_slice(&self.live.bytes()[range.clone()]);
            self.known[range.start / WORD..range.end.div_ceil(WORD)].fill(false);
        }
        self.media = media.clone();
    }

    /// Every changed byte must be [`declared`](RawRegion::declare) before the next barrier, or
    /// [`recording`](RawRegion::recording) is an error.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Where the slice lies in memory; elsewhere under recovery.
    pub fn address(&self) -> usize {
        self.live.address()
    }

    /// The medium below: for faults, costs, and threads. Its own stores do not show in the slice.
    pub fn media(&self) -> &CrashMedia {
        &self.media
    }

    /// What was recorded so far; a barrier. Errors: the region is strict and a byte changed undeclared.
    #[track_caller]
    pub fn recording(&mut self) -> Result<Recording, Undeclared> {
        self.compare(Location::caller());
        match self.undeclared {
            Some(undeclared) => Err(undeclared),
            None => Ok(self.media.recording()),
        }
    }

    /// Reads a range; `..` is all of it. Under recovery its words are decided now, those of its ends whole.
    pub fn bytes(&mut self, range: impl RangeBounds<usize>) -> &[u8] {
        let range = self.within(&range);
        self.look_at(range.clone());
        &self.live.bytes()[range]
    }

    /// As [`bytes`](RawRegion::bytes), to store to. What is stored is seen at the next barrier.
    pub fn bytes_mut(&mut self, range: impl RangeBounds<usize>) -> &mut [u8] {
        let range = self.within(&range);
        self.look_at(range.clone());
        &mut self.live.bytes_mut()[range]
    }

    /// Says that what changed in `range` since the last barrier was stored here.
    #[track_caller]
    pub fn declare(&mut self, range: impl RangeBounds<usize>) {
        let range = self.within(&range);
        self.compare_range(&range, false, 0, Location::caller());
    }

    /// Flushes the lines of a range; a barrier.
    #[track_caller]
    pub fn flush(&mut self, range: impl RangeBounds<usize>) {
        let range = self.within(&range);
        self.compare(Location::caller());
        if !range.is_empty() {
            self.media.flush(lines_of(&range));
        }
    }

    /// As [`flush`](RawRegion::flush), of `len` bytes at an address in the slice. Panics: they leave it.
    #[track_caller]
    pub fn flush_address(&mut self, address: usize, len: usize) {
        let base = self.address();
        let start = address.checked_sub(base);
        let end = start.and_then(|start| start.checked_add(len));
        match (start, end) {
            (Some(start), Some(end)) if end <= self.shadow.len() => self.flush(start..end),
            _ => panic!(
                "{len} bytes at address {address:#x} leave the region of {} bytes at {base:#x}",
                self.shadow.len()
            ),
        }
    }

    /// Waits for this thread's flushes; a barrier. Errors: [`CrashMedia::fail_fence_at`] asked for it.
    #[track_caller]
    pub fn fence(&mut self) -> Result<(), CrashSyncError> {
        self.compare(Location::caller());
        self.media.fence()
    }

    /// Flush and fence.
    #[track_caller]
    pub fn persist(&mut self, range: impl RangeBounds<usize>) -> Result<(), CrashSyncError> {
        self.flush(range);
        self.media.fence()
    }

    /// Operation `id` begins; a barrier.
    #[track_caller]
    pub fn invoke(&mut self, id: u64) {
        self.compare(Location::caller());
        self.media.invoke(id);
    }

    /// Operation `id` is acknowledged; a barrier.
    #[track_caller]
    pub fn ack(&mut self, id: u64) {
        self.compare(Location::caller());
        self.media.ack(id);
    }

    /// Where exploration may begin, as [`CrashMedia::mark`]; a barrier.
    #[track_caller]
    pub fn mark(&mut self) {
        self.compare(Location::caller());
        self.media.mark();
    }

    #[track_caller]
    fn within(&self, range: &impl RangeBounds<usize>) -> Range<usize> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => self.shadow.len(),
        };
        assert!(
            start <= end && end <= self.shadow.len(),
            "bytes {start} to {end} leave a region of {} bytes",
            self.shadow.len()
        );
        start..end
    }

    /// Reads what recovery has not looked at yet (R3).
    fn look_at(&mut self, range: Range<usize>) {
        let mut word = range.start / WORD;
        let end = range.end.div_ceil(WORD);
        while word < end && !range.is_empty() {
            let first = word;
            while word < end && !self.known[word] {
                word += 1;
            }
            if first == word {
                word += 1;
                continue;
            }
            self.known[first..word].fill(true);
            let bytes = first * WORD..(word * WORD).min(self.shadow.len());
            let live = &mut self.live.bytes_mut()[bytes.clone()];
            self.media.read(ByteOffset::new(bytes.start as u64), live);
            self.shadow[bytes.clone()].copy_from_slice(live);
            self.looked_at.push(bytes);
        }
    }

    /// Records what changed since the last barrier (R1); an error where all of it should have been declared.
    pub(super) fn compare(&mut self, place: Place) {
        for number in 0..self.looked_at.len() {
            let range = self.looked_at[number].clone();
            self.compare_range(&range, self.strict, FOUND_LATER, place);
        }
    }

    fn compare_range(&mut self, range: &Range<usize>, undeclared: bool, found: u8, place: Place) {
        let mut at = range.start;
        while at < range.end {
            let block = at..range.end.min((at / BLOCK + 1) * BLOCK);
            if self.live.bytes()[block.clone()] != self.shadow[block.clone()] {
                self.compare_lines(&block, undeclared, found, place);
            }
            at = block.end;
        }
    }

    /// One unordered store for each line that changed: from its first changed word to its last.
    fn compare_lines(&mut self, block: &Range<usize>, undeclared: bool, found: u8, place: Place) {
        let mut at = block.start;
        while at < block.end {
            let line = at..block.end.min((at / LINE + 1) * LINE);
            at = line.end;
            let live = &self.live.bytes()[line.clone()];
            let changed = |(new, old): (&u8, &u8)| new != old;
            let shadow = &self.shadow[line.clone()];
            let Some(first) = live.iter().zip(shadow).position(changed) else {
                continue;
            };
            let last = live.iter().zip(shadow).rposition(changed).unwrap_or(first);
            if undeclared {
                self.undeclared.get_or_insert(Undeclared {
                    at: ByteOffset::new((line.start + first) as u64),
                    was: shadow[first],
                    is: live[first],
                    found: place,
                });
            }
            let start = (line.start + first) / WORD * WORD;
            let end = ((line.start + last) / WORD + 1) * WORD;
            let words = start.max(line.start)..end.min(line.end);
            let bytes = &self.live.bytes()[words.clone()];
            self.media
                .store_found(ByteOffset::new(words.start as u64), bytes, found, place);
            self.shadow[words.clone()].copy_from_slice(bytes);
        }
    }
}

fn lines_of(range: &Range<usize>) -> LineRange {
    let bytes = ByteRange::at(range.start as u64, range.len() as u64);
    LineRange::covering(bytes.expect("checked to lie inside"))
}
