//! The laws of the shared sync, F1 to F4, against a sync that the test makes.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

const PAGE: u64 = 4096;

fn page(number: u64) -> PageRun {
    PageRun {
        start: number * PAGE,
        end: (number + 1) * PAGE,
    }
}

#[test]
fn f1_a_fence_returns_only_after_a_sync_that_started_after_its_own_flushes() {
    let group = SyncGroup::new();
    let clock = AtomicU64::new(1);
    let last_start_done = AtomicU64::new(0);
    let syncs = AtomicUsize::new(0);
    const THREADS: u64 = 8;
    const FENCES: usize = 50;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (group, clock, done, syncs) = (&group, &clock, &last_start_done, &syncs);
            scope.spawn(move || {
                for _ in 0..FENCES {
                    group.record(page(thread * 2));
                    let flushed = clock.fetch_add(1, Ordering::SeqCst);
                    let fenced = group.fence(|_| {
                        let started = clock.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_micros(200));
                        done.fetch_max(started, Ordering::SeqCst);
                        syncs.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    });
                    assert_eq!(fenced, Ok(()));
                    assert!(done.load(Ordering::SeqCst) > flushed);
                }
            });
        }
    });
    let syncs = syncs.load(Ordering::SeqCst);
    let fences = THREADS as usize * FENCES;
    assert!(
        syncs < fences,
        "{fences} fences of {THREADS} threads cost {syncs} syncs: none was shared"
    );
}

#[test]
fn f2_a_fence_with_nothing_pending_of_its_thread_is_free() {
    let group = SyncGroup::new();
    let never = |_| -> Result<(), Errno> { panic!("nothing is pending on this thread") };
    assert_eq!(group.fence(never), Ok(()));
    std::thread::scope(|scope| {
        scope.spawn(|| group.record(page(1)));
    });
    assert_eq!(
        group.fence(never),
        Ok(()),
        "another thread's flush is not ours"
    );
    group.record(page(1));
    assert_eq!(group.fence(|_| Ok(())), Ok(()));
    assert_eq!(
        group.fence(never),
        Ok(()),
        "a fence settles what was pending"
    );
}

#[test]
fn f3_one_run_is_synced_alone_and_several_as_the_file() {
    let group = SyncGroup::new();
    let asked = RefCell::new(Vec::new());
    let sync = |batch| {
        asked.borrow_mut().push(batch);
        Ok(())
    };
    for number in [3, 1, 2] {
        group.record(page(number));
    }
    assert_eq!(group.fence(sync), Ok(()));
    group.record(page(1));
    group.record(page(7));
    assert_eq!(group.fence(sync), Ok(()));
    let run = PageRun {
        start: PAGE,
        end: 4 * PAGE,
    };
    assert_eq!(*asked.borrow(), [Batch::One(run), Batch::Many]);
}

#[test]
fn keeps_f4_a_failed_sync_fails_every_fence_that_it_covered_and_every_later_one() {
    let group = SyncGroup::new();
    let syncs = AtomicUsize::new(0);
    let failures = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (group, syncs, failures) = (&group, &syncs, &failures);
            scope.spawn(move || {
                group.record(page(thread));
                let fenced = group.fence(|_| {
                    std::thread::sleep(Duration::from_millis(5));
                    syncs.fetch_add(1, Ordering::SeqCst);
                    Err(Errno(libc::EIO))
                });
                assert_eq!(fenced, Err(Errno(libc::EIO)));
                failures.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    assert_eq!(failures.load(Ordering::SeqCst), 8);
    assert_eq!(
        syncs.load(Ordering::SeqCst),
        1,
        "a failed sync was tried again"
    );
    assert_eq!(
        group.fence(|_| panic!("poisoned")),
        Err(Errno(libc::EIO)),
        "even with nothing pending"
    );
    group.poison(Errno(libc::ENOSPC));
    assert_eq!(
        group.health(),
        Err(Errno(libc::EIO)),
        "the first error stays"
    );
}

#[test]
fn two_media_on_one_thread_keep_their_flushes_apart() {
    let (one, other) = (SyncGroup::new(), SyncGroup::new());
    one.record(page(1));
    other.record(page(2));
    let of_other = RefCell::new(None);
    assert_eq!(
        other.fence(|batch| {
            *of_other.borrow_mut() = Some(batch);
            Ok(())
        }),
        Ok(())
    );
    assert_eq!(*of_other.borrow(), Some(Batch::One(page(2))));
    let asked = RefCell::new(0);
    assert_eq!(
        one.fence(|_| {
            *asked.borrow_mut() += 1;
            Ok(())
        }),
        Ok(())
    );
    assert_eq!(*asked.borrow(), 1);
}
