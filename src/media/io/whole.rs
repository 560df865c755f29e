//! Loads and stores: the face of [`IoMedia`]. Every store marks the lines it touched after it has stored (P2).

use super::frames::{FRAME, Frame};
use super::{FileIo, IoMedia};
use crate::media::{Durability, Errno, Media, SpaceError};
use crate::sync::{AtomicU64, Ordering};
use crate::units::{ByteLen, ByteOffset, ByteRange, FLUSH_LINE, LineRange};

impl<F: FileIo> IoMedia<F> {
    /// The frame of a word of `size` bytes and the word's place in it.
    #[inline]
    #[track_caller]
    fn place(&self, at: ByteOffset, size: u64) -> (&Frame, u64) {
        if !at.is_aligned(size) {
            misaligned(at, size);
        }
        self.check(at, size);
        (self.frame(at), at.get() % FRAME)
    }

    #[inline]
    #[track_caller]
    fn check(&self, at: ByteOffset, len: u64) {
        let whole = self.len.load(Ordering::Relaxed); // Relaxed: who may use a new part has learnt of it otherwise
        if len > whole || at.get() > whole - len {
            out_of_bounds(at, len, whole);
        }
    }

    /// The low `size` bytes of what is loaded at `at`.
    #[inline]
    #[track_caller]
    fn load_part(&self, at: ByteOffset, size: u64) -> u64 {
        let (frame, within) = self.place(at, size);
        frame.word(within).load(Ordering::Relaxed) >> (8 * (within % 8)) // Relaxed: only whole words publish
    }

    #[inline]
    #[track_caller]
    fn store_part(&self, at: ByteOffset, size: u64, value: u64) {
        let (frame, within) = self.place(at, size);
        let shift = 8 * (within % 8);
        frame.merge(
            within,
            value << shift,
            (u64::MAX >> (64 - 8 * size)) << shift,
        );
        frame.mark_dirty(within, size);
    }

    /// Changes one word by `change` and marks it.
    #[inline]
    #[track_caller]
    fn change<R>(&self, at: ByteOffset, change: impl FnOnce(&AtomicU64) -> R) -> R {
        let (frame, within) = self.place(at, 8);
        let answer = change(frame.word(within));
        frame.mark_dirty(within, 8);
        answer
    }

    /// Hands each part of `len` bytes at `at` that lies in one frame to `visit`: frame, place in it, bytes done before
    /// it, its length.
    #[track_caller]
    fn each_frame(
        &self,
        at: ByteOffset,
        len: u64,
        mut visit: impl FnMut(&Frame, u64, usize, usize),
    ) {
        self.check(at, len);
        let mut done = 0;
        while done < len {
            let here = ByteOffset::new(at.get() + done);
            let within = here.get() % FRAME;
            let part = (FRAME - within).min(len - done);
            visit(self.frame(here), within, done as usize, part as usize);
            done += part;
        }
    }

    /// Marks the dirty lines of `range`, not empty, to be written by this thread's next fence.
    fn flush_range(&self, range: ByteRange) {
        let Some(group) = &self.sync else {
            return;
        };
        let mut at = range.start().get();
        while at < range.end().get() {
            let here = ByteOffset::new(at);
            let within = at % FRAME;
            let part = (FRAME - within).min(range.end().get() - at);
            if self
                .frames
                .get(here)
                .is_some_and(|frame| frame.mark_flushed(within, part))
            {
                self.frames.mark(here);
            }
            at += part;
        }
        // Also where all lines are clean: whoever cleaned them may still be at work on them (V1).
        self.note_flushed(group, range);
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn out_of_bounds(at: ByteOffset, len: u64, whole: u64) -> ! {
    panic!("access of {len} bytes at {at} leaves a medium of {whole} bytes")
}

#[cold]
#[inline(never)]
#[track_caller]
fn misaligned(at: ByteOffset, size: u64) -> ! {
    panic!("access at {at} is not aligned to {size} bytes")
}

impl<F: FileIo> Media for IoMedia<F> {
    /// What the operating system answered to the first write, sync or read that failed.
    type SyncError = Errno;

    #[inline]
    fn len(&self) -> ByteLen {
        // Acquire pairs with the release in `grow_to`.
        ByteLen::new(self.len.load(Ordering::Acquire))
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    /// True for a file that its maker said to be new.
    fn reads_zero_when_fresh(&self) -> bool {
        self.fresh
    }

    #[inline]
    #[track_caller]
    fn load8(&self, at: ByteOffset) -> u8 {
        self.load_part(at, 1) as u8
    }

    #[inline]
    #[track_caller]
    fn load16(&self, at: ByteOffset) -> u16 {
        self.load_part(at, 2) as u16
    }

    #[inline]
    #[track_caller]
    fn load32(&self, at: ByteOffset) -> u32 {
        self.load_part(at, 4) as u32
    }

    #[inline]
    #[track_caller]
    fn load64(&self, at: ByteOffset) -> u64 {
        let (frame, within) = self.place(at, 8);
        frame.word(within).load(Ordering::Acquire) // Acquire pairs with the release in `store64`
    }

    #[inline]
    #[track_caller]
    fn store8(&self, at: ByteOffset, value: u8) {
        self.store_part(at, 1, value.into());
    }

    #[inline]
    #[track_caller]
    fn store16(&self, at: ByteOffset, value: u16) {
        self.store_part(at, 2, value.into());
    }

    #[inline]
    #[track_caller]
    fn store32(&self, at: ByteOffset, value: u32) {
        self.store_part(at, 4, value.into());
    }

    #[inline]
    #[track_caller]
    fn store64(&self, at: ByteOffset, value: u64) {
        // Release pairs with the acquire in `load64`.
        self.change(at, |word| word.store(value, Ordering::Release));
    }

    #[inline]
    #[track_caller]
    fn fetch_or64(&self, at: ByteOffset, bits: u64) -> u64 {
        self.change(at, |word| word.fetch_or(bits, Ordering::AcqRel))
    }

    #[inline]
    #[track_caller]
    fn fetch_and64(&self, at: ByteOffset, bits: u64) -> u64 {
        self.change(at, |word| word.fetch_and(bits, Ordering::AcqRel))
    }

    #[inline]
    #[track_caller]
    fn compare_exchange64(&self, at: ByteOffset, current: u64, new: u64) -> Result<u64, u64> {
        self.change(at, |word| {
            word.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
        })
    }

    /// A whole frame that is not there is read past the frames, so that a copy of everything takes no memory.
    #[track_caller]
    fn read(&self, at: ByteOffset, into: &mut [u8]) {
        self.check(at, into.len() as u64);
        let mut done = 0;
        while done < into.len() {
            let here = ByteOffset::new(at.get() + done as u64);
            let within = here.get() % FRAME;
            let part = ((FRAME - within) as usize).min(into.len() - done);
            let piece = &mut into[done..done + part];
            // Whatever was stored before this read made the frame: without it, the file has the newest bytes.
            match self.frames.get(here) {
                None if part as u64 == FRAME => self.read_file(here, piece),
                _ => self.frame(here).copy_out(within, piece),
            }
            done += part;
        }
    }

    #[track_caller]
    fn write(&self, at: ByteOffset, bytes: &[u8]) {
        self.each_frame(at, bytes.len() as u64, |frame, within, done, part| {
            frame.copy_in(within, &bytes[done..done + part]);
        });
    }

    #[track_caller]
    fn write_nt(&self, at: ByteOffset, bytes: &[u8]) {
        self.write(at, bytes);
        let written = ByteRange::new(at, ByteLen::of(bytes));
        if let Some(range) = written.filter(|range| !range.is_empty()) {
            self.flush_range(range);
        }
    }

    #[track_caller]
    fn fill(&self, range: ByteRange, byte: u8) {
        let pattern = [byte; 4096];
        self.each_frame(
            range.start(),
            range.len().get(),
            |frame, within, _, part| {
                let mut done = 0;
                while done < part {
                    let piece = pattern.len().min(part - done);
                    frame.copy_in(within + done as u64, &pattern[..piece]);
                    done += piece;
                }
            },
        );
    }

    #[track_caller]
    fn flush(&self, lines: LineRange) {
        if lines.is_empty() {
            return;
        }
        let start = lines.start();
        let last = ByteOffset::new(start.get() + (lines.count().get() - 1) * FLUSH_LINE);
        self.check(last, 1);
        let range = ByteRange::new(start, ByteLen::new(lines.count().get() * FLUSH_LINE));
        self.flush_range(range.expect("its last line begins in the medium"));
    }

    /// Errors: what the first failed write, sync or read answered, now or earlier (V7).
    fn fence(&self) -> Result<(), Errno> {
        match &self.sync {
            Some(group) => group.fence(|batch| self.sync_now(batch)),
            None if self.intact() => Ok(()),
            None => Err(Errno(libc::EIO)),
        }
    }

    /// Takes space in steps of 1 MiB where there is as much. In a private copy there is nothing to take.
    #[track_caller]
    fn back(&self, range: ByteRange) -> Result<(), SpaceError> {
        if self.sync.is_none() || self.space.is_backed(range) {
            return Ok(());
        }
        let _held = self.space.hold();
        let len = self.len();
        assert!(
            range.end().get() <= len.get(),
            "backing of {range} leaves a medium of {len}"
        );
        self.check_uncut(len)?; // or the allocation would make the file longer again
        self.space
            .allocate(range, len, |range| self.file.allocate(range))
    }

    /// Growth up to the capacity; beyond it, downwards and in a private copy it is [`SpaceError::Unsupported`].
    fn set_len(&self, len: ByteLen) -> Result<(), SpaceError> {
        self.grow_to(len)
    }

    fn intact(&self) -> bool {
        !self.lost.load(Ordering::Acquire) // Acquire pairs with the release in `lose`
    }

    /// Every line of `range` counts as dirty, whatever was written before.
    #[track_caller]
    fn reaffirm(&self, range: ByteRange) {
        self.each_frame(
            range.start(),
            range.len().get(),
            |frame, within, _, part| {
                frame.mark_dirty(within, part as u64);
            },
        );
        if !range.is_empty() {
            self.flush_range(range);
        }
    }
}
