//! The long run, in slices: workloads of four operations and more, one after another, and random ones that work on after
//! recovery. `ci/crash-long.sh` runs slice after slice and keeps a ledger; `cargo test` runs a small one.

mod crash_world;

use std::io::Write;

use crash_world::alphabet::{Random, allocations, transactions};
use crash_world::sweep::{MODELS, Sweep, first_of, under, workload};
use crash_world::{Op, explore, explore_worked, tiny};

/// Kinds of slices; slice `n` is the `n / KINDS`-th of kind `n % KINDS`.
const KINDS: u64 = 6;

/// The `turn`-th stretch of `count` workloads of four operations and more.
fn words(sweep: &mut Sweep, all: &[Op], model: usize, turn: u64, count: u64) {
    let first = first_of(all.len(), 4) + turn * count;
    let explorer = under(MODELS[model]).kill_steps(4);
    for number in first..first + count {
        let ops = workload(all, number);
        sweep.add(&ops, &explore(&explorer, &tiny(), &ops));
    }
}

/// The `turn`-th stretch of random workloads whose rings wrap.
fn random(sweep: &mut Sweep, worked: bool, turn: u64, count: u64) {
    for seed in turn * count..(turn + 1) * count {
        let mut random = Random(seed | 1 << 40);
        let ops: Vec<Op> = (0..40).map(|step| random.op(step)).collect();
        let explorer = under(MODELS[usize::from(!worked)])
            .budget_per_point(4096)
            .kill_steps(8)
            .seed(seed);
        let report = match worked {
            true => explore_worked(&explorer, &tiny(), &ops),
            false => explore(&explorer, &tiny(), &ops),
        };
        sweep.add(&(seed, ops), &report);
    }
}

/// Runs a slice in which everything is divided by `share`.
fn slice(number: u64, share: u64) -> Sweep {
    let mut sweep = Sweep::default();
    let turn = number / KINDS;
    let into = &mut sweep;
    match number % KINDS {
        0 => words(into, &transactions(), 0, turn, 4096 / share),
        1 => words(into, &transactions(), 1, turn, 4096 / share),
        2 => words(into, &allocations(), 0, turn, 2048 / share),
        3 => words(into, &allocations(), 1, turn, 2048 / share),
        4 => random(into, true, turn, (64 / share).max(1)),
        _ => random(into, false, turn, (64 / share).max(1)),
    }
    sweep
}

/// Slice `EVERLINE_CRASH_SLICE`, told in a line of JSON in the file `EVERLINE_CRASH_LEDGER`; no line where
/// something was violated. Without them a small part of four slices.
#[test]
fn slices_of_the_long_run_survive() {
    let Ok(number) = std::env::var("EVERLINE_CRASH_SLICE") else {
        for number in 0..4 {
            let sweep = slice(number, 512);
            assert!(sweep.executions > 0);
        }
        return;
    };
    let number: u64 = number.parse().expect("the number of a slice");
    let ledger = std::env::var_os("EVERLINE_CRASH_LEDGER").expect("a file to write to");
    let began = std::time::Instant::now();
    let sweep = slice(number, 1);
    let line = format!(
        r#"{{"slice":{number},"workloads":{},"in_part":{},"crash_points":{},"executions":{},"seconds":{:.1}}}"#,
        sweep.workloads,
        sweep.partly,
        sweep.points,
        sweep.executions,
        began.elapsed().as_secs_f64(),
    );
    // Written whole or not at all: an interrupted slice is run again.
    let beside = std::path::Path::new(&ledger).with_extension("part");
    let mut file = std::fs::File::create(&beside).expect("a file beside the ledger's");
    writeln!(file, "{line}").expect("room for a line");
    std::fs::rename(&beside, &ledger).expect("the same folder");
}
