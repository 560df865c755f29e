//! Every verb, with and without `--json`, on pools that are well.

mod tools;

use std::fs;
use std::path::Path;

use everline::engine::{OpenOptions, open_file};
use everline::media::file::FileOptions;
use everline::units::{ByteLen, ByteRange};
use everline_region::Regions;
use tools::{at, directory, everline, everline_with, hash, pool, put, run};

#[test]
fn a1_create_makes_a_file_of_that_size() {
    let home = directory();
    let path = at(&home, "new.pmem");
    let ran = everline(&["create", &path, "--size", "16MiB", "--json"]).ends(0);
    assert_eq!(ran.object()["size_bytes"], 16 << 20);
    assert_eq!(fs::metadata(&path).expect("there").len(), 16 << 20);
    let info = everline(&["info", &path, "--json"]).ends(0).object();
    assert_eq!(info["size_bytes"], 16 << 20);
    assert_eq!(info["regions"], 0);
    assert_eq!(info["clean"], true);
    assert!(
        everline(&["info", &path])
            .ends(0)
            .text()
            .contains("16777216 bytes (16 MiB)")
    );
}

#[test]
fn sizes_are_taken_as_people_write_them() {
    let home = directory();
    for (size, bytes) in [
        ("65536", 65_536),
        ("1M", 1 << 20),
        ("1MB", 1_000_000),
        ("2MiB", 2 << 20),
    ] {
        let path = at(&home, size);
        everline(&["create", &path, "--size", size]).ends(0);
        assert_eq!(fs::metadata(&path).expect("there").len(), bytes, "{size}");
    }
    for size in ["", "64XiB", "-1", "99999999999G", "1.5M"] {
        let argument = format!("--size={size}");
        let path = at(&home, "bad");
        everline(&["create", &path, &argument, "--json"]).fails(2, "size");
        assert!(!Path::new(&path).exists(), "{size}");
    }
}

#[test]
fn a2_a_directory_means_pool_pmem_in_it() {
    let home = directory();
    let inside = at(&home, "");
    everline(&["create", &inside, "--size", "1MiB"]).ends(0);
    let file = at(&home, "pool.pmem");
    assert!(Path::new(&file).is_file());
    put(&inside, "a", b"bytes");
    assert_eq!(
        everline(&["region", "get", &file, "a"]).ends(0).stdout,
        b"bytes"
    );
    let info = everline(&["info", &inside, "--json"]).ends(0).object();
    assert_eq!(info["path"], file);
}

#[test]
fn a5_overwrite_makes_it_empty_again_unless_it_is_open() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", b"bytes");
    everline(&["create", &path, "--size", "1MiB", "--json"]).fails(4, "already exists");
    let holder = open_file(
        Path::new(&path),
        &OpenOptions::default(),
        &FileOptions::default(),
    );
    let holder = holder.expect("opened");
    everline(&["create", &path, "--size", "1MiB", "--overwrite", "--json"]).fails(5, "busy");
    drop(holder);
    assert_eq!(
        everline(&["region", "get", &path, "a"]).ends(0).stdout,
        b"bytes"
    );
    everline(&["create", &path, "--size", "1MiB", "--overwrite"]).ends(0);
    let listed = everline(&["region", "ls", &path, "--json"])
        .ends(0)
        .object();
    assert_eq!(listed["count"], 0);
}

#[test]
fn e6_grow_makes_a_pool_longer_with_the_same_contents() {
    let home = directory();
    let path = pool(&home, "16MiB");
    put(&path, "a", b"bytes");
    let free = || everline(&["stats", &path, "--json"]).ends(0).object()["free_bytes"].as_u64();
    let before = free().expect("a number");
    let ran = everline(&["grow", &path, "--size", "32MiB", "--json"]).ends(0);
    let grown = ran.object();
    assert_eq!(grown["size_before_bytes"], 16 << 20);
    assert_eq!(grown["size_bytes"], 32 << 20);
    assert_eq!(free(), Some(before + (16 << 20)));
    assert_eq!(fs::metadata(&path).expect("there").len(), 32 << 20);
    assert_eq!(
        everline(&["region", "get", &path, "a"]).ends(0).stdout,
        b"bytes"
    );
    everline(&["check", &path]).ends(0);
    let again = everline(&["grow", &path, "--size", "32MiB"]).ends(0);
    assert!(again.text().contains("33554432 bytes (32 MiB)"));
}

#[test]
fn e6_grow_refuses_what_cannot_be_and_leaves_the_length() {
    let home = directory();
    let path = pool(&home, "1MiB");
    everline(&["grow", &path, "--size", "512KiB", "--json"]).fails(2, "pools only grow");
    everline(&["grow", &path, "--size", "17MiB", "--json"]).fails(2, "16777216");
    everline(&["grow", &path, "--size", "lots", "--json"]).fails(2, "size");
    everline(&["grow", &path, "--json"]).fails(2, "--size");
    everline(&["grow", &at(&home, "none"), "--size", "2MiB", "--json"]).fails(4, "no such file");
    assert_eq!(fs::metadata(&path).expect("there").len(), 1 << 20);
    let holder = open_file(
        Path::new(&path),
        &OpenOptions::default(),
        &FileOptions::default(),
    );
    everline(&["grow", &path, "--size", "2MiB", "--json"]).fails(5, "busy");
    drop(holder.expect("opened"));
    let help = everline(&["grow", "--help"]).ends(0).text();
    assert!(help.contains("Example: everline grow"), "{help}");
}

#[test]
fn a7_an_open_says_what_recovery_did() {
    let home = directory();
    let path = pool(&home, "4MiB");
    let file = Path::new(&path);
    let open = || {
        open_file(file, &OpenOptions::default(), &FileOptions::default())
            .expect("opened")
            .0
    };
    let regions = Regions::open(open()).expect("regions");
    for number in 0..41 {
        regions
            .put(&format!("region {number}"), b"bytes")
            .expect("put");
    }
    regions.into_engine().close().expect("closed");

    // One transaction commits; another has stored in place and has not.
    let regions = Regions::open(open()).expect("regions");
    regions.put("region 41", b"the last one").expect("put");
    let slot = everline::layout::RootSlot::user(7).expect("one of 48");
    let word = slot.at(&regions.engine().pool().geometry());
    let range = ByteRange::new(word, ByteLen::new(8)).expect("in the pool");
    let mut tx = regions.engine().begin().expect("begun");
    tx.snapshot(&[range])
        .expect("image")
        .store64(word, 4096)
        .expect("stored");
    std::mem::forget(tx);
    drop(regions);

    let before = hash(&path);
    let info = everline(&["info", &path, "--json"]).ends(0).object();
    assert_eq!(
        (
            &info["regions"],
            &info["redo_pending"],
            &info["undo_pending"]
        ),
        (&42.into(), &1.into(), &1.into())
    );
    assert_eq!(info["clean"], false);
    let ran = everline(&["region", "ls", &path, "-vv"]).ends(0);
    assert!(
        ran.stderr.contains("Recovered 42 existing regions"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("1 transactions redone, 1 undone"),
        "{}",
        ran.stderr
    );
    assert_eq!(hash(&path), before, "a reading verb changed the pool");

    // An open for writing recovers it for good.
    put(&path, "one more", b"x");
    let info = everline(&["info", &path, "--json"]).ends(0).object();
    assert_eq!(
        (&info["regions"], &info["clean"]),
        (&43.into(), &true.into())
    );
}

#[test]
fn a8_verbose_prints_exactly_these_lines() {
    let home = directory();
    let path = at(&home, "pool");
    let ran = everline(&["-v", "create", &path, "--size", "1MiB"]).ends(0);
    assert_eq!(
        ran.stderr,
        format!("Creating new pmem pool at {path}\nPool size: 1048576\n")
    );
    put(&path, "a", b"1");
    put(&path, "b", b"2");
    for words in [
        &["-v", "region", "ls", path.as_str()][..],
        &["info", &path, "-v"],
        &["-v", "check", &path],
    ] {
        let ran = everline(words).ends(0);
        let expected = format!(
            "Opening existing pmem pool at {path}\nPool size: 1048576\nRecovered 2 existing regions\n"
        );
        assert_eq!(ran.stderr, expected);
    }
    let ran = everline_with(&["-v", "region", "put", &path, "c", "--json"], b"3").ends(0);
    assert!(
        ran.stderr.ends_with("Recovered 2 existing regions\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.object()["bytes"], 1);
}

#[test]
fn a9_what_was_put_is_there_byte_for_byte() {
    let home = directory();
    let path = pool(&home, "8MiB");
    let every_byte: Vec<u8> = (0..300_000u32)
        .map(|number| (number * 7 / 3) as u8)
        .collect();
    let mut stored = vec![
        ("empty", &[][..]),
        ("one", &[0xff]),
        ("line", &every_byte[..64]),
    ];
    stored.push(("large", &every_byte));
    for (name, bytes) in &stored {
        let ran = everline_with(&["region", "put", &path, name, "--json"], bytes).ends(0);
        assert_eq!(ran.object()["bytes"], bytes.len());
        assert_eq!(ran.object()["id"].as_str().map(str::len), Some(32));
    }
    for (name, bytes) in &stored {
        assert_eq!(
            everline(&["region", "get", &path, name]).ends(0).stdout,
            *bytes,
            "{name}"
        );
    }
    let object = everline(&["region", "get", &path, "one", "--json"])
        .ends(0)
        .object();
    assert_eq!(
        (&object["data_hex"], &object["bytes"]),
        (&"ff".into(), &1.into())
    );
    let text = everline(&["region", "ls", &path]).ends(0).text();
    assert_eq!(text.lines().count(), 4, "{text}");
    let listed = everline(&["region", "ls", &path, "--json"])
        .ends(0)
        .object();
    let names: Vec<_> = listed["regions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|region| region["name"].as_str())
        .collect();
    assert!(
        names.contains(&Some("large")) && names.contains(&Some("empty")),
        "{names:?}"
    );

    // Again under the same name: the new bytes.
    put(&path, "one", b"two");
    assert_eq!(
        everline(&["region", "get", &path, "one"]).ends(0).stdout,
        b"two"
    );
    let check = everline(&["check", &path, "--json"]).ends(0).object();
    assert_eq!(
        (&check["ok"], &check["regions"], &check["problem_count"]),
        (&true.into(), &4.into(), &0.into())
    );
}

#[test]
fn rm_gives_the_space_back_and_names_what_is_not_there() {
    let home = directory();
    let path = pool(&home, "1MiB");
    let used = || everline(&["stats", &path, "--json"]).ends(0).object()["used_bytes"].as_u64();
    put(&path, "first", b"makes the directory");
    let before = used();
    put(&path, "a", &[7; 5000]);
    assert!(used() > before);
    let ran = everline(&["region", "rm", &path, "a", "--json"]).ends(0);
    assert_eq!(ran.object()["removed"], true);
    assert_eq!(used(), before);
    everline(&["region", "rm", &path, "a", "--json"]).fails(4, "\"a\"");
    everline(&["region", "get", &path, "a"]).fails(4, "\"a\"");
    everline_with(&["region", "put", &path, "", "--json"], b"x").fails(2, "name");
}

#[test]
fn stats_add_up_to_the_pool() {
    let home = directory();
    let path = pool(&home, "16MiB");
    put(&path, "a", &[1; 100_000]);
    let stats = everline(&["stats", &path, "--json"]).ends(0).object();
    let number = |name: &str| stats[name].as_u64().expect(name);
    assert_eq!(
        number("used_bytes") + number("free_bytes") + number("overhead_bytes"),
        16 << 20
    );
    assert!(
        number("used_bytes") >= 100_000 && number("largest_free_bytes") <= number("free_bytes")
    );
    assert!(
        everline(&["stats", &path])
            .ends(0)
            .text()
            .contains("fragmentation")
    );
}

#[test]
fn a10_destroy_removes_the_file() {
    let home = directory();
    let path = pool(&home, "1MiB");
    let ran = everline(&["destroy", &path, "--json"]).ends(0);
    assert_eq!(ran.object()["destroyed"], true);
    assert!(!Path::new(&path).exists());
    everline(&["region", "ls", &path, "--json"]).fails(4, "no such file");
    everline(&["destroy", &path, "--json"]).fails(4, "no such file");
    everline(&["create", &path, "--size", "1MiB"]).ends(0);
    assert_eq!(
        everline(&["info", &path, "--json"]).ends(0).object()["regions"],
        0
    );
    everline(&["destroy", &path]).ends(0);
}

#[test]
fn a11_parents_are_made_and_bare_names_work() {
    let home = directory();
    let deep = at(&home, "a/b/c.pm");
    everline(&["create", &deep, "--size", "64KiB"]).ends(0);
    assert!(Path::new(&deep).is_file());
    let mut bare = std::process::Command::new(env!("CARGO_BIN_EXE_everline"));
    bare.current_dir(home.path())
        .args(["-v", "create", "c.pm", "--size", "64KiB"]);
    let ran = run(&mut bare, b"").ends(0);
    let real = home.path().canonicalize().expect("real").join("c.pm");
    assert!(real.is_file());
    assert!(ran.stderr.contains("c.pm"), "{}", ran.stderr);
}

#[test]
fn a12_a_second_opener_gets_busy_and_harms_nobody() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", b"bytes");
    let holder = open_file(
        Path::new(&path),
        &OpenOptions::default(),
        &FileOptions::default(),
    );
    let regions = Regions::open(holder.expect("opened").0).expect("regions");
    for words in [
        &["region", "put", path.as_str(), "b"][..],
        &["region", "get", &path, "a"],
        &["region", "ls", &path],
        &["info", &path],
        &["stats", &path],
        &["check", &path],
        &["destroy", &path],
    ] {
        everline(words).fails(5, "busy");
        everline(&[words, &["--json"]].concat()).fails(5, "busy");
    }
    regions.put("c", b"the first one goes on").expect("put");
    regions.into_engine().close().expect("closed");
    assert_eq!(
        everline(&["region", "ls", &path, "--json"])
            .ends(0)
            .object()["count"],
        2
    );
}

#[test]
fn a14_another_layout_is_refused() {
    let home = directory();
    let path = at(&home, "pool");
    everline(&[
        "create", &path, "--size", "1MiB", "--layout", "mails", "--lanes", "3",
    ])
    .ends(0);
    let info = everline(&["info", &path, "--layout", "mails", "--json"])
        .ends(0)
        .object();
    assert_eq!(
        (&info["layout"], &info["lanes"]),
        (&"mails".into(), &3.into())
    );
    let before = hash(&path);
    for words in [
        &["info", path.as_str()][..],
        &["region", "put", &path, "a"],
        &["check", &path],
        &["destroy", &path],
    ] {
        everline(&[words, &["--layout", "songs", "--json"]].concat())
            .fails(1, "the pool's layout is \"mails\"");
    }
    assert_eq!(hash(&path), before);
    let long = "x".repeat(65);
    everline(&["info", &path, "--layout", &long, "--json"]).fails(2, "at most 64 bytes");
}

#[test]
fn a20_reading_verbs_change_no_byte() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", b"bytes");
    let before = hash(&path);
    for words in [
        &["info", path.as_str()][..],
        &["stats", &path],
        &["check", &path],
        &["region", "ls", &path],
        &["region", "get", &path, "a"],
        &["doctor", &path],
    ] {
        everline(words).ends(0);
        everline(&[words, &["--json"]].concat()).ends(0).object();
        assert_eq!(hash(&path), before, "{words:?}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_missing() {
    let home = directory();
    let path = at(&home, "pool");
    everline(&["create", &path]).ends(2);
    everline(&["create", &path, "--json"]).fails(2, "--size");
    everline(&["frobnicate", "--json"]).fails(2, "frobnicate");
    everline::<&str>(&[]).ends(2);
    everline(&["info", &path, "--require", "luck", "--json"]).fails(2, "memory_controller");
    assert!(everline(&["--help"]).ends(0).text().contains("Exit codes"));
    assert!(
        everline(&["--version"])
            .ends(0)
            .text()
            .starts_with("everline ")
    );
}

#[test]
fn l18_stats_raises_an_alarm_when_a_threshold_is_crossed() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "large", &vec![1; 500_000]);
    let stats = everline(&["stats", &path, "--json"]).ends(0).object();
    let used = stats["use"].as_f64().expect("a ratio") * 100.0;
    let (below, above) = (format!("{}%", used - 1.0), format!("{}%", used + 1.0));
    everline(&["stats", &path, "--fail-above", &above]).ends(0);
    let ran = everline(&["stats", &path, "--fail-above", &below, "--json"]).ends(1);
    let alarms = ran.object()["alarms"].clone();
    assert_eq!(alarms[0]["measure"], "use", "{alarms}");
    let text = everline(&["stats", &path, "--fail-above", &below])
        .ends(1)
        .text();
    assert!(
        text.contains("alarm") && text.contains("grow the pool"),
        "{text}"
    );

    // Every other of many regions goes: what is free lies in pieces.
    for index in 0..8 {
        put(&path, &format!("{index}"), &[1; 20_000]);
    }
    for index in (0..8).step_by(2) {
        everline(&["region", "rm", &path, &format!("{index}")]).ends(0);
    }
    everline(&["stats", &path, "--fail-above", "fragmentation=90%,log=90%"]).ends(0);
    let ran = everline(&["stats", &path, "--fail-above", "fragmentation=5%", "--json"]).ends(1);
    assert_eq!(ran.object()["alarms"][0]["measure"], "fragmentation");

    // A process that dies leaves its commits in the log.
    let options = OpenOptions::default();
    let (engine, _) =
        open_file(Path::new(&path), &options, &FileOptions::default()).expect("a pool");
    let regions = Regions::open(engine).expect("regions");
    regions.put("unclosed", b"bytes").expect("space");
    drop(regions);
    let ran = everline(&["stats", &path, "--fail-above", "log=0%", "--json"]).ends(1);
    assert_eq!(ran.object()["alarms"][0]["measure"], "log");
    everline(&["check", &path]).ends(0);
    for wrong in ["90", "use=", "speed=10%", "-1%"] {
        everline(&["stats", &path, &format!("--fail-above={wrong}"), "--json"])
            .fails(2, "threshold");
    }
}
