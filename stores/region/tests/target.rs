//! Targets: opened, made, reported, closed and destroyed as their configuration says.
#![cfg(unix)]

mod tools;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use everline::media::Domain;
use everline::media::file::FileError;
use everline::pool::{CreateError, OpenError};
use everline_region::{
    ConfigError, OpenMessage, RegionError, Target, TargetConfig, TargetError, TargetKind,
};
use tools::*;

const MIB: u64 = 1 << 20;

thread_local! {
    static KIND: Cell<TargetKind> = const { Cell::new(TargetKind::Pmem) };
}

/// Runs a scenario with a mapped file, and with explicit input and output.
fn on_both_kinds(scenario: impl Fn()) {
    for kind in [TargetKind::Pmem, TargetKind::File] {
        KIND.set(kind);
        scenario();
    }
}

fn at(path: impl Into<PathBuf>) -> TargetConfig {
    TargetConfig {
        kind: KIND.get(),
        path: Some(path.into()),
        ..TargetConfig::default()
    }
}

fn home() -> tempfile::TempDir {
    // On a disk if there is one: /tmp of many machines is memory.
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for tests")
}

fn open(json: &serde_json::Value) -> Result<Target, TargetError> {
    Target::open(TargetConfig::from_json(&json.to_string())?)
}

fn made(path: &Path, size: u64) -> Target {
    Target::open(at(path).with_size(size)).expect("made")
}

fn reopened(path: &Path) -> Target {
    Target::open(at(path)).expect("there")
}

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).expect("a directory").count()
}

#[test]
fn a1_a_target_has_its_size_and_is_whole() {
    on_both_kinds(|| {
        let home = home();
        let path = home.path().join("pool");
        let target = made(&path, 16 * MIB);
        assert_eq!(fs::metadata(&path).expect("made").len(), 16 * MIB);
        assert_eq!(target.report().len, 16 * MIB);
        assert!(target.report().created);
        target.still_whole().expect("whole");
        assert_clean(&target);
    });
}

#[test]
fn a2_a_directory_holds_pool_pmem_and_a_file_is_itself() {
    on_both_kinds(|| {
        let home = home();
        for (given, file) in [
            (home.path().to_path_buf(), home.path().join("pool.pmem")),
            (home.path().join("file"), home.path().join("file")),
            (home.path().join("new/"), home.path().join("new/pool.pmem")),
        ] {
            let target = made(&given, MIB);
            let id = target.put("a", b"there").expect("space");
            assert_eq!(target.path(), Some(file.as_path()));
            target.close().expect("whole");
            assert!(file.is_file());
            assert_eq!(reopened(&given).read_all(id).expect("there"), b"there");
        }
    });
}

#[test]
fn a3_a_size_below_the_least_leaves_no_file() {
    on_both_kinds(|| {
        let home = home();
        let path = home.path().join("pool");
        let refused = Target::open(at(&path).with_size(4096));
        let error = refused.expect_err("too small");
        assert!(matches!(
            &error,
            TargetError::Create {
                error: CreateError::Geometry(_),
                ..
            }
        ));
        assert!(error.to_string().contains("too small"), "{error}");
        assert_eq!(entries(home.path()), 0);
        let memory = Target::open(TargetConfig::memory(4096)).expect_err("too small");
        assert!(memory.to_string().contains("too small"), "{memory}");
    });
}

#[test]
fn a4_what_is_missing_is_made_only_with_a_size() {
    on_both_kinds(|| {
        let home = home();
        let path = home.path().join("pool");
        let error = Target::open(at(&path)).expect_err("missing");
        assert_eq!(error, TargetError::Missing { path: path.clone() });
        let text = error.to_string();
        assert!(
            text.contains("\"size\"") && text.contains("create_if_missing_with_size"),
            "{text}"
        );
        let forbidden = TargetConfig {
            create_if_missing: Some(false),
            ..at(&path).with_size(MIB)
        };
        let error = Target::open(forbidden).expect_err("not to be made");
        assert!(matches!(error, TargetError::Missing { .. }), "{error}");
        assert_eq!(entries(home.path()), 0);

        let error = open(&serde_json::json!({"path": path, "create_if_missing": true}));
        let error = error.expect_err("no size").to_string();
        assert!(
            error.contains("\"size\" is missing") && error.contains("create_if_missing"),
            "{error}"
        );
        let read_only = TargetConfig {
            read_only: true,
            ..at(&path)
        };
        let error = Target::open(read_only).expect_err("missing");
        assert!(matches!(error, TargetError::Missing { .. }), "{error}");

        let target =
            open(&serde_json::json!({"path": path, "create_if_missing_with_size": "1MiB"}));
        assert!(target.expect("made").report().created);
    });
}

#[test]
fn a5_override_begins_empty_needs_a_size_and_respects_the_lock() {
    on_both_kinds(|| {
        let home = home();
        let path = home.path().join("pool");
        let target = made(&path, MIB);
        let id = target.put("a", b"data").expect("space");
        let over = |size: Option<u64>| TargetConfig {
            override_if_exists: true,
            size,
            ..at(&path)
        };
        let error = Target::open(over(None)).expect_err("no size");
        let missing = matches!(
            &error,
            TargetError::Config(ConfigError::Missing { field: "size", .. })
        );
        assert!(missing, "{error}");

        let error = Target::open(over(Some(MIB))).expect_err("held");
        assert!(
            matches!(error, TargetError::File(FileError::Busy { .. })),
            "{error}"
        );
        assert_eq!(target.read_all(id).expect("intact"), b"data");
        target.close().expect("whole");
        assert_eq!(reopened(&path).read_all(id).expect("intact"), b"data");

        let target = Target::open(over(Some(2 * MIB))).expect("free now");
        assert_eq!(
            (target.count().expect("a directory"), target.report().len),
            (0, 2 * MIB)
        );
        assert!(target.report().created);
        assert!(matches!(
            target.read_all(id),
            Err(RegionError::InvalidRegion { .. })
        ));
        assert_eq!(entries(home.path()), 1);
    });
}

#[test]
fn a6_another_size_is_reported_and_the_real_one_kept() {
    on_both_kinds(|| {
        let home = home();
        let path = home.path().join("pool");
        drop(made(&path, 16 * MIB));
        let target = made(&path, 32 * MIB);
        let report = target.report();
        assert_eq!(
            (report.len, report.configured_len),
            (16 * MIB, Some(32 * MIB))
        );
        assert!(!report.created);
        let text = report.to_string();
        assert!(
            text.contains("16777216 bytes (the configuration says 33554432)"),
            "{text}"
        );
        assert_eq!(fs::metadata(&path).expect("there").len(), 16 * MIB);
        drop(target);
        assert_eq!(made(&path, 16 * MIB).report().configured_len, None);
    });
}

#[test]
fn a7_the_report_tells_regions_and_what_recovery_did() {
    on_both_kinds(|| {
        use everline::layout::RootSlot;
        use everline::units::{ByteLen, ByteRange};
        use everline_crash::CrashMedia;

        let media = CrashMedia::new(ByteLen::new(MIB));
        let regions = on(media.clone());
        for number in 0..41 {
            regions
                .put(&format!("{number}"), &pattern(100, number))
                .expect("space");
        }
        regions.engine().checkpoint().expect("no failing fence");
        regions.put("41", &pattern(100, 41)).expect("space");
        let word = RootSlot::user(0).expect("one of 48");
        let word = word.at(&regions.engine().pool().geometry().clone());
        let mut tx = regions.engine().begin().expect("a lane");
        let range = ByteRange::new(word, ByteLen::new(8)).expect("in the pool");
        let mut place = tx.snapshot(&[range]).expect("room in the log");
        place.store64(word, 1).expect("snapshotted");

        let home = home();
        let path = home.path().join("pool");
        fs::write(&path, media.durable_image()).expect("space on the device");
        drop(tx);
        let target = reopened(&path);
        let report = target.report();
        assert_eq!(report.regions, 42);
        assert_eq!((report.recovery.redone, report.recovery.undone), (1, 1));
        assert!(report.elapsed_ms() > 0.0 && report.recovering > std::time::Duration::ZERO);
        assert!(!report.created);
        assert_eq!(report.len, MIB);
        assert!(
            report
                .to_string()
                .contains("42 regions, 1 transactions redone, 1 undone")
        );
    });
}

#[test]
fn a8_the_messages_are_the_documented_ones() {
    let home = home();
    let path = home.path().join("pool");
    let target = made(&path, MIB);
    let at = path.display();
    assert_eq!(
        target.report().messages(),
        [
            format!("Creating new pmem pool at {at}"),
            "Pool size: 1048576".to_owned()
        ]
    );
    target.put("a", b"1").expect("space");
    target.put("b", b"2").expect("space");
    target.close().expect("whole");
    assert_eq!(
        reopened(&path).report().messages(),
        [
            format!("Opening existing pmem pool at {at}"),
            "Pool size: 1048576".to_owned(),
            "Recovered 2 existing regions".to_owned(),
        ]
    );
    assert_eq!(
        OpenMessage::Recovered { regions: 0 }.to_string(),
        "Recovered 0 existing regions"
    );
}

#[test]
fn a9_a_clean_close_deletes_nothing() {
    on_both_kinds(|| {
        let home = home();
        let path = home.path().join("pool");
        let target = made(&path, MIB);
        let id = target.put("a", &pattern(5000, 1)).expect("space");
        target.close().expect("whole");
        assert!(path.is_file());
        let target = reopened(&path);
        assert_eq!(target.report().recovery.redone, 0, "the log was empty");
        assert_eq!(target.read_all(id), Ok(pattern(5000, 1)));
    });
}

#[test]
fn a10_destroy_removes_the_file_and_kills_every_handle() {
    on_both_kinds(|| {
        let home = home();
        let path = home.path().join("pool");
        for config in [at(&path).with_size(MIB), TargetConfig::memory(MIB)] {
            let target = Target::open(config.clone()).expect("made");
            let id = target.put("a", b"data").expect("space");
            let other = target.regions().clone();
            target.destroy_pool().expect("nobody minds");
            assert!(!path.exists());
            for regions in [&*target, &*other] {
                let mut byte = [0];
                for outcome in [
                    regions.write(id, 0, b"x"),
                    regions.read(id, 0, &mut byte),
                    regions.persist(id, 0, 1),
                    regions.destroy(id),
                    regions.put("b", b"x").map(drop),
                    regions.create(8, &UNNAMED).map(drop),
                    regions.by_name("a").map(drop),
                    regions.list().map(drop),
                    regions.info(id).map(drop),
                    regions.count().map(drop),
                    regions.rename(id, "c"),
                ] {
                    let error = outcome.expect_err("destroyed");
                    assert!(matches!(error, RegionError::Retired { .. }), "{error}");
                    assert!(error.to_string().contains("destroyed"), "{error}");
                }
                assert!(!regions.exists(id));
            }
            drop((target, other));
            let again = Target::open(config).expect("made anew");
            assert_eq!(again.count(), Ok(0));
            assert!(matches!(
                again.read_all(id),
                Err(RegionError::InvalidRegion { .. })
            ));
            again.destroy_pool().expect("ours");
        }
    });
}

#[test]
fn a10_removing_the_directory_is_a_fresh_start() {
    on_both_kinds(|| {
        let home = home();
        let directory = home.path().join("pools");
        fs::create_dir(&directory).expect("made");
        let target = made(&directory, MIB);
        target.put("a", b"data").expect("space");
        target.close().expect("whole");
        fs::remove_dir_all(&directory).expect("ours");
        fs::create_dir(&directory).expect("made");
        assert_eq!(made(&directory, MIB).count(), Ok(0));
    });
}

#[test]
fn a10_destroy_leaves_alone_what_took_the_name() {
    on_both_kinds(|| {
        let home = home();
        let path = home.path().join("pool");
        let target = made(&path, MIB);
        fs::rename(&path, home.path().join("elsewhere")).expect("moved");
        fs::write(&path, b"somebody else's").expect("written");
        let error = target.destroy_pool().expect_err("not ours");
        assert!(
            matches!(error, TargetError::File(FileError::Unlinked { .. })),
            "{error}"
        );
        assert_eq!(fs::read(&path).expect("there"), b"somebody else's");
        target.put("still", b"works").expect("not destroyed");
    });
}

#[test]
fn a11_parents_are_made_and_a_bare_name_works() {
    on_both_kinds(|| {
        let home = home();
        let program = std::env::current_exe().expect("a test program");
        let outcome = Command::new(program)
            .args(["--exact", "bare_name_child"])
            .env("EVERLINE_TEST_KIND", KIND.get().name())
            .env("EVERLINE_TEST_PATH", "c.pm")
            .current_dir(home.path())
            .status()
            .expect("started");
        assert!(outcome.success());
        assert!(home.path().join("c.pm").is_file());
        drop(made(&home.path().join("a/b/c.pm"), MIB));
        assert!(home.path().join("a/b/c.pm").is_file());
    });
}

#[test]
fn bare_name_child() {
    if let Some(path) = child_path() {
        let target = made(&path, MIB);
        assert!(target.path().expect("a file").is_absolute());
        target.put("a", b"1").expect("space");
        target.close().expect("whole");
    }
}

fn child_path() -> Option<PathBuf> {
    if std::env::var_os("EVERLINE_TEST_KIND").is_some_and(|kind| kind == "file") {
        KIND.set(TargetKind::File);
    }
    std::env::var_os("EVERLINE_TEST_PATH").map(PathBuf::from)
}

fn run_child(test: &str, path: &Path) -> bool {
    let program = std::env::current_exe().expect("a test program");
    let mut child = Command::new(program);
    child
        .args(["--exact", test])
        .env("EVERLINE_TEST_KIND", KIND.get().name())
        .env("EVERLINE_TEST_PATH", path);
    child.status().expect("started").success()
}

fn assert_busy(path: &Path) {
    for read_only in [false, true] {
        let config = TargetConfig {
            read_only,
            ..at(path)
        };
        let error = Target::open(config).expect_err("held");
        assert!(
            matches!(error, TargetError::File(FileError::Busy { .. })),
            "{error}"
        );
    }
}

#[test]
fn a12_a_second_opener_is_busy_here_and_in_another_process() {
    on_both_kinds(|| {
        let home = home();
        let path = home.path().join("pool");
        let target = made(&path, MIB);
        let id = target.put("a", b"first").expect("space");
        assert_busy(&path);
        assert!(run_child("busy_child", &path));
        assert_eq!(target.read_all(id).expect("unaffected"), b"first");
        target.write(id, 0, b"later").expect("unaffected");
        target.close().expect("whole");
        assert_eq!(reopened(&path).read_all(id).expect("there"), b"later");
    });
}

#[test]
fn busy_child() {
    if let Some(path) = child_path() {
        assert_busy(&path);
    }
}

#[test]
fn a9_b28_what_a_killed_process_had_acknowledged_is_there() {
    on_both_kinds(|| {
        use std::io::{BufRead, BufReader};
        use std::process::Stdio;

        let home = home();
        let path = home.path().join("pool");
        let program = std::env::current_exe().expect("a test program");
        let mut child = Command::new(program)
            .args(["--exact", "killed_child", "--nocapture"])
            .env("EVERLINE_TEST_KIND", KIND.get().name())
            .env("EVERLINE_TEST_PATH", &path)
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let acknowledged: Vec<String> = lines
            .map(|line| line.expect("text"))
            .filter_map(|line| line.split("done ").nth(1).map(str::to_owned))
            .take(20)
            .collect();
        child.kill().expect("alive");
        child.wait().expect("killed");
        let target = reopened(&path);
        for (number, id) in acknowledged.iter().enumerate() {
            let id = id.parse().expect("an identifier");
            assert_eq!(target.read_all(id), Ok(pattern(3000, number as u8)));
        }
        assert_eq!(acknowledged.len(), 20);
        assert_clean(&target);
    });
}

#[test]
fn killed_child() {
    if let Some(path) = child_path() {
        let target = made(&path, 16 * MIB);
        for number in 0..=u8::MAX {
            let id = target
                .create_with(&pattern(3000, number), &UNNAMED)
                .expect("space");
            println!("done {id}");
        }
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}

#[test]
fn a13_garbage_short_and_truncated_files_are_refused_and_unchanged() {
    on_both_kinds(|| {
        let home = home();
        let path = home.path().join("pool");
        drop(made(&path, MIB));
        let pool = fs::read(&path).expect("there");
        let garbage: Vec<u8> = pattern(MIB as usize, 9);
        for image in [&garbage[..], &[], &pool[..pool.len() / 2], &pool[..100]] {
            fs::write(&path, image).expect("written");
            // A size allows making what is missing, not replacing what is there (T1).
            for config in [at(&path), at(&path).with_size(MIB)] {
                let error = Target::open(config).expect_err("no pool");
                let typed = matches!(
                    &error,
                    TargetError::File(FileError::TooShort { .. })
                        | TargetError::Open {
                            error: OpenError::NotAPool { .. }
                                | OpenError::Truncated { .. }
                                | OpenError::TooShort { .. },
                            ..
                        }
                );
                assert!(typed, "{error}");
                assert!(error.to_string().contains("pool"), "{error}");
                assert_eq!(fs::read(&path).expect("there"), image);
            }
        }
    });
}

#[test]
fn a14_another_layout_is_refused() {
    let home = home();
    let path = home.path().join("pool").display().to_string();
    drop(open(&serde_json::json!({"path": path, "size": MIB, "layout": "mine"})).expect("made"));
    let error = open(&serde_json::json!({"path": path, "layout": "yours"})).expect_err("mine");
    let mismatch = matches!(
        &error,
        TargetError::Open {
            error: OpenError::LayoutMismatch { .. },
            ..
        }
    );
    assert!(mismatch && error.to_string().contains(&path), "{error}");
    open(&serde_json::json!({"path": path, "layout": "mine"})).expect("the same");
}

#[test]
fn a16_a_place_without_rights_is_an_error_of_open() {
    let error = Target::open(at("/proc/everline/pool").with_size(MIB));
    let error = error.expect_err("nothing can be made there");
    assert!(error.to_string().contains("/proc"), "{error}");
}

#[test]
fn a17_the_configuration_in_force_opens_the_same_pool_again() {
    let home = home();
    let directory = home.path().to_path_buf();
    let given = serde_json::json!({
        "type": "pmdk",
        "config": {
            "path": directory,
            "create_if_missing_with_size": "1MiB",
            "erase": true,
            "layout": "mine",
            "lanes": 3,
            "queue_depth": 5,
        },
        "transfer_manager": {"type": "pipeline", "config": {
            "num_pools": 2, "num_buffers_per_pool": 8,
            "first_buffer_size": 1024, "buffer_size_multiplier": 2,
        }},
    });
    let target = open(&given).expect("made");
    let id = target.put("a", b"data").expect("space");
    let in_force = target.config_json();
    assert_eq!(in_force["type"], "pmem");
    let path = directory.join("pool.pmem");
    assert_eq!(in_force["config"]["path"], path.display().to_string());
    assert_eq!(in_force["config"]["size"], MIB);
    assert_eq!(in_force["config"]["layout"], "mine");
    assert_eq!(in_force["transfer_manager"]["config"]["num_pools"], 2);
    assert_eq!(
        in_force["config"].get("override_if_exists"),
        None,
        "done already"
    );
    target.close().expect("whole");

    let again = open(&in_force).expect("a configuration like any other");
    assert_eq!(again.read_all(id).expect("the same pool"), b"data");
    assert_eq!(again.config_json(), in_force);
    assert_eq!(again.config().requests.queue_depth, 5);
    let text = serde_json::to_string(again.config()).expect("text");
    assert_eq!(
        serde_json::from_str::<TargetConfig>(&text).expect("read"),
        *again.config()
    );
}

#[test]
fn a18_an_unknown_type_is_named() {
    let error = open(&serde_json::json!({"type": "bla", "config": {}})).expect_err("unknown");
    assert!(
        error.to_string().starts_with("Unknown target type: bla"),
        "{error}"
    );
    let memory = open(&serde_json::json!({"type": "memory"})).expect("needs nothing");
    assert_eq!(memory.report().kind, TargetKind::Memory);
    let id = memory.put("a", b"1").expect("space");
    assert_eq!(memory.read_all(id).expect("there"), b"1");
}

#[test]
fn a19_an_identifier_of_one_target_is_refused_by_another() {
    let home = home();
    let targets = [
        made(&home.path().join("a"), MIB),
        made(&home.path().join("b"), MIB),
        Target::open(TargetConfig::memory(MIB)).expect("memory"),
        Target::open(TargetConfig::memory(MIB)).expect("memory"),
    ];
    let ids = targets
        .each_ref()
        .map(|target| target.put("a", b"1").expect("space"));
    for (at, target) in targets.iter().enumerate() {
        for (of, id) in ids.into_iter().enumerate() {
            let refused = Err(RegionError::InvalidRegion { id });
            let expected = if at == of { Ok(b"1".to_vec()) } else { refused };
            assert_eq!(target.read_all(id), expected);
        }
    }
}

#[test]
fn a20_a_read_only_target_changes_no_byte() {
    on_both_kinds(|| {
        let home = home();
        let path = home.path().join("pool");
        let target = made(&path, MIB);
        let id = target.put("a", b"data").expect("space");
        drop(target); // not closed: the log has something to replay
        let before = fs::read(&path).expect("there");
        let config = TargetConfig {
            read_only: true,
            ..at(&path)
        };
        let target = Target::open(config.clone()).expect("there");
        assert_eq!(target.read_all(id).expect("there"), b"data");
        assert_eq!(target.write(id, 0, b"x"), Err(RegionError::ReadOnly));
        assert_eq!(target.put("b", b"x"), Err(RegionError::ReadOnly));
        assert_eq!(target.destroy(id), Err(RegionError::ReadOnly));
        assert!(target.destroy_pool().is_err());
        let beside = Target::open(config).expect("readers share");
        assert_eq!(beside.read_all(id).expect("there"), b"data");
        drop(beside);
        target.close().expect("nothing to do");
        assert_eq!(fs::read(&path).expect("there"), before);
    });
}

#[test]
fn a21_the_report_says_what_is_not_power_fail_safe() {
    let memory = Target::open(TargetConfig::memory(MIB)).expect("memory");
    assert_eq!(memory.report().durability.domain, Domain::Volatile);
    assert!(memory.report().to_string().ends_with("not power-fail safe"));
    let assumed = TargetConfig {
        assume_persistent: true,
        ..TargetConfig::memory(MIB)
    };
    let assumed = Target::open(assumed).expect("memory");
    assert_eq!(assumed.report().durability.domain, Domain::MemoryController);
    assert!(assumed.report().to_string().contains("assumed persistent"));

    let home = home();
    let target = made(&home.path().join("pool"), MIB);
    let place = everline::media::file::durability_of(home.path()).expect("a place");
    assert_eq!(target.report().durability.domain, place.durability.domain);
    if Path::new("/dev/shm").is_dir() {
        let shm = tempfile::tempdir_in("/dev/shm").expect("writable");
        let target = made(shm.path(), MIB);
        assert!(!target.report().is_power_fail_safe());
        assert!(target.report().to_string().ends_with("not power-fail safe"));
    }
}

#[test]
fn k2_a_policy_fails_closed_and_receipts_tell_what_was_reached() {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() {
        let shm = tempfile::tempdir_in(shm).expect("writable");
        let path = shm.path().join("pool");
        let require = |size| serde_json::json!({"path": path, "require": "msync", "size": size});
        let error = open(&require(Some(MIB))).expect_err("tmpfs keeps nothing");
        assert!(
            error.to_string().contains("device durability is required"),
            "{error}"
        );
        assert_eq!(entries(shm.path()), 0);
        drop(made(&path, MIB));
        let before = fs::read(&path).expect("there");
        open(&require(None)).expect_err("tmpfs keeps nothing");
        let read_only = serde_json::json!({"path": path, "require": "msync", "read_only": true});
        let error = open(&read_only).expect_err("tmpfs keeps nothing");
        assert!(matches!(error, TargetError::DomainUnmet { .. }), "{error}");
        assert_eq!(fs::read(&path).expect("there"), before);
    }
    let memory = serde_json::json!({"type": "memory", "require": "adr"});
    let error = open(&memory).expect_err("memory keeps nothing");
    assert!(matches!(error, TargetError::DomainUnmet { .. }), "{error}");

    let home = home();
    let target = made(&home.path().join("pool"), MIB);
    let mut last = 0;
    for number in 0..3 {
        let mut batch = target.batch().expect("a lane");
        batch.put(&number.to_string(), b"bytes").expect("space");
        let receipt = batch.commit().expect("room");
        assert!(receipt.timestamp > last);
        assert_eq!(receipt.durability, target.report().durability);
        last = receipt.timestamp;
        let id = target.by_name("0").expect("there");
        target.write(id, 0, b"BYTES").expect("inside");
        assert_eq!(
            target.receipt(),
            receipt,
            "a direct write draws no timestamp of its own"
        );
    }
}
