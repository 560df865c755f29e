//! Golden images of format version 1: pools that were written once, must open for ever, and are written the same today.
//!
//! An image is text: a line for each 64 bytes that are not all zero, `offset: hex`. `EVERLINE_BLESS=1` writes an image
//! that is missing and never one that is there: to change it is to break the format, and takes a new version beside it.

mod image_tools;

use std::fmt::Write as _;
use std::path::PathBuf;

use everline::alloc::Request;
use everline::engine::Engine;
use everline::layout::{FORMAT_VERSION, RootSlot};
use everline::media::Ram;
use everline::tx::Tx;
use everline::units::{ByteOffset, ByteRange};
use image_tools::{
    SMALLEST, assert_sound, bytes_at, create, fixed, image_of, open, put, range, slot,
};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.v{FORMAT_VERSION}.txt"))
}

fn to_text(image: &[u8]) -> String {
    let mut text = format!("{} bytes\n", image.len());
    for (number, line) in image.chunks(64).enumerate() {
        if line.iter().any(|byte| *byte != 0) {
            write!(text, "{:06x}:", number * 64).expect("memory");
            for word in line.chunks(8) {
                text.push(' ');
                for byte in word {
                    write!(text, "{byte:02x}").expect("memory");
                }
            }
            text.push('\n');
        }
    }
    text
}

fn of_text(text: &str) -> Vec<u8> {
    let mut lines = text.lines();
    let head = lines.next().expect("a first line");
    let len = head
        .strip_suffix(" bytes")
        .and_then(|len| len.parse().ok())
        .expect("N bytes");
    let mut image = vec![0; len];
    for line in lines {
        let (offset, hex) = line.split_once(':').expect("offset: hex");
        let start = usize::from_str_radix(offset, 16).expect("hex");
        let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        for (byte, pair) in image[start..].iter_mut().zip(digits.chunks(2)) {
            *byte = (pair[0] << 4 | pair[1]) as u8;
        }
    }
    image
}

/// The golden image, which must be what today's code writes.
#[track_caller]
fn golden(name: &str, written_today: &[u8]) -> Vec<u8> {
    let path = path(name);
    if !path.exists() && std::env::var_os("EVERLINE_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, to_text(written_today)).expect("tests/golden is writable");
    }
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let image = of_text(&text);
    assert_eq!(text, to_text(&image), "{name} is not in its own form");
    let same = image == written_today;
    let differing = text
        .lines()
        .filter(|line| !to_text(written_today).contains(line));
    assert!(
        same,
        "{name} is written differently today; golden lines that are gone:\n{}",
        differing.collect::<Vec<_>>().join("\n")
    );
    image
}

/// A transaction on lane 0 or 1: which one a thread gets first is not the image's business.
fn begin_on(engine: &Engine<Ram>, lane: u32) -> Tx<'_, Ram> {
    let first = engine.begin().expect("a lane");
    if first.id().0 == lane {
        return first;
    }
    let second = engine.begin().expect("the other lane");
    assert_eq!(second.id().0, lane);
    second
}

/// Three objects: two of classes, one huge; a root slot for each.
fn three_objects(engine: &Engine<Ram>) -> [ByteRange; 3] {
    let mut tx = begin_on(engine, 0);
    let blocks = [(64, 0x11), (100, 0x22), (4500, 0x33)].map(|(len, fill)| {
        let block = tx.alloc(Request::new(len)).expect("space");
        tx.write_fresh(block.start(), &vec![fill; len as usize])
            .expect("inside");
        block
    });
    for (block, index) in blocks.iter().zip(0..) {
        tx.set_root(slot(index), block.start()).expect("a slot");
    }
    tx.commit().expect("committed");
    engine.checkpoint().expect("memory does not fail");
    blocks
}

/// Puts homes back to what they held before, as a power cut may: only the log knows what was committed.
fn lose_homes(engine: &Engine<Ram>, before: &[u8], image: &mut [u8]) {
    let geometry = &engine.pool().geometry();
    let shared = geometry.shared_at().get() as usize;
    let map = geometry.slab_map().start().get() as usize;
    image[shared..shared + 512].copy_from_slice(&before[shared..shared + 512]);
    image[map..].copy_from_slice(&before[map..]);
}

#[test]
fn a_fresh_pool_of_version_1_is_written_and_opened_as_ever() {
    let image = image_of(&create(SMALLEST, &fixed()).abandon());
    let image = golden("fresh", &image);
    let (engine, report) = open(&image).expect("version 1 opens");
    assert_eq!(report.len, SMALLEST);
    let seen = report.recovery;
    assert_eq!((seen.redone, seen.undone, seen.log_bytes), (0, 0, 0));
    assert_eq!((seen.epoch, seen.last_timestamp), (3, 0));
    assert_eq!(report.mended_copy, None);
    let (pool, identity) = (engine.pool(), image_tools::identity());
    assert_eq!((*pool.id(), *pool.key()), (identity.pool_id, identity.key));
    assert_eq!(pool.created_s(), 1_700_000_000);
    assert_eq!(pool.layout_name().as_str(), "");
    let geometry = &pool.geometry();
    assert_eq!((geometry.lane_count(), geometry.ring_bytes()), (2, 4096));
    assert_eq!((geometry.slab_bytes(), geometry.slab_count()), (4096, 8));
    assert_eq!(engine.stats().expect("sound").heap.objects, 0);
    assert_eq!(engine.root(RootSlot::REGIONS).get(), 0);
    assert_sound(&engine);
    put(&engine, 0, 64, 1);
}

#[test]
fn a_pool_of_version_1_with_a_log_is_written_and_recovered_as_ever() {
    let engine = create(SMALLEST, &fixed());
    let [small, other, huge] = three_objects(&engine);
    let before = image_of(engine.pool().media());
    // Every kind of op: WRITE (short and long), SET, CLEAR, COVER.
    let mut tx = begin_on(&engine, 1);
    tx.write(small.start(), &[0x44; 61]).expect("inside");
    tx.free(other.start()).expect("live");
    tx.set_root(slot(1), ByteOffset::ZERO).expect("a slot");
    tx.commit().expect("committed");
    let mut tx = begin_on(&engine, 0);
    let fresh = tx.alloc(Request::new(700)).expect("space");
    tx.write_fresh(fresh.start(), &[0x55; 700]).expect("inside");
    tx.set_root(slot(3), fresh.start()).expect("a slot");
    tx.commit().expect("committed");
    let mut tx = begin_on(&engine, 1);
    let part = range(huge.start(), 200);
    tx.snapshot(&[part])
        .expect("room")
        .fill(part, 0x66)
        .expect("covered");
    tx.commit().expect("committed");
    let mut image = image_of(engine.pool().media());
    let at = fresh.start().get() as usize;
    lose_homes(&engine, &before, &mut image);
    image[at..at + 700].fill(0x55); // durable before the COVER that speaks of it

    let image = golden("log", &image);
    let (engine, report) = open(&image).expect("version 1 opens");
    let seen = report.recovery;
    assert_eq!((seen.redone, seen.undone), (3, 0));
    assert_eq!((seen.epoch, seen.last_timestamp), (3, 4));
    assert_eq!(seen.log_bytes, 960);
    assert_eq!(bytes_at(&engine, small.start(), 64), {
        let mut bytes = [0x44; 64];
        bytes[61..].fill(0x11);
        bytes
    });
    assert_eq!(bytes_at(&engine, huge.start(), 201)[199..], [0x66, 0x33]);
    assert_eq!(bytes_at(&engine, fresh.start(), 700), [0x55; 700]);
    assert_eq!(engine.root(slot(1)).get(), 0);
    assert_eq!(engine.root(slot(3)), fresh.start());
    assert_eq!(engine.stats().expect("sound").heap.objects, 3);
    assert_sound(&engine);
}

#[test]
fn a_pool_of_version_1_with_an_open_undo_transaction_is_written_and_undone_as_ever() {
    let engine = create(SMALLEST, &fixed());
    let [small, other, huge] = three_objects(&engine);
    let mut tx = begin_on(&engine, 0);
    tx.write(other.start(), &[0x77; 100]).expect("inside");
    tx.commit().expect("committed");
    let mut tx = begin_on(&engine, 1);
    for part in [
        range(small.start(), 64),
        range(huge.start(), 333),
        range(ByteOffset::new(huge.start().get() + 300), 40),
    ] {
        tx.snapshot(&[part])
            .expect("room")
            .fill(part, 0x88)
            .expect("covered");
    }
    tx.alloc(Request::new(64)).expect("space");
    std::mem::forget(tx);
    let image = image_of(&engine.abandon());

    let image = golden("undo", &image);
    let at = huge.start().get() as usize;
    assert_eq!(image[at..at + 340], [0x88; 340], "stored in place");
    let (engine, report) = open(&image).expect("version 1 opens");
    let seen = report.recovery;
    assert_eq!((seen.redone, seen.undone), (1, 1));
    assert_eq!((seen.epoch, seen.last_timestamp), (3, 2));
    assert_eq!(bytes_at(&engine, small.start(), 64), [0x11; 64]);
    assert_eq!(bytes_at(&engine, other.start(), 100), [0x77; 100]);
    assert_eq!(bytes_at(&engine, huge.start(), 4500), [0x33; 4500]);
    assert_eq!(engine.stats().expect("sound").heap.objects, 3);
    assert_sound(&engine);
}

#[test]
fn the_text_of_an_image_is_the_image() {
    let mut image = vec![0; 4096];
    image[64] = 0xa5;
    image[4095] = 1;
    let text = to_text(&image);
    assert_eq!(text.lines().count(), 3);
    assert!(of_text(&text) == image);
}
