//! Images that are not, or no longer, what this code wrote: a typed error with every byte as it was, or the right data.
//! Never a panic, never a hang (I12, O4). Random damage is in bad_input_mutations.rs.

mod image_tools;

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};

use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine, OpenOptions, OpenReport};
use everline::layout::{LayoutName, MapEntry, MapEntryKind, SlabHeader, Superblock};
use everline::media::{Media, Ram};
use everline::pool::OpenError;
use everline::units::{ByteLen, ByteOffset, ByteRange};
use image_tools::{
    Random, SMALLEST, assert_sound, bytes_at, create, fixed, geometry_of, image_of, newest_slot,
    open, put, ram_of, range, records, slot,
};

type Opened = Result<(Engine<Ram>, OpenReport), OpenError<Infallible>>;

/// Opens a copy of `image`; a panic fails the test with `what`, and so does an error that changed a byte.
#[track_caller]
fn open_unharmed(image: &[u8], options: &OpenOptions, what: &str) -> Opened {
    let ram = ram_of(image);
    match catch_unwind(AssertUnwindSafe(|| Engine::open(&ram, options).map(drop))) {
        Ok(Ok(())) => Engine::open(ram_of(image), options),
        Ok(Err(error)) => {
            assert!(image_of(&ram) == image, "{what}: refused and yet changed");
            Err(error)
        }
        Err(_panic) => panic!("{what}: panicked"),
    }
}

#[track_caller]
fn refused(image: &[u8], what: &str) -> OpenError<Infallible> {
    match open_unharmed(image, &OpenOptions::default(), what) {
        Ok((_engine, report)) => panic!("{what}: opened, {report:?}"),
        Err(error) => error,
    }
}

/// A pool with content, and where the parts of it are that the tests below damage.
struct Sample {
    image: Vec<u8>,
    blocks: [ByteRange; 3],
    expected: Vec<Vec<u8>>,
    redone: u64,
    undone: u64,
}

impl Sample {
    fn content(&self, engine: &Engine<impl Media>) -> Vec<Vec<u8>> {
        self.blocks
            .iter()
            .map(|block| bytes_at(engine, block.start(), block.len().get() as usize))
            .collect()
    }

    #[track_caller]
    fn assert_right(&self, opened: &(Engine<Ram>, OpenReport), what: &str) {
        let (engine, report) = opened;
        assert!(
            self.content(engine) == self.expected,
            "{what}: wrong data, silently"
        );
        let seen = report.recovery;
        assert_eq!(
            (seen.redone, seen.undone),
            (self.redone, self.undone),
            "{what}"
        );
        let mut problems = 0;
        engine.check(|_problem| problems += 1);
        assert_eq!(problems, 0, "{what}");
    }
}

fn sample(finish: impl FnOnce(Engine<Ram>, [ByteRange; 3]) -> (Vec<u8>, u64, u64)) -> Sample {
    let options = CreateOptions {
        layout: LayoutName::new("bad input").expect("short"),
        ..fixed()
    };
    let engine = create(SMALLEST, &options);
    let blocks = [
        put(&engine, 0, 64, 0x11),
        put(&engine, 1, 300, 0x22),
        put(&engine, 2, 5000, 0x33),
    ];
    engine.checkpoint().expect("memory does not fail");
    let (image, redone, undone) = finish(engine, blocks);
    let mut sample = Sample {
        image,
        blocks,
        expected: Vec::new(),
        redone,
        undone,
    };
    let (engine, _report) = open(&sample.image).expect("an undamaged pool");
    sample.expected = sample.content(&engine);
    sample
}

/// Closed in peace.
fn closed() -> Sample {
    sample(|engine, _blocks| (image_of(&engine.close().expect("memory")), 0, 0))
}

/// Cut off with three commits in the log and none of them at home.
fn with_log() -> Sample {
    sample(|engine, [small, middle, _huge]| {
        let homes = image_of(engine.pool().media());
        for (block, fill) in [(small, 0x44), (middle, 0x55), (small, 0x66)] {
            let mut tx = engine.begin().expect("a lane");
            tx.write(block.start(), &[fill; 60]).expect("inside");
            tx.commit().expect("committed");
        }
        let heap = engine.pool().geometry().heap_at().get() as usize;
        let mut image = image_of(&engine.abandon());
        image[heap..].copy_from_slice(&homes[heap..]);
        (image, 3, 0)
    })
}

/// Cut off in the middle of an undo transaction, whose stores all reached the medium.
fn with_open_transaction() -> Sample {
    sample(|engine, [small, middle, huge]| {
        let mut tx = engine.begin().expect("a lane");
        let ranges = [small, middle, range(huge.start(), 500)];
        for part in ranges {
            tx.snapshot(&[part])
                .expect("room")
                .fill(part, 0x99)
                .expect("covered");
        }
        std::mem::forget(tx);
        (image_of(&engine.abandon()), 0, 1)
    })
}

fn samples() -> [(&'static str, Sample); 3] {
    [
        ("closed", closed()),
        ("with a log", with_log()),
        ("with an open transaction", with_open_transaction()),
    ]
}

#[test]
fn a13_garbage_short_and_truncated_images_are_refused_and_unchanged() {
    let mut random = Random::seeded(13);
    let whole = closed().image;
    for len in [
        0,
        1,
        7,
        8,
        63,
        64,
        511,
        512,
        513,
        4095,
        4096,
        4607,
        4608,
        8192,
        SMALLEST - 1,
    ] {
        let len = len as usize;
        let garbage: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        for (what, image) in [
            ("zeros", vec![0; len]),
            ("garbage", garbage),
            ("a pool's first bytes", whole[..len].to_vec()),
        ] {
            let error = refused(&image, &format!("{len} bytes of {what}"));
            assert_eq!(error, OpenError::TooShort { len: len as u64 });
        }
    }
    for round in 0..20 {
        let garbage: Vec<u8> = (0..1 << 20).map(|_| random.next() as u8).collect();
        let error = refused(&garbage, &format!("garbage {round}"));
        assert!(matches!(error, OpenError::NotAPool { .. }), "{error}");
    }
    let zeros = refused(&[0; 1 << 20], "zeros");
    assert_eq!(zeros, OpenError::NotAPool { found: [0; 8] });

    let large = image_of(&create(1 << 20, &fixed()).close().expect("memory"));
    for len in [SMALLEST, SMALLEST + 1, 1 << 19, (1 << 20) - 1] {
        let error = refused(&large[..len as usize], &format!("cut to {len} bytes"));
        let (pool, medium) = (1 << 20, len);
        assert_eq!(error, OpenError::Truncated { pool, medium });
    }
    // Longer than the pool is no damage: a file may have been given room.
    let longer = [whole.as_slice(), &[0xee; 4096]].concat();
    assert!(open(&longer).is_ok());
}

#[test]
fn a14_another_layout_or_a_newer_format_is_refused_and_unchanged() {
    let sample = closed();
    let named = |name: &str| OpenOptions {
        layout: Some(LayoutName::new(name).expect("short")),
        ..OpenOptions::default()
    };
    assert!(open_unharmed(&sample.image, &named("bad input"), "its own name").is_ok());
    for name in ["", "bad inpu", "bad input ", "Bad input", "other"] {
        match open_unharmed(&sample.image, &named(name), name).map(drop) {
            Err(OpenError::LayoutMismatch { found, wanted }) => {
                assert_eq!((found.as_str(), wanted.as_str()), ("bad input", name));
            }
            other => panic!("{name:?}: {other:?}"),
        }
    }
    let with = |change: &dyn Fn(&mut Superblock)| {
        let mut image = sample.image.clone();
        for at in Superblock::AT {
            edit_superblock(&mut image, at, change);
        }
        image
    };
    for version in [2, 3, 0x100, u32::MAX] {
        let newer = with(&|superblock| superblock.version = version.into());
        let (found, newest) = (version, 1);
        let error = refused(&newer, &format!("version {version}"));
        assert_eq!(error, OpenError::Version { found, newest });
        // Whatever a newer version does with its checksum.
        let mut unsealed = sample.image.clone();
        for at in Superblock::AT {
            let at = at.get() as usize + 8;
            unsealed[at..at + 4].copy_from_slice(&version.to_le_bytes());
        }
        assert_eq!(refused(&unsealed, "the same, unsealed"), error);
    }
    for bit in [0, 17, 63] {
        let mask = 1u64 << bit;
        let incompat = with(&|superblock| superblock.incompat = mask.into());
        let error = refused(&incompat, "an unknown feature");
        assert!(
            matches!(error, OpenError::Features { incompat, ro_compat: 0 } if incompat == mask)
        );
        let ro_compat = with(&|superblock| superblock.ro_compat = mask.into());
        let error = refused(&ro_compat, "a feature that writers must know");
        assert!(
            matches!(error, OpenError::Features { incompat: 0, ro_compat } if ro_compat == mask)
        );
        let reader = OpenOptions {
            read_only: true,
            ..OpenOptions::default()
        };
        assert!(open_unharmed(&ro_compat, &reader, "read-only").is_ok());
        let compat = with(&|superblock| superblock.compat = mask.into());
        assert!(open_unharmed(&compat, &OpenOptions::default(), "harmless").is_ok());
    }
}

fn edit_superblock(image: &mut [u8], at: ByteOffset, change: &dyn Fn(&mut Superblock)) {
    let at = at.get() as usize;
    let bytes: &[u8; 512] = image[at..at + 512].try_into().expect("512 bytes");
    let mut superblock = Superblock::parse(bytes, ByteOffset::ZERO).expect("whole");
    change(&mut superblock);
    superblock.seal();
    image[at..at + 512].copy_from_slice(zerocopy_bytes(&superblock));
}

fn zerocopy_bytes(superblock: &Superblock) -> &[u8] {
    zerocopy::IntoBytes::as_bytes(superblock)
}

#[test]
fn a_pool_of_the_other_byte_order_is_refused_by_that_name() {
    let mut image = closed().image;
    for at in Superblock::AT {
        let at = at.get() as usize + 12;
        image[at..at + 4].reverse();
    }
    assert_eq!(refused(&image, "reversed"), OpenError::OtherEndian);
}

#[test]
fn geometries_that_cannot_be_are_refused_though_their_checksum_is_right() {
    let image = closed().image;
    type Change = fn(&mut Superblock);
    let changes: [(&str, Change); 12] = [
        ("no bytes", |s| s.len = 0.into()),
        ("more bytes than the medium", |s| {
            s.len = (1u64 << 20).into()
        }),
        ("all bytes there are", |s| s.len = u64::MAX.into()),
        ("a capacity below the size", |s| s.capacity_max = 1.into()),
        ("a capacity beyond all offsets", |s| {
            s.capacity_max = u64::MAX.into();
        }),
        ("no lanes", |s| s.lane_count = 0.into()),
        ("three lanes where two were made", |s| {
            s.lane_count = 3.into()
        }),
        ("lanes without end", |s| s.lane_count = u32::MAX.into()),
        ("slabs of no bytes", |s| s.slab_bytes = 0.into()),
        ("slabs of an odd size", |s| s.slab_bytes = 4097.into()),
        ("rings of no bytes", |s| s.ring_bytes = 0.into()),
        ("rings beyond the pool", |s| {
            s.ring_bytes = (1u64 << 30).into()
        }),
    ];
    for (what, change) in changes {
        let mut image = image.clone();
        for at in Superblock::AT {
            edit_superblock(&mut image, at, &change);
        }
        let error = refused(&image, what);
        assert!(
            matches!(error, OpenError::Corrupt(_) | OpenError::Truncated { .. }),
            "{what}: {error}"
        );
    }
}

#[test]
fn a_flipped_byte_in_one_superblock_copy_loses_nothing_and_is_mended() {
    for (name, sample) in samples() {
        for (copy, at) in Superblock::AT.into_iter().enumerate() {
            for byte in 0..512 {
                let mut image = sample.image.clone();
                image[at.get() as usize + byte] ^= 1 << (byte % 8);
                let what = format!("{name}: byte {byte} of superblock copy {copy}");
                let opened = open_unharmed(&image, &OpenOptions::default(), &what);
                let (engine, report) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(report.mended_copy, Some(copy), "{what}");
                let mended = image_of(engine.pool().media());
                assert!(mended[..512] == mended[4096..4608], "{what}");
                assert!(sample.content(&engine) == sample.expected, "{what}");
                if byte == 0 {
                    let (_again, report) = open(&mended).expect("mended");
                    assert_eq!(report.mended_copy, None);
                }
            }
        }
    }
}

#[test]
fn a_flipped_byte_in_both_superblock_copies_is_refused_by_name() {
    let sample = closed();
    for byte in 0..512 {
        for bit in 0..8 {
            let mut image = sample.image.clone();
            for at in Superblock::AT {
                image[at.get() as usize + byte] ^= 1 << bit;
            }
            let error = refused(&image, &format!("bit {bit} of byte {byte} of both copies"));
            let named = match byte {
                0..8 => matches!(error, OpenError::NotAPool { .. }),
                8..12 => matches!(error, OpenError::Version { .. } | OpenError::Corrupt(_)),
                _ => matches!(error, OpenError::Corrupt(_)),
            };
            assert!(named, "byte {byte}: {error}");
        }
    }
}

#[test]
fn a_flipped_byte_in_a_checkpoint_slot_is_refused_or_loses_nothing() {
    for (name, sample) in samples() {
        let geometry = geometry_of(&sample.image);
        let mut answers = [0; 2];
        for slot in 0..2 {
            let at = geometry.slot_at(slot).get() as usize;
            for byte in 0..64 + 8 * geometry.lane_count() as usize {
                let mut image = sample.image.clone();
                image[at + byte] ^= 1 << (byte % 8);
                let what = format!("{name}: byte {byte} of slot {slot}");
                match open_unharmed(&image, &OpenOptions::default(), &what) {
                    Ok(opened) => {
                        let newest = newest_slot(&sample.image, &geometry) == at;
                        if newest {
                            // The older slot may see more of the log; never other data.
                            assert!(
                                sample.content(&opened.0) == sample.expected,
                                "{what}: wrong data, silently"
                            );
                            assert_sound(&opened.0);
                        } else {
                            sample.assert_right(&opened, &what);
                        }
                        answers[0] += 1;
                    }
                    Err(error) => {
                        assert!(matches!(error, OpenError::Corrupt(_)), "{what}: {error}");
                        answers[1] += 1;
                    }
                }
            }
        }
        println!("{name}: {answers:?} opened and refused");
        assert!(answers[0] >= 80, "the older slot is of no use to anybody");
    }
}

#[test]
fn a_damaged_newest_slot_is_noticed_where_the_older_one_cannot_stand_in() {
    // An open retires the old log; what was committed since is known to its slot alone.
    let first = with_log();
    let (engine, _report) = open(&first.image).expect("recoverable");
    let block = first.blocks[0];
    let homes = image_of(engine.pool().media());
    let mut tx = engine.begin().expect("a lane");
    tx.write(block.start(), &[0x77; 60]).expect("inside");
    tx.commit().expect("committed");
    let geometry = engine.pool().geometry();
    let heap = geometry.heap_at().get() as usize;
    let mut image = image_of(&engine.abandon());
    image[heap..].copy_from_slice(&homes[heap..]);
    let (engine, _report) = open(&image).expect("undamaged");
    assert_eq!(bytes_at(&engine, block.start(), 1), [0x77]);
    let newest = newest_slot(&image, &geometry);
    image[newest + 16] ^= 1;
    let error = refused(&image, "the slot of the last open");
    assert!(matches!(error, OpenError::Corrupt(_)), "{error}");

    // A checkpoint lets the ring be reused; the older slot takes what was written over for its log.
    let engine = create(SMALLEST, &fixed());
    let block = put(&engine, 0, 1900, 0);
    let mut refusals = 0;
    // Two large commits fill the ring to its checkpoint; the small ones behind it go over the old log.
    for (round, len) in (1..60u8).zip([1900, 1900, 100, 100, 100].into_iter().cycle()) {
        let homes = image_of(engine.pool().media());
        let mut tx = engine.begin().expect("a lane");
        tx.write(block.start(), &[round; 1900][..len])
            .expect("inside");
        tx.commit().expect("committed");
        let mut image = image_of(engine.pool().media());
        let used = engine.log().status().used_bytes;
        if used > 0 {
            image[heap..].copy_from_slice(&homes[heap..]);
        }
        let newest = newest_slot(&image, &geometry);
        image[newest] ^= 2;
        match open_unharmed(
            &image,
            &OpenOptions::default(),
            "the last checkpoint's slot",
        ) {
            Ok((engine, _report)) => {
                let seen = bytes_at(&engine, block.start(), len);
                assert!(seen == vec![round; len], "round {round}: lost, silently");
            }
            Err(error) => {
                assert!(matches!(error, OpenError::Corrupt(_)), "{error}");
                refusals += 1;
            }
        }
    }
    assert!((1..50).contains(&refusals), "{refusals} refusals");
}

#[test]
fn g2_a_flipped_byte_of_a_record_is_treated_as_torn_and_not_replayed() {
    for (name, sample) in [
        ("commits", with_log()),
        ("before-images", with_open_transaction()),
    ] {
        let found = records(&sample.image);
        assert!(found.len() >= 3, "{name}: {found:?}");
        for (number, record) in found.iter().enumerate() {
            for byte in 0..record.len {
                let mut image = sample.image.clone();
                image[record.at + byte] ^= 1 << (byte % 8);
                let what = format!("{name}: byte {byte} of record {number}");
                let opened = open_unharmed(&image, &OpenOptions::default(), &what);
                let (engine, report) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
                let seen = report.recovery;
                if name == "commits" {
                    // Exactly those before it: 0x44 to the first, 0x55 to the second, 0x66 to the first object.
                    assert_eq!(seen.redone, number as u64, "{what}");
                    let first = [0x11, 0x44, 0x44][number];
                    let second = [0x22, 0x22, 0x55][number];
                    let [small, middle, _huge] = sample.blocks;
                    assert_eq!(bytes_at(&engine, small.start(), 60), [first; 60], "{what}");
                    assert_eq!(
                        bytes_at(&engine, middle.start(), 60),
                        [second; 60],
                        "{what}"
                    );
                } else {
                    assert_eq!(seen.undone, u64::from(number > 0), "{what}");
                }
                assert_sound(&engine);
            }
        }
        // What lies behind a record's length is padding, and not looked at.
        let padded = found
            .iter()
            .find(|record| record.len % 64 != 0)
            .expect("one with padding");
        let mut image = sample.image.clone();
        image[padded.at + padded.len] ^= 1;
        let opened = open_unharmed(&image, &OpenOptions::default(), "padding");
        sample.assert_right(&opened.expect("harmless"), "padding");
    }
}

#[test]
fn g3_torn_tail_a_log_cut_at_every_length_opens_with_the_committed_prefix() {
    let sample = with_log();
    let found = records(&sample.image);
    let geometry = geometry_of(&sample.image);
    let lane = found[0].lane;
    let ring = geometry.ring_at(lane).get() as usize;
    let end = found
        .last()
        .map(|record| record.at + record.len)
        .expect("3");
    let mut seen_prefixes = [0; 4];
    for (kind, rest) in [("zeros", 0u8), ("what was there before", 0xa5)] {
        for cut in found[0].at..=end {
            let mut image = sample.image.clone();
            image[cut..ring + geometry.ring_bytes() as usize].fill(rest);
            let what = format!("the log cut at {cut}, then {kind}");
            let opened = open_unharmed(&image, &OpenOptions::default(), &what);
            let (engine, report) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
            let whole = found
                .iter()
                .filter(|record| {
                    // A record whose missing bytes happen to be what stands there is whole.
                    image[record.at..record.at + record.len]
                        == sample.image[record.at..record.at + record.len]
                })
                .count();
            assert_eq!(report.recovery.redone, whole as u64, "{what}");
            let [small, middle, huge] = sample.blocks;
            let first = [0x11, 0x44, 0x44, 0x66][whole];
            let second = [0x22, 0x22, 0x55, 0x55][whole];
            assert_eq!(bytes_at(&engine, small.start(), 60), [first; 60], "{what}");
            assert_eq!(
                bytes_at(&engine, middle.start(), 60),
                [second; 60],
                "{what}"
            );
            assert_eq!(
                bytes_at(&engine, huge.start(), 5000),
                [0x33; 5000],
                "{what}"
            );
            assert_sound(&engine);
            seen_prefixes[whole] += 1;
        }
    }
    assert!(seen_prefixes.iter().all(|count| *count > 0));
}

#[test]
fn a_flipped_bit_in_the_slab_map_or_a_slab_header_is_found_by_check() {
    let sample = closed();
    let geometry = geometry_of(&sample.image);
    let mut damaged: Vec<(String, usize)> = Vec::new();
    let mut slabs = 0;
    for slab in 0..geometry.slab_count() {
        let word = image_tools::u64_at(&sample.image, geometry.head_word_at(slab).get() as usize);
        let head = word >> slab & 1 == 1;
        let entry_at = geometry.entry_at(slab).get() as usize;
        if head {
            slabs += 1;
            let entry = MapEntry(image_tools::u64_at(&sample.image, entry_at));
            damaged.extend((0..8).map(|byte| (format!("entry {slab}"), entry_at + byte)));
            if let Some(MapEntryKind::Slab { .. }) = entry.decode(slab) {
                let at = geometry.slab_at(slab).get() as usize;
                let header = 0..size_of::<SlabHeader>();
                damaged.extend(header.map(|byte| (format!("header {slab}"), at + byte)));
            }
        }
    }
    assert_eq!(slabs, 3, "two slabs and a run");
    for (what, base) in [
        ("used bits", geometry.used_word_at(0)),
        ("head bits", geometry.head_word_at(0)),
    ] {
        // All slabs of the pool, and those behind its end in the last word.
        damaged.extend((0..8).map(|byte| (what.to_string(), base.get() as usize + byte)));
    }
    for (what, at) in damaged {
        for bit in 0..8 {
            let mut image = sample.image.clone();
            image[at] ^= 1 << bit;
            let what = format!("{what}, byte {at:#x}, bit {bit}");
            let opened = open_unharmed(&image, &OpenOptions::default(), &what);
            let (engine, _report) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
            let mut problems = Vec::new();
            let report = engine.check(|problem| problems.push(problem));
            assert!(!problems.is_empty(), "{what}: not found");
            assert_eq!(report.problems, problems.len() as u64);
            exercise(&engine, &what);
        }
    }
}

/// Whatever the damage, no operation panics or hangs.
fn exercise(engine: &Engine<Ram>, what: &str) {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        engine.stats().map(drop).unwrap_or_default();
        engine.for_each_live(|_object| ()).unwrap_or_default();
        for index in 0..4 {
            let at = engine.root(slot(index));
            let mut bytes = [0; 64];
            engine.read(at, &mut bytes).unwrap_or_default();
            let Ok(mut tx) = engine.begin() else { return };
            let freed = tx.free(at);
            let block = tx.alloc(Request::new(64 << index));
            if let Ok(block) = &block {
                tx.write(block.start(), &[index; 64]).unwrap_or_default();
            }
            if freed.is_ok() || block.is_ok() {
                tx.commit().map(drop).unwrap_or_default();
            }
        }
        if let Ok(reservation) = engine.reserve(Request::new(5000)) {
            reservation.cancel();
        }
        engine.checkpoint().map(drop).unwrap_or_default();
    }));
    assert!(outcome.is_ok(), "{what}: an operation panicked");
}

#[test]
fn bits_that_stand_for_no_object_are_found_by_check() {
    let sample = closed();
    let geometry = geometry_of(&sample.image);
    let slab_at = sample.blocks[1].start().get() / 4096 * 4096;
    let words = image_tools::u32_at(&sample.image, slab_at as usize + 28);
    let objects = image_tools::u32_at(&sample.image, slab_at as usize + 20);
    assert!(objects < words * 64, "room for such bits");
    let mut image = sample.image.clone();
    let last = SlabHeader::bitmap_word_at(ByteOffset::new(slab_at), words - 1).get() as usize;
    image[last + 7] |= 0x80;
    let (engine, _report) = open(&image).expect("not looked at by open");
    let mut problems = Vec::new();
    engine.check(|problem| problems.push(problem));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(geometry.heap().contains(range(problems[0].at, 8)));
    assert_eq!(engine.stats().expect("readable").heap.objects, 3);
}

#[test]
fn a_medium_shorter_than_a_line_is_refused_without_a_look() {
    for len in 0..64 {
        let ram = Ram::new(ByteLen::new(len));
        let refused = Engine::open(&ram, &OpenOptions::default()).map(drop);
        assert_eq!(refused, Err(OpenError::TooShort { len }));
    }
}
