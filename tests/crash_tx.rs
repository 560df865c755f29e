//! Workloads of transactions: every one of up to two operations (three where the long form is asked for), and
//! long random ones whose rings wrap; a power cut at every crash point, a killed process, and once more a cut
//! inside recovery.

mod crash_world;

use crash_world::{Op, explore, explore_worked, full, tiny};
use everline_crash::{Explorer, Report};

/// One of each kind.
fn alphabet() -> Vec<Op> {
    vec![
        Op::Staged(10),
        Op::Undo(20),
        Op::UndoBig(30),
        Op::Mixed(40),
        Op::AbortUndo(50),
        Op::AbortBig(60),
        Op::AbortStaged(70),
        Op::Put {
            slot: 0,
            bytes: 40,
            fill: 0x11,
        },
        Op::PutFresh {
            slot: 0,
            bytes: 600,
            fill: 0x22,
        },
        Op::PutFresh {
            slot: 1,
            bytes: 5000,
            fill: 0x33,
        },
        Op::Free(0),
        Op::Group(80),
        Op::Extended(90),
        Op::OtherLane(100),
        Op::Checkpoint,
        Op::Reopen,
        Op::Kill,
    ]
}

#[derive(Default)]
struct Sum {
    workloads: u64,
    points: u64,
    executions: u64,
}

impl Sum {
    fn add(&mut self, ops: &[Op], report: &Report) {
        assert!(report.is_clean(), "{ops:?}: {}", report.violations[0]);
        self.workloads += 1;
        self.points += report.crash_points;
        self.executions += report.executions;
    }
}

impl Drop for Sum {
    fn drop(&mut self) {
        let Sum {
            workloads,
            points,
            executions,
        } = self;
        eprintln!("{workloads} workloads, {points} crash points, {executions} executions");
    }
}

#[test]
fn every_single_operation_survives_a_cut_at_every_crash_point() {
    let explorer = Explorer::new().nested_depth(2);
    let mut sum = Sum::default();
    for op in alphabet() {
        sum.add(&[op], &explore(&explorer, &tiny(), &[op]));
    }
    assert!(sum.executions > 1_000, "{}", sum.executions);
}

#[test]
fn every_pair_of_operations_survives_a_cut_at_every_crash_point() {
    let explorer = Explorer::new();
    let mut sum = Sum::default();
    for first in alphabet() {
        for second in alphabet() {
            let ops = [first, second];
            sum.add(&ops, &explore(&explorer, &tiny(), &ops));
        }
    }
    assert!(sum.executions > 20_000, "{}", sum.executions);
}

#[test]
fn every_triple_of_operations_survives_a_cut_at_every_crash_point_in_the_long_form() {
    let explorer = Explorer::new();
    let mut sum = Sum::default();
    let all = alphabet();
    // The short form takes a slice that shifts with the first two, so that every operation comes third.
    let step = if full() { 1 } else { 17 };
    for (i, first) in all.iter().enumerate() {
        for (j, second) in all.iter().enumerate() {
            for third in all.iter().skip((i + 3 * j) % step).step_by(step) {
                let ops = [*first, *second, *third];
                sum.add(&ops, &explore(&explorer, &tiny(), &ops));
            }
        }
    }
}

/// A small generator of its own, so that a seed means the same for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn op(&mut self, step: u64) -> Op {
        let v = step * 1_000 + 1;
        let slot = self.below(4) as usize;
        let fill = step as u8 | 1;
        match self.below(24) {
            0..=3 => Op::Staged(v),
            4..=6 => Op::Undo(v),
            7 => Op::UndoBig(v),
            8 => Op::Mixed(v),
            9 => Op::AbortUndo(v),
            10 => Op::AbortBig(v),
            11 => Op::AbortStaged(v),
            12..=13 => Op::Put {
                slot,
                bytes: self.below(200) + 1,
                fill,
            },
            14..=15 => Op::PutFresh {
                slot,
                bytes: self.below(3_000) + 1,
                fill,
            },
            16..=17 => Op::Free(slot),
            18 => Op::Group(v),
            19 => Op::Extended(v),
            20..=21 => Op::OtherLane(v),
            22 => Op::Checkpoint,
            _ if self.below(2) == 0 => Op::Reopen,
            _ => Op::Kill,
        }
    }
}

#[test]
fn long_random_workloads_whose_rings_wrap_survive_every_cut() {
    let (seeds, len) = if full() { (120, 60) } else { (12, 40) };
    let mut sum = Sum::default();
    for seed in 0..seeds {
        let mut random = Random(seed);
        let ops: Vec<Op> = (0..len).map(|step| random.op(step)).collect();
        let report = explore(&Explorer::new().kill_steps(16).seed(seed), &tiny(), &ops);
        assert!(
            report.is_clean(),
            "seed {seed}, {ops:?}: {}",
            report.violations[0]
        );
        sum.add(&ops, &report);
    }
}

#[test]
fn an_engine_that_works_on_after_recovery_survives_the_next_cut_too() {
    let (seeds, len) = if full() { (80, 40) } else { (12, 24) };
    let mut sum = Sum::default();
    for seed in 1_000..1_000 + seeds {
        let mut random = Random(seed);
        let ops: Vec<Op> = (0..len).map(|step| random.op(step)).collect();
        let report = explore_worked(&Explorer::new().kill_steps(8).seed(seed), &tiny(), &ops);
        assert!(
            report.is_clean(),
            "seed {seed}, {ops:?}: {}",
            report.violations[0]
        );
        sum.add(&ops, &report);
    }
}
