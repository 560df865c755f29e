//! What is there after the pool is opened again.

mod tools;

use everline::engine::{OpenOptions, open_file, open_file_read_only};
use everline::layout::RootSlot;
use everline::media::file::FileOptions;
use everline::units::{ByteLen, ByteRange};
use everline_crash::CrashMedia;
use everline_region::{RegionError, Regions};
use tools::*;

#[test]
fn a7_the_open_report_counts_regions_and_what_was_redone_and_undone() {
    let media = CrashMedia::new(ByteLen::new(1 << 20));
    let regions = on(media.clone());
    for number in 0..41 {
        regions
            .put(&format!("{number}"), &pattern(100, number))
            .expect("space");
    }
    regions.engine().checkpoint().expect("no failing fence");
    regions.put("41", &pattern(100, 41)).expect("space");
    let word = RootSlot::user(0)
        .expect("one of 48")
        .at(&regions.engine().pool().geometry());
    let mut tx = regions.engine().begin().expect("a lane");
    let range = ByteRange::new(word, ByteLen::new(8)).expect("in the pool");
    let mut place = tx.snapshot(&[range]).expect("room in the log");
    place.store64(word, 1).expect("snapshotted");

    // The power goes while the second transaction is open.
    let file = OnFile::new();
    std::fs::write(file.path(), media.durable_image()).expect("space on the device");
    let (engine, opened) = open_file(
        file.path(),
        &OpenOptions::default(),
        &FileOptions::default(),
    )
    .expect("a pool");
    let after = Regions::open(engine).expect("a directory");
    assert_eq!(after.count(), Ok(42));
    let recovery = opened.report.recovery;
    assert_eq!((recovery.redone, recovery.undone), (1, 1));
    assert!(opened.elapsed.as_secs_f64() * 1e3 > 0.0);
    assert!(opened.recovery.as_secs_f64() * 1e3 > 0.0);
    assert_eq!(opened.report.len, 1 << 20);
    for number in 0..42u8 {
        let id = after.by_name(&number.to_string()).expect("committed");
        assert_eq!(after.read_all(id), Ok(pattern(100, number)));
    }
    assert_eq!(after.engine().load64(word), Ok(0));
    assert_clean(&after);
    drop(tx);
}

#[test]
fn b28_identifiers_are_the_same_after_reopening() {
    let file = OnFile::new();
    let regions = file.create(1 << 20);
    let made: Vec<_> = (0..50u8)
        .map(|number| {
            let data = pattern(10 * usize::from(number) + 1, number);
            let id = regions
                .create_with(&data, &named(&number.to_string()))
                .expect("space");
            (id, data)
        })
        .collect();
    regions.write(made[3].0, 5, b"later").expect("inside");
    let listed = regions.list();
    drop(regions);
    for close in [false, true, false] {
        let regions = file.open();
        assert_eq!(regions.list(), listed);
        for (number, (id, data)) in made.iter().enumerate() {
            assert_eq!(regions.by_name(&number.to_string()), Ok(*id));
            let mut expected = data.clone();
            if number == 3 {
                expected[5..10].copy_from_slice(b"later");
            }
            assert_eq!(regions.read_all(*id), Ok(expected));
        }
        assert_clean(&regions);
        if close {
            drop(regions.into_engine().close().expect("no failing sync"));
        }
    }
}

#[test]
fn an_aborted_batch_leaves_no_trace_in_an_index_that_it_built() {
    let regions = ram(256 << 10);
    let id = regions.put("name", b"bytes").expect("space");
    let (regions, _) = open(regions.into_engine().abandon());
    let mut batch = regions.batch().expect("a lane");
    batch.destroy(id).expect("there");
    let other = batch.put("name", b"others").expect("free in the batch");
    assert_ne!(other, id);
    batch.abort().expect("nothing to restore");
    assert_eq!(regions.by_name("name"), Ok(id));
    let third = regions.put("third", b"third").expect("space");
    assert_eq!(regions.read_all(id).expect("there"), b"bytes");
    assert_eq!(regions.read_all(third).expect("there"), b"third");
    assert_clean(&regions);
}

#[test]
fn a_read_only_pool_is_readable_and_refuses_every_change() {
    let file = OnFile::new();
    let regions = file.create(1 << 20);
    let id = regions.put("name", b"bytes").expect("space");
    drop(regions);
    let before = std::fs::read(file.path()).expect("a file");
    let (engine, _) = open_file_read_only(
        file.path(),
        &OpenOptions::default(),
        &FileOptions::default(),
    )
    .expect("a pool");
    let regions = Regions::open(engine).expect("a directory");
    assert_eq!(regions.by_name("name"), Ok(id));
    assert_eq!(regions.read_all(id).expect("there"), b"bytes");
    assert_eq!(regions.list().expect("a directory").len(), 1);
    assert_eq!(regions.write(id, 0, b"x"), Err(RegionError::ReadOnly));
    assert_eq!(regions.persist(id, 0, 1), Err(RegionError::ReadOnly));
    assert_eq!(regions.put("other", b"x"), Err(RegionError::ReadOnly));
    assert_eq!(regions.rename(id, "other"), Err(RegionError::ReadOnly));
    assert_eq!(regions.destroy(id), Err(RegionError::ReadOnly));
    assert_clean(&regions);
    drop(regions);
    assert_eq!(std::fs::read(file.path()).expect("a file"), before);
}

#[test]
fn a_failed_sync_poisons_and_the_next_open_knows() {
    let media = CrashMedia::new(ByteLen::new(256 << 10));
    let regions = on(media.clone());
    let id = regions.put("name", b"before").expect("space");
    media.fail_fence_at(0);
    let failed = regions.put("name", b"after");
    assert!(matches!(failed, Err(RegionError::Tx(_))), "{failed:?}");
    assert_eq!(regions.put("other", b"x"), Err(RegionError::Poisoned));
    assert_eq!(regions.write(id, 0, b"x"), Err(RegionError::Poisoned));
    assert_eq!(regions.read_all(id).expect("still readable"), b"before");
    drop(regions);
    let (regions, _) = open(media.kill());
    let id = regions.by_name("name").expect("one of both");
    assert_eq!(regions.read_all(id).expect("there"), b"before");
    assert_clean(&regions);
}
