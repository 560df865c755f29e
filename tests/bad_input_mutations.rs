//! Ten thousand damaged images, half of them with checksums made right again: whatever a pool holds, opening it and working
//! with it neither panics nor hangs, and a refusal changes no byte (I12, O4).

mod image_tools;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine, OpenOptions, apply, plan, salvage};
use everline::layout::{RECORD_HEADER_BYTES, Superblock};
use everline::media::Ram;
use everline::units::{ByteLen, ByteOffset, ByteRange};
use image_tools::{
    FoundRecord, KIB, Random, SMALLEST, create, fixed, geometry_of, image_of, put, ram_of, range,
    record_seed, records, reseal_record, slot, u32_at,
};

const IMAGES: u64 = 10_000;

/// A pool worth damaging, and where its parts lie.
struct Victim {
    name: &'static str,
    image: Vec<u8>,
    records: Vec<FoundRecord>,
    /// Ranges of metadata in use, which most mutations aim at.
    targets: Vec<std::ops::Range<usize>>,
}

impl Victim {
    fn new(name: &'static str, image: Vec<u8>) -> Self {
        let geometry = geometry_of(&image);
        let slot_bytes = 64 + 8 * geometry.lane_count() as usize;
        let place = |at: ByteOffset, len: usize| at.get() as usize..at.get() as usize + len;
        let mut targets = vec![
            place(Superblock::AT[0], 512),
            place(Superblock::AT[1], 512),
            place(geometry.slot_at(0), slot_bytes),
            place(geometry.slot_at(1), slot_bytes),
            place(geometry.shared_at(), 512),
            place(geometry.entry_at(0), 8 * geometry.slab_count() as usize),
            place(geometry.used_word_at(0), 8),
            place(geometry.head_word_at(0), 8),
        ];
        for slab in 0..geometry.slab_count() {
            targets.push(place(geometry.slab_at(slab), 128));
        }
        let records = records(&image);
        targets.extend(
            records
                .iter()
                .map(|record| record.at..record.at + record.len),
        );
        Victim {
            name,
            image,
            records,
            targets,
        }
    }
}

fn closed() -> Vec<u8> {
    let engine = create(SMALLEST, &fixed());
    for (index, len) in [(0, 64), (1, 300), (2, 5000)] {
        put(&engine, index, len, 0x11 * (index + 1));
    }
    image_of(&engine.close().expect("memory does not fail"))
}

/// Commits of every kind of op on both lanes, an open undo transaction of several records, an extension in the heap.
fn busy() -> Vec<u8> {
    let options = CreateOptions {
        ring_bytes: Some(2 * KIB),
        ..fixed()
    };
    let engine = create(SMALLEST, &options);
    let blocks = [(0, 64), (1, 300), (2, 5000)].map(|(index, len)| put(&engine, index, len, 0x22));
    engine.checkpoint().expect("memory does not fail");
    let mut open = engine.begin().expect("a lane");
    for part in 0..3 {
        let at = ByteOffset::new(blocks[2].start().get() + part * 700);
        let part = range(at, 600);
        open.snapshot(&[part])
            .expect("the log goes on in the heap")
            .fill(part, 0x33)
            .expect("covered");
    }
    let mut tx = engine.begin().expect("another lane");
    tx.free(blocks[1].start()).expect("live");
    let fresh = tx.alloc(Request::new(700)).expect("space");
    tx.write_fresh(fresh.start(), &[0x44; 700]).expect("inside");
    tx.set_root(slot(3), fresh.start()).expect("a slot");
    tx.commit().expect("committed");
    let mut tx = engine.begin().expect("another lane");
    tx.write(blocks[0].start(), &[0x55; 33]).expect("inside");
    tx.commit().expect("committed");
    std::mem::forget(open);
    image_of(&engine.abandon())
}

/// One mutation, and whether what was damaged got its checksum back.
fn mutate(victim: &Victim, random: &mut Random) -> Vec<u8> {
    let mut image = victim.image.clone();
    let resealed = random.below(2) == 0;
    let seeds = seeds_of(&image);
    for _ in 0..=random.below(3) {
        let record = (!victim.records.is_empty() && random.below(2) == 0).then(|| {
            let index = random.below(victim.records.len() as u64) as usize;
            victim.records[index]
        });
        let target = match record {
            Some(record) => record.at + 4..record.at + record.len,
            None if random.below(8) == 0 => 0..image.len(),
            None => victim.targets[random.below(victim.targets.len() as u64) as usize].clone(),
        };
        damage(&mut image, target, random);
        if let (Some(record), true) = (record, resealed) {
            // The length may be what was damaged; both it and the old one make a record to believe.
            let claimed = u32_at(&image, record.at + 4) as usize;
            let len = if (RECORD_HEADER_BYTES..4096).contains(&claimed) {
                claimed
            } else {
                record.len
            };
            reseal_record(&mut image, seeds[record.lane as usize], record.at, len);
        }
    }
    if resealed {
        reseal_superblocks(&mut image);
        reseal_slots(&mut image, &victim.image);
    }
    image
}

fn seeds_of(image: &[u8]) -> Vec<u32> {
    let geometry = geometry_of(image);
    (0..geometry.lane_count())
        .map(|lane| record_seed(image, &geometry, lane))
        .collect()
}

/// Changes up to sixteen bytes, or one field to a number that is likely to hurt.
fn damage(image: &mut [u8], target: std::ops::Range<usize>, random: &mut Random) {
    let at = target.start + random.below(target.len() as u64) as usize;
    match random.below(4) {
        0 => image[at] ^= 1 << random.below(8),
        1 => {
            let len = (1 + random.below(16) as usize).min(image.len() - at);
            for byte in &mut image[at..at + len] {
                *byte = random.next() as u8;
            }
        }
        2 => {
            let numbers = [
                0,
                1,
                7,
                8,
                63,
                64,
                4095,
                65_535,
                65_536,
                1 << 31,
                1 << 48,
                1 << 62,
            ];
            let mut number = numbers[random.below(12) as usize];
            if random.below(3) == 0 {
                number = u64::MAX - number;
            }
            let word = at & !7;
            image[word..word + 8].copy_from_slice(&number.to_le_bytes());
        }
        _ => {
            // A word of the image itself, which looks right where it does not belong.
            let from = random.below(image.len() as u64 / 8) as usize * 8;
            image.copy_within(from..from + 8, at & !7);
        }
    }
}

fn reseal_superblocks(image: &mut [u8]) {
    for at in Superblock::AT.map(|at| at.get() as usize) {
        let sum = crc32fast::hash(&image[at..at + 508]);
        image[at + 508..at + 512].copy_from_slice(&sum.to_le_bytes());
    }
}

/// CRC-32 of pool id, the header without its checksum, and the heads.
fn reseal_slots(image: &mut [u8], original: &[u8]) {
    let geometry = geometry_of(original);
    let end = 64 + 8 * geometry.lane_count() as usize;
    for at in [0, 1].map(|index| geometry.slot_at(index).get() as usize) {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&image[24..40]);
        sum.update(&image[at..at + 28]);
        sum.update(&image[at + 32..at + end]);
        image[at + 28..at + 32].copy_from_slice(&sum.finalize().to_le_bytes());
    }
}

#[test]
fn the_forger_of_checksums_forges_them_right() {
    for image in [closed(), busy()] {
        let victim = Victim::new("whole", image.clone());
        let mut forged = image.clone();
        reseal_superblocks(&mut forged);
        reseal_slots(&mut forged, &image);
        for record in &victim.records {
            let seed = seeds_of(&image)[record.lane as usize];
            reseal_record(&mut forged, seed, record.at, record.len);
        }
        assert!(forged == image);
    }
    let kinds: Vec<u16> = Victim::new("busy", busy())
        .records
        .iter()
        .map(|record| record.kind)
        .collect();
    for kind in [1, 2, 3] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
}

/// Opens the image and, if that goes, works with the pool. Answers whether it opened.
fn open_and_work(image: &[u8]) -> bool {
    let ram = ram_of(image);
    let Ok((engine, _report)) = Engine::open(&ram, &OpenOptions::default()) else {
        assert!(image_of(&ram) == image, "refused and yet changed");
        return false;
    };
    drop(engine);
    // A forged epoch may bring old records back to life, so that this open may find work again.
    let (engine, _report) = Engine::open(ram, &OpenOptions::default()).expect("opened just now");
    work(&engine);
    engine.close().map(drop).unwrap_or_default();
    true
}

/// Live objects, as far as the map can be walked.
fn live(ram: Ram) -> Vec<ByteRange> {
    let mut found = Vec::new();
    if let Ok((engine, _report)) = Engine::open(ram, &OpenOptions::default()) {
        let walked = engine.for_each_live(|object| found.push(object.range));
        walked.unwrap_or_default();
    }
    found
}

/// What a repair says beforehand it does, leaves a pool in which a check finds nothing, and nothing that could be read
/// before is gone. What nothing can be made of is refused. Answers whether it could be repaired.
fn repair_or_salvage(image: &[u8]) -> bool {
    let planned = plan(&ram_of(image));
    let ram = ram_of(image);
    if let Ok(planned) = &planned {
        assert_eq!(planned.left, [], "{planned:?}");
        assert_eq!(apply(&ram, planned), Ok(Vec::new()));
        let again = plan(&ram_of(&image_of(&ram))).expect("repaired just now");
        assert!(again.is_empty(), "{again:?}");
        let after = live(ram);
        for object in live(ram_of(image)) {
            let there = after
                .iter()
                .any(|found| found.start() <= object.start() && object.start() < found.end());
            assert!(there, "{object} is gone");
        }
    }
    let candidates = salvage::candidates(&ram_of(image), None);
    assert!(!candidates.is_empty(), "a default at least");
    for candidate in candidates.iter().take(2) {
        if let Ok(salvaged) = salvage::open_as(ram_of(image), candidate) {
            let engine = salvaged.engine;
            engine
                .for_each_live(|_object| ())
                .expect("made to be walked");
            for index in 0..4 {
                let at = engine.root(slot(index));
                engine.read(at, &mut [0; 64]).unwrap_or_default();
            }
            assert!(engine.begin().is_err(), "read-only");
        }
    }
    planned.is_ok()
}

fn work(engine: &Engine<Ram>) {
    let mut problems = 0;
    engine.check(|_problem| problems += 1);
    engine.stats().map(drop).unwrap_or_default();
    engine.for_each_live(|_object| ()).unwrap_or_default();
    for index in 0..4 {
        let at = engine.root(slot(index));
        let mut bytes = [0; 64];
        engine.read(at, &mut bytes).unwrap_or_default();
        let Ok(mut tx) = engine.begin() else { return };
        tx.object_at(at).map(drop).unwrap_or_default();
        tx.free(at).unwrap_or_default();
        let found = tx.alloc(Request::new(48 << (2 * index)));
        if let Ok(block) = found {
            tx.write(block.start(), &[index; 48]).unwrap_or_default();
            if let Ok(mut homes) = tx.snapshot(&[range(block.start(), 48)]) {
                homes.store(block.start(), &[9; 48]).unwrap_or_default();
            }
        }
        if index == 3 {
            tx.abort().unwrap_or_default();
        } else {
            tx.commit().map(drop).unwrap_or_default();
        }
    }
    if let Ok(reservation) = engine.reserve(Request::new(100)) {
        reservation.cancel();
    }
    engine.checkpoint().map(drop).unwrap_or_default();
}

#[test]
fn k5_ten_thousand_damaged_images_neither_panic_nor_hang_nor_change_when_refused() {
    let mut random = Random::seeded(10_000);
    let victims = [
        Victim::new("closed", closed()),
        Victim::new("busy", busy()),
        Victim::new("busy", busy()),
    ];
    let (progress, watch) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        let (mut opened, mut failures) = (0u64, Vec::new());
        for number in 0..IMAGES {
            let victim = &victims[(number % 3) as usize];
            let state = random.0;
            let image = mutate(victim, &mut random);
            progress.send(number).expect("watched");
            let whole = || (open_and_work(&image), repair_or_salvage(&image));
            match catch_unwind(AssertUnwindSafe(whole)).map(|(opens, repairable)| {
                assert!(repairable || !opens, "what opens can be repaired");
                opens
            }) {
                Ok(true) => opened += 1,
                Ok(false) => {}
                Err(_panic) => failures.push((number, victim.name, state)),
            }
        }
        (opened, failures)
    });
    let mut last = 0;
    loop {
        match watch.recv_timeout(Duration::from_secs(20)) {
            Ok(number) => last = number,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("image {last} hangs"),
        }
    }
    let (opened, failures) = worker.join().expect("it catches what panics");
    println!("{opened} of {IMAGES} opened");
    assert!(
        failures.is_empty(),
        "{} images, the first: {:?}",
        failures.len(),
        failures[0]
    );
    // The damage must be neither too coarse to get past the superblock nor too fine to be seen at all.
    assert!((IMAGES / 4..IMAGES * 19 / 20).contains(&opened), "{opened}");
}

#[test]
fn before_images_that_lead_astray_are_refused_and_nothing_is_undone() {
    let image = busy();
    let geometry = geometry_of(&image);
    let undo = |record: &&FoundRecord| record.kind == 2;
    let found = records(&image);
    let record = found.iter().find(undo).expect("an UNDO record in the ring");
    let seed = record_seed(&image, &geometry, record.lane);
    let len = image.len() as u64;
    for earlier in [
        1,
        4,
        8,
        64,
        4096,
        record.at as u64,
        record.at as u64 + 64,
        geometry.heap_at().get(),
        len - 40,
        len - 41,
        len - 8,
        len,
        u64::MAX - 40,
        u64::MAX,
    ] {
        let mut image = image.clone();
        image[record.at + 16..record.at + 24].copy_from_slice(&earlier.to_le_bytes());
        reseal_record(&mut image, seed, record.at, record.len);
        let outcome = catch_unwind(AssertUnwindSafe(|| open_and_work(&image)));
        assert!(matches!(outcome, Ok(false)), "{earlier:#x}: {outcome:?}");
    }
}

#[test]
fn a_medium_of_any_length_is_refused_or_opened_and_never_read_past_its_end() {
    let image = busy();
    for len in (0..image.len()).step_by(509) {
        let ram = Ram::new(ByteLen::new(len as u64));
        everline::media::Media::write(&ram, ByteOffset::ZERO, &image[..len]);
        assert!(Engine::open(&ram, &OpenOptions::default()).is_err());
        assert!(image_of(&ram) == image[..len]);
    }
}
