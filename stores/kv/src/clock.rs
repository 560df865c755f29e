//! Time, which tests set themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where a store has the time from.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System(Instant),
    Manual(ManualClock),
}

impl Clock {
    /// The system's monotonic clock. A store that needs time starts a thread that does what is due.
    pub fn system() -> Self {
        Clock(Source::System(Instant::now()))
    }

    /// Since the clock began.
    pub(crate) fn now(&self) -> Duration {
        match &self.0 {
            Source::System(start) => start.elapsed(),
            Source::Manual(clock) => clock.now(),
        }
    }

    pub(crate) fn is_manual(&self) -> bool {
        matches!(self.0, Source::Manual(_))
    }
}

/// A clock that stands still until it is advanced. Its store starts no thread:
/// [`Store::run_due`](crate::Store::run_due) does what the thread would do.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same time, for a store.
    pub fn clock(&self) -> Clock {
        Clock(Source::Manual(self.clone()))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        // Relaxed: whoever advances the clock also tells whom it may concern.
        self.0.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed)) // Relaxed: as above
    }
}
