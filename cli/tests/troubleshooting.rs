//! What goes wrong for newcomers, and what they are told.

mod tools;

use std::fs;
use std::os::unix::fs::FileExt;

use tools::{at, directory, everline, hash, pool, put};

#[test]
fn l15_a_pool_that_cannot_be_made_says_why_and_what_to_do() {
    let home = directory();
    let file = at(&home, "a file");
    fs::write(&file, b"not a directory").expect("written");
    let below = format!("{file}/pool");
    let ran = everline(&["create", &below, "--size", "1MiB", "--json"]);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains(&file), "{}", ran.stderr);
    // What the place gives is told before anything is made there.
    let here = home.path().display().to_string();
    let told = everline(&["doctor", &here, "--json"]).object();
    assert!(told["pool"].is_null(), "{told}");
    assert!(
        told["map_sync"].is_boolean() && told["advice"].is_string(),
        "{told}"
    );
}

#[test]
fn l15_slow_writes_are_explained_by_the_place_and_by_misaligned_regions() {
    let home = directory();
    let path = pool(&home, "4MiB");
    // Blocks of 320 bytes follow each other at multiples of 64 bytes.
    for index in 0..8 {
        put(&path, &format!("region {index}"), &[1; 300]);
    }
    put(&path, "small", &[1; 100]);
    put(&path, "large", &[1; 100_000]);
    let before = hash(&path);
    let told = everline(&["doctor", &path, "--json"]).object();
    assert_eq!(hash(&path), before, "doctor changes no byte");
    assert_eq!(told["pool"]["opens"], true, "{told}");
    let listed = told["pool"]["misaligned"].as_array().expect("a list");
    assert_eq!(told["pool"]["misaligned_count"], listed.len());
    assert!((1..=8).contains(&listed.len()), "{told}");
    for region in listed {
        assert_ne!(region["at"].as_u64().expect("a place") % 256, 0);
        assert!(region["bytes"].as_u64().expect("a length") >= 256);
    }
    let text = everline(&["doctor", &path]).text();
    assert!(
        text.contains("--align 256") && text.contains("region "),
        "{text}"
    );
    assert!(
        text.contains("MAP_SYNC") && text.contains("advice"),
        "{text}"
    );
}

#[test]
fn l15_a_pool_that_does_not_open_is_told_with_its_cure() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", b"bytes");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("there");
    for copy in [0u64, 4096] {
        file.write_all_at(&[0xa5; 64], copy + 100).expect("written");
    }
    drop(file);
    let ran = everline(&["doctor", &path, "--json"]).ends(1);
    let told = ran.object();
    assert_eq!(told["pool"]["opens"], false, "{told}");
    let cure = told["pool"]["cure"].as_str().expect("a cure").to_owned();
    assert!(
        cure.contains("repair") && cure.contains("salvage"),
        "{cure}"
    );
    let text = everline(&["doctor", &path]).ends(1).text();
    assert!(
        text.contains("does not open") && text.contains("everline repair"),
        "{text}"
    );
}
