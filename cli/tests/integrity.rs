//! Sessions with damaged pools: what `check`, `doctor`, `repair`, `salvage` and `orphans` say and do.

mod tools;

use std::fs;
use std::path::Path;

use everline_region::Target;
use tools::{Ran, at, directory, everline, everline_with, hash, patch, pool, put};

/// Where root slot 0 leads, and where the first block of entries lies.
fn directory_of(path: &str) -> (u64, u64) {
    let target = Target::open(everline_region::TargetConfig {
        read_only: true,
        ..everline_region::TargetConfig::pmem(path)
    })
    .expect("it opens");
    let engine = target.engine();
    let root = engine.root(everline::layout::RootSlot::REGIONS).get();
    let word = everline::units::ByteOffset::new(root + 40);
    (root, engine.load64(word).expect("in the pool"))
}

fn some_pool(home: &tempfile::TempDir) -> String {
    let path = pool(home, "1MiB");
    put(&path, "first", &[1; 500]);
    put(&path, "second", &[2; 5000]);
    put(&path, "third/of it", b"third");
    path
}

fn get(path: &str, name: &str) -> Ran {
    everline(&["region", "get", path, name])
}

#[test]
fn e7_check_of_a_clean_pool_ends_with_0_and_a_damaged_one_is_told() {
    let home = directory();
    let path = some_pool(&home);
    assert_eq!(
        everline(&["check", &path, "--json"]).ends(0).object()["ok"],
        true
    );
    let (_, entries) = directory_of(&path);
    patch(&path, entries + 20, &[0xFF]);
    let before = hash(&path);
    let told = everline(&["check", &path, "--json"]).ends(3).object();
    assert_eq!(told["repairable"], true, "{told}");
    assert_eq!(told["problems"][0]["at"], entries, "{told}");
    assert_eq!(hash(&path), before, "check changes no byte");
}

#[test]
fn e8_k5_l15_doctor_names_the_cure_and_repair_says_what_it_loses_and_does_it() {
    let home = directory();
    let path = some_pool(&home);
    let (root, entries) = directory_of(&path);
    // The root, in a way that no single byte explains, and one entry for good.
    patch(&path, root, &[0xEE; 60]);
    patch(&path, entries + 48, &[0xA5; 48]);
    let before = hash(&path);
    let told = everline(&["doctor", &path, "--json"]).object();
    let cure = told["pool"]["cure"].as_str().expect("a cure");
    assert!(cure.contains("everline repair"), "{cure}");

    let ran = everline(&["repair", &path]).ends(3);
    assert!(ran.text().contains("slot 1"), "{}", ran.text());
    assert!(ran.text().contains("--apply"), "{}", ran.text());
    assert_eq!(hash(&path), before, "a dry run changes no byte");
    let plan = everline(&["repair", &path, "--json"]).ends(3).object();
    assert_eq!(
        (plan["applied"].as_bool(), plan["sound"].as_bool()),
        (Some(false), Some(true))
    );
    assert!(plan["losses"].as_u64() >= Some(1), "{plan}");

    let done = everline(&["repair", &path, "--apply", "--json"])
        .ends(0)
        .object();
    assert_eq!(done["findings"], plan["findings"], "it does what it said");
    let backup = done["backup"].as_str().expect("a copy");
    assert!(backup.ends_with(".backup-1"), "{backup}");
    assert_eq!(hash(backup), before, "the copy is what was there before");
    get(&path, "first").ends(0);
    assert_eq!(get(&path, "first").stdout, [1; 500]);
    assert_eq!(get(&path, "third/of it").stdout, b"third");
    // What the lost entry led to is not freed, and told.
    let orphans = everline(&["orphans", &path, "--json"]).ends(0).object();
    assert!(orphans["count"].as_u64() >= Some(1), "{orphans}");
    everline(&["check", &path]).ends(3);
    everline(&["orphans", &path, "--free"]).ends(0);
    everline(&["check", &path]).ends(0);
    let again = everline(&["repair", &path, "--apply", "--json"])
        .ends(0)
        .object();
    assert_eq!(
        (again["applied"].as_bool(), again["backup"].as_str()),
        (Some(false), None)
    );
}

#[test]
fn e8_a_copy_is_never_overwritten_and_can_be_left_out() {
    let home = directory();
    let path = some_pool(&home);
    let (_, entries) = directory_of(&path);
    patch(&path, entries + 20, &[0xFF]);
    let damaged = fs::read(&path).expect("readable");
    let taken = at(&home, "taken");
    fs::write(&taken, b"somebody's").expect("written");
    let before = hash(&path);
    everline(&["repair", &path, "--apply", "--backup", &taken]).fails(4, "choose another one");
    assert_eq!(
        (hash(&path), fs::read(&taken).expect("there")),
        (before, b"somebody's".to_vec())
    );
    let beside = format!("{path}.backup-1");
    fs::write(&beside, b"older").expect("written");
    let done = everline(&["repair", &path, "--apply", "--json"])
        .ends(0)
        .object();
    assert!(
        done["backup"]
            .as_str()
            .expect("a copy")
            .ends_with(".backup-2"),
        "{done}"
    );
    assert_eq!(fs::read(&beside).expect("there"), b"older");
    everline(&["check", &path]).ends(0);
    fs::write(&path, &damaged).expect("written");
    let done = everline(&["repair", &path, "--apply", "--no-backup", "--json"]).ends(0);
    assert!(done.object()["backup"].is_null());
    everline(&["repair", &path, "--backup", &taken]).ends(2);
    assert_eq!(get(&path, "second").stdout, [2; 5000]);
}

#[test]
fn g17_one_damaged_superblock_copy_is_repaired_from_the_other() {
    let home = directory();
    let path = some_pool(&home);
    for copy in [0, 4096] {
        patch(&path, copy + 100, &[0x5A; 40]);
        everline(&["check", &path]).ends(3);
        let plan = everline(&["repair", &path, "--json"]).ends(3).object();
        assert_eq!(plan["losses"], 0, "{plan}");
        everline(&["repair", &path, "--apply", "--no-backup"]).ends(0);
        everline(&["check", &path]).ends(0);
        assert_eq!(get(&path, "first").stdout, [1; 500]);
    }
}

#[test]
fn k5_salvage_saves_what_is_readable_of_a_pool_that_cannot_open() {
    let home = directory();
    let path = some_pool(&home);
    let kept = everline(&["region", "ls", &path, "--json"])
        .ends(0)
        .object();
    for copy in [0, 4096] {
        patch(&path, copy, &[0; 4096]);
    }
    everline(&["check", &path]).ends(1);
    everline(&["repair", &path]).fails(1, "salvage");
    let before = hash(&path);
    let saved = at(&home, "saved");
    let ran = everline(&["salvage", &path, &saved, "--json"])
        .ends(1)
        .object();
    assert_eq!(hash(&path), before, "salvage changes no byte");
    assert_eq!(
        (ran["regions"].as_u64(), ran["whole"].as_u64()),
        (Some(3), Some(3)),
        "{ran}"
    );
    assert_eq!(kept["regions"].as_array().map(Vec::len), Some(3), "{kept}");
    let file = |name: &str| fs::read(Path::new(&saved).join(name)).expect("saved");
    assert_eq!(file("first"), [1; 500]);
    assert_eq!(file("second"), [2; 5000]);
    assert_eq!(file("third%2Fof it"), b"third");
    let index: serde_json::Value = serde_json::from_slice(&file("salvage.json")).expect("JSON");
    assert_eq!(index["regions"].as_array().map(Vec::len), Some(3));
    assert_eq!(index["regions"][0]["complete"], true, "{index}");
    everline(&["salvage", &path, &saved]).fails(4, "not empty");
}

#[test]
fn k5_salvage_of_a_whole_pool_tells_identifiers_and_ends_with_0() {
    let home = directory();
    let path = some_pool(&home);
    let saved = at(&home, "saved");
    let ran = everline(&["salvage", &path, &saved, "--json"])
        .ends(0)
        .object();
    assert_eq!(ran["complete"], true, "{ran}");
    let text = fs::read_to_string(Path::new(&saved).join("salvage.json")).expect("saved");
    let index: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(index["regions"][0]["id"].is_string(), "{index}");
    // A pool that was cut off: what lies behind the end is told.
    let len = fs::metadata(&path).expect("there").len();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|file| file.set_len(len / 2))
        .expect("cut");
    let cut = at(&home, "cut");
    let ran = everline(&["salvage", &path, &cut]).ends(1);
    assert!(ran.text().contains("does not open"), "{}", ran.text());
    assert_eq!(
        fs::read(Path::new(&cut).join("first")).expect("saved"),
        [1; 500]
    );
}

#[test]
fn k4_orphans_are_listed_with_place_and_size_and_freed_on_request() {
    let home = directory();
    let path = some_pool(&home);
    let none = everline(&["orphans", &path, "--json"]).ends(0).object();
    assert_eq!(
        (none["count"].as_u64(), none["certain"].as_bool()),
        (Some(0), Some(true))
    );
    {
        let target = Target::open(everline_region::TargetConfig::pmem(&path)).expect("it opens");
        let mut tx = target.engine().begin().expect("a lane");
        tx.alloc(everline::alloc::Request::new(1000))
            .expect("space");
        tx.commit().expect("committed");
        target.close().expect("closed");
    }
    let before = hash(&path);
    let told = everline(&["orphans", &path, "--json"]).ends(0).object();
    assert_eq!(told["count"], 1, "{told}");
    assert_eq!(told["orphans"][0]["bytes"], 1024, "{told}");
    assert_eq!(hash(&path), before, "a listing changes no byte");
    let text = everline(&["orphans", &path]).text();
    assert!(
        text.contains("1024 bytes") && text.contains("--free"),
        "{text}"
    );
    everline(&["orphans", &path, "--free"]).ends(0);
    assert_eq!(
        everline(&["orphans", &path, "--json"]).ends(0).object()["count"],
        0
    );
    everline(&["check", &path]).ends(0);
    assert_eq!(
        everline_with(&["region", "get", &path, "first"], b"").stdout,
        [1; 500]
    );
}
