//! `region …`: each verb, with names and identifiers, with and without `--json`.

mod tools;

use tools::{at, directory, everline, everline_with, hash, pool, put};

/// The bytes that `region read` prints.
fn read(words: &[&str]) -> Vec<u8> {
    let mut all = vec!["region", "read"];
    all.extend(words);
    everline(&all).ends(0).stdout
}

#[test]
fn a_region_is_made_written_and_read_in_parts() {
    let home = directory();
    let path = pool(&home, "4MiB");
    let made = everline(&[
        "region", "create", &path, "notes", "--size", "10KiB", "--json",
    ])
    .ends(0)
    .object();
    let id = format!("id:{}", made["id"].as_str().expect("an identifier"));
    assert_eq!(read(&[&path, "notes"]), vec![0; 10 << 10]);
    everline_with(&["region", "write", &path, &id, "--at", "4KiB"], b"hello").ends(0);
    everline_with(
        &[
            "region", "write", &path, "notes", "--at", "5000", "--mode", "atomic",
        ],
        b"world",
    )
    .ends(0);
    assert_eq!(read(&[&path, &id, "--at", "4096", "--len", "5"]), b"hello");
    assert_eq!(
        read(&[&path, "notes", "--at", "4999", "--len", "7"]),
        b"\0world\0"
    );
    let before = hash(&path);
    for words in [
        vec![
            "region", "read", &*path, "notes", "--at", "10240", "--len", "1",
        ],
        vec!["region", "read", &*path, "notes", "--len", "1T"],
        vec!["region", "read", &*path, "notes", "--at", "1T"],
    ] {
        everline(&words).fails(2, "leave the region");
    }
    assert_eq!(hash(&path), before);
    everline_with(
        &["region", "write", &path, "notes", "--at", "10239", "--json"],
        b"xx",
    )
    .fails(2, "nothing was touched");
    everline(&["region", "read", &path, "nobody", "--json"]).fails(4, "nobody");
    everline(&["region", "read", &path, "id:00", "--json"]).fails(2, "32 hexadecimal digits");
    let forged = format!("id:{}", "5a".repeat(16));
    everline(&["region", "read", &path, &forged, "--json"]).fails(4, "identifier");
}

#[test]
fn a_growable_region_grows_as_it_is_written_and_resizes() {
    let home = directory();
    let path = pool(&home, "4MiB");
    everline(&["region", "create", &path, "--json"]).fails(2, "--size");
    everline(&[
        "region",
        "create",
        &path,
        "log",
        "--growable",
        "--align",
        "256",
        "--attr",
        "owner=me",
    ])
    .ends(0);
    everline_with(&["region", "write", &path, "log", "--at", "100"], b"end").ends(0);
    let stat = everline(&["region", "stat", &path, "log", "--json"])
        .ends(0)
        .object();
    assert_eq!(
        (&stat["bytes"], &stat["growable"]),
        (&103.into(), &true.into())
    );
    assert_eq!(stat["at"].as_u64().expect("a place") % 256, 0);
    assert_eq!(stat["attributes_hex"], "6f776e65723d6d65");
    assert_eq!(
        everline(&["region", "attr", &path, "log"]).ends(0).stdout,
        b"owner=me"
    );
    everline(&["region", "attr", &path, "log", "--clear"]).ends(0);
    assert_eq!(
        everline(&["region", "attr", &path, "log"]).ends(0).stdout,
        b""
    );
    everline(&["region", "resize", &path, "log", "--size", "101"]).ends(0);
    assert_eq!(read(&[&path, "log", "--at", "99"]), b"\0e");
    everline(&["region", "resize", &path, "log", "--size", "1GiB", "--json"]).fails(4, "space");
    assert_eq!(read(&[&path, "log"]).len(), 101);
}

#[test]
fn regions_are_copied_renamed_and_removed() {
    let home = directory();
    let path = pool(&home, "4MiB");
    put(&path, "a", b"bytes");
    everline(&["region", "copy", &path, "a", "--name", "a", "--json"]).fails(4, "already");
    let listed = |count: u64| {
        let listed = everline(&["region", "ls", &path, "--json"])
            .ends(0)
            .object();
        assert_eq!(listed["count"], count, "{listed}");
    };
    listed(1);
    everline(&["region", "copy", &path, "a", "--name", "b"]).ends(0);
    everline(&["region", "rename", &path, "a", "c"]).ends(0);
    assert_eq!(read(&[&path, "b"]), b"bytes");
    assert_eq!(read(&[&path, "c"]), b"bytes");
    everline(&["region", "read", &path, "a", "--json"]).fails(4, "\"a\"");
    listed(2);
    let id = everline(&["region", "stat", &path, "c", "--json"])
        .ends(0)
        .object()["id"]
        .clone();
    let id = format!("id:{}", id.as_str().expect("an identifier"));
    everline(&["region", "rm", &path, &id]).ends(0);
    everline(&["region", "rm", &path, &id, "--json"]).fails(4, "identifier");
    listed(1);
    everline(&["check", &path]).ends(0);
}

#[test]
fn a_volatile_write_is_there_and_can_be_persisted() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", &[1; 200]);
    everline_with(
        &["region", "write", &path, "a", "--mode", "volatile"],
        &[2; 100],
    )
    .ends(0);
    let done = everline(&["region", "persist", &path, "a", "--len", "100", "--json"]).ends(0);
    assert_eq!(done.object()["bytes"], 100);
    everline(&[
        "region", "persist", &path, "a", "--at", "1MiB", "--len", "1",
    ])
    .fails(2, "leave");
    assert_eq!(read(&[&path, "a", "--at", "99", "--len", "2"]), [2, 1]);
    assert_eq!(read(&[&path, "a", "--at", "200"]), b"");
}

#[test]
fn reading_verbs_of_regions_change_no_byte() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", b"bytes");
    let before = hash(&path);
    everline(&["region", "read", &path, "a"]).ends(0);
    everline(&["region", "stat", &path, "a"]).ends(0);
    everline(&["region", "attr", &path, "a"]).ends(0);
    everline(&["region", "ls", &path]).ends(0);
    assert_eq!(hash(&path), before);
    let missing = at(&home, "nothing");
    everline(&["region", "stat", &missing, "a", "--json"]).fails(4, "no such file");
}
