//! A medium that counts what another one is asked for: the cost ledger.

use super::{Checksum, Durability, Media, SpaceError};
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::units::{ByteLen, ByteOffset, ByteRange, LineRange};

/// Counts of what drives cost. Waits are fences that had something pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Fences with something pending.
    pub waits: u64,
    /// Fences in all.
    pub fences: u64,
    /// Lines flushed.
    pub lines: u64,
    /// Lines touched by non-temporal stores.
    pub nt_lines: u64,
    /// Bytes stored, temporal and non-temporal.
    pub bytes: u64,
}

impl core::ops::Sub for Cost {
    type Output = Cost;

    fn sub(self, earlier: Cost) -> Cost {
        Cost {
            waits: self.waits - earlier.waits,
            fences: self.fences - earlier.fences,
            lines: self.lines - earlier.lines,
            nt_lines: self.nt_lines - earlier.nt_lines,
            bytes: self.bytes - earlier.bytes,
        }
    }
}

/// Wraps a medium and counts stores, flushes and fences. Counts are exact for one thread at a time; with several
/// threads the split between waits and free fences is approximate, all else stays exact.
#[derive(Debug)]
pub struct Counted<M> {
    inner: M,
    pending: AtomicBool,
    waits: AtomicU64,
    fences: AtomicU64,
    lines: AtomicU64,
    nt_lines: AtomicU64,
    bytes: AtomicU64,
}

impl<M> Counted<M> {
    /// Counts from zero around `inner`.
    pub fn new(inner: M) -> Self {
        Counted {
            inner,
            pending: AtomicBool::new(false),
            waits: AtomicU64::new(0),
            fences: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            nt_lines: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// What has been counted so far.
    pub fn cost(&self) -> Cost {
        // Relaxed: counters, read by the thread that drove them.
        Cost {
            waits: self.waits.load(Ordering::Relaxed),
            fences: self.fences.load(Ordering::Relaxed),
            lines: self.lines.load(Ordering::Relaxed),
            nt_lines: self.nt_lines.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// What `work` costs.
    pub fn cost_of<R>(&self, work: impl FnOnce() -> R) -> (R, Cost) {
        let before = self.cost();
        let result = work();
        (result, self.cost() - before)
    }

    /// The medium inside.
    pub fn into_inner(self) -> M {
        self.inner
    }

    fn add(counter: &AtomicU64, amount: u64) {
        // Relaxed: a counter orders nothing.
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

impl<M: Media> Media for Counted<M> {
    type SyncError = M::SyncError;

    fn len(&self) -> ByteLen {
        self.inner.len()
    }
    fn durability(&self) -> Durability {
        self.inner.durability()
    }
    fn tear_granule(&self) -> u64 {
        self.inner.tear_granule()
    }
    fn reads_zero_when_fresh(&self) -> bool {
        self.inner.reads_zero_when_fresh()
    }
    #[track_caller]
    fn load8(&self, at: ByteOffset) -> u8 {
        self.inner.load8(at)
    }
    #[track_caller]
    fn load16(&self, at: ByteOffset) -> u16 {
        self.inner.load16(at)
    }
    #[track_caller]
    fn load32(&self, at: ByteOffset) -> u32 {
        self.inner.load32(at)
    }
    #[track_caller]
    fn load64(&self, at: ByteOffset) -> u64 {
        self.inner.load64(at)
    }
    #[track_caller]
    fn store8(&self, at: ByteOffset, value: u8) {
        Self::add(&self.bytes, 1);
        self.inner.store8(at, value);
    }
    #[track_caller]
    fn store16(&self, at: ByteOffset, value: u16) {
        Self::add(&self.bytes, 2);
        self.inner.store16(at, value);
    }
    #[track_caller]
    fn store32(&self, at: ByteOffset, value: u32) {
        Self::add(&self.bytes, 4);
        self.inner.store32(at, value);
    }
    #[track_caller]
    fn store64(&self, at: ByteOffset, value: u64) {
        Self::add(&self.bytes, 8);
        self.inner.store64(at, value);
    }
    #[track_caller]
    fn fetch_or64(&self, at: ByteOffset, bits: u64) -> u64 {
        Self::add(&self.bytes, 8);
        self.inner.fetch_or64(at, bits)
    }
    #[track_caller]
    fn fetch_and64(&self, at: ByteOffset, bits: u64) -> u64 {
        Self::add(&self.bytes, 8);
        self.inner.fetch_and64(at, bits)
    }
    #[track_caller]
    fn compare_exchange64(&self, at: ByteOffset, current: u64, new: u64) -> Result<u64, u64> {
        Self::add(&self.bytes, 8);
        self.inner.compare_exchange64(at, current, new)
    }
    #[track_caller]
    fn read(&self, at: ByteOffset, into: &mut [u8]) {
        self.inner.read(at, into);
    }
    #[track_caller]
    fn write(&self, at: ByteOffset, bytes: &[u8]) {
        Self::add(&self.bytes, bytes.len() as u64);
        self.inner.write(at, bytes);
    }
    #[track_caller]
    fn write_nt(&self, at: ByteOffset, bytes: &[u8]) {
        if let Some(range) = ByteRange::new(at, ByteLen::of(bytes)) {
            Self::add(&self.nt_lines, LineRange::covering(range).count().get());
        }
        Self::add(&self.bytes, bytes.len() as u64);
        self.pending.store(true, Ordering::Relaxed); // Relaxed: see `cost`
        self.inner.write_nt(at, bytes);
    }
    #[track_caller]
    fn fill(&self, range: ByteRange, byte: u8) {
        Self::add(&self.bytes, range.len().get());
        self.inner.fill(range, byte);
    }
    #[track_caller]
    fn flush(&self, lines: LineRange) {
        if !lines.is_empty() {
            Self::add(&self.lines, lines.count().get());
            self.pending.store(true, Ordering::Relaxed); // Relaxed: see `cost`
        }
        self.inner.flush(lines);
    }
    #[track_caller]
    fn fence(&self) -> Result<(), Self::SyncError> {
        Self::add(&self.fences, 1);
        // Relaxed: see `cost`.
        if self.pending.swap(false, Ordering::Relaxed) {
            Self::add(&self.waits, 1);
        }
        self.inner.fence()
    }
    fn drain(&self) {
        self.inner.drain();
    }
    fn back(&self, range: ByteRange) -> Result<(), SpaceError> {
        self.inner.back(range)
    }
    fn intact(&self) -> bool {
        self.inner.intact()
    }
    fn set_len(&self, len: ByteLen) -> Result<(), SpaceError> {
        self.inner.set_len(len)
    }
    #[track_caller]
    fn reaffirm(&self, range: ByteRange) {
        let lines = LineRange::covering(range);
        if !lines.is_empty() {
            Self::add(&self.lines, lines.count().get());
            self.pending.store(true, Ordering::Relaxed); // Relaxed: see `cost`
        }
        self.inner.reaffirm(range);
    }
    fn verify<C: Checksum>(&self, range: ByteRange, check: &mut C) -> bool {
        self.inner.verify(range, check)
    }
}
