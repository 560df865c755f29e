//! Directories that cannot be right: refused with place and reason, never a panic (I12).

mod tools;

use everline::layout::RootSlot;
use everline::media::{Media, Ram};
use everline::tx::TxError;
use everline::units::ByteOffset;
use everline_region::{RegionError, RegionProblem, Regions};
use tools::*;

/// Does everything there is to do; only what it must not do is of interest.
fn try_everything(regions: &Regions<Ram>, id: everline_region::RegionId) {
    drop(regions.count());
    drop(regions.list());
    drop(regions.by_name("name"));
    drop(regions.info(id));
    drop(regions.read_all(id));
    drop(regions.read(id, 0, &mut [0; 8]));
    drop(regions.rename(id, "name"));
    regions.check(|_| ());
}

#[test]
fn keeps_i12_a_flipped_byte_of_the_directory_is_told_and_harms_nothing() {
    let build = || {
        let regions = ram(256 << 10);
        let id = regions.put("name", &pattern(100, 1)).expect("space");
        let gone = regions.put("gone", &pattern(100, 2)).expect("space");
        regions.destroy(gone).expect("there");
        regions.engine().checkpoint().expect("no failing fence");
        (regions, id)
    };
    let (regions, id) = build();
    let root = regions.engine().root(RootSlot::REGIONS);
    let mut word = [0; 8];
    let first = ByteOffset::new(root.get() + 40);
    regions
        .engine()
        .read(first, &mut word)
        .expect("in the pool");
    let block = u64::from_le_bytes(word);
    let mut told = 0;
    let word48 = |at: u64| {
        let mut bytes = [0; 8];
        let read = regions.engine().read(ByteOffset::new(at), &mut bytes[..6]);
        read.expect("in the pool");
        u64::from_le_bytes(bytes)
    };
    let tail = word48(block + 32);
    // the root, the live entry and its name, the free one and one that was never used
    let places = (root.get()..root.get() + 1640)
        .chain(block..block + 144)
        .chain(tail..tail + 12);
    for place in places {
        let at = ByteOffset::new(place);
        for flip in [0x01, 0x80, 0xFF] {
            let media = regions.engine().pool().media();
            let right = media.load8(at);
            media.store8(at, right ^ flip);
            try_everything(&regions, id);
            let mut problems = 0;
            let report = regions.check(|problem| {
                problems += 1;
                assert!(!problem.to_string().is_empty());
            });
            assert_eq!(report.problems, problems);
            assert!(problems > 0, "{place:#x}: {flip:#x} went unnoticed");
            told += 1;
            media.store8(at, right);
        }
    }
    assert!(told > 1000);
    assert_eq!(regions.read_all(id), Ok(pattern(100, 1)));
    assert_clean(&regions);
}

#[test]
fn keeps_i12_random_damage_never_panics() {
    let mut random = Random(12);
    for _ in 0..300 {
        let regions = ram(128 << 10);
        let mut id = regions.put("name", &pattern(100, 1)).expect("space");
        for number in 0..20 {
            id = regions.put(&format!("{number}"), b"bytes").expect("space");
        }
        let heap = regions.engine().pool().geometry().heap();
        let media = regions.engine().pool().media();
        for _ in 0..200 {
            let at = heap.start().get() + random.below(heap.len().get());
            media.store8(ByteOffset::new(at), random.next() as u8);
        }
        try_everything(&regions, id);
        drop(regions.put("another", b"bytes"));
        drop(regions.destroy(id));
    }
}

#[test]
fn a_lost_object_is_told_unless_somebody_else_may_own_it() {
    let regions = ram(256 << 10);
    regions.put("name", b"bytes").expect("space");
    let mut tx = regions.engine().begin().expect("a lane");
    let lost = tx.alloc(everline::alloc::Request::new(100)).expect("space");
    tx.commit().expect("room in the log");
    let mut told = Vec::new();
    let report = regions.check(|problem| told.push(problem));
    assert_eq!(told, [RegionProblem::Orphan { range: lost }]);
    assert_eq!((report.orphans, report.orphan_bytes), (1, lost.len().get()));

    let mut tx = regions.engine().begin().expect("a lane");
    tx.set_root(RootSlot::user(0).expect("one of 48"), lost.start())
        .expect("a root slot");
    tx.commit().expect("room in the log");
    let report = regions.check(|problem| panic!("{problem}"));
    assert_eq!((report.orphans, report.foreign), (0, 1));
}

#[test]
fn a_region_whose_block_is_gone_is_told_and_cannot_be_freed_twice() {
    let regions = ram(256 << 10);
    let id = regions.put("name", &[1; 100]).expect("space");
    let at = regions.info(id).expect("there").at;
    let mut tx = regions.engine().begin().expect("a lane");
    tx.free(at).expect("live");
    tx.commit().expect("room in the log");
    let mut told = Vec::new();
    regions.check(|problem| told.push(problem));
    assert!(
        matches!(told[..], [RegionProblem::BlockNotOwned { .. }]),
        "{told:?}"
    );
    let refused = regions.destroy(id);
    assert!(
        matches!(refused, Err(RegionError::Corrupt(_))),
        "{refused:?}"
    );
}

#[test]
fn errors_say_what_and_what_to_do() {
    let regions = ram(128 << 10);
    let id = regions.put("name", b"bytes").expect("space");
    let say = |outcome: Result<(), RegionError<_>>| outcome.expect_err("refused").to_string();
    let text = say(regions.write(id, 3, b"long"));
    assert!(
        text.contains(&id.to_string()) && text.contains("which has 5"),
        "{text}"
    );
    let text = say(regions.create(1 << 30, &UNNAMED).map(drop));
    assert!(text.contains("no space"), "{text}");
    let other: RegionError<std::convert::Infallible> = TxError::NoLane.into();
    assert!(other.to_string().contains("lane"));
}

#[test]
fn a_directory_from_before_the_first_release_is_refused_by_name() {
    let regions = ram(256 << 10);
    regions.put("name", b"bytes").expect("space");
    let root = regions.engine().root(RootSlot::REGIONS);
    let media = regions.engine().pool().media();
    media.write(root, b"REGIONS\x01");
    let (engine, _) = everline::engine::Engine::open(
        regions.into_engine().abandon(),
        &everline::engine::OpenOptions::default(),
    )
    .expect("a pool");
    let refused = Regions::open(engine).expect_err("an old directory");
    assert!(matches!(refused, RegionError::Corrupt(_)), "{refused:?}");
    assert!(refused.to_string().contains("before the first release"));
}
