//! `snapshot`, `restore`, `migrate`, `compact`, `scrub`, and copies between pools.

mod tools;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tools::{at, directory, everline, everline_with, hash, pool, put};

fn get(pool: &str, name: &str) -> Vec<u8> {
    everline(&["region", "get", pool, name]).ends(0).stdout
}

#[test]
fn d12_a_snapshot_is_restored_and_the_pool_did_not_change() {
    let home = directory();
    let path = pool(&home, "4MiB");
    put(&path, "a", b"as it was");
    let before = hash(&path);
    let saved = at(&home, "saved/monday");
    let told = everline(&["snapshot", &path, &saved, "--json"])
        .ends(0)
        .object();
    assert_eq!(told["size_bytes"], 4 << 20);
    assert_eq!(hash(&path), before, "a snapshot changes no byte");
    put(&path, "a", b"as it is now");
    everline(&["snapshot", &path, &saved, "--json"]).fails(4, "already exists");
    let again = at(&home, "again");
    everline(&["restore", &saved, &again, "--transfer-size", "1"]).ends(0);
    assert_eq!(get(&again, "a"), b"as it was");
    everline(&["check", &again]).ends(0);
    everline(&["restore", &saved, &path, "--json"]).fails(4, "already exists");
    everline(&["restore", &saved, &path, "--overwrite"]).ends(0);
    assert_eq!(get(&path, "a"), b"as it was");
    // What is no pool does not become one.
    let garbage = at(&home, "garbage");
    fs::write(&garbage, vec![7; 1 << 20]).expect("written");
    let nowhere = at(&home, "nowhere");
    everline(&["restore", &garbage, &nowhere, "--json"]).fails(1, "no sound pool");
    assert!(!Path::new(&nowhere).exists());
}

#[test]
fn d1_a_pool_moves_with_its_identifiers_and_is_found_only_there() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", b"bytes");
    let id = |pool: &str| {
        let stat = everline(&["region", "stat", pool, "a", "--json"]).ends(0);
        stat.object()["id"]
            .as_str()
            .expect("an identifier")
            .to_owned()
    };
    let (first, to) = (id(&path), at(&home, "new/place"));
    let bad = r#"{"transfer_size": -1}"#;
    everline(&["migrate", &path, &to, "--options", bad, "--json"]).fails(2, "transfer_size");
    assert_eq!(get(&path, "a"), b"bytes");
    everline(&["migrate", &path, &to, "--transfer-size", "1024"]).ends(0);
    assert_eq!(id(&to), first);
    everline(&["region", "get", &path, "a", "--json"]).fails(4, "no such file");
    // A copy beside its source is a pool of its own.
    let copy = at(&home, "copy");
    let told = everline(&["migrate", &to, &copy, "--keep-source", "--json"])
        .ends(0)
        .object();
    assert_eq!(told["renamed"][0]["source"], first.as_str());
    assert_eq!(told["renamed"][0]["copy"], id(&copy).as_str());
    assert_ne!(id(&copy), first);
    put(&copy, "b", b"only here");
    everline(&["region", "get", &to, "b", "--json"]).fails(4, "\"b\"");
    for pool in [&to, &copy] {
        assert_eq!(get(pool, "a"), b"bytes");
        everline(&["check", pool]).ends(0);
    }
    everline(&["migrate", &to, &copy, "--json"]).fails(4, "already exists");
}

#[test]
fn b37_a_region_is_copied_to_another_pool() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", b"bytes");
    let other = at(&home, "other");
    everline(&["create", &other, "--size", "1MiB"]).ends(0);
    let words = ["region", "copy", &path, "a", "--to", &other, "--name", "b"];
    everline(&words).ends(0);
    assert_eq!(get(&other, "b"), b"bytes");
    everline(&[&words[..], &["--json"]].concat()).fails(4, "already");
    everline(&["region", "copy", &path, "nobody", "--to", &other, "--json"]).fails(4, "nobody");
}

#[test]
fn e2_compaction_brings_free_space_together() {
    let home = directory();
    let path = pool(&home, "4MiB");
    for index in 0..40u8 {
        put(&path, &format!("{index}"), &[index; 40_000]);
    }
    for index in (0..40).step_by(2) {
        everline(&["region", "rm", &path, &format!("{index}")]).ends(0);
    }
    let told = everline(&["compact", &path, "--json"]).ends(0).object();
    let ratio = |key: &str| told[key].as_f64().expect("a ratio");
    assert!(
        ratio("fragmentation") < ratio("fragmentation_before"),
        "{told}"
    );
    assert!(told["moved"].as_u64().expect("a count") > 0);
    for index in (1..40u8).step_by(2) {
        assert_eq!(get(&path, &format!("{index}")), [index; 40_000]);
    }
    everline(&["check", &path]).ends(0);
}

#[test]
fn e9_scrub_names_region_and_offset_of_a_flipped_byte() {
    let home = directory();
    let path = pool(&home, "4MiB");
    everline(&[
        "region",
        "create",
        &path,
        "sums",
        "--size",
        "20000",
        "--checked",
    ])
    .ends(0);
    everline_with(&["region", "write", &path, "sums"], &[7; 20_000]).ends(0);
    let clean = everline(&["scrub", &path, "--json"]).ends(0).object();
    assert_eq!(
        (&clean["regions"], &clean["damaged_count"]),
        (&1.into(), &0.into())
    );
    let stat = everline(&["region", "stat", &path, "sums", "--json"])
        .ends(0)
        .object();
    let at = stat["at"].as_u64().expect("a place") + 9_000;
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("there");
    file.write_all_at(&[8], at).expect("written");
    let before = hash(&path);
    let found = everline(&["scrub", &path, "sums", "--json"])
        .ends(1)
        .object();
    assert_eq!(found["damaged"][0]["id"], stat["id"]);
    assert_eq!(found["damaged"][0]["at"], 8192);
    assert_eq!(hash(&path), before);
    put(&path, "plain", b"bytes");
    everline(&["scrub", &path, "plain", "--json"]).fails(2, "checksum");
}
