//! Timestamps and the cut (`src/log/lane.rs`): a cut never covers a transaction whose homes are not stored (I3, I8).
#![cfg(loom)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use everline::log::door::Timestamps;
use everline_loom_tests::model::explore;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// What the shipped log and the planted copies have in common.
trait Protocol: Send + Sync + 'static {
    fn draw(&self, lane: u32) -> u64;
    fn settle(&self, lane: u32);
    fn cut(&self) -> u64;
}

impl Protocol for Timestamps {
    fn draw(&self, lane: u32) -> u64 {
        Timestamps::draw(self, lane)
    }
    fn settle(&self, lane: u32) {
        Timestamps::settle(self, lane);
    }
    fn cut(&self) -> u64 {
        Timestamps::cut(self)
    }
}

/// Who is the model's first thread. Loom begins with the execution in which the first thread goes as far as it can and
/// branches from there; it remembers one access to a word, so from one beginning alone it misses executions.
#[derive(Clone, Copy, Debug)]
enum First {
    Lane,
    Cut,
}

/// Commits `commits` times on `lane`; answers the timestamps. A home holds the timestamp of its lane's last commit.
fn commit<P: Protocol>(protocol: &P, home: &AtomicU64, lane: u32, commits: u64) -> Vec<u64> {
    let mut drawn = Vec::new();
    for _ in 0..commits {
        let timestamp = protocol.draw(lane);
        drawn.push(timestamp);
        home.store(timestamp, Ordering::Relaxed);
        protocol.settle(lane);
    }
    drawn
}

/// Two lanes commit `commits` times each; whoever takes a cut meanwhile sees the homes of everything up to it.
fn cuts_cover_only_stored_homes<P: Protocol>(
    preemptions: usize,
    commits: u64,
    first: First,
    new: impl Fn() -> P + Send + Sync + 'static,
) {
    explore(preemptions, move || {
        let protocol = Arc::new(new());
        let homes: Arc<[AtomicU64; 2]> = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let lane = |lane: u32| {
            let (protocol, homes) = (Arc::clone(&protocol), Arc::clone(&homes));
            move || commit(&*protocol, &homes[lane as usize], lane, commits)
        };
        let take_cut = {
            let (protocol, homes) = (Arc::clone(&protocol), Arc::clone(&homes));
            move || {
                let cut = protocol.cut();
                (
                    cut,
                    [0, 1].map(|lane: usize| homes[lane].load(Ordering::Relaxed)),
                )
            }
        };
        let other = thread::spawn(lane(1));
        let (own, (cut, seen)) = match first {
            First::Lane => {
                let cut = thread::spawn(take_cut);
                (lane(0)(), cut.join().expect("no panic"))
            }
            First::Cut => {
                let own = thread::spawn(lane(0));
                let found = take_cut();
                (own.join().expect("no panic"), found)
            }
        };
        for (drawn, seen) in [own, other.join().expect("no panic")].into_iter().zip(seen) {
            let covered = drawn
                .into_iter()
                .filter(|timestamp| *timestamp <= cut)
                .max();
            assert!(
                seen >= covered.unwrap_or(0),
                "the cut {cut} covers a home that holds {seen}"
            );
        }
    });
}

#[test]
fn l11_a_cut_never_covers_a_transaction_whose_homes_are_not_stored() {
    for first in [First::Lane, First::Cut] {
        cuts_cover_only_stored_homes(3, 1, first, || Timestamps::new(2));
    }
}

#[test]
fn l11_a_cut_holds_over_a_lane_that_commits_again() {
    for first in [First::Lane, First::Cut] {
        cuts_cover_only_stored_homes(2, 2, first, || Timestamps::new(2));
    }
}

#[test]
fn l11_timestamps_are_unique() {
    explore(3, || {
        let timestamps = Arc::new(Timestamps::new(2));
        let other = {
            let timestamps = Arc::clone(&timestamps);
            thread::spawn(move || timestamps.draw(1))
        };
        let own = timestamps.draw(0);
        assert_ne!(own, other.join().expect("no panic"));
    });
}

/// A copy of the protocol with one thing wrong.
struct Planted {
    next: AtomicU64,
    in_flight: [AtomicU64; 2],
    fault: Fault,
}

/// What is wrong with a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The timestamp is drawn without publishing that the lane is in flight.
    RelaxedDraw,
    /// The lane is idle again without publishing its homes.
    RelaxedSettle,
    /// The lane is in flight again, which hides the idle word that published its earlier homes.
    RelaxedAnnouncement,
    /// The timestamp is drawn before the lane is in flight.
    LateAnnouncement,
}

const IDLE: u64 = u64::MAX;

fn planted(fault: Fault) -> Planted {
    Planted {
        next: AtomicU64::new(1),
        in_flight: [AtomicU64::new(IDLE), AtomicU64::new(IDLE)],
        fault,
    }
}

impl Planted {
    fn unless(&self, fault: Fault, order: Ordering) -> Ordering {
        if self.fault == fault {
            Ordering::Relaxed
        } else {
            order
        }
    }
}

impl Protocol for Planted {
    fn draw(&self, lane: u32) -> u64 {
        let in_flight = &self.in_flight[lane as usize];
        let announce = self.unless(Fault::RelaxedAnnouncement, Ordering::Release);
        let draw = self.unless(Fault::RelaxedDraw, Ordering::AcqRel);
        if self.fault == Fault::LateAnnouncement {
            let timestamp = self.next.fetch_add(1, draw);
            in_flight.store(timestamp, announce);
            return timestamp;
        }
        in_flight.store(self.next.load(Ordering::Relaxed), announce);
        self.next.fetch_add(1, draw)
    }

    fn settle(&self, lane: u32) {
        let settle = self.unless(Fault::RelaxedSettle, Ordering::Release);
        self.in_flight[lane as usize].store(IDLE, settle);
    }

    fn cut(&self) -> u64 {
        let mut lowest = self.next.load(Ordering::Acquire);
        for lane in &self.in_flight {
            lowest = lowest.min(lane.load(Ordering::Acquire));
        }
        lowest - 1
    }
}

/// Whether a model over lanes that commit `commits` times finds the fault.
fn is_caught(fault: Fault, commits: u64) -> bool {
    [First::Lane, First::Cut].into_iter().any(|first| {
        let model = || cuts_cover_only_stored_homes(2, commits, first, move || planted(fault));
        catch_unwind(AssertUnwindSafe(model)).is_err()
    })
}

#[test]
fn l11_the_planted_copy_without_a_fault_is_not_accused() {
    assert!(!is_caught(Fault::None, 1) && !is_caught(Fault::None, 2));
}

#[test]
fn l11_a_relaxed_draw_is_caught() {
    assert!(is_caught(Fault::RelaxedDraw, 1));
}

#[test]
fn l11_a_relaxed_settle_is_caught() {
    assert!(is_caught(Fault::RelaxedSettle, 1));
}

#[test]
fn l11_a_relaxed_announcement_is_caught() {
    assert!(is_caught(Fault::RelaxedAnnouncement, 2));
}

#[test]
fn l11_a_timestamp_drawn_before_it_is_in_flight_is_caught() {
    assert!(is_caught(Fault::LateAnnouncement, 1));
}
