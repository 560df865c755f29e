//! `media::preserve`: the image is of one moment, whoever stores and copies at once (N1, N2, N4).
#![cfg(loom)]

use core::ops::ControlFlow::Continue;
use std::sync::{Arc, Mutex};

use everline::media::preserve::{CHUNK, Preserved, Sink};
use everline::media::{Media, SpaceError};
use everline::units::ByteOffset;
use everline_loom_tests::media::LoomMedia;
use everline_loom_tests::model::explore;
use loom::thread;

/// The words that came; a mutex of std, in which no operation of loom's runs.
#[derive(Default)]
struct Words(Mutex<Vec<(u64, u64)>>);

impl Sink for Words {
    fn put(&self, at: ByteOffset, bytes: &[u8]) -> Result<(), SpaceError> {
        let mut words = self.0.lock().expect("no panic inside");
        for (number, word) in bytes.chunks_exact(8).enumerate() {
            let value = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            if value != 0 {
                words.push((at.get() + 8 * number as u64, value));
            }
        }
        Ok(())
    }
}

const FIRST: ByteOffset = ByteOffset::new(0);
const SECOND: ByteOffset = ByteOffset::new(CHUNK.get());

fn medium() -> Preserved<LoomMedia> {
    let media = LoomMedia::new(vec![0; 2 * CHUNK.get() as usize], &[FIRST, SECOND]);
    let media = Preserved::new(media);
    media.store64(FIRST, 1);
    media.store64(SECOND, 1);
    media
}

#[test]
fn l11_an_image_is_what_was_there_when_it_began_and_each_chunk_comes_once() {
    explore(3, || {
        let (media, words) = (loom::sync::Arc::new(medium()), Arc::new(Words::default()));
        let copy = media.begin_copy(words.clone()).expect("no other");
        let writer = {
            let media = media.clone();
            thread::spawn(move || {
                media.store64(SECOND, 2);
                media.store64(FIRST, 2);
            })
        };
        copy.run(1, |_| Continue(())).expect("room");
        let mut seen = words.0.lock().expect("no panic inside").clone();
        seen.sort_unstable();
        assert_eq!(seen, [(0, 1), (CHUNK.get(), 1)]);
        writer.join().expect("no panic");
        assert_eq!(media.load64(FIRST), 2);
    });
}

#[test]
fn l11_a_copy_that_was_dropped_uses_its_sink_no_more() {
    explore(3, || {
        let (media, words) = (loom::sync::Arc::new(medium()), Arc::new(Words::default()));
        let copy = media.begin_copy(words.clone()).expect("no other");
        let writer = {
            let media = media.clone();
            thread::spawn(move || media.store64(FIRST, 2))
        };
        drop(copy);
        let came = words.0.lock().expect("no panic inside").len();
        writer.join().expect("no panic");
        assert_eq!(words.0.lock().expect("no panic inside").len(), came);
    });
}
