//! A checkpoint beside lanes that commit: it retires nothing whose homes are not durable (I3, C1, C2).
#![cfg(loom)]

use everline::engine::Engine;
use everline::units::ByteOffset;
use everline_loom_tests::media::LoomMedia;
use everline_loom_tests::model::{Image, explore, open, two_words};
use loom::sync::Arc;
use loom::thread;

fn commit(engine: &Engine<LoomMedia>, place: ByteOffset, value: u64) -> u64 {
    let mut tx = engine.begin().expect("a free lane");
    tx.write(place, &value.to_le_bytes()).expect("inside");
    tx.commit().expect("nothing fails in a model").timestamp
}

/// Two commits, of 1 and then 2; answers their timestamps.
fn commit_twice(engine: &Engine<LoomMedia>, place: ByteOffset) -> [u64; 2] {
    [1, 2].map(|value| commit(engine, place, value))
}

/// Takes a checkpoint; answers its cut and what is durable at home behind it.
fn checkpoint(engine: &Engine<LoomMedia>, place: ByteOffset) -> (u64, u64) {
    let cut = engine.checkpoint().expect("nothing fails in a model").cut;
    let durable = engine.pool().media().durable();
    let home = durable[place.get() as usize..][..8].try_into();
    (cut, u64::from_le_bytes(home.expect("eight bytes")))
}

/// What is left after a power cut is what was acknowledged.
fn survives(image: Image, places: &[(ByteOffset, u64)]) {
    let engine = open(&image, &[]);
    for (place, value) in places {
        assert_eq!(
            engine.load64(*place).expect("inside"),
            *value,
            "an acknowledged commit is gone after a power cut"
        );
    }
}

fn a_checkpoint_beside_a_lane(lane_first: bool) {
    let (image, places) = two_words();
    explore(2, move || {
        let place = places[0];
        let engine = Arc::new(open(&image, &[place]));
        let other = Arc::clone(&engine);
        // Loom branches from the execution in which the first thread goes as far as it can: take both.
        let (drawn, (cut, home)) = if lane_first {
            let found = thread::spawn(move || checkpoint(&other, place));
            let drawn = commit_twice(&engine, place);
            (drawn, found.join().expect("no panic"))
        } else {
            let drawn = thread::spawn(move || commit_twice(&other, place));
            let found = checkpoint(&engine, place);
            (drawn.join().expect("no panic"), found)
        };
        let covered = drawn.iter().filter(|timestamp| **timestamp <= cut).count() as u64;
        assert!(
            home >= covered,
            "the cut {cut} covers {covered}, durable is {home}"
        );
        survives(engine.pool().media().durable(), &[(place, 2)]);
    });
}

#[test]
fn l11_a_checkpoint_beside_a_lane_that_commits_loses_nothing() {
    a_checkpoint_beside_a_lane(true);
    a_checkpoint_beside_a_lane(false);
}

#[test]
fn l11_a_checkpoint_beside_two_lanes_loses_nothing() {
    let (image, places) = two_words();
    explore(2, move || {
        let engine = Arc::new(open(&image, &places));
        let places = [places[0], places[1]];
        let lane = {
            let engine = Arc::clone(&engine);
            thread::spawn(move || commit(&engine, places[1], 1))
        };
        commit(&engine, places[0], 1);
        engine.checkpoint().expect("nothing fails in a model");
        lane.join().expect("no panic");
        survives(
            engine.pool().media().durable(),
            &places.map(|place| (place, 1)),
        );
    });
}

#[test]
fn l11_two_checkpoints_at_a_time_lose_nothing() {
    let (image, places) = two_words();
    explore(2, move || {
        let place = places[0];
        let engine = Arc::new(open(&image, &[place]));
        let other = {
            let engine = Arc::clone(&engine);
            thread::spawn(move || {
                commit(&engine, place, 1);
                engine.checkpoint().expect("nothing fails in a model");
            })
        };
        engine.checkpoint().expect("nothing fails in a model");
        other.join().expect("no panic");
        survives(engine.pool().media().durable(), &[(place, 1)]);
    });
}
