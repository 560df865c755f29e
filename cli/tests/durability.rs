//! The durability domain is told, and a policy is kept; a full device is an error and never a signal.

mod tools;

use std::path::Path;

use tools::{Tmpfs, at, directory, everline, everline_with, hash, pool, put, skip};

/// A directory on tmpfs, where there is one without mounting.
fn in_memory() -> Option<tempfile::TempDir> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    if mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some("/dev/shm") && line.contains("tmpfs"))
    {
        return tempfile::tempdir_in("/dev/shm").ok();
    }
    skip("/dev/shm is no tmpfs");
    None
}

#[test]
fn k1_doctor_names_the_domain_of_a_place_and_its_exit_code_tells() {
    let home = directory();
    let here = home.path().display().to_string();
    let device = everline(&["doctor", &here, "--json"]);
    let told = device.object();
    for field in [
        "path",
        "file_system",
        "domain",
        "reason",
        "flush",
        "flush_instruction",
        "advice",
    ] {
        assert!(
            told[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field}: {told}"
        );
    }
    assert!(told["map_sync"].is_boolean());
    assert_eq!(
        device.code,
        Some(if told["domain"] == "volatile" { 6 } else { 0 })
    );
    if let Some(memory) = in_memory() {
        let there = memory.path().display().to_string();
        let ran = everline(&["doctor", &there, "--json"]).ends(6);
        let told = ran.object();
        assert_eq!(
            (&told["domain"], &told["file_system"]),
            (&"volatile".into(), &"tmpfs".into())
        );
        assert_eq!(told["power_fail_safe"], false);
        let text = everline(&["doctor", &there]).ends(6).text();
        assert!(
            text.contains("not power-fail safe") && text.contains("advice"),
            "{text}"
        );
        // What the caller knows better is believed, and said.
        let told = everline(&["doctor", &there, "--json", "--assume-persistent"])
            .ends(0)
            .object();
        assert_eq!(told["reason"], "assumed persistent on request");
    }
    // A name that does not exist yet: the place where it would be.
    everline(&["doctor", &at(&home, "not/yet"), "--json"]).object();
}

#[test]
fn a21_info_says_what_is_not_power_fail_safe() {
    let Some(memory) = in_memory() else { return };
    let path = pool(&memory, "1MiB");
    let text = everline(&["info", &path]).ends(0).text();
    assert!(
        text.contains("volatile") && text.contains("not power-fail safe"),
        "{text}"
    );
    let info = everline(&["info", &path, "--json"]).ends(0).object();
    assert_eq!(
        (&info["domain"], &info["power_fail_safe"]),
        (&"volatile".into(), &false.into())
    );
    let created = everline(&["create", &at(&memory, "other"), "--size", "64KiB"])
        .ends(0)
        .text();
    assert!(created.contains("not power-fail safe"), "{created}");
    let info = everline(&["info", &path, "--assume-persistent", "--json"])
        .ends(0)
        .object();
    assert_eq!(info["domain"], "memory_controller");
    assert_ne!(info["flush"], "nothing");
}

#[test]
fn k2_a_policy_that_is_not_met_ends_with_6_and_changes_nothing() {
    let Some(memory) = in_memory() else { return };
    let path = at(&memory, "pool");
    let create = ["create", &path, "--size", "1MiB"];
    everline(&[&create[..], &["--require", "device", "--json"]].concat())
        .fails(6, "device durability is required");
    assert!(!Path::new(&path).exists());
    everline(&create).ends(0);
    let before = hash(&path);
    for words in [
        &["region", "put", path.as_str(), "a"][..],
        &["region", "ls", &path],
        &["info", &path],
        &["check", &path],
    ] {
        everline(&[words, &["--require", "device", "--json"]].concat())
            .fails(6, "device durability is required");
        everline(&[words, &["--require", "cpu_cache", "--assume-persistent"]].concat())
            .fails(6, "required");
    }
    everline(&["doctor", &path, "--require", "device"]).ends(6);
    assert_eq!(hash(&path), before);
    let words = [
        "region",
        "put",
        &path,
        "a",
        "--require",
        "memory_controller",
        "--assume-persistent",
        "--json",
    ];
    let receipt = everline_with(&words, b"x").ends(0).object();
    assert_eq!(receipt["domain"], "memory_controller");
}

#[test]
fn l2_a_device_fuller_than_its_pool_is_no_space_and_no_signal() {
    let Some(tmpfs) = Tmpfs::new("1m") else {
        return;
    };
    let path = tmpfs.at("pool");
    everline(&["create", &path, "--size", "64MiB", "--reserve", "--json"]).fails(4, "no space");
    assert!(tmpfs.is_empty(), "a failed create left something behind");

    everline(&["create", &path, "--size", "64MiB"]).ends(0);
    let bytes = |number: usize| vec![number as u8 + 1; 20_000];
    let mut stored = 0;
    let refused = loop {
        let name = format!("region {stored}");
        let ran = everline_with(&["region", "put", &path, &name, "--json"], &bytes(stored));
        assert!(ran.code.is_some(), "a signal ended it: {ran:?}");
        if ran.code != Some(0) {
            break ran;
        }
        stored += 1;
        assert!(stored < 100, "1 MiB took {stored} x 20,000 bytes");
    };
    let refused = refused.fails(4, "no space").object();
    assert_eq!(refused["error"]["kind"], "no_space");
    for number in 0..stored {
        let name = format!("region {number}");
        assert_eq!(
            everline(&["region", "get", &path, &name]).ends(0).stdout,
            bytes(number),
            "{name}"
        );
    }
    assert!(stored > 0);
    everline(&["check", &path]).ends(0);
    // Still usable: what is freed can be taken again.
    everline(&["region", "rm", &path, "region 0"]).ends(0);
    put(&path, "again", &bytes(0));
}

#[test]
fn a_device_full_at_create_leaves_nothing_behind() {
    let Some(tmpfs) = Tmpfs::new("128k") else {
        return;
    };
    everline(&["create", &tmpfs.at("pool"), "--size", "64MiB", "--json"]).fails(4, "no space");
    assert!(tmpfs.is_empty());
}

#[test]
fn a_forced_instruction_that_does_not_exist_is_a_usage_error_and_makes_no_file() {
    let home = directory();
    let path = home.path().join("pool.pmem");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_everline"));
    command
        .env("EVERLINE_FLUSH", "clwbb")
        .args(["create", "--size", "1MiB"])
        .arg(&path);
    tools::run(&mut command, b"").fails(2, "EVERLINE_FLUSH");
    assert!(!path.exists());
}
