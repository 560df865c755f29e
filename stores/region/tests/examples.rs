//! The examples under SIGKILL: real processes, killed at many moments, and what the pool holds after each.
#![cfg(unix)]

mod tools;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use everline_region::{RegionError, Target, TargetConfig};
use tools::*;

/// The folder of the built examples, those of the profile that this test was built with.
fn examples() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let program = std::env::current_exe().expect("a test program");
        let profile = program
            .parent()
            .and_then(Path::parent)
            .expect("target/PROFILE/deps/");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--offline",
            "--quiet",
            "--examples",
            "--package",
            "everline-region",
        ]);
        cargo
            .arg("--target-dir")
            .arg(profile.parent().expect("target/"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo").success());
        profile.join("examples")
    })
}

/// Runs an example until it ends or `deadline` has passed, then kills it; answers its lines.
fn run(example: &str, words: &[&str], deadline: Option<Duration>) -> Vec<String> {
    let mut child = Command::new(examples().join(example))
        .args(words)
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let reader = std::thread::spawn(move || {
        let lines = output.lines().map_while(Result::ok);
        lines.collect::<Vec<String>>()
    });
    if let Some(deadline) = deadline {
        std::thread::sleep(deadline);
        // It may have ended by itself.
        drop(child.kill());
    }
    let status = child.wait().expect("ended");
    let lines = reader.join().expect("no panic");
    assert!(
        deadline.is_some() || status.success(),
        "{example}: {lines:?}"
    );
    lines
}

/// The number behind the last line that begins with `word`.
fn last(lines: &[String], word: &str) -> Option<u64> {
    let mut numbers = lines.iter().filter_map(|line| line.strip_prefix(word));
    numbers.next_back().map(|number| {
        number
            .trim()
            .split(' ')
            .next()
            .unwrap_or("")
            .parse()
            .expect("a number")
    })
}

/// Kills the example again and again, at moments spread over its work, and looks at the pool after each.
fn under_fire(example: &str, words: &[&str], mut look: impl FnMut(&Path, &[String])) {
    let home = tempfile::tempdir().expect("a directory for tests");
    let path = home.path().join("pool");
    let mut arguments = vec![path.to_str().expect("plain")];
    arguments.extend(words);
    let mut random = Random(14);
    examples(); // built outside of what is timed
    let begun = Instant::now();
    let (mut kills, mut early) = (0, 0);
    while kills < 25 && begun.elapsed() < Duration::from_secs(60) {
        let deadline = Duration::from_micros(2000 + random.below(60_000) + 2000 * early);
        let lines = run(example, &arguments, Some(deadline));
        if !path.exists() {
            early += 1; // killed before the pool had its name: a busy machine needs longer
            continue;
        }
        kills += 1;
        look(&path, &lines);
    }
    assert!(kills > 5, "{kills} kills are too few to say anything");
}

fn open(path: &Path) -> Target {
    let target = Target::open(TargetConfig::pmem(path)).expect("whatever the kill left");
    assert_clean(&target);
    target
}

#[test]
fn l14_a_checkpoint_is_the_old_one_or_the_new_one_and_never_mixed() {
    let mut reached = 0;
    under_fire("checkpoint", &["1000000"], |path, lines| {
        let target = open(path);
        let saved = last(lines, "saved ").unwrap_or(0);
        reached = reached.max(saved);
        let words: Vec<u64> = match target.by_name("checkpoint") {
            Ok(id) => {
                let bytes = target.read_all(id).expect("there");
                bytes
                    .chunks_exact(8)
                    .map(|word| u64::from_le_bytes(word.try_into().expect("eight")))
                    .collect()
            }
            Err(error) => {
                assert!(
                    matches!(error, RegionError::NotFound { .. }) && reached == 0,
                    "{error}"
                );
                return;
            }
        };
        let step = words[0];
        assert!(
            step >= reached,
            "{step} is there, {reached} was acknowledged"
        );
        assert!(step <= reached + 10, "at most one checkpoint further");
        for (at, cell) in [(0usize, words[1]), (4000, words[4001]), (8191, words[8192])] {
            let mut expected = at as u64;
            for _ in 0..step {
                expected = expected
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
            }
            assert_eq!(cell, expected, "cell {at} belongs to step {step}");
        }
        // Every cell undone by one step gives the cell's own past: no cell of another moment is among them.
        let first = words[1];
        let factor = words[2].wrapping_sub(first);
        for (at, cell) in words[1..].iter().enumerate() {
            assert_eq!(
                *cell,
                first.wrapping_add(factor.wrapping_mul(at as u64)),
                "cell {at} of step {step}"
            );
        }
        reached = step;
    });
}

#[test]
fn l14_a_cache_holds_whole_answers_or_none_and_is_warm_after_a_kill() {
    let keys: Vec<String> = (0..60).map(|number| format!("key{number}")).collect();
    let words: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut sums: HashMap<String, u64> = HashMap::new();
    let mut hits = 0;
    under_fire("cache", &words, |path, lines| {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            if let [how @ ("hit" | "miss"), key, sum] = words[..] {
                let sum = sum.parse().expect("a number");
                assert_eq!(
                    *sums.entry(key.to_owned()).or_insert(sum),
                    sum,
                    "{key}: the same answer always"
                );
                hits += u32::from(how == "hit");
            }
        }
        let target = open(path);
        for info in target.list().expect("a directory") {
            assert_eq!(info.len, 20_000, "whole or absent");
            let bytes = target.read_all(info.id).expect("there");
            let sum = bytes.iter().map(|byte| u64::from(*byte)).sum();
            let key = info.name.expect("a key");
            assert_eq!(*sums.entry(key.clone()).or_insert(sum), sum, "{key}");
        }
        let acknowledged = lines
            .iter()
            .rev()
            .find_map(|line| line.strip_prefix("miss "));
        if let Some(key) = acknowledged.and_then(|line| line.split(' ').next()) {
            target.by_name(key).expect("what was acknowledged is kept");
        }
    });
    assert!(hits > 0, "answers outlived a kill");
}

#[test]
fn l14_a_stored_struct_keeps_its_fields_together() {
    let mut reached = 0;
    under_fire("stored_struct", &["1000000"], |path, lines| {
        let target = open(path);
        reached = last(lines, "booked ").unwrap_or(reached);
        let id = match target.by_name("account") {
            Ok(id) => id,
            Err(error) => {
                assert!(
                    matches!(error, RegionError::NotFound { .. }) && reached == 0,
                    "{error}"
                );
                return;
            }
        };
        let account = target.load::<[u64; 514]>(id, 0).expect("a struct");
        let (bookings, balance, history) = (account[0], account[1], &account[2..]);
        assert!(
            bookings == reached || bookings == reached + 1,
            "{bookings} after {reached}"
        );
        assert_eq!(balance, bookings * (bookings + 1) / 2);
        for number in bookings.saturating_sub(511).max(1)..=bookings {
            assert_eq!(history[number as usize % 512], number);
        }
        reached = bookings;
    });
}

#[test]
fn l14_a_workflow_resumes_where_it_was_and_repeats_nothing_that_was_finished() {
    let mut reached = 0;
    let mut results: Vec<Vec<u8>> = Vec::new();
    under_fire("workflow", &["600"], |path, lines| {
        if let Some(resumed) = last(lines, "resumed at ") {
            assert!(resumed >= reached, "{resumed} after {reached}");
            let again = lines
                .iter()
                .filter_map(|line| line.strip_prefix("works on "));
            assert!(
                again
                    .into_iter()
                    .all(|stage| stage.parse::<u64>().expect("a number") >= resumed)
            );
        }
        let target = open(path);
        let done = match target.by_name("finished") {
            Ok(id) => {
                let bytes = target.read_all(id).expect("there");
                u64::from_le_bytes(bytes.try_into().expect("eight"))
            }
            Err(_) => 0,
        };
        let acknowledged = last(lines, "finished ").map_or(reached, |stage| stage + 1);
        assert!(
            done == acknowledged || done == acknowledged + 1,
            "{done} after {acknowledged}"
        );
        assert_eq!(
            target.count(),
            Ok(if done == 0 { 0 } else { done + 1 }),
            "results and note together"
        );
        for stage in 0..done {
            let id = target.by_name(&format!("stage {stage}")).expect("finished");
            let result = target.read_all(id).expect("there");
            match results.get(stage as usize) {
                Some(known) => assert_eq!(result, *known, "a finished stage stays as it is"),
                None => results.push(result),
            }
        }
        reached = done;
    });
}

#[test]
fn l14_every_example_runs_to_its_end_and_goes_on_from_there() {
    let home = tempfile::tempdir().expect("a directory for tests");
    for (example, words, first, second) in [
        ("checkpoint", &["50"][..], "resumed at 0", "resumed at 50"),
        ("cache", &["a", "b"], "miss a", "hit a"),
        (
            "stored_struct",
            &["3"],
            "found 0 bookings",
            "found 3 bookings",
        ),
        ("workflow", &["4"], "resumed at 0", "resumed at 4"),
    ] {
        let path = home.path().join(example);
        let mut arguments = vec![path.to_str().expect("plain")];
        arguments.extend(words);
        for begins in [first, second] {
            let lines = run(example, &arguments, None);
            assert!(lines[0].starts_with(begins), "{example}: {lines:?}");
            assert!(
                lines.last().expect("lines").starts_with("done"),
                "{example}: {lines:?}"
            );
        }
    }
}
