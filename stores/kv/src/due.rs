//! When something is to be done: pure decisions from times.
//!
//! ```text
//! ASYNC      commit ───▶ a quarter of the interval later
//! PERIODIC   commit ───▶ the next tick: origin + n * interval
//! no log     commit ───▶ never by itself; the next checkpoint
//! ```

use std::time::Duration;

use crate::{Mode, StoreOptions};

/// The least interval: below that a thread would do nothing but look.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// What a store does by itself, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    mode: Mode,
    logged: bool,
    interval: Duration,
    checkpoint_interval: Option<Duration>,
    origin: Duration,
}

impl Schedule {
    pub fn new(options: &StoreOptions) -> Self {
        Schedule {
            mode: options.mode,
            logged: options.enable_wal,
            interval: options.flush_interval.max(INTERVAL_MIN),
            checkpoint_interval: options
                .checkpoint_interval
                .map(|interval| interval.max(INTERVAL_MIN)),
            origin: options.clock.now(),
        }
    }

    /// Whether commits wait in memory.
    pub fn has_window(&self) -> bool {
        self.mode != Mode::Sync || !self.logged
    }

    /// Whether anything comes due by the clock alone.
    pub fn needs_time(&self) -> bool {
        (self.mode != Mode::Sync && self.logged) || self.checkpoint_interval.is_some()
    }

    /// When commits of which the oldest came at `oldest` are to be flushed.
    pub fn flush_at(&self, oldest: Option<Duration>) -> Option<Duration> {
        let oldest = oldest.filter(|_| self.logged)?;
        match self.mode {
            Mode::Sync => None,
            // Some are gathered, and three quarters of the window are left for the flush itself.
            Mode::Async => Some(oldest + self.interval / 4),
            Mode::Periodic => {
                let since = oldest.saturating_sub(self.origin).as_nanos();
                let ticks = since / self.interval.as_nanos() + 1;
                let tick = ticks.saturating_mul(self.interval.as_nanos());
                // 64 bits of nanoseconds are 584 years.
                let tick = Duration::from_nanos(u64::try_from(tick).unwrap_or(u64::MAX));
                Some(self.origin.saturating_add(tick))
            }
        }
    }

    /// When the next checkpoint is due after one at `last`.
    pub fn checkpoint_at(&self, last: Duration) -> Option<Duration> {
        self.checkpoint_interval.map(|interval| last + interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule(mode: Mode, enable_wal: bool) -> Schedule {
        let clock = ManualClock::new();
        clock.advance(SECOND * 5);
        Schedule::new(&StoreOptions {
            mode,
            enable_wal,
            flush_interval: SECOND * 2,
            clock: clock.clock(),
            ..StoreOptions::default()
        })
    }

    #[test]
    fn async_is_due_within_its_window_and_periodic_at_the_tick_after() {
        let at = |millis| Duration::from_millis(millis);
        let soon = schedule(Mode::Async, true);
        assert_eq!(soon.flush_at(Some(at(6_000))), Some(at(6_500)));
        assert_eq!(soon.flush_at(None), None);
        let ticks = schedule(Mode::Periodic, true);
        for (commit, tick) in [(5_000, 7_000), (6_999, 7_000), (7_000, 9_000)] {
            assert_eq!(ticks.flush_at(Some(at(commit))), Some(at(tick)));
        }
    }

    #[test]
    fn ticks_do_not_end_in_years_of_the_shortest_interval() {
        let clock = ManualClock::new();
        let ticks = Schedule::new(&StoreOptions {
            mode: Mode::Periodic,
            flush_interval: INTERVAL_MIN,
            clock: clock.clock(),
            ..StoreOptions::default()
        });
        let commit = SECOND * 86_400 * 3650;
        assert_eq!(ticks.flush_at(Some(commit)), Some(commit + INTERVAL_MIN));
    }

    #[test]
    fn without_a_log_only_a_checkpoint_flushes() {
        for mode in [Mode::Sync, Mode::Async, Mode::Periodic] {
            let schedule = schedule(mode, false);
            assert!(schedule.has_window());
            assert!(!schedule.needs_time());
            assert_eq!(schedule.flush_at(Some(SECOND)), None);
        }
        assert!(!schedule(Mode::Sync, true).has_window());
    }
}
