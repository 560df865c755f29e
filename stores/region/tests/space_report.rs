//! Space in numbers: exact, with alarms, and with the headroom that is promised.
#![cfg(unix)]

mod tools;

use everline_region::{
    Measure, RegionError, RegionId, Space, Target, TargetConfig, Thresholds, payload_min,
};
use tools::*;

const MIB: u64 = 1 << 20;

fn memory(size: u64) -> Target {
    Target::open(TargetConfig::memory(size)).expect("memory")
}

fn space(target: &Target) -> Space {
    let space = target.space().expect("readable");
    let sum = space.used_bytes + space.free_bytes + space.overhead_bytes;
    assert_eq!(sum, space.size_bytes);
    space
}

#[test]
fn e1_used_free_and_overhead_are_the_size_and_return_to_where_they_began() {
    let home = tempfile::tempdir().expect("a directory for tests");
    let config = TargetConfig::pmem(home.path()).with_size(4 * MIB);
    let mut target = Target::open(config.clone()).expect("made");
    target.put("keep", b"kept").expect("space");
    let start = space(&target);
    for _ in 0..3 {
        let made: Vec<RegionId> = (0..12)
            .map(|number| target.create(1 + number * 5000, &UNNAMED).expect("space"))
            .collect();
        let full = space(&target);
        assert!(full.used_bytes > start.used_bytes && full.regions == 13);
        target.close().expect("whole");
        target = Target::open(config.clone()).expect("there");
        let again = Space {
            log_used_bytes: full.log_used_bytes,
            ..space(&target)
        };
        assert_eq!(again, full, "exact over reopen");
        for id in made {
            target.destroy(id).expect("there");
        }
        let end = space(&target);
        assert_eq!(
            (end.used_bytes, end.free_bytes),
            (start.used_bytes, start.free_bytes)
        );
    }
}

#[test]
fn e2_fragmentation_rises_with_holes_and_falls_when_they_meet() {
    let target = memory(16 * MIB);
    let made = fill(&target, 200_000);
    for id in made.iter().step_by(2) {
        target.destroy(*id).expect("there");
    }
    let holes = space(&target);
    assert!(holes.fragmentation() > 0.9, "{}", holes.fragmentation());
    assert!(holes.largest_free_bytes < MIB);
    for id in made.iter().skip(1).step_by(2) {
        target.destroy(*id).expect("there");
    }
    let whole = space(&target);
    // The directory grew in between and stays where it is.
    assert!(whole.fragmentation() < 0.6, "{}", whole.fragmentation());
    assert!(whole.largest_free_bytes > 6 * MIB);
}

#[test]
fn e4_a_pool_of_16_mib_holds_what_is_promised() {
    let size = 16 * MIB;
    for len in [4 << 10, 64 << 10, 128 << 10, MIB] {
        let target = memory(size);
        let payload = fill(&target, len).len() as u64 * len;
        println!("16 MiB hold {payload} bytes in regions of {len}");
        assert!(payload >= payload_min(size), "{len}: {payload}");
        assert_eq!(space(&target).size_bytes, size);
    }
    assert!(payload_min(size) >= 12 * MIB);
}

#[test]
fn e4_eight_gib_of_payload_fit_into_a_sparse_pool_of_ten() {
    const GIB: u64 = 1 << 30;
    let size = 10 * GIB;
    assert_eq!(payload_min(size), 8 * GIB);
    for len in [GIB, 64 * MIB] {
        let target = memory(size);
        let ids = fill(&target, len);
        let payload = ids.len() as u64 * len;
        println!("10 GiB hold {payload} bytes in regions of {len}");
        assert!(payload >= payload_min(size), "{len}: {payload}");
        for id in [ids[0], ids[ids.len() - 1]] {
            target.write(id, len - 4, b"last").expect("inside");
        }
        let mut last = [0; 4];
        target.read(ids[0], len - 4, &mut last).expect("inside");
        assert_eq!(&last, b"last");
    }
}

#[test]
fn e5_a_pool_never_grows_unless_asked() {
    let home = tempfile::tempdir().expect("a directory for tests");
    let path = home.path().join("pool");
    for config in [
        TargetConfig::pmem(&path).with_size(MIB),
        TargetConfig::memory(MIB),
    ] {
        let target = Target::open(config).expect("made");
        let data = pattern(400 << 10, 5);
        let mut refused = 0;
        for number in 0..5 {
            match target.put(&number.to_string(), &data) {
                Ok(_) => {}
                Err(RegionError::NoSpace { .. }) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!((3..5).contains(&refused), "{refused} of 5 refused");
        assert_eq!(space(&target).size_bytes, MIB);
        assert_clean(&target);
    }
    assert_eq!(std::fs::metadata(&path).expect("made").len(), MIB);
}

#[test]
fn l18_an_alarm_is_raised_when_its_threshold_is_crossed_and_not_before() {
    let target = memory(4 * MIB);
    let thresholds: Thresholds = "use=50%,fragmentation=85%,log=99%"
        .parse()
        .expect("documented");
    assert!(space(&target).alarms(&thresholds).is_empty());
    let made = fill(&target, 100_000);
    let alarms = space(&target).alarms(&thresholds);
    assert_eq!(
        alarms.iter().map(|alarm| alarm.measure).collect::<Vec<_>>(),
        [Measure::Use]
    );
    let text = alarms[0].to_string();
    assert!(
        text.starts_with("use is ") && text.contains("above 50.0 %"),
        "{text}"
    );
    for id in made.iter().step_by(2) {
        target.destroy(*id).expect("there");
    }
    for id in made.iter().skip(1).step_by(4) {
        target.destroy(*id).expect("there");
    }
    let alarms = space(&target).alarms(&thresholds);
    let measures: Vec<Measure> = alarms.iter().map(|alarm| alarm.measure).collect();
    assert_eq!(measures, [Measure::Fragmentation], "{:?}", space(&target));
    for id in made {
        let _gone = target.destroy(id);
    }
    assert!(space(&target).alarms(&thresholds).is_empty());

    let log = space(&target);
    let now = log.log_ratio();
    assert!(now > 0.0, "commits wait for a checkpoint");
    let limit = |log_above| Thresholds {
        log_above: Some(log_above),
        ..Thresholds::default()
    };
    assert_eq!(log.alarms(&limit(now / 2.0))[0].measure, Measure::Log);
    assert!(
        log.alarms(&limit(now)).is_empty(),
        "at the threshold is not above it"
    );
    target.engine().checkpoint().expect("no failing fence");
    assert!(space(&target).alarms(&limit(now / 2.0)).is_empty());
}

#[test]
fn l18_thresholds_are_read_as_people_type_them() {
    let read = |text: &str| text.parse::<Thresholds>();
    assert_eq!(read("90%").expect("use").use_above, Some(0.9));
    let all = read("use=90%, fragmentation=12.5%,log=0%").expect("all");
    assert_eq!(
        (all.use_above, all.fragmentation_above, all.log_above),
        (Some(0.9), Some(0.125), Some(0.0))
    );
    for wrong in [
        "", "90", "x%", "101%", "-1%", "full=90%", "NaN%", "use=90%,",
    ] {
        let error = read(wrong).expect_err(wrong).to_string();
        assert!(error.contains("write 90%"), "{error}");
    }
}
