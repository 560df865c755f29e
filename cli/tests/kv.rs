//! `kv …` and `tx`: every verb, with any bytes, and loads that were broken.

mod tools;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tools::{at, directory, everline, everline_with, hash, pool, put};

fn kv(words: &[&str]) -> tools::Ran {
    everline(&[&["kv"], words].concat())
}

/// The entries that `kv scan` lists.
fn entries(pool: &str, more: &[&str]) -> Vec<Value> {
    let object = kv(&[&["scan", pool, "--json"], more].concat())
        .ends(0)
        .object();
    object["entries"].as_array().expect("a list").clone()
}

fn lines(count: u64) -> String {
    (0..count)
        .map(|number| format!("{{\"key\": \"key {number:06}\", \"value\": \"value {number}\"}}\n"))
        .collect()
}

#[test]
fn i8_keys_are_put_read_counted_scanned_and_deleted() {
    let home = directory();
    let path = pool(&home, "4MiB");
    for (key, value) in [
        ("user:1", "Alice"),
        ("user:2", "Bob"),
        ("order:1", "tea"),
        ("empty", ""),
    ] {
        let ran = kv(&["put", &path, key, value, "--json"]).ends(0).object();
        assert_eq!(
            (&ran["key"], &ran["durable"]),
            (&json!(key), &json!(true)),
            "{ran}"
        );
    }
    let before = hash(&path);
    assert_eq!(kv(&["get", &path, "user:1"]).ends(0).stdout, b"Alice");
    assert_eq!(kv(&["get", &path, "empty"]).ends(0).stdout, b"");
    let got = kv(&["get", &path, "empty", "--json"]).ends(0).object();
    assert_eq!(got["value"], "", "empty is not absent: {got}");
    kv(&["get", &path, "nobody", "--json"]).fails(4, "nobody");
    assert_eq!(kv(&["count", &path]).ends(0).text(), "4\n");
    assert_eq!(
        kv(&["count", &path, "--prefix", "user:", "--json"])
            .ends(0)
            .object()["count"],
        2
    );
    assert_eq!(
        kv(&["scan", &path]).ends(0).text(),
        "empty\t\norder:1\ttea\nuser:1\tAlice\nuser:2\tBob\n"
    );
    assert_eq!(
        kv(&["scan", &path, "--reverse", "--limit", "2"])
            .ends(0)
            .text(),
        "user:2\tBob\nuser:1\tAlice\n"
    );
    let between = entries(&path, &["--from", "order", "--to", "user:2"]);
    assert_eq!(
        between,
        [
            json!({"key": "order:1", "value": "tea"}),
            json!({"key": "user:1", "value": "Alice"})
        ]
    );
    assert_eq!(hash(&path), before, "reading changes no byte");
    assert_eq!(
        kv(&["del", &path, "user:2", "--json"]).ends(0).object()["deleted"],
        true
    );
    kv(&["del", &path, "user:2", "--json"]).fails(4, "user:2");
    assert_eq!(kv(&["count", &path]).ends(0).text(), "3\n");
    // Regions live beside keys.
    put(&path, "region", b"bytes");
    assert_eq!(kv(&["get", &path, "user:1"]).ends(0).stdout, b"Alice");
    everline(&["check", &path]).ends(0);
}

#[test]
fn h5_any_bytes_pass_through_digits_and_standard_input() {
    let home = directory();
    let path = pool(&home, "4MiB");
    kv(&["put", &path, "--hex", "fffe", "00fffe"]).ends(0);
    assert_eq!(
        kv(&["get", &path, "--hex", "FFFE"]).ends(0).text(),
        "00fffe\n"
    );
    let got = kv(&["get", &path, "--hex", "fffe", "--json"])
        .ends(0)
        .object();
    assert_eq!(
        (&got["key"], &got["value"]),
        (&json!({"hex": "fffe"}), &json!({"hex": "00fffe"}))
    );
    let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    everline_with(&["kv", "put", &path, "all"], &all).ends(0);
    assert_eq!(kv(&["get", &path, "all"]).ends(0).stdout, all);
    assert_eq!(
        kv(&["scan", &path, "--hex", "--prefix", "ff"])
            .ends(0)
            .text(),
        "fffe\t00fffe\n"
    );
    assert_eq!(
        kv(&["scan", &path, "--from", "b"]).ends(0).text(),
        "\\xff\\xfe\t\\x00\\xff\\xfe\n"
    );
    for wrong in ["f", "zz", "0x00"] {
        kv(&["get", &path, "--hex", wrong, "--json"]).fails(2, "hexadecimal");
    }
    kv(&["del", &path, "--hex", "fffe"]).ends(0);
    kv(&["get", &path, "--hex", "fffe", "--json"]).fails(4, "fffe");
    #[cfg(unix)]
    {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        // A word of the command line need not be text either.
        let key = OsStr::from_bytes(&[0xFF, 0x80]);
        let words =
            |verb: &'static str| [OsStr::new("kv"), OsStr::new(verb), OsStr::new(&path), key];
        everline_with(&words("put"), b"raw").ends(0);
        assert_eq!(everline(&words("get")).ends(0).stdout, b"raw");
    }
}

#[test]
fn h8_cas_stores_only_what_was_expected() {
    let home = directory();
    let path = pool(&home, "4MiB");
    kv(&["cas", &path, "lock", "me", "--absent"]).ends(0);
    kv(&["cas", &path, "lock", "you", "--absent", "--json"]).fails(4, "not as expected");
    kv(&["cas", &path, "lock", "you", "--expect", "me"]).ends(0);
    kv(&["cas", &path, "lock", "x", "--expect", "me", "--json"]).fails(4, "nothing was changed");
    kv(&["cas", &path, "none", "x", "--present", "--json"]).fails(4, "none");
    kv(&["cas", &path, "lock", "x", "--json"]).fails(2, "--expect");
    kv(&["cas", &path, "lock", "x", "--absent", "--present", "--json"]).fails(2, "--");
    assert_eq!(kv(&["get", &path, "lock"]).ends(0).stdout, b"you");
    assert_eq!(
        kv(&["cas", &path, "lock", "he", "--present", "--json"])
            .ends(0)
            .object()["swapped"],
        true
    );
}

#[test]
fn h7_keyspaces_do_not_see_each_other() {
    let home = directory();
    let path = pool(&home, "4MiB");
    kv(&["put", &path, "k", "default"]).ends(0);
    kv(&["put", &path, "k", "other", "--space", "other"]).ends(0);
    assert_eq!(kv(&["get", &path, "k"]).ends(0).stdout, b"default");
    assert_eq!(
        kv(&["get", &path, "k", "--space", "other"]).ends(0).stdout,
        b"other"
    );
    kv(&["get", &path, "k", "--space", "missing", "--json"]).fails(4, "missing");
    let spaces = kv(&["spaces", &path, "--json"]).ends(0).object();
    assert_eq!(
        spaces["spaces"],
        json!([{"name": "", "count": 1}, {"name": "other", "count": 1}])
    );
}

#[test]
fn h6_too_long_a_key_is_refused_and_nothing_changes() {
    let home = directory();
    let path = pool(&home, "4MiB");
    kv(&["put", &path, "a", "b"]).ends(0);
    let long = "k".repeat(4096);
    kv(&["put", &path, &long, "v"]).ends(0);
    kv(&["put", &path, &format!("{long}k"), "v", "--json"]).fails(2, "4096");
    assert_eq!(kv(&["count", &path]).ends(0).text(), "2\n");
}

#[test]
fn l6_a_dump_equals_the_contents_and_a_load_brings_them_back() {
    let home = directory();
    let path = pool(&home, "4MiB");
    kv(&["put", &path, "text", "value \u{20ac}"]).ends(0);
    kv(&["put", &path, "--hex", "ff00", ""]).ends(0);
    everline_with(&["kv", "put", &path, "newline"], b"a\nb").ends(0);
    let before = hash(&path);
    let dump = kv(&["dump", &path]).ends(0).text();
    let listed: Vec<Value> = dump
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    assert_eq!(listed, entries(&path, &[]));
    assert_eq!(listed.len(), 3);
    assert_eq!(hash(&path), before);
    kv(&["dump", &path, "--json"]).fails(2, "--to");

    let other = at(&home, "other");
    everline(&["create", &other, "--size", "4MiB"]).ends(0);
    everline_with(&["kv", "load", &other, "--space", "copy"], dump.as_bytes()).ends(0);
    assert_eq!(entries(&other, &["--space", "copy"]), listed);
    let file = at(&home, "dump.jsonl");
    kv(&["dump", &path, "--hex", "--to", &file, "--json"]).ends(0);
    assert!(
        fs::read_to_string(&file)
            .expect("written")
            .contains("{\"hex\":\"ff00\"}")
    );
    kv(&["load", &other, &file]).ends(0);
    assert_eq!(entries(&other, &[]), listed);
}

#[test]
fn i8_a_broken_dump_goes_on_behind_its_last_whole_line() {
    let home = directory();
    let path = pool(&home, "16MiB");
    everline_with(&["kv", "load", &path], lines(500).as_bytes()).ends(0);
    let file = at(&home, "dump.jsonl");
    kv(&["dump", &path, "--to", &file]).ends(0);
    let whole = fs::read(&file).expect("written");
    for cut in [0, 1, 40, whole.len() / 2, whole.len() - 1, whole.len()] {
        fs::write(&file, &whole[..cut]).expect("writable");
        let ran = kv(&["dump", &path, "--to", &file, "--resume", "--json"])
            .ends(0)
            .object();
        let has_line = whole[..cut].contains(&b'\n');
        assert_eq!(ran["resumed"], has_line, "{cut}: {ran}");
        assert!(fs::read(&file).expect("written") == whole, "cut at {cut}");
    }
    kv(&["dump", &path, "--resume", "--json"]).fails(2, "--to");
}

#[test]
fn i8_a_dump_that_fails_leaves_the_old_file_as_it_was() {
    let home = directory();
    let path = pool(&home, "4MiB");
    everline_with(&["kv", "load", &path], lines(300).as_bytes()).ends(0);
    kv(&["put", &path, "key 000250", &"cold value ".repeat(9)]).ends(0);
    let (file, part) = (at(&home, "dump.jsonl"), at(&home, "dump.jsonl.part"));
    kv(&["dump", &path, "--to", &file]).ends(0);
    let whole = fs::read(&file).expect("written");
    assert!(!fs::exists(&part).expect("known"));
    let old = || fs::read(&file).expect("still there");

    kv(&["dump", &at(&home, "nowhere"), "--to", &file]).ends(4);
    kv(&["dump", &path, "--space", "nowhere", "--to", &file]).ends(4);
    assert!(old() == whole && !fs::exists(&part).expect("known"));
    let sound = fs::read(&path).expect("a file");
    damage(&path, "cold value ".repeat(9).as_bytes());
    kv(&["dump", &path, "--to", &file, "--json"]).fails(1, "offset");
    assert!(old() == whole, "damage was met behind some leaves");
    assert!(whole.starts_with(&fs::read(&part).expect("kept")));

    // Mended, the dump goes on behind what was kept, and takes the place of the old one.
    fs::write(&path, sound).expect("writable");
    fs::write(&file, "old\n").expect("writable");
    let ran = kv(&["dump", &path, "--to", &file, "--resume", "--json"]);
    assert_eq!(ran.ends(0).object()["resumed"], true);
    assert!(old() == whole && !fs::exists(&part).expect("known"));

    // What cannot be gone on with is not cut either.
    for torn in ["no line\nhalf a l", "{\"key\": 1}\n{\"k"] {
        fs::write(&file, torn).expect("writable");
        kv(&["dump", &path, "--to", &file, "--resume", "--json"]).fails(2, "line 1");
        assert_eq!(old(), torn.as_bytes());
    }
    kv(&["dump", &path, "--to", "/dev/stdout"]).ends(0);
    kv(&["dump", &path, "--to", "/dev/stdout", "--resume"]).ends(4);
}

#[test]
fn i8_a_load_believes_its_position_only_where_everything_before_it_is_the_same() {
    let home = directory();
    let path = pool(&home, "16MiB");
    let file = at(&home, "keys.jsonl");
    let line = |number: u64| format!("{{\"key\": \"key {number}\", \"value\": \"v\"}}\n\n");
    let good: String = (0..20).map(line).collect();
    fs::write(&file, format!("{good}not json\n")).expect("writable");
    kv(&["load", &path, &file, "--batch", "10", "--json"]).fails(2, "line 41");
    // The line right before the position is the same, an earlier one is not.
    fs::write(&file, good.replace("key 3\"", "key x\"")).expect("writable");
    kv(&["load", &path, &file, "--json"]).fails(2, "first 40 lines");
    // Begun anew, an old position is gone even where nothing could be loaded.
    fs::write(&file, "not json\n").expect("writable");
    kv(&["load", &path, &file, "--restart", "--json"]).fails(2, "line 1");
    fs::write(&file, &good).expect("writable");
    let ran = kv(&["load", &path, &file, "--json"]).ends(0).object();
    assert_eq!(
        (&ran["resumed_behind_line"], &ran["loaded"], &ran["lines"]),
        (&Value::Null, &json!(20), &json!(40)),
        "empty lines hold no keys: {ran}"
    );
    // The last line has no end: it is loaded, and no position is left in the middle of it.
    let cut = good.trim_end();
    let ran = everline_with(
        &[
            "kv", "load", &path, "--name", "cut", "--batch", "1", "--json",
        ],
        cut.as_bytes(),
    );
    assert_eq!(ran.ends(0).object()["loaded"], 20);
    assert_eq!(
        kv(&["count", &path, "--space", "everline.loads"])
            .ends(0)
            .text(),
        "0\n"
    );
}

#[test]
fn i8_a_load_that_met_a_bad_line_goes_on_where_it_stopped() {
    let home = directory();
    let path = pool(&home, "16MiB");
    let file = at(&home, "keys.jsonl");
    let good = lines(1000);
    let at_line = good
        .match_indices('\n')
        .nth(699)
        .expect("a thousand lines")
        .0
        + 1;
    let bad = format!("{}not json\n{}", &good[..at_line], &good[at_line..]);
    fs::write(&file, bad).expect("writable");
    kv(&["load", &path, &file, "--batch", "100", "--json"]).fails(2, "line 701");
    assert_eq!(kv(&["count", &path]).ends(0).text(), "700\n");
    // Another input under the same name is told apart.
    fs::write(&file, lines(1000).replace("value 699", "value xyz")).expect("writable");
    kv(&["load", &path, &file, "--json"]).fails(2, "first 700 lines");
    fs::write(&file, &good).expect("writable");
    let ran = kv(&["load", &path, &file, "--json"]).ends(0).object();
    assert_eq!(
        (&ran["resumed_behind_line"], &ran["loaded"], &ran["lines"]),
        (&json!(700), &json!(300), &json!(1000)),
        "{ran}"
    );
    assert_eq!(kv(&["count", &path]).ends(0).text(), "1000\n");
    // Once it has ended, the same file is loaded from its beginning.
    let again = kv(&["load", &path, &file, "--json"]).ends(0).object();
    assert_eq!(
        (&again["resumed_behind_line"], &again["loaded"]),
        (&Value::Null, &json!(1000))
    );
    assert_eq!(kv(&["count", &path]).ends(0).text(), "1000\n");
    everline(&["check", &path]).ends(0);
}

#[test]
fn i8_a_load_that_was_killed_goes_on_where_it_stopped() {
    let home = directory();
    let path = pool(&home, "16MiB");
    let input = lines(3000);
    let mut child = Command::new(env!("CARGO_BIN_EXE_everline"))
        .args([
            "kv", "load", &path, "--name", "keys", "--batch", "100", "-v",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut pipe = child.stdin.take().expect("piped");
    let half = input.match_indices('\n').nth(1549).expect("many lines").0 + 1;
    pipe.write_all(&input.as_bytes()[..half]).expect("read");
    pipe.flush().expect("read");
    let told = BufReader::new(child.stderr.take().expect("piped"));
    let reached = told
        .lines()
        .map_while(Result::ok)
        .any(|line| line == "loaded 1500 lines");
    assert!(reached, "fifteen commits");
    child.kill().expect("running");
    child.wait().expect("killed");
    drop(pipe);
    assert_eq!(kv(&["count", &path]).ends(0).text(), "1500\n");
    let ran = everline_with(
        &["kv", "load", &path, "--name", "keys", "--json"],
        input.as_bytes(),
    );
    let ran = ran.ends(0).object();
    assert_eq!(
        (&ran["resumed_behind_line"], &ran["loaded"]),
        (&json!(1500), &json!(1500))
    );
    assert_eq!(kv(&["dump", &path]).ends(0).text().lines().count(), 3000);
    // From its beginning, on request.
    let ran = everline_with(
        &["kv", "load", &path, "--name", "keys", "--restart", "--json"],
        input.as_bytes(),
    );
    assert_eq!(ran.ends(0).object()["loaded"], 3000);
}

#[test]
fn i8_bad_lines_of_a_load_are_named() {
    let home = directory();
    let path = pool(&home, "4MiB");
    for (line, words) in [
        ("[1]", "no object"),
        ("{\"key\": \"a\"}", "\"value\""),
        ("{\"value\": \"a\"}", "\"key\""),
        ("{\"key\": 1, \"value\": \"a\"}", "\"key\""),
        ("{\"key\": \"a\", \"value\": {\"hex\": \"f\"}}", "\"value\""),
        ("{\"key\": \"a\", \"value\": \"b\", \"ttl\": 1}", "\"ttl\""),
    ] {
        let input = format!("\n{{\"key\": \"good\", \"value\": \"\"}}\n{line}\n");
        let ran = everline_with(&["kv", "load", &path, "--json"], input.as_bytes());
        let ran = ran.fails(2, words);
        assert!(ran.stderr.contains("line 3"), "{}", ran.stderr);
    }
    kv(&["load", &path, &at(&home, "missing"), "--json"]).fails(4, "missing");
    assert_eq!(
        kv(&["count", &path]).ends(0).text(),
        "0\n",
        "one commit, which was not made"
    );
}

#[test]
fn i8_watch_metrics_tells_what_there_is() {
    let home = directory();
    let path = pool(&home, "4MiB");
    for key in ["a", "b", "c"] {
        kv(&["put", &path, key, "value"]).ends(0);
    }
    let before = hash(&path);
    let words = ["watch-metrics", &path, "--count", "3", "--interval", "0.01"];
    let told = kv(&[&words[..], &["--json"]].concat()).ends(0).object();
    let samples = told["samples"].as_array().expect("a list");
    assert_eq!(samples.len(), 3);
    for sample in samples {
        assert_eq!(
            (&sample["keys"], &sample["total_size"]),
            (&json!(3), &json!(4 << 20))
        );
        assert!(
            sample["used_size"].as_u64().is_some_and(|used| used > 0),
            "{sample}"
        );
    }
    let text = kv(&words).ends(0).text();
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("3 keys"))
            .count(),
        3,
        "{text}"
    );
    assert_eq!(hash(&path), before);
    kv(&["watch-metrics", &path, "--interval=-1", "--json"]).fails(2, "interval");
}

#[test]
fn i8_a_pool_in_use_is_locked_and_a_watch_goes_on() {
    let home = directory();
    let path = pool(&home, "4MiB");
    kv(&["put", &path, "k", "v"]).ends(0);
    let holder = everline_kv::open(&path).expect("a pool");
    holder.put("k", "new").expect("stored");
    kv(&["get", &path, "k", "--json"]).fails(5, "open");
    kv(&["put", &path, "k", "x", "--json"]).fails(5, "open");
    tx(&path, "put k x\ncommit\n").fails(5, "open");
    let told = kv(&["watch-metrics", &path, "--json"]).ends(0).object();
    assert_eq!(told["samples"], json!([{"busy": true}]));
    holder.close().expect("whole");
    assert_eq!(kv(&["get", &path, "k"]).ends(0).stdout, b"new");
}

/// Flips a byte in the last place where the file holds these bytes: rings lie in front of the heap.
fn damage(path: &str, bytes: &[u8]) -> usize {
    let mut image = fs::read(path).expect("readable");
    let at = image.windows(bytes.len()).rposition(|found| found == bytes);
    let at = at.expect("in the file");
    image[at + bytes.len() / 2] ^= 1;
    fs::write(path, image).expect("writable");
    at
}

#[test]
fn g6_l5_full_refuses_a_damaged_key_that_checkpoint_does_not_meet() {
    let home = directory();
    let path = pool(&home, "4MiB");
    for number in 0..100 {
        kv(&["put", &path, &format!("key {number}"), "the value of a key"]).ends(0);
    }
    kv(&["put", &path, "cold", &"cold value ".repeat(9)]).ends(0);
    assert_eq!(
        kv(&["count", &path, "--recovery", "full"]).ends(0).text(),
        "101\n"
    );
    assert_eq!(
        everline(&["check", &path, "--json"]).ends(0).object()["keys"],
        101
    );
    damage(&path, "cold value ".repeat(9).as_bytes());
    assert_eq!(
        kv(&["get", &path, "key 7"]).ends(0).stdout,
        b"the value of a key"
    );
    kv(&["get", &path, "cold", "--json"]).fails(1, "offset");
    for words in [
        vec!["kv", "get", &path, "key 7"],
        vec!["kv", "put", &path, "a", "b"],
    ] {
        let mut words = words;
        words.extend(["--recovery", "full", "--json"]);
        everline(&words).fails(1, "recovery \"full\" found 1 problem");
    }
    everline(&["region", "ls", &path]).ends(0);
    for words in [vec!["region", "ls", &path], vec!["stats", &path]] {
        let words = [&words[..], &["--recovery", "full", "--json"]].concat();
        everline(&words).fails(1, "recovery \"full\" found 1 problem");
    }
    let told = everline(&["check", &path, "--json"]).ends(1).object();
    assert_eq!(
        (&told["ok"], &told["problem_count"]),
        (&json!(false), &json!(1)),
        "{told}"
    );
    assert!(told["problems"][0]["at"].is_u64(), "{told}");
}

#[test]
fn g6_none_shows_keys_of_a_closed_pool_and_changes_no_byte() {
    let home = directory();
    let path = pool(&home, "4MiB");
    kv(&["put", &path, "k", "v"]).ends(0);
    let none = ["--recovery", "none"];
    let before = hash(&path);
    let get = ["get", &path, "k"];
    assert_eq!(kv(&[&get[..], &none].concat()).ends(0).stdout, b"v");
    kv(&[&["put", &path, "k", "x", "--json"][..], &none].concat()).fails(4, "read-only");
    assert_eq!(hash(&path), before);
    drop(everline_kv::open(&path).map(|store| store.put("k", "late").expect("stored")));
    let before = hash(&path);
    kv(&[&get[..], &none, &["--json"]].concat()).fails(3, "wait for recovery");
    kv(&[&get[..], &none, &["--recovery-force"]].concat()).ends(0);
    assert_eq!(hash(&path), before);
    assert_eq!(kv(&get).ends(0).stdout, b"late");
}

#[test]
fn k4_orphans_beside_keys_are_found_and_freed_and_keys_stay() {
    let home = directory();
    let path = pool(&home, "4MiB");
    for number in 0..50 {
        kv(&["put", &path, &format!("key {number}"), "value"]).ends(0);
    }
    put(&path, "region", b"bytes");
    assert_eq!(
        everline(&["orphans", &path, "--json"]).ends(0).object()["count"],
        0
    );
    // Taken and linked to nothing.
    let target = everline_region::Target::open(everline_region::TargetConfig::pmem(&path));
    let target = target.expect("a pool");
    let mut lost = target.engine().begin().expect("a lane");
    lost.alloc(everline::alloc::Request::new(1000))
        .expect("space");
    lost.commit().expect("committed");
    target.close().expect("whole");
    assert_eq!(
        everline(&["orphans", &path, "--json"]).ends(0).object()["count"],
        1
    );
    let freed = everline(&["orphans", &path, "--free", "--json"])
        .ends(0)
        .object();
    assert_eq!(
        (&freed["count"], &freed["certain"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(
        everline(&["orphans", &path, "--json"]).ends(0).object()["count"],
        0
    );
    assert_eq!(
        everline(&["check", &path, "--json"]).ends(0).object()["keys"],
        50
    );
    kv(&["count", &path, "--recovery", "full"]).ends(0);
}

#[test]
fn keys_travel_with_snapshots_and_moves() {
    let home = directory();
    let path = pool(&home, "4MiB");
    everline_with(&["kv", "load", &path], lines(500).as_bytes()).ends(0);
    let (copy, back, moved) = (at(&home, "copy"), at(&home, "back"), at(&home, "moved"));
    everline(&["snapshot", &path, &copy]).ends(0);
    everline(&["restore", &copy, &back]).ends(0);
    everline(&["migrate", &path, &moved]).ends(0);
    for path in [&back, &moved] {
        assert_eq!(
            kv(&["count", path, "--recovery", "full"]).ends(0).text(),
            "500\n"
        );
        assert_eq!(
            kv(&["get", path, "key 000499"]).ends(0).stdout,
            b"value 499"
        );
        kv(&["put", path, "new", "value"]).ends(0);
        everline(&["check", path]).ends(0);
    }
}

fn tx(path: &str, script: &str) -> tools::Ran {
    everline_with(&["tx", path, "--json"], script.as_bytes())
}

#[test]
fn f3_a_script_is_one_transaction() {
    let home = directory();
    let path = pool(&home, "4MiB");
    kv(&["put", &path, "account:1", "100"]).ends(0);
    let script = "# a transfer\nget account:1\nput account:1 90\nput account:2 \"1 0\"\nget account:1\ndel gone\ncommit\n\n# its end\n";
    let ran = tx(&path, script).ends(0).object();
    assert_eq!(
        (&ran["state"], &ran["durable"]),
        (&json!("committed"), &json!(true)),
        "{ran}"
    );
    assert_eq!(
        ran["results"],
        json!([
            {"get": "account:1", "value": "100"},
            {"get": "account:1", "value": "90"},
            {"del": "gone", "deleted": false},
        ])
    );
    assert_eq!(kv(&["get", &path, "account:2"]).ends(0).stdout, b"1 0");
    let text = everline_with(&["tx", &path], b"get account:1\nabort\n")
        .ends(0)
        .text();
    assert!(
        text.starts_with("account:1\t90\n") && text.contains("aborted"),
        "{text}"
    );
}

#[test]
fn f4_f16_aborts_savepoints_and_cut_scripts_change_nothing_more() {
    let home = directory();
    let path = pool(&home, "4MiB");
    kv(&["put", &path, "a", "1"]).ends(0);
    let ran = tx(
        &path,
        "put a 2\nsavepoint s\nput a 3\nput b 3\nrollback s\nget a\nget b\ncommit\n",
    );
    assert_eq!(
        ran.ends(0).object()["results"],
        json!([{"get": "a", "value": "2"}, {"get": "b", "value": null}])
    );
    assert_eq!(entries(&path, &[]), [json!({"key": "a", "value": "2"})]);
    assert_eq!(
        tx(&path, "put a 9\nabort\n").ends(0).object()["state"],
        "aborted"
    );
    for (script, code, words) in [
        ("put a 9\n", 2, "without commit"),
        ("", 2, "without commit"),
        ("put a 9\nput\ncommit\n", 2, "line 2"),
        ("put a 9\nrollback nowhere\ncommit\n", 2, "nowhere"),
        ("put a 9\ncommit\nput a 8\n", 2, "line 3"),
        ("space missing\nput a 9\ncommit\n", 4, "missing"),
        ("put a \"9\ncommit\n", 2, "quotation"),
    ] {
        tx(&path, script).fails(code, words);
    }
    assert_eq!(entries(&path, &[]), [json!({"key": "a", "value": "2"})]);
}

#[test]
fn f12_a_script_spans_keyspaces_with_any_bytes() {
    let home = directory();
    let path = pool(&home, "4MiB");
    kv(&["put", &path, "k", "v", "--space", "stock"]).ends(0);
    let script = "put fffe 00\nspace stock\ndel 6b\nput 80 ff\ncommit\n";
    everline_with(&["tx", &path, "--hex", "--serializable"], script.as_bytes()).ends(0);
    assert_eq!(kv(&["get", &path, "--hex", "fffe"]).ends(0).text(), "00\n");
    assert_eq!(
        entries(&path, &["--space", "stock"]),
        [json!({"key": {"hex": "80"}, "value": {"hex": "ff"}})]
    );
}
