//! Repair and salvage: one damaged place after another, what is done about it, and that everything can be read afterwards.

mod image_tools;

use everline::alloc::HeapRepair;
use everline::engine::{
    Engine, OpenOptions, Repair, RepairError, RepairPlan, apply, plan, salvage,
};
use everline::layout::{ClassTable, Geometry, MapEntry, MapEntryKind};
use everline::pool::OpenError;
use everline::units::ByteOffset;
use everline_crash::{CrashMedia, Explorer};
use image_tools::{
    KIB, SMALLEST, assert_sound, bytes_at, create, fixed, geometry_of, image_of, open, put, ram_of,
    slot, u64_at,
};

const OBJECTS: [(u8, usize); 5] = [(0, 64), (1, 300), (2, 9000), (3, 16), (4, 1000)];

fn closed() -> Vec<u8> {
    let engine = create(SMALLEST, &fixed());
    for (index, len) in OBJECTS {
        put(&engine, index, len, index + 1);
    }
    image_of(&engine.close().expect("memory does not fail"))
}

/// Every object is where it was and as it was.
fn assert_readable<M: everline::media::Media>(engine: &Engine<M>) {
    for (index, len) in OBJECTS {
        let at = engine.root(slot(index));
        assert_eq!(bytes_at(engine, at, len), vec![index + 1; len], "{index}");
    }
}

/// Repairs the image as planned; answers the plan and the pool.
fn repaired(image: &[u8]) -> (RepairPlan, Vec<u8>) {
    let planned = plan(&ram_of(image)).expect("there is a superblock");
    let ram = ram_of(image);
    assert_eq!(apply(&ram, &planned), Ok(Vec::new()));
    let image = image_of(&ram);
    let (engine, _) = open(&image).expect("repaired");
    assert_sound(&engine);
    assert_readable(&engine);
    (planned, image)
}

/// Slabs of small objects and the first of the huge one.
fn slabs(image: &[u8], geometry: &Geometry) -> (Vec<u64>, u64) {
    let is_head = |slab: &u64| {
        u64_at(image, geometry.head_word_at(*slab).get() as usize) >> (slab % 64) & 1 == 1
    };
    let kind =
        |slab: &u64| MapEntry(u64_at(image, geometry.entry_at(*slab).get() as usize)).decode(*slab);
    let heads: Vec<u64> = (0..geometry.slab_count()).filter(is_head).collect();
    let is_huge = |slab: &u64| matches!(kind(slab), Some(MapEntryKind::Huge { .. }));
    let huge = heads.iter().copied().find(is_huge).expect("one");
    let small = heads.into_iter().filter(|slab| !is_huge(slab)).collect();
    (small, huge)
}

#[test]
fn e8_a_pool_that_is_well_needs_nothing() {
    let (planned, _) = repaired(&closed());
    assert!(planned.is_empty(), "{planned:?}");
}

#[test]
fn e8_one_damaged_place_is_restored_or_isolated_and_everything_is_readable() {
    let image = closed();
    let geometry = geometry_of(&image);
    let (small, huge) = slabs(&image, &geometry);
    let at = |place: ByteOffset| place.get() as usize;
    let bit =
        |word: ByteOffset, slab: u64| (at(word) + (slab % 64 / 8) as usize, 1u8 << (slab % 8));
    let heap = Repair::Heap;
    let mut cases = vec![
        (100, 0xff, Repair::SuperblockCopy),
        (4096 + 100, 0xff, Repair::SuperblockCopy),
        (2000, 0xff, Repair::Unused),
        (
            at(geometry.entry_at(huge)) + 2,
            0xff,
            heap(HeapRepair::Isolated { slabs: 3 }),
        ),
    ];
    for slab in small {
        let mut case = |(at, mask), repair| cases.push((at, mask, heap(repair)));
        case(
            (at(geometry.slab_at(slab)) + 20, 0xff),
            HeapRepair::HeaderRestored,
        );
        case(
            (at(geometry.entry_at(slab)) + 1, 0xff),
            HeapRepair::EntryRestored,
        );
        case(
            bit(geometry.head_word_at(slab), slab),
            HeapRepair::MarksRestored,
        );
        case(
            bit(geometry.used_word_at(slab), slab),
            HeapRepair::MarksRestored,
        );
        let table = ClassTable::new(geometry.slab_bytes());
        let entry = MapEntry(u64_at(&image, at(geometry.entry_at(slab))));
        let Some(MapEntryKind::Slab { class }) = entry.decode(slab) else {
            panic!("a slab of a class");
        };
        let words = table.shape(class).expect("a class").bitmap_words;
        let last = at(geometry.slab_at(slab)) + 64 + words as usize * 8 - 1;
        case((last, 0x80), HeapRepair::StrayBitsCleared);
    }
    for slab in huge..huge + 3 {
        let word = geometry.used_word_at(slab);
        let (at, mask) = bit(word, slab);
        cases.push((at, mask, heap(HeapRepair::MarksRestored)));
        let (at, mask) = bit(geometry.head_word_at(slab), slab);
        cases.push((at, mask, heap(HeapRepair::MarksRestored)));
    }
    let beyond = geometry.slab_count() + 1;
    let (at, mask) = bit(geometry.used_word_at(beyond), beyond);
    cases.push((at, mask, heap(HeapRepair::StrayBitsCleared)));
    for (at, mask, expected) in cases {
        let mut damaged = image.clone();
        damaged[at] ^= mask;
        let (planned, _) = repaired(&damaged);
        let repairs: Vec<Repair> = planned.findings.iter().map(|found| found.repair).collect();
        assert_eq!(repairs, [expected], "{at:#x}");
    }
}

#[test]
fn e8_a_damaged_slot_is_restored_and_two_cost_the_log() {
    let image = closed();
    let geometry = geometry_of(&image);
    let at = [0, 1].map(|index| geometry.slot_at(index).get() as usize + 40);
    for (index, at) in at.into_iter().enumerate() {
        let mut damaged = image.clone();
        damaged[at] ^= 1;
        let (planned, _) = repaired(&damaged);
        assert_eq!(planned.findings.len(), 1, "slot {index}: {planned:?}");
    }
    let mut damaged = image;
    at.iter().for_each(|at| damaged[*at] ^= 1);
    assert!(matches!(open(&damaged), Err(OpenError::Corrupt(_))));
    let (planned, _) = repaired(&damaged);
    assert_eq!(planned.findings[0].repair, Repair::LogGivenUp);
    assert!(planned.findings[0].repair.costs().is_some());
}

#[test]
fn e8_a_repair_that_is_cut_is_done_again_at_every_crash_point() {
    let image = closed();
    let geometry = geometry_of(&image);
    let (small, huge) = slabs(&image, &geometry);
    let mut damaged = image;
    for at in [
        100,
        geometry.slot_at(0).get() as usize + 40,
        geometry.slot_at(1).get() as usize + 40,
        geometry.slab_at(small[0]).get() as usize + 20,
        geometry.entry_at(small[1]).get() as usize + 1,
        geometry.entry_at(huge).get() as usize + 2,
    ] {
        damaged[at] ^= 0xff;
    }
    let media = CrashMedia::with_base(damaged);
    let planned = plan(&media.kill()).expect("there is a superblock");
    assert_eq!(apply(&media, &planned), Ok(Vec::new()));
    let report = Explorer::new()
        .budget_per_point(2_000)
        .nested_depth(0)
        .idempotent(false)
        .explore(
            &media.recording(),
            |media: &CrashMedia| {
                let planned = plan(media).map_err(|error| error.to_string())?;
                let (engine, _) = Engine::open(media.clone(), &OpenOptions::default())
                    .map_err(|error| error.to_string())?;
                assert_readable(&engine);
                Ok(planned.left)
            },
            |_point, left: &Result<Vec<_>, String>| match left {
                Ok(left) if left.is_empty() => Ok(()),
                other => Err(format!("{other:?}")),
            },
        );
    report.assert_clean();
    assert!(report.crash_points > 5, "{report}");
}

#[test]
fn e8_a_plan_changes_nothing_and_fits_only_what_it_was_made_for() {
    let image = closed();
    let geometry = geometry_of(&image);
    let (small, _) = slabs(&image, &geometry);
    let mut damaged = image.clone();
    damaged[geometry.slab_at(small[0]).get() as usize + 20] ^= 1;
    let planned = plan(&ram_of(&damaged)).expect("there is a superblock");
    assert_eq!(apply(&ram_of(&image), &planned), Err(RepairError::Changed));
    let words = planned.findings[0].repair.what();
    assert!(words.contains("header"), "{words}");
}

#[test]
fn k5_a_pool_without_a_superblock_is_salvaged_by_its_fields_a_given_shape_or_the_defaults() {
    let image = closed();
    let geometry = geometry_of(&image);
    let mut crossed = image.clone();
    for copy in [0, 4096] {
        crossed[copy + 300] ^= 0xff; // both checksums wrong, all fields right
    }
    let mut gone = image.clone();
    gone[..8192].fill(0xa5);
    for (name, damaged, given, known) in [
        ("fields", &crossed, None, true),
        ("given", &gone, Some(geometry), false),
        ("defaults", &gone, None, false),
    ] {
        assert!(plan(&ram_of(damaged)).is_err(), "{name}");
        let best = salvage::candidates(&ram_of(damaged), given)[0];
        assert_eq!(best.geometry, geometry, "{name}");
        let salvaged = salvage::open_as(ram_of(damaged), &best).expect(name);
        assert_eq!(salvaged.identity_known, known, "{name}");
        assert_readable(&salvaged.engine);
        assert!(salvaged.engine.begin().is_err(), "read-only");
    }
}

#[test]
fn k5_what_is_left_of_a_truncated_pool_is_salvaged() {
    let image = closed();
    let left = &image[..SMALLEST as usize - 4 * KIB as usize];
    assert!(open(left).is_err());
    assert!(
        salvage::candidates(&ram_of(left), None).is_empty(),
        "below the least pool"
    );
    let engine = create(4 * SMALLEST, &fixed());
    for (index, len) in OBJECTS {
        put(&engine, index, len, index + 1);
    }
    let image = image_of(&engine.close().expect("memory does not fail"));
    let left = &image[..3 * SMALLEST as usize];
    assert!(matches!(open(left), Err(OpenError::Truncated { .. })));
    let best = salvage::candidates(&ram_of(left), None)[0];
    let salvaged = salvage::open_as(ram_of(left), &best).expect("what is left");
    assert_readable(&salvaged.engine);
}
