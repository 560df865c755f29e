//! The face that the code under test sees.

use std::panic::Location;

use everline::media::{Checksum, Domain, Durability, Media, SpaceError};
use everline::units::{ByteLen, ByteOffset, ByteRange, FLUSH_LINE, LineRange};

use super::{CrashMedia, CrashSyncError, Inner};
use crate::event::Kind;
use crate::threads::{Call, turn};

impl Media for CrashMedia {
    type SyncError = CrashSyncError;

    fn len(&self) -> ByteLen {
        ByteLen::new(self.lock().len())
    }

    fn durability(&self) -> Durability {
        Durability {
            domain: Domain::MemoryController,
            reason: "simulated by the power-failure laboratory",
            flush: "simulated",
        }
    }

    fn tear_granule(&self) -> u64 {
        self.granule
    }

    fn reads_zero_when_fresh(&self) -> bool {
        self.zero
    }

    #[track_caller]
    fn load8(&self, at: ByteOffset) -> u8 {
        self.load(at, 1) as u8
    }
    #[track_caller]
    fn load16(&self, at: ByteOffset) -> u16 {
        self.load(at, 2) as u16
    }
    #[track_caller]
    fn load32(&self, at: ByteOffset) -> u32 {
        self.load(at, 4) as u32
    }
    #[track_caller]
    fn load64(&self, at: ByteOffset) -> u64 {
        self.load(at, 8)
    }

    #[track_caller]
    fn store8(&self, at: ByteOffset, value: u8) {
        self.store(at, 1, u64::from(value));
    }
    #[track_caller]
    fn store16(&self, at: ByteOffset, value: u16) {
        self.store(at, 2, u64::from(value));
    }
    #[track_caller]
    fn store32(&self, at: ByteOffset, value: u32) {
        self.store(at, 4, u64::from(value));
    }
    #[track_caller]
    fn store64(&self, at: ByteOffset, value: u64) {
        self.store(at, 8, value);
    }

    #[track_caller]
    fn fetch_or64(&self, at: ByteOffset, bits: u64) -> u64 {
        self.modify(at, |old| Some(old | bits))
    }
    #[track_caller]
    fn fetch_and64(&self, at: ByteOffset, bits: u64) -> u64 {
        self.modify(at, |old| Some(old & bits))
    }
    #[track_caller]
    fn compare_exchange64(&self, at: ByteOffset, current: u64, new: u64) -> Result<u64, u64> {
        let old = self.modify(at, |old| (old == current).then_some(new));
        if old == current { Ok(old) } else { Err(old) }
    }

    #[track_caller]
    fn read(&self, at: ByteOffset, into: &mut [u8]) {
        turn(Call::Load {
            at: at.get(),
            len: into.len() as u64,
        });
        let mut inner = self.lock();
        inner.check(at.get(), into.len() as u64);
        match &mut *inner {
            Inner::Recorder(recorder) => {
                into.copy_from_slice(&recorder.live[at.get() as usize..][..into.len()]);
            }
            Inner::Lab(lab) => lab.read(at.get(), into),
        }
    }

    #[track_caller]
    fn write(&self, at: ByteOffset, bytes: &[u8]) {
        self.bulk(Kind::Write, at, bytes);
    }

    #[track_caller]
    fn write_nt(&self, at: ByteOffset, bytes: &[u8]) {
        self.bulk(Kind::WriteNt, at, bytes);
    }

    #[track_caller]
    fn fill(&self, range: ByteRange, byte: u8) {
        turn(Call::Store);
        let place = Location::caller();
        let (at, len) = (range.start().get(), range.len().get());
        let mut inner = self.lock();
        inner.check(at, len);
        if len == 0 {
            return;
        }
        match &mut *inner {
            Inner::Recorder(recorder) => recorder.live[at as usize..][..len as usize].fill(byte),
            Inner::Lab(lab) => lab.lay(at, &vec![byte; len as usize]),
        }
        let len = u32::try_from(len).expect("one fill stays below 4 GiB");
        let value = u64::from(byte);
        inner.log().push_ranged(Kind::Fill, at, len, value, place);
    }

    #[track_caller]
    fn flush(&self, lines: LineRange) {
        if lines.is_empty() {
            return;
        }
        turn(Call::Flush);
        let place = Location::caller();
        let mut inner = self.lock();
        // The last line of a medium may be cut short by its end.
        let whole = inner.len();
        let end = lines.start().get() + lines.count().get() * FLUSH_LINE;
        let beyond = end.saturating_sub(whole.next_multiple_of(FLUSH_LINE));
        inner.check(lines.start().get(), if beyond > 0 { end } else { 1 });
        let count = u32::try_from(lines.count().get()).expect("one flush stays below 2^32 lines");
        let at = lines.start().get();
        inner.log().push_ranged(Kind::Flush, at, count, 0, place);
    }

    #[track_caller]
    fn fence(&self) -> Result<(), CrashSyncError> {
        turn(Call::Fence);
        let place = Location::caller();
        let mut inner = self.lock();
        inner.check(0, 0);
        if let Inner::Recorder(recorder) = &mut *inner {
            if recorder.fence_fails() {
                recorder.log.push(Kind::FenceFailed, 0, 0, 0, place);
                return Err(CrashSyncError {
                    fence: recorder.fences - 1,
                });
            }
        }
        inner.log().push(Kind::Fence, 0, 0, 0, place);
        Ok(())
    }

    fn back(&self, range: ByteRange) -> Result<(), SpaceError> {
        match &mut *self.lock() {
            Inner::Recorder(recorder) => recorder.back(range.start().get(), range.len().get()),
            Inner::Lab(_) => Ok(()),
        }
    }

    #[track_caller]
    fn set_len(&self, len: ByteLen) -> Result<(), SpaceError> {
        turn(Call::Fence);
        let place = Location::caller();
        match &mut *self.lock() {
            Inner::Recorder(recorder) => recorder.set_len(len.get(), place),
            Inner::Lab(lab) => lab.set_len(len.get(), place),
        }
        Ok(())
    }

    #[track_caller]
    fn reaffirm(&self, range: ByteRange) {
        turn(Call::Flush);
        let place = Location::caller();
        let (at, len) = (range.start().get(), range.len().get());
        let mut inner = self.lock();
        inner.check(at, len);
        if len > 0 {
            let len = u32::try_from(len).expect("one range stays below 4 GiB");
            inner.log().push_ranged(Kind::Reaffirm, at, len, 0, place);
        }
    }

    #[track_caller]
    fn verify<C: Checksum>(&self, range: ByteRange, check: &mut C) -> bool {
        let (at, len) = (range.start().get(), range.len().get());
        turn(Call::Load { at, len });
        let mut inner = self.lock();
        inner.check(at, len);
        match &mut *inner {
            Inner::Recorder(recorder) => {
                check.reset();
                check.update(&recorder.live[at as usize..][..len as usize]);
                check.matches()
            }
            Inner::Lab(lab) => lab.verify(at, len, check),
        }
    }
}
