//! The lock: one holder at a time, and each sees what the last one wrote (S1, S2).
#![cfg(loom)]

use std::sync::Arc;

use everline::sync::Lock;
use everline_loom_tests::explore;

#[test]
fn a_lock_has_one_holder_at_a_time_and_hands_over_what_was_written() {
    explore(|| {
        let lock = Arc::new(Lock::new(0));
        let other = Arc::clone(&lock);
        let thread = loom::thread::spawn(move || *other.lock() += 1);
        *lock.lock() += 1;
        thread.join().expect("no panic");
        assert_eq!(*lock.lock(), 2);
    });
}

#[test]
fn a_try_lock_never_waits_and_never_doubles() {
    explore(|| {
        let lock = Arc::new(Lock::new(0));
        let other = Arc::clone(&lock);
        let thread = loom::thread::spawn(move || {
            if let Some(mut value) = other.try_lock() {
                *value += 1;
            }
        });
        if let Some(mut value) = lock.try_lock() {
            *value += 1;
        }
        thread.join().expect("no panic");
        assert!((1..=2).contains(&*lock.lock()));
    });
}
