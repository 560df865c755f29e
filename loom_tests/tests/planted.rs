//! That loom can fail: the protocol of timestamp and cut with its orders weakened or turned round is caught.
#![cfg(loom)]

use std::panic::catch_unwind;
use std::sync::Arc;

use everline_loom_tests::explore;
use loom::sync::atomic::{AtomicU64, Ordering};

const IDLE: u64 = u64::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Plant {
    /// As shipped.
    Nothing,
    /// The lane says that it is in flight only after it has drawn its timestamp.
    AnnouncedLate,
    /// The lane's homes are not published with its going idle.
    IdleRelaxed,
}

/// One lane commits, one thread chooses the cut; the same protocol as `Log::draw_timestamp`, `settle` and `cut`.
fn model(plant: Plant) {
    explore(move || {
        let next = Arc::new(AtomicU64::new(1));
        let in_flight = Arc::new(AtomicU64::new(IDLE));
        let home = Arc::new(AtomicU64::new(0));
        let lane = (Arc::clone(&next), Arc::clone(&in_flight), Arc::clone(&home));
        let thread = loom::thread::spawn(move || {
            let (next, in_flight, home) = lane;
            if plant != Plant::AnnouncedLate {
                in_flight.store(next.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            let timestamp = next.fetch_add(1, Ordering::AcqRel);
            if plant == Plant::AnnouncedLate {
                in_flight.store(timestamp, Ordering::Relaxed);
            }
            home.store(timestamp, Ordering::Relaxed);
            let order = if plant == Plant::IdleRelaxed {
                Ordering::Relaxed
            } else {
                Ordering::Release
            };
            in_flight.store(IDLE, order);
        });
        let lowest = next.load(Ordering::Acquire).min(IDLE);
        let cut = lowest.min(in_flight.load(Ordering::Acquire)) - 1;
        if cut >= 1 {
            assert_eq!(
                home.load(Ordering::Relaxed),
                1,
                "the cut covers a transaction whose home is not stored"
            );
        }
        thread.join().expect("no panic");
    });
}

#[test]
fn l11_a_planted_weak_ordering_is_caught() {
    model(Plant::Nothing);
    for plant in [Plant::AnnouncedLate, Plant::IdleRelaxed] {
        assert!(catch_unwind(|| model(plant)).is_err());
    }
}
