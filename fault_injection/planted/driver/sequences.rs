//! Sequences of transactions on the suites' small world.

use everline_crash::Explorer;

use crate::crash_world::{
    Op, judge, judge_worked, medium, record, recover, recover_and_work, tiny,
};
use crate::probe::Probe;

fn alphabet() -> Vec<Op> {
    vec![
        Op::Tiny(5),
        Op::Staged(10),
        Op::Undo(20),
        Op::UndoBig(30),
        Op::Mixed(40),
        Op::AbortUndo(50),
        Op::AbortBig(60),
        Op::AbortStaged(70),
        put(0, 40, 0x11),
        fresh(0, 600, 0x22),
        fresh(1, 5000, 0x33),
        Op::Free(0),
        Op::Group(80),
        Op::Extended(90),
        Op::OtherLane(100),
        Op::Checkpoint,
        Op::Reopen,
        Op::Kill,
    ]
}

fn put(slot: usize, bytes: u64, fill: u8) -> Op {
    Op::Put { slot, bytes, fill }
}

fn fresh(slot: usize, bytes: u64, fill: u8) -> Op {
    Op::PutFresh { slot, bytes, fill }
}

fn explore(probe: &mut Probe, explorer: &Explorer, ops: &[Op]) {
    if probe.done() {
        return;
    }
    let (recording, states) = record(medium(), &tiny(), ops);
    probe.explore(explorer, &recording, recover, |point, seen| {
        judge(&states, point, seen)
    });
}

fn explore_worked(probe: &mut Probe, explorer: &Explorer, ops: &[Op]) {
    if probe.done() {
        return;
    }
    let (recording, states) = record(medium(), &tiny(), ops);
    let explorer = explorer.clone().idempotent(false);
    probe.explore(&explorer, &recording, recover_and_work, |point, seen| {
        judge_worked(&states, point, seen)
    });
}

pub fn singles(probe: &mut Probe) {
    for op in alphabet() {
        explore(probe, &Explorer::new().nested_depth(2), &[op]);
    }
}

pub fn pairs(probe: &mut Probe) {
    for first in alphabet() {
        for second in alphabet() {
            explore(probe, &Explorer::new(), &[first, second]);
        }
    }
}

/// What a defect of one rule needs.
pub fn directed(probe: &mut Probe) {
    let sequences = [
        vec![Op::Staged(1), Op::Kill, Op::Staged(2)],
        vec![Op::Undo(1), Op::Kill, Op::Kill, Op::Undo(2)],
        vec![Op::UndoBig(1), Op::Kill, fresh(2, 900, 4), Op::Kill],
        vec![Op::Extended(1), Op::Kill, Op::Checkpoint, Op::Kill],
        vec![Op::Staged(1), Op::Checkpoint, Op::Staged(2), Op::Kill, Op::Staged(3)],
        vec![Op::AbortUndo(5), Op::OtherLane(6), Op::Kill, Op::OtherLane(7)],
        vec![Op::OtherLane(1), Op::Tiny(2), Op::OtherLane(3), Op::Undo(4), Op::OtherLane(5)],
        vec![put(0, 2500, 1), Op::Free(0), fresh(1, 2500, 2), Op::Staged(3)],
        vec![put(0, 2500, 1), Op::Free(0), Op::Extended(2), Op::Extended(3), put(0, 2500, 4), Op::Extended(5)],
        vec![put(0, 60, 1), put(1, 60, 2), Op::Free(0), Op::Free(1), put(0, 60, 3), put(1, 60, 4)],
    ];
    for ops in sequences {
        explore(probe, &Explorer::new().kill_steps(usize::MAX), &ops);
    }
}

pub fn worked_on(probe: &mut Probe) {
    for op in alphabet() {
        explore_worked(probe, &Explorer::new().nested_depth(2), &[op]);
    }
    for seed in 1_000..1_006 {
        let mut random = Random(seed);
        let ops: Vec<Op> = (0..24).map(|step| random.op(step)).collect();
        explore_worked(probe, &Explorer::new().kill_steps(8).seed(seed), &ops);
    }
}

/// Several laps of both rings, in records of different lengths.
pub fn wrapping(probe: &mut Probe) {
    for stride in 1..4u64 {
        let ops: Vec<Op> = (0..36)
            .map(|step| match step % (stride + 3) {
                0 => Op::Staged(step),
                1 => Op::OtherLane(step),
                2 => Op::Undo(step),
                3 => put((step % 4) as usize, 100 * stride, step as u8 | 1),
                4 => Op::Extended(step),
                _ => Op::Tiny(step),
            })
            .collect();
        explore(probe, &Explorer::new().kill_steps(16), &ops);
    }
}

pub fn random(probe: &mut Probe) {
    for seed in 0..8 {
        let mut random = Random(seed);
        let ops: Vec<Op> = (0..40).map(|step| random.op(step)).collect();
        explore(probe, &Explorer::new().kill_steps(16).seed(seed), &ops);
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
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
            12..=13 => put(slot, self.below(200) + 1, fill),
            14..=15 => fresh(slot, self.below(3_000) + 1, fill),
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
