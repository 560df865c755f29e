//! A recording as a picture (row K12) and as pmemcheck's store log.

use std::path::Path;
use std::process::Command;

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, Recording, on_thread};

const LEN: ByteLen = ByteLen::new(4096);

#[track_caller]
fn put(media: &CrashMedia, at: u64, value: u64) {
    media.store64(ByteOffset::new(at), value);
}

#[track_caller]
fn flush(media: &CrashMedia, at: u64, len: u64) {
    media.flush(LineRange::covering(ByteRange::at(at, len).expect("small")));
}

#[track_caller]
fn fence(media: &CrashMedia) {
    media.fence().expect("no fault asked for");
}

/// The elements of a document, as names and attributes; panics where it is not well-formed.
fn elements(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = xml.trim_end();
    while let Some(start) = rest.find('<') {
        assert_text(&rest[..start]);
        assert!(!open.is_empty() || found.is_empty(), "one root: {rest}");
        let end = rest.find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "tags nest");
            continue;
        }
        let alone = tag.ends_with('/');
        let tag = tag.trim_end_matches('/');
        let (name, mut parts) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut attributes = Vec::new();
        while !parts.trim().is_empty() {
            let (key, value) = parts.split_once("=\"").expect("quoted");
            let (value, after) = value.split_once('"').expect("closed");
            assert_text(value);
            attributes.push((key.trim().to_owned(), value.to_owned()));
            parts = after;
        }
        if !alone {
            open.push(name.to_owned());
        }
        found.push((name.to_owned(), attributes));
    }
    assert!(
        rest.is_empty() && open.is_empty(),
        "all tags are closed: {open:?}"
    );
    found
}

/// No bare `&`, no control characters.
fn assert_text(text: &str) {
    for (at, _) in text.match_indices('&') {
        let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;"];
        assert!(
            entities.iter().any(|entity| text[at..].starts_with(entity)),
            "{text}"
        );
    }
    assert!(
        text.chars()
            .all(|letter| letter == '\n' || !letter.is_control()),
        "{text:?}"
    );
}

fn count(svg: &str, name: &str, class: &str) -> usize {
    let all = elements(svg);
    let fits = |(found, attributes): &&(String, Vec<(String, String)>)| {
        let marked = attributes
            .iter()
            .any(|(key, value)| key == "class" && value == class);
        found == name && marked
    };
    all.iter().filter(fits).count()
}

#[test]
fn k12_the_timeline_is_an_svg_that_shows_what_became_of_each_store() {
    let media = CrashMedia::new(LEN);
    media.invoke(1);
    put(&media, 0, 1);
    put(&media, 8, 1);
    flush(&media, 0, 8);
    fence(&media);
    put(&media, 64, 1);
    flush(&media, 64, 8);
    put(&media, 128, 1);
    let place = format!("{}:{}", file!(), line!() - 1);
    on_thread(2, || media.write_nt(ByteOffset::new(192), &[1; 128]));
    on_thread(2, || fence(&media));
    media.ack(1);
    let svg = media.recording().timeline_svg();
    let root = &elements(&svg)[0];
    assert_eq!(root.0, "svg");
    assert!(
        root.1
            .iter()
            .any(|(key, value)| key == "xmlns" && value == "http://www.w3.org/2000/svg")
    );
    // Two on the first line, two lines past the cache; one flushed; one never.
    let fates = ["durable", "flushed", "dirty"].map(|class| count(&svg, "circle", class));
    assert_eq!(fates, [4, 1, 1]);
    assert_eq!(
        (
            count(&svg, "polygon", "flush"),
            count(&svg, "polygon", "fence")
        ),
        (2, 2)
    );
    assert_eq!(count(&svg, "polygon", "op"), 2);
    // Three stores to their flush, one flush and two lines to their fences.
    assert_eq!(count(&svg, "path", "l"), 6);
    for told in [
        "11 events",
        "store 8 at 0x80: 0x1",
        "on thread 2",
        &place,
        "never flushed",
    ] {
        assert!(svg.contains(told), "{told}");
    }
}

#[test]
fn k12_a_fence_that_fails_and_a_kill_leave_stores_undone_in_the_timeline() {
    let media = CrashMedia::new(LEN);
    put(&media, 0, 1);
    flush(&media, 0, 8);
    media.fail_next_fences(1);
    assert!(media.fence().is_err());
    put(&media, 64, 1);
    flush(&media, 64, 8);
    let next = media.kill();
    fence(&next);
    let svg = next.recording().timeline_svg();
    assert_eq!(
        ["durable", "flushed", "dirty"].map(|class| count(&svg, "circle", class)),
        [0, 1, 1]
    );
    assert_eq!(count(&svg, "polygon", "bad"), 2);
}

#[test]
fn k12_a_long_timeline_is_cut_and_says_so() {
    let media = CrashMedia::new(ByteLen::new(1 << 20));
    for word in 0..2000 {
        put(&media, 64 * word, 1);
    }
    let svg = media.recording().timeline_svg();
    assert!(
        svg.contains("the first 512 of 2000 events, 464 more lines are not drawn"),
        "{}",
        &svg[..1000]
    );
    assert_eq!(count(&svg, "circle", "dirty"), 48);
    media.write(ByteOffset::new(0), &vec![1; 1 << 20]);
    let media = CrashMedia::new(ByteLen::new(1 << 20));
    media.write(ByteOffset::new(0), &vec![1; 1 << 20]);
    let svg = media.recording().timeline_svg();
    assert!(svg.len() < 100_000 && svg.contains("1 events, 16336 more lines are not drawn"));
    assert_eq!(elements(&svg)[0].0, "svg");
}

#[test]
fn k12_an_empty_recording_has_a_timeline_too() {
    let media = CrashMedia::new(LEN);
    put(&media, 0, 1);
    media.mark();
    let svg = media.recording().start_at_last_mark().timeline_svg();
    assert!(svg.contains("0 events"), "{svg}");
    assert_eq!(elements(&svg)[0].0, "svg");
}

fn sample() -> CrashMedia {
    let media = CrashMedia::new(LEN);
    media.invoke(7);
    media.store16(ByteOffset::new(2), 0x1234);
    media.write(ByteOffset::new(60), &[1, 2, 3, 4, 5, 6]);
    flush(&media, 60, 6);
    fence(&media);
    media.write_nt(ByteOffset::new(128), &7u64.to_le_bytes());
    media.fill(ByteRange::at(256, 3).expect("small"), 0xA);
    media.ack(7);
    media
}

/// The log without the places of its stores.
fn bare(log: &str) -> Vec<String> {
    let steps = log.trim_end().split('|');
    let cut = |step: &str| match step.starts_with("STORE") {
        true => step.split(';').take(4).collect::<Vec<_>>().join(";"),
        false => step.to_owned(),
    };
    steps.map(cut).collect()
}

#[test]
fn the_store_log_has_pmemchecks_grammar() {
    let log = sample()
        .recording()
        .pmemcheck_log("/tmp/pool")
        .expect("a fit path");
    let wanted = [
        "START",
        "REGISTER_FILE;/tmp/pool;0x1000000000;0x1000;0x0",
        "operation_7.BEGIN",
        "STORE;0x1000000002;0x1234;0x2",
        "STORE;0x100000003c;0x4030201;0x4",
        "STORE;0x1000000040;0x605;0x2",
        "FLUSH;0x1000000000;0x80",
        "FENCE",
        "STORE;0x1000000080;0x7;0x8",
        "FLUSH;0x1000000080;0x8",
        "STORE;0x1000000100;0xa0a0a;0x3",
        "operation_7.END",
        "STOP",
    ];
    assert_eq!(bare(&log), wanted);
    // What follows a store's size is printed as its stack trace.
    let store = log.split('|').nth(3).expect("a store");
    let place = store.split(';').nth(4).expect("a place");
    assert!(place.starts_with(file!()), "{store}");
    assert_eq!(log.lines().count(), 1);
}

#[test]
fn a_path_that_the_log_uses_itself_is_refused() {
    for path in [
        "/tmp/a|b",
        "/tmp/a;b",
        "/tmp/START",
        "/tmp/a\nb",
        "/NONSTOP/x",
    ] {
        let refused = sample().recording().pmemcheck_log(path);
        assert!(
            refused
                .expect_err("refused")
                .to_string()
                .contains("cannot stand"),
            "{path}"
        );
    }
}

#[test]
fn markers_of_operations_that_cross_are_left_out() {
    let media = CrashMedia::new(LEN);
    for (begins, id) in [
        (true, 1),
        (true, 2),
        (false, 2),
        (true, 3),
        (false, 1),
        (false, 3),
        (true, 4),
        (true, 5),
        (false, 4),
    ] {
        match begins {
            true => media.invoke(id),
            false => media.ack(id),
        }
    }
    let log = media
        .recording()
        .pmemcheck_log("/tmp/pool")
        .expect("a fit path");
    let markers: Vec<_> = log
        .split('|')
        .filter(|step| step.starts_with("operation"))
        .collect();
    let wanted = [
        "operation_1.BEGIN",
        "operation_2.BEGIN",
        "operation_2.END",
        "operation_1.END",
        "operation_4.BEGIN",
        "operation_4.END",
    ];
    assert_eq!(markers, wanted);
}

/// What pmreorder leaves in the file at the end of a log: a flush marks the stores that it overlaps, a fence after a
/// flush carries them out.
fn replayed(log: &str, mut file: Vec<u8>) -> Vec<u8> {
    let hex = |text: &str| {
        u64::from_str_radix(text.strip_prefix("0x").expect("0x"), 16).expect("hexadecimal")
    };
    let mut base = 0;
    let mut stores: Vec<(u64, u64, u64, bool)> = Vec::new();
    for step in log.trim_end().split('|') {
        let parts: Vec<&str> = step.split(';').collect();
        match parts[0] {
            "REGISTER_FILE" => {
                base = hex(parts[2]);
                assert_eq!(hex(parts[3]), file.len() as u64);
            }
            "STORE" => stores.push((hex(parts[1]) - base, hex(parts[2]), hex(parts[3]), false)),
            "FLUSH" => {
                let (at, len) = (hex(parts[1]) - base, hex(parts[2]));
                for store in &mut stores {
                    store.3 |= store.0 < at + len && at < store.0 + store.2;
                }
            }
            "FENCE" => stores.retain(|(at, value, size, flushed)| {
                if *flushed {
                    let bytes = &value.to_le_bytes()[..*size as usize];
                    file[*at as usize..][..bytes.len()].copy_from_slice(bytes);
                }
                !flushed
            }),
            "START" | "STOP" => {}
            marker => assert!(
                marker.ends_with(".BEGIN") || marker.ends_with(".END"),
                "{marker}"
            ),
        }
    }
    file
}

#[test]
fn a_replay_of_the_log_leaves_what_is_durable() {
    let mut state = 0x5EED_u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for program in 0..300 {
        let media = CrashMedia::dirty(ByteLen::new(512));
        for step in 0..40 {
            let at = random(480);
            match random(9) {
                0 | 1 => put(&media, at & !7, random(99)),
                2 => media.store8(ByteOffset::new(at), random(99) as u8),
                3 => media.write(ByteOffset::new(at), &[step; 21]),
                4 => media.write_nt(ByteOffset::new(at & !7), &[step; 24]),
                5 => drop(media.fetch_or64(ByteOffset::new(at & !7), random(99))),
                6 | 7 => flush(&media, at, 1 + random(30)),
                _ => fence(&media),
            }
            if step == 20 {
                flush(&media, 0, 512);
                fence(&media);
                media.mark();
            }
        }
        let recording = media.recording();
        for recording in [recording.clone(), recording.start_at_last_mark()] {
            let log = recording.pmemcheck_log("/tmp/pool").expect("a fit path");
            assert_eq!(
                replayed(&log, recording.before()),
                media.durable_image(),
                "program {program}"
            );
        }
    }
}

/// A value and then a flag; the value is flushed or not.
fn published(flushed: bool) -> Recording {
    let media = CrashMedia::new(LEN);
    media.invoke(1);
    put(&media, 0, 0x11);
    if flushed {
        flush(&media, 0, 8);
        fence(&media);
    }
    put(&media, 64, 1);
    flush(&media, 0, 128);
    fence(&media);
    media.ack(1);
    media.recording()
}

/// pmreorder, by EVERLINE_PMREORDER (a script of it) or on the path.
fn pmreorder() -> Option<Command> {
    if let Some(script) = std::env::var_os("EVERLINE_PMREORDER") {
        let mut command = Command::new("python3");
        command.arg(script);
        return Some(command);
    }
    let found = Command::new("pmreorder").arg("--version").output().is_ok();
    found.then(|| Command::new("pmreorder"))
}

#[test]
fn stock_pmreorder_replays_the_log_and_finds_the_missing_flush() {
    let Some(mut command) = pmreorder() else {
        // Debian's pmdk-tools has been without it; it lies in PMDK's sources, in src/tools/pmreorder.
        println!(
            "NOT CHECKED: pmreorder is not installed and EVERLINE_PMREORDER does not name its script"
        );
        return;
    };
    let folder = std::env::temp_dir().join(format!("everline-pmreorder-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = |name: &str| {
        folder
            .join(name)
            .into_os_string()
            .into_string()
            .expect("plain")
    };
    // Consistent: no flag, or the value is there.
    let checker = path("checker.sh");
    let script = "test \"$(od -An -tu1 -j64 -N1 \"$1\" | tr -d ' ')\" = 0 || test \"$(od -An -tu1 -j0 -N1 \"$1\" | tr -d ' ')\" = 17\n";
    std::fs::write(&checker, format!("#!/bin/sh\n{script}")).expect("a checker");
    let run = |recording: &Recording, command: &mut Command| {
        let (pool, log) = (path("pool"), path("log"));
        std::fs::write(&pool, recording.before()).expect("a pool");
        std::fs::write(&log, recording.pmemcheck_log(&pool).expect("fit")).expect("a log");
        command.args([
            "-l",
            &log,
            "-c",
            "prog",
            "-r",
            "ReorderFull",
            "-o",
            &path("out"),
            "-p",
            "/bin/sh",
            &checker,
        ]);
        let output = command.output().expect("pmreorder runs");
        assert!(
            !String::from_utf8_lossy(&output.stderr).contains("Traceback"),
            "{output:?}"
        );
        output.status.code()
    };
    let mut again = pmreorder().expect("as before");
    assert_eq!(run(&published(true), &mut command), Some(0));
    assert_eq!(run(&published(false), &mut again), Some(1));
    std::fs::remove_dir_all(Path::new(&folder)).expect("its own folder");
}
