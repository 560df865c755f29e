//! How times are taken: alternating short windows, and medians of the ratios of neighbours.
//!
//! The speed of a small shared machine drifts by up to two within minutes. Neighbouring windows of a few
//! milliseconds see the same speed, so their ratio does not drift; absolute times are context.

use std::time::Duration;

/// Runs something so many times; answers how long that took.
pub type Timed<'t> = dyn FnMut(u64) -> Duration + 't;

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Windows of each side; at least 7.
    pub windows: usize,
    /// The aim for the length of a window.
    pub window: Duration,
}

/// One side of a comparison.
pub struct Side<'t> {
    timed: Box<Timed<'t>>,
    times_max: u64,
    times: u64,
    /// Nanoseconds per run, one a window.
    pub ns: Vec<f64>,
}

impl<'t> Side<'t> {
    /// A side that `timed` runs, at most `times_max` times in one go.
    pub fn new(times_max: u64, timed: impl FnMut(u64) -> Duration + 't) -> Self {
        Side {
            timed: Box::new(timed),
            times_max,
            times: 1,
            ns: Vec::new(),
        }
    }

    /// Finds how often a window runs; warms up by the way.
    fn calibrate(&mut self, window: Duration) {
        loop {
            let elapsed = (self.timed)(self.times);
            if elapsed * 2 >= window || self.times >= self.times_max {
                let scale = window.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
                self.times = ((self.times as f64 * scale) as u64).clamp(1, self.times_max);
                return;
            }
            self.times = (self.times * 4).min(self.times_max);
        }
    }

    fn run(&mut self) {
        let elapsed = (self.timed)(self.times);
        self.ns
            .push(elapsed.as_secs_f64() * 1e9 / self.times as f64);
    }

    /// The median time of one run.
    pub fn median_ns(&self) -> f64 {
        median(self.ns.clone())
    }
}

/// Runs the windows of all sides in turn.
pub fn alternate(plan: Plan, sides: &mut [Option<Side<'_>>]) {
    for side in sides.iter_mut().flatten() {
        side.calibrate(plan.window);
    }
    for _ in 0..plan.windows {
        for side in sides.iter_mut().flatten() {
            side.run();
        }
    }
}

/// The median of `above[i] / below[i]`.
pub fn median_ratio(above: &Side<'_>, below: &Side<'_>) -> f64 {
    median(
        above
            .ns
            .iter()
            .zip(&below.ns)
            .map(|(above, below)| above / below)
            .collect(),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_survives_a_machine_that_changes_its_speed() {
        let side = |ns: &[f64]| Side {
            ns: ns.to_vec(),
            ..Side::new(1, |_| Duration::ZERO)
        };
        let peer = side(&[600.0, 1200.0, 600.0, 300.0]);
        let ours = side(&[100.0, 200.0, 100.0, 50.0]);
        assert!((median_ratio(&peer, &ours) - 6.0).abs() < 1e-9);
    }

    #[test]
    fn windows_alternate_and_are_calibrated() {
        let plan = Plan {
            windows: 7,
            window: Duration::from_micros(100),
        };
        let mut sides = [
            Some(Side::new(u64::MAX, |times| {
                Duration::from_nanos(times * 10)
            })),
            None,
            Some(Side::new(5, Duration::from_nanos)),
        ];
        alternate(plan, &mut sides);
        let [Some(a), None, Some(b)] = &sides else {
            unreachable!()
        };
        assert_eq!((a.ns.len(), b.ns.len()), (7, 7));
        assert!((5_000..=20_000).contains(&a.times) && b.times == 5);
    }
}
