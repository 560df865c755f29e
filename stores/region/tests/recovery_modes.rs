//! Recovery modes of a target: `full` verifies before it serves, `checkpoint` serves, `none` changes no byte.
#![cfg(unix)]

mod tools;

use std::fs;
use std::path::{Path, PathBuf};

use everline::pool::OpenError;
use everline::units::ByteLen;
use everline_crash::CrashMedia;
use everline_region::{
    ConfigError, RecoveryMode, RegionError, Target, TargetConfig, TargetError, TargetKind,
};
use tools::*;

const MIB: u64 = 1 << 20;
const KINDS: [TargetKind; 2] = [TargetKind::Pmem, TargetKind::File];

fn home() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for tests")
}

fn config(kind: TargetKind, path: &Path, recovery: RecoveryMode) -> TargetConfig {
    TargetConfig {
        kind,
        recovery,
        ..TargetConfig::pmem(path)
    }
}

/// A closed pool with regions in it.
fn closed(home: &tempfile::TempDir) -> PathBuf {
    let path = home.path().join("pool");
    let target = Target::open(TargetConfig::pmem(&path).with_size(MIB)).expect("made");
    for number in 0..40 {
        let name = format!("region {number}");
        target.put(&name, &pattern(3000, number)).expect("space");
    }
    target.close().expect("whole");
    path
}

/// The image of a pool that was cut with something in its log.
fn cut(path: &Path) {
    let media = CrashMedia::new(ByteLen::new(MIB));
    let regions = on(media.clone());
    regions.put("a", &pattern(100, 1)).expect("space");
    regions.engine().checkpoint().expect("no failing fence");
    regions.put("b", &pattern(100, 2)).expect("space");
    fs::write(path, media.durable_image()).expect("space on the device");
}

/// Flips a byte where one of the live entries of the slab map lies: cold, since no open reads it.
fn damage_cold_metadata(path: &Path) -> u64 {
    let target = Target::open(TargetConfig {
        read_only: true,
        ..TargetConfig::pmem(path)
    });
    let target = target.expect("a pool");
    let last = target.list().expect("whole").pop().expect("forty");
    // The header of the slab in which the last region's block lies.
    let geometry = target.engine().pool().geometry();
    let (at, mut slab) = (target.info(last.id).expect("there").at.get(), 0);
    while slab + 1 < geometry.slab_count() && geometry.slab_at(slab + 1).get() <= at {
        slab += 1;
    }
    let at = geometry.slab_at(slab).get();
    drop(target);
    let mut bytes = fs::read(path).expect("readable");
    bytes[at as usize + 9] ^= 0x10;
    fs::write(path, bytes).expect("writable");
    at
}

#[test]
fn g6_l5_checkpoint_opens_what_full_refuses_and_names() {
    for kind in KINDS {
        let home = home();
        let path = closed(&home);
        let whole = Target::open(config(kind, &path, RecoveryMode::Full)).expect("sound");
        assert_eq!(whole.config().recovery, RecoveryMode::Full);
        drop(whole);
        let damaged = damage_cold_metadata(&path);

        let served = Target::open(config(kind, &path, RecoveryMode::Checkpoint));
        let served = served.expect("nobody has met the damage yet");
        assert!(served.by_name("region 3").is_ok());
        drop(served);

        let refused = Target::open(config(kind, &path, RecoveryMode::Full)).expect_err("damaged");
        let TargetError::Unsound {
            place,
            problems,
            at,
            ..
        } = &refused
        else {
            panic!("{refused}");
        };
        assert!(place.ends_with("pool") && *problems > 0, "{refused}");
        let at = at.expect("one place").get();
        assert!(
            (damaged..damaged + 4096).contains(&at),
            "{at:#x} of {damaged:#x}"
        );
        assert!(
            refused.to_string().contains(&format!("{at:#x}")),
            "{refused}"
        );
        // The refusal holds no lock, and a read-only verification says the same.
        let looked = Target::open(TargetConfig {
            read_only: true,
            ..config(kind, &path, RecoveryMode::Full)
        });
        assert_eq!(looked.map(drop), Err(refused));
    }
}

#[test]
fn g6_l5_full_verifies_the_directory_and_checked_bytes_too() {
    let home = home();
    let path = home.path().join("pool");
    let target = Target::open(TargetConfig::pmem(&path).with_size(MIB)).expect("made");
    let id = target.create(8192, &CHECKED).expect("space");
    target.write(id, 0, &pattern(8192, 3)).expect("inside");
    let at = target.info(id).expect("there").at.get() as usize;
    target.close().expect("whole");
    let mut bytes = fs::read(&path).expect("readable");
    bytes[at + 5000] ^= 1;
    fs::write(&path, bytes).expect("writable");
    drop(Target::open(TargetConfig::pmem(&path)).expect("checkpoint serves"));
    let full = config(TargetKind::Pmem, &path, RecoveryMode::Full);
    let refused = Target::open(full).map(drop).expect_err("damaged");
    assert!(refused.to_string().contains(&id.to_string()), "{refused}");
}

#[test]
fn g6_none_writes_nothing_and_refuses_a_log_that_is_not_empty() {
    for kind in KINDS {
        let home = home();
        let path = closed(&home);
        let none = config(kind, &path, RecoveryMode::None);
        let before = fs::read(&path).expect("readable");
        let target = Target::open(none.clone()).expect("closed, so nothing to recover");
        assert_eq!(target.report().regions, 40);
        let id = target.by_name("region 3").expect("there");
        assert_eq!(target.read_all(id), Ok(pattern(3000, 3)));
        assert_eq!(
            target.put("new", b"x").map(drop),
            Err(RegionError::ReadOnly)
        );
        target.close().expect("nothing to do");
        assert!(fs::read(&path).expect("readable") == before);

        cut(&path);
        let before = fs::read(&path).expect("readable");
        let refused = Target::open(none.clone()).map(drop);
        let Err(TargetError::Open {
            error: OpenError::NotRecovered { bytes },
            ..
        }) = refused
        else {
            panic!("{refused:?}");
        };
        assert!(bytes > 0);
        assert!(fs::read(&path).expect("readable") == before);
        let forced = TargetConfig {
            recovery_force: true,
            ..none.clone()
        };
        let target = Target::open(forced).expect("forced");
        assert_eq!(target.report().recovery.log_bytes, bytes);
        assert!(target.by_name("a").is_ok());
        drop(target);
        assert!(fs::read(&path).expect("readable") == before);

        // With recovery everything is there, and the next open without it has nothing to refuse.
        let target = Target::open(config(kind, &path, RecoveryMode::Checkpoint)).expect("a pool");
        assert!(target.by_name("b").is_ok());
        target.close().expect("whole");
        Target::open(none).map(drop).expect("closed");
    }
}

#[test]
fn g6_a_medium_in_memory_and_a_missing_pool_are_nothing_to_look_at() {
    let home = home();
    let path = home.path().join("missing");
    for kind in KINDS {
        let none = config(kind, &path, RecoveryMode::None).with_size(MIB);
        let missing = Target::open(none).map(drop);
        assert!(
            matches!(missing, Err(TargetError::Missing { .. })),
            "{missing:?}"
        );
        assert!(!path.exists());
    }
    let memory = |recovery| TargetConfig {
        recovery,
        ..TargetConfig::memory(MIB)
    };
    for recovery in [RecoveryMode::Full, RecoveryMode::Checkpoint] {
        Target::open(memory(recovery))
            .expect("made")
            .put("a", b"b")
            .expect("space");
    }
    let refused = Target::open(memory(RecoveryMode::None)).map(drop);
    assert!(
        matches!(
            refused,
            Err(TargetError::Config(ConfigError::Conflict { .. }))
        ),
        "{refused:?}"
    );
}

#[test]
fn g6_the_modes_are_read_by_name_and_bad_ones_are_named() {
    for mode in RecoveryMode::ALL {
        for key in ["recovery", "recovery_mode"] {
            let text = format!(r#"{{"path": "p", "{key}": "{}"}}"#, mode.name());
            let config = TargetConfig::from_json(&text).expect("known");
            assert_eq!(config.recovery, mode);
            let again = serde_json::to_string(&config).expect("text");
            assert_eq!(TargetConfig::from_json(&again), Ok(config));
        }
    }
    assert_eq!(
        TargetConfig::from_json(r#"{"path": "p"}"#).map(|config| config.recovery),
        Ok(RecoveryMode::Checkpoint)
    );
    for (text, words) in [
        (
            r#"{"path": "p", "recovery": "fast"}"#,
            "must be full, checkpoint or none",
        ),
        (r#"{"path": "p", "recovery": 1}"#, "recovery"),
        (r#"{"path": "p", "recovery_force": true}"#, "recovery_force"),
        (
            r#"{"path": "p", "recovery": "none", "size": 70000, "override_if_exists": true}"#,
            "override_if_exists",
        ),
        (
            r#"{"path": "p", "recovery": "none", "size": 70000, "grow_if_smaller": true}"#,
            "grow_if_smaller",
        ),
    ] {
        let error = TargetConfig::from_json(text).expect_err(text);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn g16_recovery_takes_time_and_the_report_says_how_long() {
    let home = home();
    let path = home.path().join("pool");
    cut(&path);
    let target = Target::open(TargetConfig::pmem(&path)).expect("recovered");
    let report = target.report();
    assert!(report.recovering > std::time::Duration::ZERO);
    assert!(report.recovering <= report.elapsed);
}
