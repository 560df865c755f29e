//! Files that are no pools, damaged pools, places that refuse: typed error, right exit code, nothing changed.

mod tools;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tools::{Tmpfs, at, directory, everline, everline_with, hash, patch, pool, put};

/// Verbs that open a pool, for reading and for writing.
fn openers(path: &str) -> [Vec<&str>; 12] {
    [
        vec!["info", path],
        vec!["stats", path],
        vec!["check", path],
        vec!["destroy", path],
        vec!["region", "ls", path],
        vec!["region", "put", path, "a"],
        vec!["region", "rm", path, "a"],
        vec!["log", path],
        vec!["kv", "get", path, "a"],
        vec!["kv", "put", path, "a", "b"],
        vec!["kv", "del", path, "a"],
        vec!["kv", "count", path],
    ]
}

/// Every opener refuses with this code and these words; the file stays as it is.
#[track_caller]
fn refused(path: &str, code: i32, words: &str) {
    let before = hash(path);
    for mut opener in openers(path) {
        everline(&opener).fails(code, words);
        opener.push("--json");
        let ran = everline(&opener).fails(code, words);
        assert!(
            ran.stderr.contains(path),
            "the path is not in: {}",
            ran.stderr
        );
        assert_eq!(hash(path), before, "{opener:?} changed the file");
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut word = 0x9E37_79B9u64;
    let mut next = || {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (word >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn a13_garbage_is_refused_and_left_as_it_is() {
    let home = directory();
    let path = at(&home, "garbage");
    fs::write(&path, noise(1 << 20)).expect("written");
    refused(&path, 1, "not a pool");
    fs::write(&path, vec![0; 1 << 20]).expect("written");
    refused(&path, 1, "not a pool");
    fs::write(&path, "some text").expect("written");
    refused(&path, 1, "too short");
}

#[test]
fn a13_truncated_pools_are_refused_and_left_as_they_are() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", &[7; 100_000]);
    let whole = fs::read(&path).expect("read");
    for len in [1, 511, 4096, 65_535, 65_536, (1 << 20) - 1] {
        fs::write(&path, &whole[..len]).expect("cut");
        refused(
            &path,
            1,
            if len < 65_536 {
                "too short"
            } else {
                "truncated"
            },
        );
    }
    fs::write(&path, &whole).expect("restored");
    assert_eq!(
        everline(&["region", "get", &path, "a"]).ends(0).stdout,
        [7; 100_000]
    );
}

#[test]
fn a13_another_byte_order_is_told_from_garbage() {
    let home = directory();
    let path = pool(&home, "1MiB");
    for copy in [0, 4096] {
        patch(&path, copy + 12, &0x0102_0304u32.to_be_bytes());
    }
    refused(&path, 1, "other byte order");
}

#[test]
fn a14_a_newer_format_is_refused() {
    let home = directory();
    let path = pool(&home, "1MiB");
    for copy in [0, 4096] {
        patch(&path, copy + 8, &2u32.to_le_bytes());
    }
    refused(&path, 1, "use a newer release");
}

#[test]
fn e12_a_missing_or_emptied_pool_is_never_made_again() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", b"bytes");
    fs::write(&path, b"").expect("emptied");
    refused(&path, 1, "too short");
    fs::remove_file(&path).expect("removed");
    for mut opener in openers(&path) {
        opener.push("--json");
        everline(&opener).fails(4, "no such file");
        assert!(!Path::new(&path).exists(), "{opener:?} made it again");
    }
}

#[test]
fn a_damaged_superblock_copy_is_repairable_and_mended_by_a_writer() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", b"bytes");
    let whole = hash(&path);
    for copy in [0, 4096] {
        for byte in (0..512).step_by(37) {
            let at = copy + byte;
            let old = fs::read(&path).expect("read")[at as usize];
            patch(&path, at, &[!old]);
            let damaged = hash(&path);
            let check = everline(&["check", &path, "--json"]).ends(3).object();
            assert_eq!(
                (&check["repairable"], &check["ok"]),
                (&true.into(), &false.into()),
                "{at}"
            );
            assert_eq!(hash(&path), damaged);
            patch(&path, at, &[old]);
        }
    }
    assert_eq!(hash(&path), whole);
    patch(&path, 100, b"damage");
    assert!(
        everline(&["check", &path])
            .ends(3)
            .text()
            .contains("repairable")
    );
    assert_eq!(
        everline(&["region", "get", &path, "a"]).ends(0).stdout,
        b"bytes"
    );
    put(&path, "b", b"more");
    everline(&["check", &path]).ends(0);
}

#[test]
fn a_damaged_directory_is_told_with_its_place_and_ends_with_3() {
    let home = directory();
    let path = pool(&home, "1MiB");
    let name = "a name that stands in the directory only";
    put(&path, name, b"bytes");
    let image = fs::read(&path).expect("read");
    let places = image.windows(name.len()).enumerate();
    for (at, _) in places.filter(|(_, window)| *window == name.as_bytes()) {
        patch(&path, at as u64 + 3, b"X");
    }
    let before = hash(&path);
    let check = everline(&["check", &path, "--json"]).ends(3).object();
    assert_eq!(check["ok"], false);
    assert_ne!(check["problem_count"], 0);
    assert!(
        everline(&["check", &path])
            .ends(3)
            .text()
            .contains("everline repair")
    );
    everline(&["region", "get", &path, name, "--json"]).fails(1, "corrupt");
    assert_eq!(hash(&path), before);
}

#[test]
fn flipped_bytes_anywhere_never_end_in_a_signal_or_a_panic() {
    let home = directory();
    let path = pool(&home, "64KiB");
    put(&path, "a", &[7; 3000]);
    let whole = fs::read(&path).expect("read");
    for at in (0..whole.len()).step_by(whole.len() / 64 + 7) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).expect("written");
        for words in [
            &["check", path.as_str()][..],
            &["region", "get", &path, "a"],
        ] {
            let ran = everline(words);
            assert!(matches!(ran.code, Some(0 | 1 | 3 | 4)), "{at:#x}: {ran:?}");
            assert!(!ran.stderr.contains("panicked"), "{at:#x}: {}", ran.stderr);
        }
    }
}

#[test]
fn a3_too_small_a_pool_leaves_no_file() {
    let home = directory();
    let path = at(&home, "small");
    for size in ["0", "1", "4096", "65535"] {
        everline(&["create", &path, "--size", size]).fails(2, "too small");
        everline(&["create", &path, "--size", size, "--json"]).fails(2, "too small");
        assert!(!Path::new(&path).exists());
    }
    everline(&["create", &path, "--size", "1MiB", "--lanes", "0", "--json"])
        .fails(2, "number of lanes");
    everline(&["create", &path, "--size", "16000000T", "--json"]).fails(2, "too large");
    assert!(!Path::new(&path).exists());
}

#[test]
fn a16_a_place_that_cannot_be_written_is_an_error_of_create_itself() {
    let home = directory();
    let file = at(&home, "file");
    fs::write(&file, b"x").expect("written");
    let below = at(&home, "file/pool");
    everline(&["create", &below, "--size", "1MiB", "--json"]).ends(4);
    everline(&["create", "/proc/everline/pool", "--size", "1MiB", "--json"]).ends(4);

    let locked = home.path().join("locked");
    fs::create_dir(&locked).expect("made");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).expect("set");
    let inside = locked.join("pool").display().to_string();
    if fs::write(locked.join("probe"), b"").is_err() {
        everline(&["create", &inside, "--size", "1MiB", "--json"]).fails(4, "check the owner");
        assert!(!Path::new(&inside).exists());
    } else if let Some(tmpfs) = Tmpfs::new("4m") {
        // This user may write everywhere, but not where the mount forbids it.
        let pool = tmpfs.at("pool");
        everline(&["create", &pool, "--size", "1MiB"]).ends(0);
        tmpfs.remount("ro");
        everline(&["create", &tmpfs.at("other"), "--size", "1MiB", "--json"])
            .fails(4, "check the owner");
        everline_with(&["region", "put", &pool, "a", "--json"], b"x").fails(4, "check the owner");
        assert!(!Path::new(&tmpfs.at("other")).exists());
        everline(&["info", &pool]).ends(0);
        tmpfs.remount("rw");
        put(&pool, "a", b"works again");
    }
}

#[test]
fn things_that_are_no_files_are_refused() {
    everline(&["info", "/dev/null", "--json"]).fails(4, "not a regular file");
    everline(&["region", "put", "/dev/zero", "a", "--json"]).fails(4, "not a regular file");
    let home = directory();
    let empty_directory = home.path().display().to_string();
    everline(&["info", &empty_directory, "--json"]).fails(4, "no such file");
}
