//! Sequences of transactions on the suites' small world.

use everline_crash::Explorer;

use crate::crash_world::alphabet::{Random, transactions};
use crate::crash_world::{
    Op, judge, judge_worked, medium, record, recover, recover_and_work, tiny,
};
use crate::probe::Probe;

/// One operation of each kind, the shortest among them.
fn alphabet() -> Vec<Op> {
    let mut ops = vec![Op::Tiny(5)];
    ops.extend(transactions());
    ops
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
        vec![
            Op::Staged(1),
            Op::Checkpoint,
            Op::Staged(2),
            Op::Kill,
            Op::Staged(3),
        ],
        vec![
            Op::AbortUndo(5),
            Op::OtherLane(6),
            Op::Kill,
            Op::OtherLane(7),
        ],
        vec![
            Op::OtherLane(1),
            Op::Tiny(2),
            Op::OtherLane(3),
            Op::Undo(4),
            Op::OtherLane(5),
        ],
        vec![
            put(0, 2500, 1),
            Op::Free(0),
            fresh(1, 2500, 2),
            Op::Staged(3),
        ],
        vec![
            put(0, 2500, 1),
            Op::Free(0),
            Op::Extended(2),
            Op::Extended(3),
            put(0, 2500, 4),
            Op::Extended(5),
        ],
        vec![
            put(0, 60, 1),
            put(1, 60, 2),
            Op::Free(0),
            Op::Free(1),
            put(0, 60, 3),
            put(1, 60, 4),
        ],
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
