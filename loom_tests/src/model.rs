//! How models run, and the small pool that they run on.

use std::sync::{Arc, Mutex};

use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::layout::RootSlot;
use everline::units::ByteOffset;

use crate::media::LoomMedia;

/// The stack that a model runs on.
const STACK_WORDS: usize = (256 << 10) / size_of::<usize>();

/// A small pool in bytes.
pub type Image = Vec<u8>;

/// Explores the interleavings of `model` with at most `preemptions` switches away from a thread that could go on,
/// or as many as `LOOM_MAX_PREEMPTIONS` says where that is fewer.
pub fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = builder.preemption_bound.unwrap_or(preemptions);
    builder.preemption_bound = Some(bound.min(preemptions));
    builder.max_branches = 100_000;
    let model = Arc::new(model);
    builder.check(move || {
        let model = Arc::clone(&model);
        // Loom's own first thread has 32 KiB of stack; an engine that opens in it leaves too little for the model.
        let roomy = loom::thread::Builder::new().stack_size(STACK_WORDS);
        let run = roomy.spawn(move || model()).expect("loom spawns always");
        run.join().expect("a model that panics ends the process");
    });
}

/// A closed pool of 64 KiB with two lanes, on which `prepare` has run.
///
/// The core's locks exist only inside a model, so this is one of a single execution.
pub fn image(
    prepare: impl Fn(&Engine<LoomMedia>) -> Vec<ByteOffset> + Send + Sync + 'static,
) -> (Image, Vec<ByteOffset>) {
    let made = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&made);
    explore(0, move || {
        let options = CreateOptions {
            lanes: Some(2),
            ring_bytes: Some(1024),
            ..CreateOptions::default()
        };
        let media = LoomMedia::new(vec![0; 64 << 10], &[]);
        let engine = Engine::create(media, &options).expect("a fresh pool");
        let places = prepare(&engine);
        let media = engine.close().expect("nothing fails in a model");
        *slot.lock().expect("no panic before") = Some((media.durable(), places));
    });
    let made = made.lock().expect("no panic before").take();
    made.expect("the model ran")
}

/// A pool in which root slots 0 and 1 lead to words on lines of their own, which are the places answered.
pub fn two_words() -> (Image, Vec<ByteOffset>) {
    image(|engine| {
        let mut tx = engine.begin().expect("a free lane");
        let places: Vec<_> = (0..2)
            .map(|index| {
                let place = tx.alloc(Request::new(64)).expect("room").start();
                tx.write(place, &[0; 64]).expect("inside");
                let slot = RootSlot::user(index).expect("one of 48");
                tx.set_root(slot, place).expect("a root slot");
                place
            })
            .collect();
        tx.commit().expect("nothing fails in a model");
        places
    })
}

/// Opens `image`, with the words at `watched` in loom's hands.
pub fn open(image: &Image, watched: &[ByteOffset]) -> Engine<LoomMedia> {
    let media = LoomMedia::new(image.clone(), watched);
    let (engine, _report) =
        Engine::open(media, &OpenOptions::default()).expect("what a model left is a pool");
    engine
}
