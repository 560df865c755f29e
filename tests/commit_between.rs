//! The moment between a commit's wait and its homes: what is called there finds the transaction durable and invisible.

mod image_tools;

use everline::engine::Engine;
use everline::tx::TxError;
use everline::units::ByteLen;
use everline_crash::CrashMedia;
use image_tools::{SMALLEST, fixed, open, put};

#[test]
fn i7_the_call_comes_when_the_transaction_is_durable_and_no_home_is_stored() {
    let media = CrashMedia::new(ByteLen::new(SMALLEST));
    let engine = Engine::create(media, &fixed()).expect("a pool");
    let place = put(&engine, 0, 8, 1).start();
    let old = engine.load64(place).expect("inside");
    let mut called = Vec::new();
    let mut tx = engine.begin().expect("a lane");
    tx.write(place, &7u64.to_le_bytes()).expect("inside");
    let receipt = tx
        .commit_between(|timestamp| {
            assert_eq!(
                engine.load64(place).expect("inside"),
                old,
                "a home was stored before"
            );
            let (after_a_cut, report) =
                open(&engine.pool().media().durable_image()).expect("a pool");
            assert_eq!(
                after_a_cut.load64(place).expect("inside"),
                7,
                "not durable yet"
            );
            assert!(report.recovery.redone > 0);
            called.push(timestamp);
        })
        .expect("nothing fails");
    assert_eq!(called, [receipt.timestamp]);
    assert_eq!(engine.load64(place).expect("inside"), 7);
}

#[test]
fn i10_a_commit_that_fails_or_changes_nothing_does_not_call() {
    let media = CrashMedia::new(ByteLen::new(SMALLEST));
    let engine = Engine::create(media, &fixed()).expect("a pool");
    let place = put(&engine, 0, 8, 1).start();
    let tx = engine.begin().expect("a lane");
    tx.commit_between(|_| panic!("nothing was changed"))
        .expect("nothing to do");
    let mut tx = engine.begin().expect("a lane");
    tx.write(place, &7u64.to_le_bytes()).expect("inside");
    engine.pool().media().fail_next_fences(1);
    let outcome = tx.commit_between(|_| panic!("the outcome is unknown"));
    assert!(matches!(outcome, Err(TxError::Sync(_))), "{outcome:?}");
}
