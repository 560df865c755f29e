//! Checked regions: what was changed behind their back is found, and nothing else is.

mod tools;

use everline::media::{Counted, Media, Ram};
use everline::units::{ByteLen, ByteOffset};
use everline_region::{BadChunk, RegionError, RegionId, RegionOptions, Regions, WriteMode};
use tools::*;

fn flip<M: Media>(regions: &Regions<M>, id: RegionId, at: u64) {
    let place = regions.info(id).expect("there").at.get() + at;
    let media = regions.engine().pool().media();
    let byte = media.load8(ByteOffset::new(place));
    media.store8(ByteOffset::new(place), byte ^ 0x40);
}

fn bad<M: Media>(regions: &Regions<M>, id: RegionId) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let report = regions.scrub(id, |_, _| (), |bad| found.push((bad.at, bad.len)));
    assert_eq!(report.expect("checked").bad, found.len() as u64);
    found
}

#[test]
fn e9_scrub_names_region_and_offset_of_a_flipped_byte() {
    let regions = ram(4 << 20);
    let quiet = regions
        .create_with(&pattern(50_000, 1), &CHECKED)
        .expect("space");
    let plain = regions
        .create_with(&pattern(50_000, 1), &UNNAMED)
        .expect("space");
    let id = regions.create(100_000, &CHECKED).expect("space");
    regions
        .write(id, 50_000, &pattern(30_000, 2))
        .expect("inside");
    assert_eq!(bad(&regions, id), []);
    flip(&regions, plain, 7);
    for at in [50_000u64, 61_439, 61_440, 79_999] {
        flip(&regions, id, at);
        assert_eq!(bad(&regions, id), [(at / 4096 * 4096, 4096)], "{at}");
        let (mut found, mut last) = (Vec::new(), (0, 0));
        let report = regions
            .scrub_all(|done, total| last = (done, total), |bad| found.push(bad))
            .expect("tables that are right");
        let chunk = at / 4096 * 4096;
        assert_eq!(
            found,
            [BadChunk {
                id,
                at: chunk,
                len: 4096
            }]
        );
        assert_eq!((report.regions, report.bad, report.unsealed), (2, 1, 0));
        assert_eq!(last, (150_000, 150_000));
        let mut into = [0; 10];
        let damaged = RegionError::Damaged {
            id,
            at: chunk,
            len: 4096,
        };
        assert_eq!(
            regions.read_verified(id, at - 5, &mut into),
            Err(damaged.clone())
        );
        assert_eq!(into, [0; 10]);
        // a part of it cannot be sealed anew over the damage; the whole of it can be
        assert_eq!(regions.write(id, chunk + 1, b"x"), Err(damaged));
        flip(&regions, id, at);
        regions
            .read_verified(id, at - 5, &mut into)
            .expect("right again");
    }
    flip(&regions, id, 57_344);
    regions
        .write(id, 57_344, &[5; 4096])
        .expect("the whole chunk");
    assert_eq!(bad(&regions, id), []);
    assert_eq!(bad(&regions, quiet), []);
    let unchecked = regions.scrub(plain, |_, _| (), |_| ());
    assert_eq!(unchecked, Err(RegionError::NotChecked { id: plain }));
    assert_clean(&regions);
}

#[test]
fn e9_small_writes_are_one_wait_and_volatile_ones_are_sealed_by_persist() {
    let regions = on(Counted::new(Ram::assume_persistent(ByteLen::new(4 << 20))));
    let counted = regions.engine().pool().media();
    let waits = |work: &dyn Fn()| counted.cost_of(work).1.waits;
    let id = regions
        .create_with(&pattern(200_000, 1), &CHECKED)
        .expect("space");
    regions.engine().checkpoint().expect("no failing fence");
    let small = waits(&|| regions.write(id, 4000, &[1; 200]).expect("inside"));
    assert_eq!(small, 1, "data and sums in one record");
    let large = waits(&|| regions.write(id, 10_000, &[2; 100_000]).expect("inside"));
    assert!(large <= 3, "{large}: unsealed, data, sealed");
    assert_eq!(bad(&regions, id), []);

    let volatile = waits(&|| regions.write_volatile(id, 5, &[3; 100]).expect("inside"));
    let again = waits(&|| regions.write_volatile(id, 50, &[4; 100]).expect("inside"));
    assert_eq!((volatile, again), (1, 0));
    let report = regions
        .scrub(id, |_, _| (), |bad| panic!("{bad:?}"))
        .expect("checked");
    assert_eq!(report.unsealed, 1);
    regions.persist(id, 0, 10).expect("inside");
    let report = regions
        .scrub(id, |_, _| (), |bad| panic!("{bad:?}"))
        .expect("checked");
    assert_eq!((report.unsealed, report.bad), (0, 0));
    flip(&regions, id, 149);
    assert_eq!(bad(&regions, id), [(0, 4096)]);
}

#[test]
fn e9_a_region_stays_right_through_every_kind_of_change() {
    let mut random = Random(9);
    let mut regions = ram(8 << 20);
    for growable in [false, true] {
        let options = RegionOptions {
            growable,
            ..CHECKED
        };
        let id = regions.create(20_000, &options).expect("space");
        let mut expected = vec![0; 20_000];
        for turn in 0..400u32 {
            let at = random.below(expected.len() as u64) as usize;
            let room = if growable {
                40_000
            } else {
                expected.len() - at
            };
            let len = (1 + random.below(room as u64) as usize).min(1 << random.below(16));
            let data = pattern(len, turn as u8);
            let modes = [WriteMode::Durable, WriteMode::Volatile, WriteMode::Atomic];
            match random.below(12) {
                0 => {
                    let len = 1 + random.below(90_000) as usize;
                    regions.resize(id, len as u64).expect("space");
                    expected.resize(len, 0);
                }
                1 => drop(regions.compact(id).expect("space")),
                2 => regions
                    .persist(id, 0, expected.len() as u64)
                    .expect("inside"),
                3 => {
                    // Where nobody has persisted a volatile write, a recovery may redo an atomic one over it.
                    let len = expected.len() as u64;
                    regions.persist(id, 0, len).expect("inside");
                    let ram = regions.into_engine().abandon();
                    regions = open(ram).0;
                }
                which => {
                    regions
                        .write_with(id, at as u64, &data, modes[which as usize % 3])
                        .expect("space");
                    let end = expected.len().max(at + len);
                    expected.resize(end, 0);
                    expected[at..at + len].copy_from_slice(&data);
                }
            }
            assert!(
                regions.read_all(id).expect("there") == expected,
                "turn {turn}"
            );
            assert_eq!(bad(&regions, id), [], "turn {turn}");
        }
        let mut into = vec![0; expected.len()];
        regions.read_verified(id, 0, &mut into).expect("right");
        assert!(into == expected);
        assert_clean(&regions);
    }
}
