//! Space: nothing is lost, a full pool stays usable, and it never grows by itself.

mod tools;

use everline_region::RegionError;
use tools::*;

#[test]
fn b23_destroyed_space_is_used_again() {
    for (pool, len) in [(256 << 10, 100), (1 << 20, 3000), (1 << 20, 40_000)] {
        let regions = ram(pool);
        let first = fill(&regions, len);
        for id in &first {
            regions.destroy(*id).expect("there");
        }
        let second = fill(&regions, len);
        assert_eq!(first.len(), second.len(), "regions of {len} bytes");
        assert_clean(&regions);
    }
}

#[test]
fn e1_used_free_and_overhead_are_the_size_open_after_open() {
    let mut regions = ram(1 << 20);
    let keep = regions.create(100, &named("keep")).expect("space");
    let sums = |regions: &everline_region::Regions<everline::media::Ram>| {
        let stats = regions.engine().stats().expect("stats");
        let heap = stats.heap;
        let sum = heap.used_bytes + heap.free_bytes + heap.overhead_bytes;
        assert_eq!(sum, stats.size_bytes);
        (heap.used_bytes, heap.free_bytes, heap.overhead_bytes)
    };
    let start = sums(&regions);
    let mut random = Random(1);
    for _ in 0..3 {
        let mut ids = Vec::new();
        for _ in 0..12 {
            ids.push(
                regions
                    .create(1 + random.below(20_000), &UNNAMED)
                    .expect("space"),
            );
            sums(&regions);
        }
        let full = sums(&regions);
        let ram = regions.into_engine().close().expect("no failing fence");
        regions = open(ram).0;
        assert_eq!(sums(&regions), full);
        for id in ids {
            regions.destroy(id).expect("there");
            sums(&regions);
        }
        assert_eq!(sums(&regions), start);
        let ram = regions.into_engine().close().expect("no failing fence");
        regions = open(ram).0;
        assert_eq!(sums(&regions), start);
    }
    assert!(regions.exists(keep));
}

#[test]
fn e3_a_full_pool_keeps_what_it_has_and_takes_more_after_a_destroy() {
    let regions = ram(512 << 10);
    let ids = fill(&regions, 2000);
    assert!(ids.len() > 50);
    for (number, id) in ids.iter().enumerate() {
        regions
            .write(*id, 0, &pattern(2000, number as u8))
            .expect("inside");
    }
    let before = regions.engine().stats().expect("stats").heap;
    let refused = regions.create_with(&[1; 2000], &named("too much"));
    assert!(
        matches!(refused, Err(RegionError::NoSpace { .. })),
        "{refused:?}"
    );
    assert_eq!(regions.engine().stats().expect("stats").heap, before);
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(regions.read_all(*id), Ok(pattern(2000, number as u8)));
    }
    regions.destroy(ids[7]).expect("there");
    regions.create(2000, &UNNAMED).expect("space again");
    assert_clean(&regions);
}

#[test]
fn e5_a_pool_never_grows_unless_asked() {
    let file = OnFile::new();
    let regions = file.create(1 << 20);
    let len = || std::fs::metadata(file.path()).expect("a file").len();
    let before = len();
    let data = pattern(400 << 10, 5);
    let outcomes: Vec<bool> = (0..5)
        .map(|number| regions.put(&format!("{number}"), &data))
        .map(|outcome| match outcome {
            Ok(_) => true,
            Err(RegionError::NoSpace { .. }) => false,
            Err(other) => panic!("{other}"),
        })
        .collect();
    assert!(!outcomes[4] && outcomes[0], "{outcomes:?}");
    assert_eq!((before, len()), (1 << 20, 1 << 20));
    assert_clean(&regions);
}

#[test]
fn k13_destroy_and_abort_succeed_in_a_full_pool() {
    for pool in [64 << 10, 256 << 10, 1 << 20] {
        let regions = ram(pool);
        let mut ids = Vec::new();
        for len in [4096, 1000, 100, 16, 1] {
            ids.extend(fill(&regions, len));
        }
        // an undo transaction over as much as the pool has regions for, aborted
        let mut tx = regions.engine().begin().expect("a lane");
        for id in &ids {
            let info = regions.info(*id).expect("there");
            let range = everline::units::ByteRange::new(
                info.at,
                everline::units::ByteLen::new(info.len.min(64)),
            )
            .expect("in the pool");
            match tx.snapshot(&[range]) {
                Ok(mut place) => place.store(info.at, &[7]).expect("snapshotted"),
                Err(everline::tx::TxError::LogFull { .. }) => break,
                Err(other) => panic!("{other}"),
            }
        }
        tx.abort().expect("an abort needs no space");
        let mut batch = regions.batch().expect("a lane");
        batch.destroy(ids[0]).expect("there");
        batch.abort().expect("an abort needs no space");
        for id in &ids {
            assert_eq!(regions.read(*id, 0, &mut [1]), Ok(()));
            regions.destroy(*id).expect("a free needs no space");
        }
        assert_eq!(regions.count(), Ok(0));
        assert_clean(&regions);
        regions.create(4096, &UNNAMED).expect("space again");
    }
}
