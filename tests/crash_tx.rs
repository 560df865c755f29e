//! Workloads of transactions: every one of up to three operations under both models that gate the core, a slice of
//! those of four, and long random ones whose rings wrap; a power cut at every crash point, a killed process, and once
//! more a cut inside recovery.

mod crash_world;

use crash_world::alphabet::{Random, transactions};
use crash_world::sweep::{MODELS, Sweep, first_of, under, workload};
use crash_world::{Op, explore, explore_worked, full, tiny};
use everline_crash::{CrashModel, Depth, Explorer};

/// Explores every `step`-th workload of `len` operations, from the `start`-th on.
fn sweep(model: CrashModel, len: u32, (start, step): (u64, u64)) -> Sweep {
    let all = transactions();
    let explorer = under(model).kill_steps(16);
    let mut sweep = Sweep::default();
    let numbers = first_of(all.len(), len) + start..first_of(all.len(), len + 1);
    for number in numbers.step_by(step as usize) {
        let ops = workload(&all, number);
        sweep.add(&ops, &explore(&explorer, &tiny(), &ops));
    }
    sweep
}

#[test]
fn every_operation_alone_survives_a_cut_at_every_crash_point_and_two_inside_recovery() {
    for model in MODELS {
        let explorer = under(model).nested_depth(2);
        let mut sweep = Sweep::default();
        for op in transactions() {
            sweep.add(&[op], &explore(&explorer, &tiny(), &[op]));
        }
        assert!(sweep.executions > 1_000, "{}", sweep.executions);
    }
}

#[test]
fn every_pair_of_operations_survives_a_cut_at_every_crash_point() {
    for model in MODELS {
        let sweep = sweep(model, 2, (0, 1));
        assert_eq!(sweep.partly, 0, "each is explored wholly");
        assert!(sweep.executions > 20_000, "{}", sweep.executions);
    }
}

/// The short form takes every 17th, so that each operation comes first, second and third.
fn triples(model: CrashModel) {
    let sweep = sweep(model, 3, if full() { (0, 1) } else { (5, 19) });
    assert_eq!(sweep.partly, 0, "each is explored wholly");
    assert!(sweep.workloads > 250, "{}", sweep.workloads);
}

#[test]
fn every_triple_of_operations_survives_where_words_are_independent() {
    triples(CrashModel::WordSubset);
}

#[test]
fn every_triple_of_operations_survives_where_lines_keep_their_order() {
    triples(CrashModel::LinePrefix);
}

/// A slice of the workloads of four; `ci/crash-long.sh` runs them all.
#[test]
fn workloads_of_four_operations_survive_in_the_long_form() {
    if Depth::from_env() == Depth::Full {
        sweep(CrashModel::WordSubset, 4, (3, 29));
    }
}

#[test]
fn every_pair_survives_two_cuts_inside_recovery_in_the_long_form() {
    let all = transactions();
    let step = Depth::from_env().pick(23, 3, 1);
    let mut sweep = Sweep::default();
    for number in (first_of(all.len(), 2)..first_of(all.len(), 3)).step_by(step) {
        let ops = workload(&all, number);
        let explorer = under(CrashModel::WordSubset).nested_depth(2).kill_steps(2);
        sweep.add(&ops, &explore(&explorer, &tiny(), &ops));
    }
}

#[test]
fn long_random_workloads_whose_rings_wrap_survive_every_cut() {
    let (seeds, len) = if full() { (60, 60) } else { (12, 40) };
    let mut sweep = Sweep::default();
    for seed in 0..seeds {
        let mut random = Random(seed);
        let ops: Vec<Op> = (0..len).map(|step| random.op(step)).collect();
        let report = explore(&Explorer::new().kill_steps(16).seed(seed), &tiny(), &ops);
        sweep.add(&(seed, ops), &report);
    }
}

#[test]
fn an_engine_that_works_on_after_recovery_survives_the_next_cut_too() {
    let (seeds, len) = if full() { (40, 40) } else { (12, 24) };
    let mut sweep = Sweep::default();
    for seed in 1_000..1_000 + seeds {
        let mut random = Random(seed);
        let ops: Vec<Op> = (0..len).map(|step| random.op(step)).collect();
        let report = explore_worked(&Explorer::new().kill_steps(8).seed(seed), &tiny(), &ops);
        sweep.add(&(seed, ops), &report);
    }
}
