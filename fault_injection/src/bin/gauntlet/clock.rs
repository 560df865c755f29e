//! Time that one thread had a core: what "a second and core" means, however busy the machine is.

use std::time::{Duration, Instant};

/// Measures the thread that made it.
#[derive(Debug)]
pub struct Clock {
    begun: Instant,
    on_core: Option<Duration>,
}

impl Clock {
    pub fn start() -> Self {
        Clock {
            begun: Instant::now(),
            on_core: on_core(),
        }
    }

    /// Time on a core since the start; where the system does not tell, all of the time.
    pub fn elapsed(&self) -> Duration {
        match (self.on_core, on_core()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => self.begun.elapsed(),
        }
    }
}

/// The first number of `schedstat`: nanoseconds on a core (Linux, `Documentation/scheduler/sched-stats.rst`).
fn on_core() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds)).filter(|time| !time.is_zero())
}
