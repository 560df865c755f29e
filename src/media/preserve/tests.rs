//! The laws of an image, N1 to N4, against plain memory.

use core::ops::ControlFlow::{Break, Continue};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::vec::Vec;

use super::*;
use crate::media::forward::forward;
use crate::media::{Durability, Ram};
use crate::units::{ByteRange, LineRange};

const LEN: u64 = 10 * (64 << 10) + 1000;

/// An image in memory, and what it was handed.
#[derive(Default)]
struct Image {
    bytes: Mutex<Vec<u8>>,
    puts: Mutex<Vec<(u64, usize)>>,
    /// How many puts succeed, if not all.
    room: Option<usize>,
}

impl Image {
    fn new(room: Option<usize>) -> Arc<Self> {
        Arc::new(Image {
            bytes: Mutex::new(std::vec![0; LEN as usize]),
            puts: Mutex::default(),
            room,
        })
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().expect("whole").clone()
    }

    fn puts(&self) -> Vec<(u64, usize)> {
        self.puts.lock().expect("whole").clone()
    }
}

impl Sink for Image {
    fn put(&self, at: ByteOffset, bytes: &[u8]) -> Result<(), SpaceError> {
        let mut puts = self.puts.lock().expect("whole");
        if self.room == Some(puts.len()) {
            return Err(SpaceError::NoSpace);
        }
        puts.push((at.get(), bytes.len()));
        self.bytes.lock().expect("whole")[at.get() as usize..][..bytes.len()]
            .copy_from_slice(bytes);
        Ok(())
    }
}

fn at(place: u64) -> ByteOffset {
    ByteOffset::new(place)
}

fn all(media: &impl Media) -> Vec<u8> {
    let mut bytes = std::vec![0; LEN as usize];
    media.read(at(0), &mut bytes);
    bytes
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % below
    }
}

/// One store of any kind somewhere, also across chunks.
fn store_anywhere(media: &impl Media, dice: &mut Dice) {
    let near = (dice.roll(10) * CHUNK.get() + dice.roll(64)).saturating_sub(32);
    let place = [dice.roll(LEN - 8), near][dice.roll(2) as usize].min(LEN - 8);
    let (word, value) = (at(place / 8 * 8), dice.roll(u64::MAX >> 34) | 1 << 62 | 1);
    let bytes = [value as u8; 300];
    let part = &bytes[..(LEN - place).min(dice.roll(300)) as usize];
    match dice.roll(10) {
        0 => media.store8(at(place), value as u8),
        1 => media.store16(word, value as u16),
        2 => media.store32(word, value as u32),
        3 => media.store64(word, value),
        4 => drop(media.fetch_or64(word, value)),
        5 => drop(media.fetch_and64(word, value)),
        6 => drop(
            media
                .compare_exchange64(word, media.load64(word), value)
                .ok(),
        ),
        7 => media.write(at(place), part),
        8 => media.write_nt(at(place), part),
        _ => {
            let len = (LEN - place).min(dice.roll(3 * CHUNK.get()));
            media.fill(ByteRange::at(place, len).expect("small"), value as u8);
        }
    }
}

#[test]
fn an_image_is_what_the_bytes_were_at_its_beginning_whatever_is_stored_meanwhile() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let media = Preserved::new(Ram::new(ByteLen::new(LEN)));
        for _ in 0..dice.roll(30) {
            store_anywhere(&media, &mut dice);
        }
        let before = all(&media);
        let image = Image::new(None);
        let copy = media
            .begin_copy(Arc::clone(&image) as Arc<dyn Sink>)
            .expect("no other");
        for _ in 0..dice.roll(5) {
            store_anywhere(&media, &mut dice);
        }
        let piece = [0, 1, CHUNK.get(), 3 * CHUNK.get() - 1][seed as usize % 4];
        let mut last = 0;
        copy.run(piece, |done| {
            assert!(done.get() > last);
            last = done.get();
            for _ in 0..dice.roll(4) {
                store_anywhere(&media, &mut dice);
            }
            Continue(())
        })
        .expect("room");
        assert_eq!(last, LEN);
        assert!(image.bytes() == before, "seed {seed}");
        let after = image.puts();
        store_anywhere(&media, &mut dice);
        assert_eq!(image.puts(), after, "the copy is over");
    }
}

#[test]
fn chunks_of_zeros_stay_out_and_pieces_are_as_long_as_asked_for() {
    let media = Preserved::new(Ram::new(ByteLen::new(LEN)));
    for chunk in [1, 2, 5] {
        media.store64(at(chunk * CHUNK.get() + 8), 1);
    }
    let puts = |piece| {
        let image = Image::new(None);
        let copy = media
            .begin_copy(Arc::clone(&image) as Arc<dyn Sink>)
            .expect("no other");
        copy.run(piece, |_| Continue(())).expect("room");
        image.puts()
    };
    let chunk = CHUNK.get();
    let one = chunk as usize;
    assert_eq!(puts(0), [(chunk, 2 * one), (5 * chunk, one)]);
    assert_eq!(puts(1), [(chunk, one), (2 * chunk, one), (5 * chunk, one)]);
}

#[test]
fn a_sink_that_fails_ends_the_copy_and_harms_no_store() {
    for room in 0..4 {
        for stores_first in [false, true] {
            let media = Preserved::new(Ram::new(ByteLen::new(LEN)));
            media.fill(ByteRange::at(0, LEN).expect("small"), 7);
            let image = Image::new(Some(room));
            let copy = media
                .begin_copy(Arc::clone(&image) as Arc<dyn Sink>)
                .expect("no other");
            if stores_first {
                media.fill(ByteRange::at(0, LEN).expect("small"), 8);
            }
            let ended = copy.run(1, |_| Continue(()));
            assert_eq!(ended, Err(CopyError::Sink(SpaceError::NoSpace)));
            media.fill(ByteRange::at(0, LEN).expect("small"), 9);
            assert!(all(&media).iter().all(|byte| *byte == 9));
            assert_eq!(image.puts().len(), room);
        }
    }
}

#[test]
fn a_copy_can_be_cancelled_at_any_time_and_another_begun() {
    let media = Preserved::new(Ram::new(ByteLen::new(LEN)));
    media.fill(ByteRange::at(0, LEN).expect("small"), 7);
    let image = Image::new(None);
    let sink = || Arc::clone(&image) as Arc<dyn Sink>;
    let copy = media.begin_copy(sink()).expect("no other");
    assert_eq!(media.begin_copy(sink()).map(drop), Err(CopyError::Running));
    assert_eq!(copy.run(1, |_| Break(())), Err(CopyError::Cancelled));
    drop(media.begin_copy(sink()).expect("the other is over"));
    let puts = image.puts();
    media.store8(at(LEN - 1), 1);
    assert_eq!(image.puts(), puts);
    assert_eq!(Arc::strong_count(&image), 1, "nobody has the sink any more");
}

#[test]
fn a_medium_that_grows_meanwhile_is_copied_as_long_as_it_was() {
    use crate::media::io::{Disk, IoMedia, LocalDisk, NewFile};
    let directory = tempfile::tempdir().expect("temporary directory");
    let new = LocalDisk::default()
        .create(&directory.path().join("pool"))
        .expect("created");
    crate::media::io::FileIo::set_len(new.file(), ByteLen::new(LEN)).expect("room");
    let media = Preserved::new(IoMedia::new(new.file(), None).expect("a length"));
    media.store8(at(LEN - 1), 5);
    let image = Image::new(None);
    let copy = media
        .begin_copy(Arc::clone(&image) as Arc<dyn Sink>)
        .expect("no other");
    media.set_len(ByteLen::new(2 * LEN)).expect("room");
    media.store8(at(2 * LEN - 1), 6);
    media.store8(at(LEN), 6);
    copy.run(0, |_| Continue(())).expect("room");
    assert_eq!(image.bytes().last(), Some(&5));
}

#[test]
fn four_writers_go_on_and_the_image_is_of_one_moment() {
    // Each writer keeps all its words, one in every chunk, at one value whenever it lets go of the gate.
    const WRITERS: u64 = 4;
    let media = Preserved::new(Ram::new(ByteLen::new(LEN)));
    let (gate, stop) = (RwLock::new(()), AtomicU64::new(0));
    // The gate alone would let busy writers shut the copier out for ever.
    let wanted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (media, gate, stop, wanted) = (&media, &gate, &stop, &wanted);
            scope.spawn(move || {
                for round in 1.. {
                    while wanted.load(Ordering::SeqCst) == 1 {
                        std::thread::yield_now();
                    }
                    let _under_way = gate.read().expect("whole");
                    for chunk in 0..10 {
                        media.store64(at(chunk * CHUNK.get() + 8 * writer), round);
                    }
                    if stop.load(Ordering::SeqCst) == 1 {
                        return;
                    }
                }
            });
        }
        let copied = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..200 {
                let image = Image::new(None);
                wanted.store(1, Ordering::SeqCst);
                let quiet = gate.write().expect("whole");
                let (before, sink) = (all(&media), Arc::clone(&image) as Arc<dyn Sink>);
                let copy = media.begin_copy(sink).expect("no other");
                wanted.store(0, Ordering::SeqCst);
                drop(quiet);
                copy.run(1, |_| Continue(())).expect("room");
                assert!(image.bytes() == before);
            }
        }));
        // Writers end before what went wrong is told, or nobody would hear of it.
        wanted.store(0, Ordering::SeqCst);
        stop.store(1, Ordering::SeqCst);
        if let Err(panic) = copied {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Memory whose chunk 1 is read only when somebody lets it be.
struct Slow {
    ram: Ram,
    begun: AtomicU64,
    let_go: AtomicU64,
}

impl Media for Slow {
    type SyncError = core::convert::Infallible;

    forward! {
        |this| this.ram;
        len() -> ByteLen;
        durability() -> Durability;
        load8(at: ByteOffset) -> u8;
        load16(at: ByteOffset) -> u16;
        load32(at: ByteOffset) -> u32;
        load64(at: ByteOffset) -> u64;
        store8(at: ByteOffset, value: u8);
        store16(at: ByteOffset, value: u16);
        store32(at: ByteOffset, value: u32);
        store64(at: ByteOffset, value: u64);
        fetch_or64(at: ByteOffset, bits: u64) -> u64;
        fetch_and64(at: ByteOffset, bits: u64) -> u64;
        compare_exchange64(at: ByteOffset, current: u64, new: u64) -> Result<u64, u64>;
        write(at: ByteOffset, bytes: &[u8]);
        write_nt(at: ByteOffset, bytes: &[u8]);
        fill(range: ByteRange, byte: u8);
        flush(lines: LineRange);
        fence() -> Result<(), core::convert::Infallible>;
    }

    fn read(&self, from: ByteOffset, into: &mut [u8]) {
        if from == at(CHUNK.get()) {
            self.begun.store(1, Ordering::SeqCst);
            while self.let_go.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
        }
        self.ram.read(from, into);
    }
}

#[test]
fn a_copy_does_not_end_while_a_store_has_begun_to_take_a_chunk() {
    let slow = Slow {
        ram: Ram::new(ByteLen::new(LEN)),
        begun: AtomicU64::new(0),
        let_go: AtomicU64::new(0),
    };
    slow.ram.store64(at(CHUNK.get()), 1);
    let (media, image) = (Preserved::new(slow), Image::new(None));
    let copy = media
        .begin_copy(Arc::clone(&image) as Arc<dyn Sink>)
        .expect("no other");
    std::thread::scope(|scope| {
        scope.spawn(|| media.store64(at(CHUNK.get()), 2));
        while media.inner().begun.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        scope.spawn(|| {
            // Long enough for a copy that does not wait to end.
            std::thread::sleep(std::time::Duration::from_millis(50));
            media.store64(at(CHUNK.get()), 3);
        });
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(150));
            media.inner().let_go.store(1, Ordering::SeqCst);
        });
        copy.run(1, |_| Continue(())).expect("room");
    });
    assert_eq!(image.bytes()[CHUNK.get() as usize], 1); // keeps N2
}
