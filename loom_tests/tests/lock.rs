//! `sync::Lock`: one holder at a time, and each sees what the one before wrote (S1, S2).
#![cfg(loom)]

use everline::sync::Lock;
use everline_loom_tests::model::explore;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

#[test]
fn l11_a_lock_has_one_holder_and_publishes_what_it_guards() {
    explore(3, || {
        let lock = Arc::new(Lock::new((0, 0)));
        // Loom's cell inside the lock fails the model where two threads are at its value.
        let change = |lock: &Lock<(u32, u32)>| {
            let mut pair = lock.lock();
            assert_eq!(pair.0, pair.1, "half of a change was seen");
            pair.0 += 1;
            pair.1 += 1;
        };
        let other = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || change(&lock))
        };
        change(&lock);
        other.join().expect("no panic");
        assert_eq!(*lock.lock(), (2, 2), "a change was lost");
    });
}

#[test]
fn l11_try_lock_refuses_while_held_and_only_then() {
    explore(3, || {
        let lock = Arc::new(Lock::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let other = {
            let (lock, done) = (Arc::clone(&lock), Arc::clone(&done));
            thread::spawn(move || {
                *lock.lock() += 1;
                done.store(true, Ordering::Release);
            })
        };
        let over = done.load(Ordering::Acquire);
        match lock.try_lock() {
            Some(value) => assert!(!over || *value == 1),
            None => assert!(!over, "nobody held it"),
        }
        other.join().expect("no panic");
    });
}
