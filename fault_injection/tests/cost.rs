//! Row K6: what an operation costs is counted, and a test can assert it.

use everline::media::{Counted, Media};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, Ledger, expect_cost, on_thread};

const LEN: ByteLen = ByteLen::new(4096);

fn lines(at: u64, len: u64) -> LineRange {
    LineRange::covering(ByteRange::at(at, len).expect("small"))
}

/// One of each thing that is counted: 3 + 2 lines flushed, 2 past the cache, 3 fences of which one has nothing to wait
/// for.
fn work<M: Media>(media: &M) {
    media.store64(ByteOffset::new(8), 1);
    media.store8(ByteOffset::new(16), 1);
    media.write(ByteOffset::new(60), &[1; 70]);
    media.flush(lines(60, 70));
    assert!(media.fence().is_ok());
    assert!(media.fence().is_ok());
    media.write_nt(ByteOffset::new(1020), &[1; 8]);
    media.fill(ByteRange::at(2048, 100).expect("small"), 7);
    media.flush(lines(2048, 100));
    assert!(media.fence().is_ok());
    media.fetch_or64(ByteOffset::new(0), 4);
    let _same = media.compare_exchange64(ByteOffset::new(0), 9, 1);
}

#[test]
fn k6_a_recording_counts_what_a_counting_medium_counts_and_more() {
    let media = CrashMedia::new(LEN);
    let counted = Counted::new(media.clone());
    let ((), ledger) = media.cost_of(|| work(&counted));
    let cost = Ledger::from(counted.cost());
    assert_eq!(
        (
            ledger.waits,
            ledger.fences,
            ledger.flush_lines,
            ledger.nt_lines,
            ledger.bytes
        ),
        (
            cost.waits,
            cost.fences,
            cost.flush_lines,
            cost.nt_lines,
            cost.bytes
        )
    );
    assert_eq!(
        (
            ledger.waits,
            ledger.fences,
            ledger.flush_lines,
            ledger.nt_lines,
            ledger.bytes
        ),
        (2, 3, 5, 2, 8 + 1 + 70 + 8 + 100 + 16)
    );
    assert_eq!(
        (ledger.stores, ledger.nt_bytes, ledger.flushes, ledger.rmw),
        (6, 8, 2, 2)
    );
    assert_eq!(ledger, media.recording().cost());
    assert_eq!(ledger, media.recording().start_at_last_mark().cost());
}

#[test]
fn k6_each_operation_has_a_ledger_of_its_own_threads_doing() {
    let media = CrashMedia::new(LEN);
    media.store64(ByteOffset::new(0), 1);
    media.mark();
    on_thread(1, || media.invoke(10));
    on_thread(2, || media.invoke(20));
    on_thread(1, || media.store64(ByteOffset::new(0), 2));
    on_thread(1, || media.flush(lines(0, 8)));
    on_thread(2, || assert!(media.fence().is_ok()));
    on_thread(2, || media.ack(20));
    on_thread(1, || assert!(media.fence().is_ok()));
    on_thread(1, || media.ack(10));
    media.invoke(30);
    let costs = media.recording().start_at_last_mark().operation_costs();
    let told = costs.iter().map(|one| {
        (
            one.operation,
            one.cost.fences,
            one.cost.waits,
            one.cost.bytes,
        )
    });
    assert_eq!(told.collect::<Vec<_>>(), [(20, 1, 0, 0), (10, 1, 1, 8)]);
    expect_cost!(&costs[1], flush_lines <= 1, fences == 1, stores < 2);
    expect_cost!(&media.recording(), stores == 2, fences <= 2);
}

#[test]
fn k6_a_fence_that_fails_is_a_fence_and_is_counted_apart() {
    let media = CrashMedia::new(LEN);
    media.fail_next_fences(1);
    let (failed, cost) = media.cost_of(|| {
        media.flush(lines(0, 8));
        media.fence().is_err()
    });
    assert!(failed);
    expect_cost!(cost, fences == 1, waits == 1, syncs_failed == 1);
}

#[test]
fn k6_a_budget_that_is_broken_says_by_what_and_where() {
    let media = CrashMedia::new(LEN);
    let ((), ledger) = media.cost_of(|| work(&media));
    expect_cost!(&ledger, flush_lines <= 5, fences <= 3);
    let broken = std::panic::catch_unwind(|| {
        expect_cost!(&ledger, flush_lines <= 3, fences == 3, waits < 2)
    });
    let said = *broken
        .expect_err("over the budget")
        .downcast::<String>()
        .expect("a text");
    assert!(
        said.starts_with(
            "flush_lines <= 3 was expected and it is 5, waits < 2 was expected and it is 2;"
        ),
        "{said}"
    );
    assert!(
        said.contains("5 lines flushed in 2 flushes, 3 fences (2 waits, 0 failed)"),
        "{said}"
    );
    // The two flushes and the three fences of `work`, each by its line.
    assert_eq!(said.matches("1 flushes of ").count(), 2, "{said}");
    assert_eq!(said.matches("1 fences at ").count(), 3, "{said}");
    assert!(said.matches("tests/cost.rs:").count() >= 5, "{said}");
}

#[test]
fn k6_what_a_counting_medium_does_not_count_is_not_compared() {
    let counted = Counted::new(CrashMedia::new(LEN));
    let ((), cost) = counted.cost_of(|| work(&counted));
    expect_cost!(cost, flush_lines == 5, fences == 3, nt_lines == 2);
    let refused = std::panic::catch_unwind(|| expect_cost!(cost, stores <= 100));
    let said = *refused
        .expect_err("not counted")
        .downcast::<String>()
        .expect("a text");
    assert!(said.contains("does not count `stores`"), "{said}");
}
