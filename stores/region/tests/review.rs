//! Corners that a review of the store's heart came upon: batches that come back to a region, and looks at the directory
//! beside writers that move blocks.

mod tools;

use everline::engine::{CreateOptions, Engine};
use everline::media::Ram;
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Cut};
use everline_region::{RegionOptions, Regions};
use tools::*;

#[test]
fn a_batch_that_empties_a_region_it_has_written_to_and_writes_it_anew_leaves_the_new_bytes() {
    let regions = ram(1 << 20);
    for len in [100usize, 200_000] {
        let id = regions.create(0, &GROWABLE).expect("a slot");
        regions.write(id, 0, &vec![1; len]).expect("space");
        let mut batch = regions.batch().expect("open");
        batch.write_atomic(id, 50, &[7; 50]).expect("inside");
        batch.resize(id, 0).expect("growable");
        batch.write_atomic(id, 0, &[9; 100]).expect("space");
        batch.commit().expect("no failing fence");
        assert_eq!(regions.read_all(id).expect("there"), [9; 100], "{len}");
    }
    assert_clean(&regions);
}

/// keeps R6: a member that moved the block and then failed leaves the mark that the record needs.
#[test]
fn a_member_that_fails_behind_a_move_does_not_make_the_batch_forget_what_it_logged() {
    let old = pattern(100_000, 1);
    let mut refusals = 0;
    for units in 0..40 {
        let media = CrashMedia::new(ByteLen::new(2 << 20));
        let regions = on(media.clone());
        let id = regions.create(140_000, &UNNAMED).expect("space");
        regions.write(id, 0, &old).expect("inside");
        regions.resize(id, 100_000).expect("shorter");
        regions.engine().checkpoint().expect("no failing fence");
        let mut batch = regions.batch().expect("open");
        batch.write_atomic(id, 0, &[2; 4096]).expect("inside");
        media.fail_back_after(ByteLen::new(units << 12));
        refusals += u32::from(batch.resize(id, 140_000).is_err());
        media.fail_back_after(ByteLen::new(1 << 30));
        batch.commit().expect("no failing fence");
        let new = pattern(20_000, 5);
        regions.write(id, 0, &new).expect("inside");
        let (after, _) = open(media.cut(Cut::AllLost));
        let bytes = after.read_all(id).expect("there");
        assert!(bytes[..20_000] == new[..], "an acknowledged write is lost");
        assert!(bytes[20_000..100_000] == old[20_000..], "{units}");
        assert_clean(&after);
    }
    assert!((1..40).contains(&refusals));
}

/// keeps R5: maps and tables of regions move while others look at the directory.
#[test]
fn a_list_and_a_check_beside_writers_that_move_blocks_see_no_damage() {
    let options = CreateOptions {
        lanes: Some(4),
        ..pool_options(1)
    };
    let engine = Engine::create(Ram::new(ByteLen::new(16 << 20)), &options).expect("a pool");
    let regions = Regions::open(engine).expect("no regions yet");
    let kinds = [
        RegionOptions {
            checked: true,
            ..GROWABLE
        },
        GROWABLE,
    ];
    let done = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4usize {
            let (regions, done) = (&regions, &done);
            scope.spawn(move || {
                for _turn in 0..150 {
                    let id = regions.create(0, &kinds[thread % 2]).expect("a slot");
                    for len in [3000u64, 9000, 70_000, 150_000, 400_000] {
                        regions.write(id, len - 100, &[3; 100]).expect("space");
                    }
                    regions.destroy(id).expect("there");
                }
                done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            });
        }
        let mut looks = 0u64;
        while done.load(std::sync::atomic::Ordering::Relaxed) < 4 {
            regions.list().expect("nothing is damaged");
            let mut problems = Vec::new();
            regions.check(|problem| problems.push(problem.to_string()));
            assert!(problems.is_empty(), "look {looks}: {problems:#?}");
            let orphans = regions.orphans(None);
            assert!(orphans.orphans.is_empty() && orphans.certain, "{orphans:?}");
            looks += 1;
        }
        assert!(looks > 0);
    });
    assert_clean(&regions);
}

/// Looks through a transaction take as long as its record is: a seal of a long range must not make an op of each chunk.
#[test]
fn the_seals_of_a_long_range_take_one_cover() {
    let regions = ram(16 << 20);
    let chunks = 1024u64;
    let id = regions.create(chunks << 12, &CHECKED).expect("space");
    let data = vec![3; (chunks << 12) as usize];
    regions.write(id, 0, &data).expect("inside");
    let record_of = |work: &dyn Fn()| {
        regions.engine().checkpoint().expect("no failing fence");
        work();
        regions.engine().log().status().used_bytes
    };
    regions.write_volatile(id, 0, &data).expect("inside");
    let sums = record_of(&|| {
        regions.persist(id, 0, chunks << 12).expect("inside");
    });
    assert!(sums <= chunks * 16 + 256, "{sums} bytes");
    assert_clean(&regions);
}

#[test]
fn a_compaction_on_a_device_without_room_leaves_regions_where_they_are() {
    for units in 0..60 {
        let media = CrashMedia::new(ByteLen::new(4 << 20));
        let regions = on(media.clone());
        let low = regions.create(300_000, &UNNAMED).expect("space");
        let data = pattern(300_000, 1);
        let high = regions.create_with(&data, &UNNAMED).expect("space");
        regions.destroy(low).expect("there");
        media.fail_back_after(ByteLen::new(units << 12));
        let report = regions.compact_all(|_, _| ());
        report.unwrap_or_else(|error| panic!("{units}: {error}"));
        assert!(regions.read_all(high).as_ref() == Ok(&data));
        assert_clean(&regions);
    }
}
