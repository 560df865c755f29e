//! What operations cost is agreed on: a change of the table is a change that somebody reads.

use std::sync::OnceLock;

use everline::media::Cost;
use everline_bench::cost::{Row, table, to_json};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden_cost.json");

/// The table, measured once for all tests.
fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(table)
}

fn cost_of(rows: &[Row], operation: &str) -> Cost {
    let row = rows.iter().find(|row| row.operation == operation);
    row.unwrap_or_else(|| panic!("no row `{operation}`")).cost
}

#[test]
fn k6_costs_are_those_of_the_golden_table() {
    let found = to_json(rows());
    if std::env::var_os("EVERLINE_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(GOLDEN, &found).expect("the golden table can be written");
    }
    let golden = std::fs::read_to_string(GOLDEN).expect("benches/golden_cost.json");
    let mut differences = String::new();
    for line in golden
        .lines()
        .filter(|line| !found.contains(line.trim_end_matches(',')))
    {
        differences += &format!("- {line}\n");
    }
    for line in found
        .lines()
        .filter(|line| !golden.contains(line.trim_end_matches(',')))
    {
        differences += &format!("+ {line}\n");
    }
    assert!(
        found == golden,
        "costs differ from benches/golden_cost.json (EVERLINE_BLESS=1 rewrites it):\n{differences}"
    );
}

#[test]
fn k6_the_table_is_the_same_every_time() {
    assert_eq!(table(), rows());
}

/// The laws that no blessing may change.
#[test]
fn k6_waits_are_what_the_design_promises() {
    let rows = rows();
    let waits = |operation: &str| cost_of(rows, operation).waits;
    let laws = [
        ("tx/empty", 0),
        ("tx/staged/1x8B", 1),
        ("tx/staged/1x64B", 1),
        ("tx/staged/8x64B", 1),
        ("tx/staged/128x64B", 1),
        ("tx/staged/1x4KiB", 1),
        ("tx/undo/1x8B", 2),
        ("tx/undo/1x64B", 2),
        ("tx/undo/16x64B", 2),
        ("tx/undo/1x2KiB", 2),
        ("tx/undo/1x2049B", 3),
        ("tx/undo/1x64KiB", 3),
        ("tx/abort/staged/1x64B", 0),
        ("tx/abort/16x64B", 0),
        // Allocation and free ride in the commit record.
        ("tx/alloc64", 1),
        ("tx/alloc64+init+link", 1),
        ("tx/8xalloc64", 1),
        ("tx/100xalloc64", 1),
        ("tx/alloc48 first of its class", 1),
        ("tx/alloc 1MiB", 1),
        ("tx/free64", 1),
        ("tx/free 1MiB", 1),
        ("group/8tx", 1),
        ("reserve/cancel", 0),
        ("reserve+fill/cancel", 0),
        ("reserve/publish", 1),
        ("direct/write_durable/64B", 1),
        ("persist/8B", 1),
        ("log/checkpoint after 1 tx", 2),
        ("log/checkpoint of nothing", 0),
        ("region/create/4KiB", 1),
        ("region/create/1MiB", 1),
        ("region/create_with/4KiB", 2),
        ("region/write/64B", 1),
        ("region/write 4KiB durable", 1),
        ("region/write/1MiB", 1),
        // Of a chunk that is not the region's own yet, and of bytes that the log speaks of (I6).
        ("region/write/4KiB, the first", 2),
        ("region/write/4KiB behind an atomic one", 2),
        ("region/write_atomic/64B", 1),
        ("region/read/4KiB", 0),
        ("region/destroy", 1),
        ("kv/put/100B", 1),
        ("kv/put/100B over another", 1),
        ("kv/put/1MiB", 2),
        ("kv/delete/100B", 1),
        ("kv/get/100B", 0),
        ("kv/get/absent", 0),
        ("kv/scan/100", 0),
        ("kv/tx of nothing", 0),
        ("kv/tx/100 puts of 100B", 1),
        ("kv/1000 puts/100B", 1000),
        ("pool/close unused", 0),
        ("pool/open clean", 2),
        ("pool/open after a crash, 1 tx", 3),
    ];
    let broken: Vec<_> = laws
        .iter()
        .filter(|(operation, expected)| waits(operation) != *expected)
        .map(|(operation, expected)| {
            format!("{operation}: {} waits, not {expected}", waits(operation))
        })
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn k6_a_committed_record_is_as_short_as_the_design_says() {
    let rows = rows();
    for (operation, lines) in [
        ("tx/staged/1x8B", 1),
        ("tx/staged/1x64B", 2),
        ("tx/staged/8x64B", 10),
        ("tx/staged/1x4KiB", 65),
        ("tx/alloc64+init+link", 3),
    ] {
        let cost = cost_of(rows, operation);
        assert_eq!((cost.nt_lines, cost.lines), (lines, 0), "{operation}");
    }
}

#[test]
fn h10_a_put_asks_for_what_it_stores_and_six_lines_on_average() {
    let rows = rows();
    let lines = |operation| {
        let cost = cost_of(rows, operation);
        cost.lines + cost.nt_lines
    };
    let many = everline_bench::kv::cost::MANY;
    assert!(lines("kv/1000 puts/100B") <= 6 * many);
    assert!(lines("kv/1000 puts/100B over others") <= 3 * many);
    // What a checkpoint brings home of them later, behind two waits for all of them.
    assert!(lines("kv/1000 puts/100B, and their checkpoint") <= 14 * many);
    assert!(lines("kv/tx/100 puts of 100B") <= 4 * 100);
}

#[test]
fn k6_no_fence_is_issued_that_has_nothing_to_wait_for() {
    for row in rows() {
        assert_eq!(row.cost.fences, row.cost.waits, "{}", row.operation);
    }
}
