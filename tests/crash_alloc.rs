//! The allocator against power loss: no leak, no double allocation, at any crash point of any small trace.

mod crash_world;

use crash_world::{Op, explore, full, tiny};
use everline::engine::CreateOptions;
use everline_crash::Explorer;

/// Objects of a class, of another class, of a class of their own slab, and of runs of slabs.
fn alphabet() -> Vec<Op> {
    let mut ops = Vec::new();
    for slot in 0..2 {
        for (bytes, fill) in [(20, 0x21), (300, 0x32), (5_000, 0x43)] {
            ops.push(Op::Put {
                slot,
                bytes,
                fill: fill + slot as u8,
            });
            ops.push(Op::PutFresh {
                slot,
                bytes,
                fill: fill + 8 + slot as u8,
            });
        }
        ops.push(Op::Free(slot));
    }
    ops.push(Op::AbortStaged(9));
    ops.push(Op::Kill);
    ops
}

#[test]
fn j4_no_trace_of_up_to_three_allocations_and_frees_leaks_or_doubles_at_any_crash_point() {
    let explorer = Explorer::new().kill_steps(2);
    let all = alphabet();
    // A slice that shifts with the first two, so that every operation comes third; more of them in the long form.
    let step = if full() { 7 } else { all.len() };
    let (mut workloads, mut executions) = (0, 0);
    for (i, first) in all.iter().enumerate() {
        for (j, second) in all.iter().enumerate() {
            if !full() && (i + j) % 4 != 0 {
                continue;
            }
            for third in all.iter().skip((i + 2 * j) % step).step_by(step) {
                let ops = [*first, *second, *third];
                let report = explore(&explorer, &tiny(), &ops);
                assert!(report.is_clean(), "{ops:?}: {}", report.violations[0]);
                workloads += 1;
                executions += report.executions;
            }
        }
    }
    eprintln!("{workloads} workloads, {executions} executions");
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
