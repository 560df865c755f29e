//! How long writes take, by powers of two with four steps each: an answer is off by an eighth at most.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Steps of one power of two.
const STEPS: u32 = 4;
const BUCKETS: usize = 64 * STEPS as usize;

/// Counts of latencies.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
    max_ns: AtomicU64,
}

/// Latencies below which a share of all writes stayed, in microseconds; 0 where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percentiles {
    /// Half of them.
    pub p50_us: f64,
    /// 90 of 100.
    pub p90_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 999 of 1,000.
    pub p999_us: f64,
    /// All of them.
    pub max_us: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum_ns: AtomicU64::new(0),
            max_ns: AtomicU64::new(0),
        }
    }
}

/// The bucket of a time.
fn bucket(ns: u64) -> usize {
    let ns = ns.max(u64::from(STEPS));
    let power = ns.ilog2();
    let step = (ns >> (power - STEPS.ilog2())) as u32 % STEPS;
    (power * STEPS + step) as usize
}

/// The middle of a bucket, in nanoseconds.
fn middle(bucket: usize) -> f64 {
    let (power, step) = (bucket as u32 / STEPS, bucket as u32 % STEPS);
    let width = (1_u64 << power) as f64 / f64::from(STEPS);
    (1_u64 << power) as f64 + width * (f64::from(step) + 0.5)
}

impl Histogram {
    pub fn note(&self, elapsed: Duration) {
        let ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).max(1);
        // Relaxed, here and below: numbers order nothing.
        self.buckets[bucket(ns)].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
        if ns > self.max_ns.load(Ordering::Relaxed) {
            self.max_ns.fetch_max(ns, Ordering::Relaxed);
        }
    }

    /// Whether nothing was noted yet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.max_ns.load(Ordering::Relaxed) == 0 // Relaxed: as above
    }

    fn counts(&self) -> Vec<u64> {
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed); // Relaxed: as above
        self.buckets.iter().map(load).collect()
    }

    pub fn average_us(&self) -> f64 {
        let count: u64 = self.counts().iter().sum();
        match count {
            0 => 0.0,
            count => self.sum_ns.load(Ordering::Relaxed) as f64 / count as f64 / 1000.0,
        }
    }

    pub fn percentiles(&self) -> Percentiles {
        let counts = self.counts();
        let total: u64 = counts.iter().sum();
        let max = self.max_ns.load(Ordering::Relaxed) as f64; // Relaxed: as above
        let at = |share: f64| {
            let rank = ((total as f64 * share).ceil() as u64).max(1);
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            found.map_or(0.0, |bucket| middle(bucket).min(max) / 1000.0)
        };
        if total == 0 {
            return Percentiles::default();
        }
        Percentiles {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: max / 1000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_within_an_eighth() {
        let histogram = Histogram::default();
        assert_eq!(histogram.percentiles(), Percentiles::default());
        for us in 1..=1000 {
            histogram.note(Duration::from_micros(us));
        }
        let found = histogram.percentiles();
        let near = |found: f64, right: f64| (found / right - 1.0).abs() <= 0.125;
        assert!(near(found.p50_us, 500.0), "{found:?}");
        assert!(near(found.p90_us, 900.0), "{found:?}");
        assert!(near(found.p99_us, 990.0), "{found:?}");
        assert_eq!(found.max_us, 1000.0);
        assert!(near(histogram.average_us(), 500.5));
    }

    #[test]
    fn every_time_has_a_bucket() {
        let mut last = 0;
        for power in 0..64 {
            for ns in [(1_u64 << power), (1_u64 << power) + (1_u64 << power) / 2] {
                assert!(bucket(ns) >= last && bucket(ns) < BUCKETS);
                last = bucket(ns);
            }
        }
        assert!(bucket(0) <= bucket(u64::MAX));
    }
}
