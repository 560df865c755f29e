//! The allocator against power loss: no leak, no double allocation, at any crash point of any small trace.

mod crash_world;

use crash_world::alphabet::allocations;
use crash_world::sweep::{MODELS, Sweep, first_of, under, workload};
use crash_world::{Op, explore, full, tiny};
use everline::engine::CreateOptions;
use everline_crash::Explorer;

#[test]
fn j4_no_trace_of_up_to_three_allocations_and_frees_leaks_or_doubles_at_any_crash_point() {
    let all = allocations();
    // The short form takes a slice in which each operation comes first, second and third.
    let step = if full() { 1 } else { 29 };
    for model in MODELS {
        let explorer = under(model).kill_steps(2);
        let mut sweep = Sweep::default();
        for number in (0..first_of(all.len(), 4)).step_by(step) {
            let ops = workload(&all, number);
            sweep.add(&ops, &explore(&explorer, &tiny(), &ops));
        }
        assert_eq!(sweep.partly, 0, "each is explored wholly");
    }
}

#[test]
fn j4_no_pair_of_allocations_and_frees_leaks_or_doubles_through_two_cuts_inside_recovery() {
    let all = allocations();
    let step = if full() { 1 } else { 31 };
    let mut sweep = Sweep::default();
    for number in (0..first_of(all.len(), 3)).step_by(step) {
        let ops = workload(&all, number);
        let explorer = under(MODELS[0]).nested_depth(2).kill_steps(0);
        sweep.add(&ops, &explore(&explorer, &tiny(), &ops));
    }
}

#[test]
fn j4_a_pool_that_fills_up_and_empties_leaks_nothing_at_any_crash_point() {
    let options = CreateOptions {
        lanes: Some(1),
        ring_bytes: Some(2048),
        ..tiny()
    };
    let mut ops = Vec::new();
    for round in 0..3u8 {
        for slot in 0..4 {
            ops.push(Op::PutFresh {
                slot,
                bytes: 1_500 + u64::from(round) * 900,
                fill: round * 16 + slot as u8 + 1,
            });
        }
        ops.push(Op::Free(1));
        ops.push(Op::Free(3));
    }
    explore(&Explorer::new().kill_steps(8), &options, &ops).assert_clean();
}
