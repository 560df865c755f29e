//! Two lanes and one heap: nobody is given what another has (H1).
#![cfg(loom)]

use everline::alloc::Request;
use everline::engine::Engine;
use everline::units::{ByteOffset, ByteRange};
use everline_loom_tests::media::LoomMedia;
use everline_loom_tests::model::{Image, explore, image, open};
use loom::sync::Arc;
use loom::thread;

const OBJECT: Request = Request::new(64);

fn live(engine: &Engine<LoomMedia>) -> Vec<ByteRange> {
    let mut found = Vec::new();
    let walked = engine.for_each_live(|object| found.push(object.range));
    walked.expect("metadata is right");
    found
}

/// A pool with two objects in a slab in use; the places answered are the objects, then the slab's bitmap word.
fn with_a_slab() -> (Image, Vec<ByteOffset>) {
    image(|engine| {
        let mut tx = engine.begin().expect("a free lane");
        let mut places = [(); 2]
            .map(|()| tx.alloc(OBJECT).expect("room").start())
            .to_vec();
        tx.commit().expect("nothing fails in a model");
        let geometry = &engine.pool().geometry();
        let slab = geometry.slab_of(places[0]).expect("in the heap");
        let slab_at = geometry.slab_at(slab);
        places.push(everline::layout::SlabHeader::bitmap_word_at(slab_at, 0));
        places
    })
}

fn allocate(engine: &Engine<LoomMedia>) -> ByteOffset {
    let mut tx = engine.begin().expect("a free lane");
    let place = tx.alloc(OBJECT).expect("room").start();
    tx.commit().expect("nothing fails in a model");
    place
}

#[test]
fn l11_two_lanes_never_get_the_same_object() {
    let (image, places) = with_a_slab();
    let bitmap = places[2];
    explore(2, move || {
        let engine = Arc::new(open(&image, &[bitmap]));
        let other = {
            let engine = Arc::clone(&engine);
            thread::spawn(move || allocate(&engine))
        };
        let own = allocate(&engine);
        let theirs = other.join().expect("no panic");
        assert_ne!(own, theirs, "one object for two");
        let live = live(&engine);
        assert_eq!(live.len(), 4, "an allocation was lost");
        for place in [own, theirs] {
            assert!(live.iter().any(|object| object.start() == place));
        }
    });
}

#[test]
fn l11_a_freed_object_is_given_out_only_after_its_free_is_settled() {
    let (image, places) = with_a_slab();
    let (object, bitmap) = (places[0], places[2]);
    explore(2, move || {
        let engine = Arc::new(open(&image, &[bitmap]));
        let other = {
            let engine = Arc::clone(&engine);
            thread::spawn(move || {
                let mut tx = engine.begin().expect("a free lane");
                tx.free(object).expect("live");
                tx.commit().expect("nothing fails in a model");
            })
        };
        allocate(&engine);
        other.join().expect("no panic");
        assert_eq!(live(&engine).len(), 2, "one freed, one allocated");
    });
}

#[test]
fn l11_of_two_frees_of_one_object_one_is_refused() {
    let (image, places) = with_a_slab();
    let (object, bitmap) = (places[0], places[2]);
    explore(2, move || {
        let engine = Arc::new(open(&image, &[bitmap]));
        let free = move |engine: &Engine<LoomMedia>| {
            let mut tx = engine.begin().expect("a free lane");
            let freed = tx.free(object).is_ok();
            tx.commit().expect("nothing fails in a model");
            freed
        };
        let other = {
            let engine = Arc::clone(&engine);
            thread::spawn(move || free(&engine))
        };
        let own = free(&engine);
        let theirs = other.join().expect("no panic");
        assert!(
            own != theirs,
            "freed {} times",
            u8::from(own) + u8::from(theirs)
        );
        assert_eq!(live(&engine).len(), 1);
    });
}
