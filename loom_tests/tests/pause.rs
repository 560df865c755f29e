//! A pause beside a commit: it sees all of the commit's homes or none of them.
#![cfg(loom)]

use everline_loom_tests::model::{explore, open, two_words};
use loom::sync::Arc;
use loom::thread;

#[test]
fn l11_a_pause_sees_a_whole_commit_or_none_of_it() {
    let (image, places) = two_words();
    explore(2, move || {
        let engine = Arc::new(open(&image, &places));
        let words = [places[0], places[1]];
        let other = {
            let engine = Arc::clone(&engine);
            thread::spawn(move || {
                let mut tx = engine.begin().expect("a free lane");
                for word in words {
                    tx.set(word, &5u64).expect("inside");
                }
                tx.commit().expect("nothing fails in a model");
            })
        };
        let paused = engine.pause();
        let seen = words.map(|word| engine.load64(word).expect("inside"));
        assert_eq!(seen[0], seen[1], "half a commit");
        drop(paused);
        other.join().expect("no panic");
    });
}
