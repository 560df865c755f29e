//! Compaction: fragmentation falls, identifiers and bytes stay, and every crash leaves a region where it was or where it
//! goes.

mod tools;

use everline::media::Ram;
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Explorer, Point};
use everline_region::{RegionError, Regions};
use tools::*;

fn fragmentation(regions: &Regions<Ram>) -> f64 {
    let heap = regions.engine().stats().expect("stats").heap;
    1.0 - heap.largest_free_bytes as f64 / heap.free_bytes as f64
}

#[test]
fn e2_alternate_destroys_raise_the_ratio_and_compaction_lowers_it() {
    let regions = ram(8 << 20);
    let ids = fill(&regions, 100_000);
    for (number, id) in ids.iter().enumerate() {
        let data = pattern(100_000, number as u8);
        regions.write(*id, 0, &data).expect("inside");
    }
    let kept: Vec<_> = ids
        .iter()
        .copied()
        .enumerate()
        .filter(|(number, _)| number % 2 == 1)
        .collect();
    for (number, id) in ids.iter().enumerate() {
        if number % 2 == 0 {
            regions.destroy(*id).expect("there");
        }
    }
    let before = fragmentation(&regions);
    assert!(before > 0.8, "{before}");
    let mut last = (0, 0);
    let report = regions
        .compact_all(|done, total| last = (done, total))
        .expect("room");
    assert!(report.moved > 0 && report.in_use == 0, "{report:?}");
    assert_eq!(last.0, last.1);
    let after = fragmentation(&regions);
    assert!(after < 0.2, "{before} became {after}");
    for (number, id) in &kept {
        assert!(
            regions.read_all(*id) == Ok(pattern(100_000, *number as u8)),
            "{number}"
        );
    }
    let half = regions
        .engine()
        .stats()
        .expect("stats")
        .heap
        .largest_free_bytes;
    regions.create(half, &UNNAMED).expect("in one piece");
    assert_clean(&regions);
}

#[test]
fn e10_a_value_that_grew_tenfold_takes_its_live_size() {
    let regions = ram(8 << 20);
    let id = regions.create(0, &GROWABLE).expect("a slot");
    let mut expected = Vec::new();
    for turn in 0..50u8 {
        let piece = pattern(20_000, turn);
        regions
            .write(id, expected.len() as u64, &piece)
            .expect("space");
        expected.extend(piece);
    }
    let grown = regions.info(id).expect("there").capacity;
    let freed = regions.compact(id).expect("there");
    let info = regions.info(id).expect("there");
    assert_eq!(grown - freed, info.capacity);
    let slab = u64::from(regions.engine().pool().geometry().slab_bytes());
    assert!(info.capacity < info.len + slab, "{info:?}");
    assert!(regions.read_all(id) == Ok(expected.clone()));
    assert_eq!(regions.compact(id), Ok(0), "nothing more to gain");

    let view = regions.view(id).expect("there");
    let in_use = regions.compact(id);
    assert!(
        matches!(in_use, Err(RegionError::InUse { .. })),
        "{in_use:?}"
    );
    assert_eq!(regions.compact_all(|_, _| ()).expect("room").in_use, 1);
    drop(view);
    // emptied, it gives all of it back, and grows again
    regions.resize(id, 0).expect("growable");
    regions.compact(id).expect("there");
    assert_eq!(regions.info(id).expect("there").capacity, 0);
    regions.write(id, 3, b"again").expect("space");
    assert_eq!(regions.read_all(id).expect("there"), b"\0\0\0again");
    assert_clean(&regions);
}

#[test]
fn e10_a_compaction_that_is_cut_loses_nothing() {
    for options in [GROWABLE, CHECKED] {
        let media = CrashMedia::new(ByteLen::new(256 << 10));
        let regions = on(media.clone());
        let first = regions.create(9000, &UNNAMED).expect("space");
        let id = regions
            .create_with(&pattern(3000, 1), &options)
            .expect("space");
        regions.resize(id, 20_000).expect("space");
        regions.resize(id, 2500).expect("smaller");
        regions.destroy(first).expect("there");
        let before = regions.info(id).expect("there").capacity;
        media.mark();
        media.invoke(0);
        assert!(regions.compact(id).expect("room") > 0);
        media.ack(0);
        let see = |media: &CrashMedia| {
            let (regions, _) = open(media.clone());
            let right = regions.read_all(id) == Ok(pattern(2500, 1));
            let scrub = regions.scrub_all(|_, _| (), |bad| panic!("{bad:?}"));
            assert!(scrub.is_ok());
            let capacity = regions.info(id).expect("there").capacity;
            (right, capacity, problems(&regions))
        };
        let allowed =
            |point: &Point<'_>, (right, capacity, problems): &(bool, u64, Vec<String>)| {
                let moved = *capacity < before;
                match *right && problems.is_empty() && (moved || point.acked.is_empty()) {
                    true => Ok(()),
                    false => Err(format!("{right} {capacity} {problems:?}")),
                }
            };
        let explorer = Explorer::new()
            .budget_per_point(64)
            .kill_steps(6)
            .nested_depth(0);
        explorer
            .explore(&media.recording().start_at_last_mark(), see, allowed)
            .assert_clean();
    }
}
