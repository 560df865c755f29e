//! Lanes against each other: the heap, the timestamp and the cut (I3, I8, H1).
#![cfg(loom)]

use std::sync::{Arc, OnceLock};

use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::layout::RootSlot;
use everline::media::{Media, Ram};
use everline::units::{ByteLen, ByteOffset, ByteRange};
use everline_loom_tests::{LoomMedia, explore};

const LEN: u64 = 64 << 10;

/// A pool with one object, closed; made once, inside a model as loom demands.
fn image() -> &'static (Vec<u8>, ByteOffset) {
    static IMAGE: OnceLock<(Vec<u8>, ByteOffset)> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let made = Arc::new(OnceLock::new());
        let out = Arc::clone(&made);
        loom::model(move || {
            let options = CreateOptions {
                lanes: Some(2),
                ring_bytes: Some(1024),
                ..CreateOptions::default()
            };
            let engine =
                Engine::create(Ram::new(ByteLen::new(LEN)), &options).expect("large enough");
            let mut tx = engine.begin().expect("a lane");
            let block = tx.alloc(Request::new(16)).expect("room");
            tx.write(block.start(), &[0; 16]).expect("inside");
            tx.set_root(RootSlot::user(0).expect("one of 48"), block.start())
                .expect("a root");
            tx.commit().expect("infallible");
            let ram = engine.close().expect("infallible");
            let mut bytes = vec![0; LEN as usize];
            ram.read(ByteOffset::ZERO, &mut bytes);
            out.get_or_init(|| (bytes, block.start()));
        });
        made.get().expect("the model ran").clone()
    })
}

fn open(tracked: ByteRange) -> Arc<Engine<LoomMedia>> {
    let media = LoomMedia::new(&image().0, tracked);
    Arc::new(
        Engine::open(media, &OpenOptions::default())
            .expect("a pool")
            .0,
    )
}

#[test]
fn two_lanes_never_get_the_same_object() {
    let object = image().1;
    // The bitmap of the slab that both allocate from.
    let tracked = ByteRange::at((object.get() & !4095) + 64, 64).expect("inside");
    explore(move || {
        let engine = open(tracked);
        let other = Arc::clone(&engine);
        let alloc = |engine: &Engine<LoomMedia>| {
            let mut tx = engine.begin().expect("a lane");
            let block = tx.alloc(Request::new(16)).expect("room");
            tx.commit().expect("infallible");
            block.start()
        };
        let thread = loom::thread::spawn(move || alloc(&other));
        let mine = alloc(&engine);
        let theirs = thread.join().expect("no panic");
        assert_ne!(mine, theirs);
        assert!(mine != object && theirs != object);
    });
}

/// A checkpoint beside a committing lane: whatever its cut covers was stored to its home before homes were flushed,
/// since recovery will not replay it (I3, I4).
#[test]
fn a_cut_never_covers_a_commit_whose_homes_are_not_flushed() {
    let object = image().1;
    let tracked = ByteRange::new(object, ByteLen::new(8)).expect("inside");
    explore(move || {
        let engine = open(tracked);
        let commit = |engine: &Engine<LoomMedia>, at: ByteOffset| {
            let mut tx = engine.begin().expect("a lane");
            tx.set(at, &7u64).expect("inside");
            tx.commit().expect("infallible").timestamp
        };
        // Something to retire, or the checkpoint has nothing to do.
        commit(&engine, ByteOffset::new(object.get() + 8));
        let other = Arc::clone(&engine);
        let thread = loom::thread::spawn(move || commit(&other, object));
        // A look at the log first: it gives loom a place to switch threads before the cut is chosen.
        let before = engine.log().status().last_timestamp;
        let report = engine.checkpoint().expect("infallible");
        let flushed = engine.pool().media().flushed(object);
        let timestamp = thread.join().expect("no panic");
        assert!(report.cut + 1 >= before);
        assert!(report.retired_bytes > 0);
        assert!(report.cut < timestamp || flushed == Some(7));
        assert_eq!(engine.load64(object), Ok(7));
    });
}

/// Two lanes commit to one word under the caller's lock: timestamps follow the lock (I8).
#[test]
fn timestamps_follow_the_lock_and_no_update_is_lost() {
    let object = image().1;
    let tracked = ByteRange::new(object, ByteLen::new(8)).expect("inside");
    explore(move || {
        let engine = open(tracked);
        let callers = Arc::new(loom::sync::Mutex::new(0));
        let add = move |engine: &Engine<LoomMedia>, callers: &loom::sync::Mutex<u64>| {
            let mut last = callers.lock().expect("no panic holds it");
            let mut tx = engine.begin().expect("a lane");
            tx.update(object, |value: &mut u64| *value += 1)
                .expect("inside");
            let timestamp = tx.commit().expect("infallible").timestamp;
            assert!(timestamp > *last);
            *last = timestamp;
        };
        let (other, their_lock) = (Arc::clone(&engine), Arc::clone(&callers));
        let thread = loom::thread::spawn(move || add(&other, &their_lock));
        add(&engine, &callers);
        thread.join().expect("no panic");
        assert_eq!(engine.load64(object), Ok(2));
    });
}
