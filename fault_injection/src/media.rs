//! [`CrashMedia`]: the medium that remembers everything and can lose power.

mod face;

use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard};

use everline::units::{ByteLen, ByteOffset, ByteRange};

use crate::event::{Kind, Log, Place};
use crate::lab::Lab;
use crate::model::Nature;
use crate::record::{Cut, Recorder, Recording};
use crate::threads::{Call, turn};

/// A fence that was made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashSyncError {
    /// Which fence of the medium it was, from 0.
    pub fence: u64,
}

impl std::fmt::Display for CrashSyncError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "fence {} was made to fail", self.fence)
    }
}

impl std::error::Error for CrashSyncError {}

pub(crate) enum Inner {
    Recorder(Box<Recorder>),
    Lab(Box<Lab>),
}

/// A medium in memory that records every store, flush and fence, or on which a crashed state is recovered.
///
/// Clones are handles of one medium. Made by [`CrashMedia::new`] or [`CrashMedia::with_base`] it records; the one
/// that an [`Explorer`](crate::Explorer) hands to recovery shows one crashed state, chosen as recovery reads it.
/// Panics: as every [`Media`](everline::media::Media), on access outside or misaligned; methods that need a recording medium panic inside
/// recovery.
#[derive(Clone)]
pub struct CrashMedia {
    inner: Arc<Mutex<Inner>>,
    zero: bool,
    granule: u64,
}

const _: () = {
    const fn shared<T: Clone + Send + Sync>() {}
    shared::<CrashMedia>();
};

impl std::fmt::Debug for CrashMedia {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrashMedia").finish_non_exhaustive()
    }
}

impl CrashMedia {
    /// `len` durable zero bytes.
    pub fn new(len: ByteLen) -> Self {
        let len = usize::try_from(len.get()).expect("a length that fits memory");
        Self::make(vec![0; len], true)
    }

    /// A medium that held `base`, durably, before it was ours: what was never stored does not read zero.
    pub fn with_base(base: Vec<u8>) -> Self {
        Self::make(base, false)
    }

    /// `len` bytes of 0xA1: a medium that somebody else used before.
    pub fn dirty(len: ByteLen) -> Self {
        let len = usize::try_from(len.get()).expect("a length that fits memory");
        Self::make(vec![0xA1; len], false)
    }

    fn make(base: Vec<u8>, zero: bool) -> Self {
        let nature = Nature {
            granule: 8,
            rmw_fences: true,
            fresh: if zero { 0 } else { 0xA1 },
        };
        Self::of(Inner::Recorder(Box::new(Recorder::new(base, nature))), zero)
    }

    fn of(inner: Inner, zero: bool) -> Self {
        let granule = match &inner {
            Inner::Recorder(recorder) => recorder.nature.granule,
            Inner::Lab(lab) => 1 << lab.model.shift,
        };
        CrashMedia {
            inner: Arc::new(Mutex::new(inner)),
            zero,
            granule,
        }
    }

    /// What `recorder` stands for, under a new handle.
    pub(crate) fn of_recorder(recorder: Recorder) -> Self {
        let zero = recorder.nature.fresh == 0;
        Self::of(Inner::Recorder(Box::new(recorder)), zero)
    }

    pub(crate) fn of_lab(lab: Lab, nature: Nature) -> Self {
        Self::of(Inner::Lab(Box::new(lab)), nature.fresh == 0)
    }

    /// A medium whose stores tear at `granule` bytes (4 or 8) instead of 8. Only before anything is recorded.
    #[must_use]
    pub fn tearing_at(self, granule: u64) -> Self {
        assert!(
            granule == 4 || granule == 8,
            "the tear granule is 4 or 8 bytes"
        );
        self.reshaped(|nature| nature.granule = granule)
    }

    /// A medium on which a locked read-modify-write settles nothing (Arm, files): stricter than the default. Only
    /// before anything is recorded.
    #[must_use]
    pub fn without_rmw_fences(self) -> Self {
        self.reshaped(|nature| nature.rmw_fences = false)
    }

    /// How many bytes the recording may take: 1 GiB where nothing is said, 32 for each event and the bytes of bulk
    /// stores. Beyond that the medium panics and says so, rather than fill the machine's memory.
    #[must_use]
    pub fn recording_limit(self, bytes: ByteLen) -> Self {
        let limit = usize::try_from(bytes.get()).unwrap_or(usize::MAX);
        self.with_recorder(|recorder| recorder.log.limit = limit);
        self
    }

    fn reshaped(self, change: impl FnOnce(&mut Nature)) -> Self {
        self.with_recorder(|recorder| {
            assert!(
                recorder.log.events.is_empty(),
                "the medium has been used already"
            );
            change(&mut recorder.nature);
        });
        let granule = self.with_recorder(|recorder| recorder.nature.granule);
        CrashMedia { granule, ..self }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic of the code under test inside the lock leaves a state that is whole: checks come first.
        self.inner
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }

    pub(crate) fn with_lab<R>(&self, work: impl FnOnce(&mut Lab) -> R) -> R {
        match &mut *self.lock() {
            Inner::Lab(lab) => work(lab),
            Inner::Recorder(_) => unreachable!("only an explorer asks, and it made this medium"),
        }
    }

    #[track_caller]
    pub(crate) fn with_recorder<R>(&self, work: impl FnOnce(&mut Recorder) -> R) -> R {
        match &mut *self.lock() {
            Inner::Recorder(recorder) => work(recorder),
            Inner::Lab(_) => panic!("not on the medium that recovery runs on"),
        }
    }

    #[track_caller]
    fn note(&self, kind: Kind, value: u64) {
        turn(Call::Note);
        let place = Location::caller();
        self.lock().log().push(kind, 0, 0, value, place);
    }

    /// Operation `id` begins: it may or may not survive a crash from here on.
    #[track_caller]
    pub fn invoke(&self, id: u64) {
        self.note(Kind::Invoke, id);
    }

    /// Operation `id` is acknowledged: it must survive every crash from here on.
    #[track_caller]
    pub fn ack(&self, id: u64) {
        self.note(Kind::Ack, id);
    }

    /// Where exploration may begin: see [`Recording::start_at_last_mark`].
    #[track_caller]
    pub fn mark(&self) {
        self.note(Kind::Mark, 0);
    }

    /// Makes the `n`-th fence from now fail; 0 is the next. What it should have settled is not durable and its lines
    /// are clean: a later fence settles them only where they were stored again.
    pub fn fail_fence_at(&self, n: u64) {
        self.with_recorder(|recorder| recorder.fail_at(n));
    }

    /// Makes the next `count` fences fail.
    pub fn fail_next_fences(&self, count: u64) {
        self.with_recorder(|recorder| recorder.fail_next(count));
    }

    /// The device has room for `bytes` more, in units of 4 KiB: [`Media::back`](everline::media::Media::back) beyond that answers `NoSpace`.
    pub fn fail_back_after(&self, bytes: ByteLen) {
        self.with_recorder(|recorder| recorder.limit_backing(bytes.get()));
    }

    /// Says that the lines of `range` rely on x86's order of the stores to one line. Where a model has no such order
    /// ([`CrashModel::WordSubset`](crate::CrashModel)) these lines keep it nevertheless, and the report carries a
    /// portability note.
    pub fn relies_on_line_order(&self, range: ByteRange) {
        let range = (range.start().get(), range.len().get());
        if let Inner::Recorder(recorder) = &mut *self.lock() {
            recorder.line_ordered.push(range);
        }
    }

    /// What was recorded so far.
    pub fn recording(&self) -> Recording {
        self.with_recorder(|recorder| recorder.recording())
    }

    /// The process dies and a new one opens the medium: everything stored is visible, and what was pending still
    /// is. Flushes of the old process never count. This handle keeps its own history.
    #[track_caller]
    pub fn kill(&self) -> CrashMedia {
        let place = Location::caller();
        let killed = self.with_recorder(|recorder| recorder.killed(place));
        Self::of(Inner::Recorder(Box::new(killed)), self.zero)
    }

    /// The power goes now: a new recording medium that holds one of the possible images. This one goes on.
    pub fn cut(&self, cut: Cut<'_>) -> CrashMedia {
        let next = self.with_recorder(|recorder| {
            let nature = recorder.nature;
            Recorder::new(recorder.crashed(&cut), nature)
        });
        Self::of(Inner::Recorder(Box::new(next)), self.zero)
    }

    /// A recording medium that holds `image`, and otherwise behaves as that of `recording`.
    pub(crate) fn resumed(image: Vec<u8>, recording: &Recording) -> CrashMedia {
        let nature = recording.nature;
        let mut recorder = Recorder::new(image, nature);
        recorder.line_ordered.clone_from(&recording.line_ordered);
        Self::of(Inner::Recorder(Box::new(recorder)), nature.fresh == 0)
    }

    pub(crate) fn fences(&self) -> u64 {
        self.with_recorder(|recorder| recorder.fences)
    }

    pub(crate) fn events_so_far(&self) -> usize {
        self.lock().log().events.len()
    }

    /// Runs `work` so that an exploration takes no crash point in it and none after it sees what it stored.
    pub(crate) fn aside<R>(&self, work: impl FnOnce() -> R) -> R {
        let (events, bytes) = {
            let mut inner = self.lock();
            let log = inner.log();
            (log.events.len(), log.bytes.len())
        };
        let result = work();
        if let Inner::Lab(lab) = &mut *self.lock() {
            lab.log.events.truncate(events);
            lab.log.bytes.truncate(bytes);
        }
        result
    }

    /// The bytes that the program sees.
    pub fn snapshot(&self) -> Vec<u8> {
        self.with_recorder(|recorder| recorder.live.clone())
    }

    /// The bytes that survive whatever happens, where nothing pending reaches the medium.
    pub fn durable_image(&self) -> Vec<u8> {
        self.with_recorder(|recorder| recorder.crashed(&Cut::AllLost))
    }
}

impl Inner {
    fn len(&self) -> u64 {
        match self {
            Inner::Recorder(recorder) => recorder.live.len() as u64,
            Inner::Lab(lab) => lab.model.len,
        }
    }

    fn log(&mut self) -> &mut Log {
        match self {
            Inner::Recorder(recorder) => &mut recorder.log,
            Inner::Lab(lab) => &mut lab.log,
        }
    }

    /// Checks an access before anything is touched (V3).
    #[track_caller]
    fn check(&mut self, at: u64, len: u64) {
        let whole = self.len();
        assert!(
            at.checked_add(len).is_some_and(|end| end <= whole),
            "access of {len} bytes at offset {at:#x} leaves a medium of {whole} bytes"
        );
        if let Inner::Lab(lab) = self {
            assert!(
                lab.counted() || std::thread::panicking(),
                "recovery does not end: {} calls to the medium",
                lab.call_limit
            );
        }
    }

    #[track_caller]
    fn check_word(&mut self, at: u64, size: u64) {
        assert!(
            at % size == 0,
            "access at offset {at:#x} is not aligned to {size} bytes"
        );
        self.check(at, size);
    }

    fn load(&mut self, at: u64, size: u64) -> u64 {
        match self {
            Inner::Recorder(recorder) => {
                crate::model::word_of(&recorder.live[at as usize..][..size as usize])
            }
            Inner::Lab(lab) => lab.load(at, size),
        }
    }

    fn lay(&mut self, at: u64, bytes: &[u8]) {
        match self {
            Inner::Recorder(recorder) => recorder.lay(at, bytes),
            Inner::Lab(lab) => lab.lay(at, bytes),
        }
    }
}

impl CrashMedia {
    #[track_caller]
    fn load(&self, at: ByteOffset, size: u64) -> u64 {
        turn(Call::Load {
            at: at.get(),
            len: size,
        });
        let mut inner = self.lock();
        inner.check_word(at.get(), size);
        inner.load(at.get(), size)
    }

    #[track_caller]
    fn store(&self, at: ByteOffset, size: u8, value: u64) {
        turn(Call::Store);
        let place = Location::caller();
        let mut inner = self.lock();
        inner.check_word(at.get(), u64::from(size));
        inner.lay(at.get(), &value.to_le_bytes()[..size as usize]);
        inner.log().push(Kind::Store, at.get(), size, value, place);
    }

    /// One locked step: `next` answers what to store, if anything.
    #[track_caller]
    fn modify(&self, at: ByteOffset, next: impl FnOnce(u64) -> Option<u64>) -> u64 {
        turn(Call::Rmw);
        let place = Location::caller();
        let mut inner = self.lock();
        inner.check_word(at.get(), 8);
        let old = inner.load(at.get(), 8);
        let new = next(old);
        if let Some(new) = new {
            inner.lay(at.get(), &new.to_le_bytes());
        }
        let stored = u32::from(new.is_some());
        let value = new.unwrap_or(old);
        inner
            .log()
            .push_ranged(Kind::Rmw, at.get(), stored, value, place);
        old
    }

    #[track_caller]
    fn bulk(&self, kind: Kind, at: ByteOffset, bytes: &[u8]) {
        turn(Call::Store);
        let place = Location::caller();
        let mut inner = self.lock();
        inner.check(at.get(), bytes.len() as u64);
        if !bytes.is_empty() {
            inner.lay(at.get(), bytes);
            inner.log().push_bytes(kind, at.get(), bytes, place);
        }
    }

    /// An unordered store that was made somewhere before `place`, or there; `found` says which.
    pub(crate) fn store_found(&self, at: ByteOffset, bytes: &[u8], found: u8, place: Place) {
        let mut inner = self.lock();
        inner.check(at.get(), bytes.len() as u64);
        inner.lay(at.get(), bytes);
        let log = inner.log();
        log.push_bytes(Kind::Write, at.get(), bytes, place);
        if let Some(event) = log.events.last_mut() {
            event.size = found;
        }
    }
}
