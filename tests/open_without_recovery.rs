//! An open without recovery: nothing is replayed, not one byte is stored, and a log that holds something is refused
//! unless the open is forced.

mod image_tools;

use everline::alloc::Request;
use everline::engine::{Engine, OpenOptions, Recovery};
use everline::layout::RecordKind;
use everline::log::LogItem;
use everline::media::{Cost, Counted};
use everline::pool::OpenError;
use everline::tx::TxError;
use image_tools::{assert_sound, bytes_at, create, fixed, image_of, put, ram_of, range, slot};

const LEN: u64 = 256 << 10;

fn without(forced: bool) -> OpenOptions {
    OpenOptions {
        recovery: Recovery::None { forced },
        ..OpenOptions::default()
    }
}

/// A pool that nobody closed: one transaction committed, one open in place.
fn cut() -> Vec<u8> {
    let engine = create(LEN, &fixed());
    let block = put(&engine, 0, 100, 7);
    engine.checkpoint().expect("memory does not fail");
    put(&engine, 1, 100, 8);
    let mut tx = engine.begin().expect("a lane");
    let mut place = tx.snapshot(&[range(block.start(), 8)]).expect("room");
    place.store64(block.start(), 0).expect("snapshotted");
    let image = image_of(engine.pool().media());
    drop(tx);
    image
}

#[test]
fn g6_without_recovery_not_one_byte_is_stored() {
    let engine = create(LEN, &fixed());
    let block = put(&engine, 0, 100, 7);
    let closed = image_of(&engine.close().expect("memory does not fail"));
    for (image, forced) in [(closed.clone(), false), (closed, true), (cut(), true)] {
        let media = Counted::new(ram_of(&image));
        let opened = Engine::open(&media, &without(forced)).map(|(engine, report)| {
            assert!(engine.is_read_only());
            assert_eq!(report.recovery.redone + report.recovery.undone, 0);
            bytes_at(&engine, block.start(), 100)
        });
        assert_eq!(opened.expect("a pool").len(), 100);
        assert_eq!(media.cost(), Cost::default(), "not a store, flush or fence");
        assert!(image_of(&media) == image);
    }
}

#[test]
fn g6_a_log_that_holds_something_is_refused_unless_forced() {
    let image = cut();
    let media = Counted::new(ram_of(&image));
    let refused = Engine::open(&media, &without(false)).map(drop);
    let Err(OpenError::NotRecovered { bytes }) = refused else {
        panic!("{refused:?}");
    };
    assert!(bytes > 0 && bytes % 64 == 0, "{bytes}");
    assert!(
        refused
            .expect_err("refused")
            .to_string()
            .contains(&format!("{bytes} bytes"))
    );
    assert_eq!(media.cost(), Cost::default());

    let (engine, report) = Engine::open(ram_of(&image), &without(true)).expect("forced");
    assert_eq!(report.recovery.log_bytes, bytes);
    assert_eq!(engine.log().status().used_bytes, bytes, "it still waits");
    // What the open transaction stored in place is seen, since nothing was rolled back.
    let at = engine.root(slot(0));
    assert_eq!(bytes_at(&engine, at, 8), [0; 8]);

    let (engine, report) = image_tools::open(&image).expect("recovers as ever");
    assert_eq!((report.recovery.redone, report.recovery.undone), (1, 1));
    assert_eq!(report.recovery.log_bytes, bytes);
    assert_eq!(bytes_at(&engine, at, 8), [7; 8]);
    assert_sound(&engine);
}

#[test]
fn g6_without_recovery_every_change_is_refused() {
    let engine = create(LEN, &fixed());
    put(&engine, 0, 100, 7);
    let last = engine.log().status();
    let ram = engine.close().expect("memory does not fail");
    let image = image_of(&ram);
    let (engine, _) = Engine::open(ram, &without(false)).expect("closed");
    assert_eq!(engine.log().status().last_timestamp, last.last_timestamp);
    assert!(matches!(engine.begin().map(drop), Err(TxError::ReadOnly)));
    assert!(matches!(engine.checkpoint(), Err(TxError::ReadOnly)));
    assert!(engine.grow(2 * LEN).is_err());
    assert_sound(&engine);
    let ram = engine.close().expect("nothing to do");
    assert!(image_of(&ram) == image);
    // The next open with recovery goes on where the last one stopped.
    let (engine, _) = Engine::open(ram, &OpenOptions::default()).expect("a pool");
    let mut tx = engine.begin().expect("a lane");
    tx.alloc(Request::new(64)).expect("space");
    assert!(tx.commit().expect("committed").timestamp > last.last_timestamp);
}

#[test]
fn g6_damage_is_told_and_not_mended_without_recovery() {
    let engine = create(LEN, &fixed());
    put(&engine, 0, 100, 7);
    let geometry = engine.pool().geometry();
    let mut image = image_of(&engine.close().expect("memory does not fail"));
    // A superblock copy.
    image[8] ^= 1;
    let media = ram_of(&image);
    let (engine, report) = Engine::open(&media, &without(false)).expect("the other copy serves");
    assert_eq!(report.mended_copy, None);
    let mut told = Vec::new();
    engine.check(|problem| told.push(problem.at.get()));
    assert_eq!(told, [0]);
    drop(engine);
    assert!(image_of(&media) == image);
    // The newer checkpoint slot: what it let go of is believed by nobody.
    image[8] ^= 1;
    for index in 0..2 {
        let mut damaged = image.clone();
        damaged[geometry.slot_at(index).get() as usize] ^= 1;
        let media = ram_of(&damaged);
        let opened = Engine::open(&media, &without(false)).map(|(engine, _)| {
            let mut problems = 0;
            engine.check(|_| problems += 1);
            problems
        });
        assert!(!matches!(opened, Ok(0)), "slot {index}: {opened:?}");
        assert!(image_of(&media) == damaged);
    }
}

#[test]
fn l6_the_log_is_listed_record_by_record() {
    let image = cut();
    let (engine, report) = Engine::open(ram_of(&image), &without(true)).expect("forced");
    let (mut commits, mut undos, mut written) = (Vec::new(), 0, Vec::new());
    let walked = engine.log().records(engine.pool(), |item| match item {
        LogItem::Record(entry) => match entry.kind {
            RecordKind::Commit => commits.extend(entry.timestamp),
            RecordKind::Undo => undos += 1,
            _ => {}
        },
        LogItem::Op(op) => written.push(op.range),
    });
    walked.expect("whole");
    assert_eq!(commits, [report.recovery.last_timestamp]);
    assert_eq!(undos, 1);
    // The block that the commit filled is not recovered yet; its place is in the record.
    let (recovered, _) = image_tools::open(&image).expect("recovers");
    let block = recovered.root(slot(1)).get();
    assert!(
        written.iter().any(|range| range.start().get() == block),
        "{written:?}"
    );
    let mut left = 0;
    let walked = recovered.log().records(recovered.pool(), |_| left += 1);
    assert_eq!(
        (walked, left),
        (Ok(()), 0),
        "recovery has retired all of it"
    );
    put(&recovered, 2, 8, 9);
    let walked = recovered.log().records(recovered.pool(), |_| left += 1);
    assert!(walked.is_ok() && left > 1, "{left}");
}
