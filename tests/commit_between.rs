//! The moment between a commit's wait and its homes: what is called there finds the transaction durable and invisible.

mod image_tools;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use everline::engine::Engine;
use everline::tx::TxError;
use everline::units::{ByteLen, ByteOffset};
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

#[test]
fn i10_a_panic_between_the_wait_and_the_homes_poisons_the_pool_and_keeps_what_is_durable() {
    let media = CrashMedia::new(ByteLen::new(SMALLEST));
    let engine = Engine::create(media, &fixed()).expect("a pool");
    let place = put(&engine, 0, 8, 1).start();
    let mut tx = engine.begin().expect("a lane");
    tx.write(place, &7u64.to_le_bytes()).expect("inside");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        tx.commit_between(|_| panic!("on purpose"))
            .map(|_receipt| ())
    }));
    assert!(panicked.is_err());
    assert!(matches!(
        engine.begin().map(|_tx| ()),
        Err(TxError::Poisoned)
    ));
    assert!(matches!(engine.checkpoint(), Err(TxError::Poisoned)));
    let (after_a_cut, _) = open(&engine.pool().media().durable_image()).expect("a pool");
    assert_eq!(after_a_cut.load64(place).expect("inside"), 7);
    image_tools::assert_sound(&after_a_cut);
}

#[test]
fn y7_what_the_call_answers_is_dropped_when_the_homes_are_stored() {
    struct Asks<'a>(&'a Engine<CrashMedia>, ByteOffset, &'a Cell<u64>);
    impl Drop for Asks<'_> {
        fn drop(&mut self) {
            self.2.set(self.0.load64(self.1).expect("inside"));
        }
    }
    let media = CrashMedia::new(ByteLen::new(SMALLEST));
    let engine = Engine::create(media.clone(), &fixed()).expect("a pool");
    let place = put(&engine, 0, 8, 1).start();
    let seen = Cell::new(0);
    let mut tx = engine.begin().expect("a lane");
    tx.write(place, &7u64.to_le_bytes()).expect("inside");
    tx.commit_between(|_| Asks(&engine, place, &seen))
        .expect("nothing fails");
    assert_eq!(seen.get(), 7);
}
