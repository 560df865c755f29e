//! A pause: nothing is under way, nothing begins, and what was committed is at its home.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine};
use everline::layout::RootSlot;
use everline::media::Ram;
use everline::units::{ByteLen, ByteOffset};

type E = Engine<Ram>;

const LEN: u64 = 1 << 20;

fn engine() -> E {
    let options = CreateOptions {
        len: Some(LEN),
        ..CreateOptions::default()
    };
    Engine::create(Ram::new(ByteLen::new(2 * LEN)), &options).expect("large enough")
}

/// Two accounts that hold a hundred together.
fn accounts(engine: &E) -> [ByteOffset; 2] {
    let mut tx = engine.begin().expect("a lane");
    let places = [100u64, 0].map(|balance| {
        let place = tx.alloc(Request::new(64)).expect("room").start();
        tx.set(place, &balance).expect("inside");
        place
    });
    let root = RootSlot::user(0).expect("one of 48");
    tx.set_root(root, places[0]).expect("a root");
    tx.commit().expect("memory does not fail");
    places
}

/// Moves one from the first account to the second or back, in place or staged.
fn transfer(engine: &E, [from, to]: [ByteOffset; 2], in_place: bool) {
    let mut tx = engine.begin().expect("a lane");
    let values = [from, to].map(|place| tx.get::<u64>(place).expect("inside"));
    let values = match values {
        [0, all] => [all, 0],
        [from, to] => [from - 1, to + 1],
    };
    if in_place {
        let range =
            |at: ByteOffset| everline::units::ByteRange::new(at, ByteLen::new(8)).expect("small");
        let mut stores = tx.snapshot(&[range(from), range(to)]).expect("room");
        stores.store64(from, values[0]).expect("inside");
        stores.store64(to, values[1]).expect("inside");
    } else {
        tx.set(from, &values[0]).expect("inside");
        tx.set(to, &values[1]).expect("inside");
    }
    tx.commit().expect("memory does not fail");
}

#[test]
fn under_a_pause_every_transaction_is_wholly_there_or_has_not_begun() {
    let engine = engine();
    let pairs: Vec<_> = (0..3).map(|_| accounts(&engine)).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for (thread, pair) in pairs.iter().enumerate() {
            let (engine, done) = (&engine, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    transfer(engine, *pair, thread % 2 == 0);
                    if thread == 0 {
                        engine.checkpoint().expect("memory does not fail");
                    }
                }
            });
        }
        let mut moments = Vec::new();
        for _ in 0..300 {
            let paused = engine.pause();
            let moment = engine.log().status().last_timestamp;
            for pair in &pairs {
                let balances = pair.map(|at| engine.load64(at).expect("inside"));
                assert_eq!(balances[0] + balances[1], 100, "{balances:?}");
            }
            let stats = engine.stats().expect("no commit is half-way");
            assert_eq!(stats.heap.objects, 6);
            assert_eq!(engine.log().status().last_timestamp, moment);
            drop(paused);
            while engine.log().status().last_timestamp == moment {
                thread::yield_now(); // they go on in between
            }
            moments.push(moment);
        }
        done.store(true, Ordering::Relaxed);
        assert!(moments.windows(2).all(|pair| pair[0] < pair[1]));
    });
}

#[test]
fn transactions_checkpoints_growth_and_a_second_pause_wait_for_the_end_of_the_first() {
    let engine = engine();
    let pair = accounts(&engine);
    let waiting: [fn(&E, [ByteOffset; 2]); 4] = [
        |engine, pair| transfer(engine, pair, false),
        |engine, _| {
            engine.checkpoint().expect("memory does not fail");
        },
        |engine, _| engine.grow(2 * LEN).expect("the medium has it"),
        |engine, _| drop(engine.pause()),
    ];
    for work in waiting {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let paused = engine.pause();
            scope.spawn(|| {
                work(&engine, pair);
                over.store(true, Ordering::Release);
            });
            thread::sleep(Duration::from_millis(20));
            assert!(!over.load(Ordering::Acquire), "went on under a pause");
            drop(paused);
        });
        assert!(over.load(Ordering::Acquire));
    }
    assert_eq!(engine.load64(pair[1]), Ok(1));
    assert_eq!(engine.pool().geometry().len(), 2 * LEN);
}

#[test]
fn a_pause_waits_for_the_transaction_under_way() {
    let engine = engine();
    let pair = accounts(&engine);
    thread::scope(|scope| {
        let mut tx = engine.begin().expect("a lane");
        tx.set(pair[0], &7u64).expect("inside");
        let pausing = scope.spawn(|| {
            let _paused = engine.pause();
            engine.load64(pair[0])
        });
        thread::sleep(Duration::from_millis(20));
        assert!(!pausing.is_finished());
        tx.commit().expect("memory does not fail");
        assert_eq!(pausing.join().expect("no panic"), Ok(7));
    });
}
