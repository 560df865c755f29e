//! Every workload of so many operations, and what came of exploring them.

use std::fmt::Debug;

use everline_crash::{CrashModel, Explorer, Report};

/// The models that gate the core: what survives the first survives the second, and the second is what x86 does.
pub const MODELS: [CrashModel; 2] = [CrashModel::WordSubset, CrashModel::LinePrefix];

/// An explorer under `model` with room to cover small workloads wholly; one note on portability is not worth a second
/// exploration of each.
pub fn under(model: CrashModel) -> Explorer {
    Explorer::new()
        .model(model)
        .budget_per_point(1 << 18)
        .portability_notes(false)
}

/// Workload `number` of all over `alphabet`, shortest first: a number written with its letters.
pub fn workload<T: Clone>(alphabet: &[T], number: u64) -> Vec<T> {
    let base = alphabet.len() as u64;
    let (mut rest, mut len, mut count) = (number, 1, base);
    while rest >= count {
        rest -= count;
        len += 1;
        count *= base;
    }
    let mut ops = Vec::new();
    for _ in 0..len {
        ops.push(alphabet[(rest % base) as usize].clone());
        rest /= base;
    }
    ops
}

/// The number of the first workload of `len` operations over so many letters.
pub fn first_of(letters: usize, len: u32) -> u64 {
    (1..len).map(|shorter| (letters as u64).pow(shorter)).sum()
}

/// What a row of explorations did. Says so when dropped.
#[derive(Default)]
pub struct Sweep {
    pub workloads: u64,
    pub points: u64,
    pub executions: u64,
    /// Workloads of which not every state was covered.
    pub partly: u64,
}

impl Sweep {
    #[track_caller]
    pub fn add(&mut self, ops: &impl Debug, report: &Report) {
        assert!(report.is_clean(), "{ops:?}: {report}");
        self.workloads += 1;
        self.points += report.crash_points;
        self.executions += report.executions;
        self.partly += u64::from(!report.exhaustive);
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        let Sweep {
            workloads,
            points,
            executions,
            partly,
        } = self;
        eprintln!(
            "{workloads} workloads ({partly} of them in part), {points} crash points, {executions} executions"
        );
    }
}
