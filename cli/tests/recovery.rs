//! `--recovery`: what each mode does before a verb sees the pool; and what waits in the log.

mod tools;

use everline::engine::{OpenOptions, open_file};
use everline::media::file::FileOptions;
use everline_region::Regions;
use std::path::Path;
use tools::{directory, everline, everline_with, hash, patch, pool, put};

/// Leaves a committed put in the log, as a killed process would.
fn leave_in_log(path: &str, name: &str) {
    let options = (OpenOptions::default(), FileOptions::default());
    let (engine, _) = open_file(Path::new(path), &options.0, &options.1).expect("a pool");
    let regions = Regions::open(engine).expect("a directory");
    regions.put(name, b"left").expect("space");
}

#[test]
fn g6_none_refuses_a_log_that_waits_and_changes_no_byte() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", b"bytes");
    let none = ["--recovery", "none"];
    let ls = ["region", "ls", &path, "--json"];
    let seen = everline(&[&ls[..], &none].concat()).ends(0).object();
    assert_eq!(seen["regions"].as_array().map(Vec::len), Some(1), "{seen}");
    everline_with(&[&["region", "put", &path, "b"][..], &none].concat(), b"x")
        .fails(4, "read-only");

    leave_in_log(&path, "left");
    let before = hash(&path);
    everline(&[&ls[..], &none].concat()).fails(3, "wait for recovery");
    everline(&[&ls[..], &none, &["--recovery-force"]].concat()).ends(0);
    everline(&[&ls[..], &["--recovery-force"]].concat()).fails(2, "recovery_force");
    assert_eq!(hash(&path), before);
    let seen = everline(&[&ls[..], &["--recovery", "full"]].concat())
        .ends(0)
        .object();
    assert_eq!(seen["regions"].as_array().map(Vec::len), Some(2), "{seen}");
    assert_eq!(hash(&path), before, "reading changes nothing in any mode");
    everline(&[&ls[..], &["--recovery", "fast"]].concat()).fails(2, "--recovery");
}

#[test]
fn l5_full_refuses_what_checkpoint_serves() {
    let home = directory();
    let path = pool(&home, "1MiB");
    for number in 0..20 {
        put(&path, &format!("region {number}"), &[number; 3000]);
    }
    let stat = everline(&["region", "stat", &path, "region 19", "--json"])
        .ends(0)
        .object();
    let at = stat["at"].as_u64().expect("a place");
    // The header of the slab that the block lies in; slabs are at multiples of their size behind the heap's start.
    let (engine, _) = open_file(
        Path::new(&path),
        &OpenOptions::default(),
        &FileOptions::default(),
    )
    .expect("a pool");
    let geometry = engine.pool().geometry();
    let mut slabs = (0..geometry.slab_count()).map(|slab| geometry.slab_at(slab).get());
    let header = slabs.rfind(|slab| *slab <= at).expect("in the heap");
    engine.close().expect("whole");
    patch(&path, header + 9, &[0xEE]);
    let ls = ["region", "ls", &path, "--json"];
    everline(&ls).ends(0);
    everline(&[&ls[..], &["--recovery", "full"]].concat()).fails(1, &format!("{header:#x}"));
}

#[test]
fn l6_log_lists_what_waits_for_a_checkpoint() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", b"bytes");
    let empty = everline(&["log", &path, "--json"]).ends(0).object();
    assert_eq!(empty["used_bytes"], 0);
    assert_eq!(
        empty["records"].as_array().map(Vec::len),
        Some(0),
        "{empty}"
    );
    leave_in_log(&path, "left");
    let before = hash(&path);
    let log = everline(&["log", &path, "--json"]).ends(0).object();
    let records = log["records"].as_array().expect("a list");
    let commits: Vec<_> = records
        .iter()
        .filter(|one| one["kind"] == "commit")
        .collect();
    assert!(!commits.is_empty(), "{log}");
    assert_eq!(
        commits.last().map(|one| &one["lsn"]),
        Some(&log["last_lsn"])
    );
    assert!(
        log["used_bytes"].as_u64().is_some_and(|bytes| bytes > 0),
        "{log}"
    );
    assert!(
        commits
            .iter()
            .all(|one| one["ops"].as_array().is_some_and(|ops| !ops.is_empty()))
    );
    let text = everline(&["log", &path]).ends(0).text();
    assert!(text.contains("commit"), "{text}");
    assert_eq!(hash(&path), before);
}
