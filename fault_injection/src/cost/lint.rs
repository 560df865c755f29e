//! What the watch reports: flushes and fences that do nothing, and stores that an acknowledgement left behind.

use std::fmt;
use std::panic::Location;

use everline::units::{ByteOffset, ByteRange};

use super::watch::Watch;
use crate::media::{CrashMedia, Inner};
use crate::record::Recording;

/// A fault that costs time, or a store that an acknowledgement did not wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LintKind {
    /// A line was flushed again by the same thread, without a store between and before a fence.
    RedundantFlush,
    /// A line was flushed to which nothing had been stored since it became durable.
    CleanFlush,
    /// A line was flushed to which nothing was ever stored.
    UnwrittenFlush,
    /// A fence whose thread had flushed nothing since its last one.
    EmptyFence,
    /// One operation made the same line durable more than [`LintKind::REPEATS`] times.
    RepeatedPersist,
    /// An operation was acknowledged and a store of its thread was never flushed.
    UnflushedAtAck,
    /// An operation was acknowledged and a store of its thread was flushed, and no fence came.
    UnfencedAtAck,
}

impl LintKind {
    /// How many times one operation may make the same line durable.
    pub const REPEATS: u64 = 4;
}

/// One finding; what is found again at the same places counts as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// What it is.
    pub kind: LintKind,
    /// The flush, fence or store that it is about.
    pub place: &'static Location<'static>,
    /// The earlier flush or store that makes it needless, or the acknowledgement that came too early.
    pub other: Option<&'static Location<'static>>,
    /// The first line or word that it was found on; 0 for a fence.
    pub at: ByteOffset,
    /// The event of the recording at which it was first found.
    pub event: usize,
    /// How many times it was found; lines are counted one by one.
    pub times: u64,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lint { place, at, .. } = self;
        match self.kind {
            LintKind::RedundantFlush => write!(
                f,
                "{place}: flushes line {at} again before a fence and nothing was stored between: drop one flush"
            )?,
            LintKind::CleanFlush => write!(
                f,
                "{place}: flushes line {at}, to which nothing was stored that needs it: drop the flush or narrow its range"
            )?,
            LintKind::UnwrittenFlush => write!(
                f,
                "{place}: flushes line {at}, to which nothing was ever stored: narrow the range of the flush"
            )?,
            LintKind::EmptyFence => write!(
                f,
                "{place}: fences, and this thread has flushed nothing since its last fence: drop the fence"
            )?,
            LintKind::RepeatedPersist => write!(
                f,
                "{place}: makes line {at} durable more than {} times in one operation: gather its stores, or keep what \
                 changes so often on a line of its own",
                LintKind::REPEATS
            )?,
            LintKind::UnflushedAtAck => write!(
                f,
                "{place}: stores at {at}, and the operation is acknowledged without a flush of it: flush and fence before, \
                 or call it a volatile_hint"
            )?,
            LintKind::UnfencedAtAck => write!(
                f,
                "{place}: stores at {at}, and the operation is acknowledged after its flush without a fence: fence before"
            )?,
        }
        if let Some(other) = self.other {
            let what = match self.kind {
                LintKind::UnflushedAtAck | LintKind::UnfencedAtAck => "acknowledged",
                _ => "earlier",
            };
            write!(f, " ({what} at {other})")?;
        }
        if self.times > 1 {
            write!(f, " ({} times)", self.times)?;
        }
        Ok(())
    }
}

/// A range whose stores need not be durable at an acknowledgement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hint {
    pub at: u64,
    pub len: u64,
    /// Acknowledgements within which it must be durable; none: never.
    pub within: Option<u64>,
}

impl CrashMedia {
    /// Says that what lies in `range` may be lost: [`Recording::lints`] asks no flush for it. Changes nothing in what
    /// is explored.
    pub fn volatile_hint(&self, range: ByteRange) {
        self.hint(range, None);
    }

    /// Says that what lies in `range` is made durable now and then, at the latest by the `acks`-th acknowledgement
    /// after a store: [`Recording::lints`] reports it only beyond that. Changes nothing in what is explored.
    pub fn lazily_flushed(&self, range: ByteRange, acks: u64) {
        self.hint(range, Some(acks));
    }

    fn hint(&self, range: ByteRange, within: Option<u64>) {
        let (at, len) = (range.start().get(), range.len().get());
        if let Inner::Recorder(recorder) = &mut *self.lock() {
            recorder.hints.push(Hint { at, len, within });
        }
    }
}

impl Recording {
    /// Flushes and fences that did nothing, and stores that an acknowledgement left without flush or fence, in the order
    /// in which they were found; after [`start_at_last_mark`](Recording::start_at_last_mark), those since the mark.
    ///
    /// No verdict: a store that nobody needs may well stay unflushed, and a flush for nothing breaks nothing. What is
    /// wrong the exploration finds. Cost: one pass.
    pub fn lints(&self) -> Vec<Lint> {
        let mut watch = Watch::new(self);
        for (index, event) in self.log.events.iter().enumerate() {
            watch.take(index, event);
        }
        watch.found
    }
}
