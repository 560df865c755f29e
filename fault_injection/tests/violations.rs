//! What a violation tells: its line replays, and recoveries that panic, do not end or do not answer alike are named.

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, Explorer};

const LEN: ByteLen = ByteLen::new(4096);

#[track_caller]
fn put(media: &CrashMedia, place: u64, value: u64) {
    media.store64(ByteOffset::new(place), value);
}

fn get(media: &CrashMedia, place: u64) -> u64 {
    media.load64(ByteOffset::new(place))
}

#[track_caller]
fn flush(media: &CrashMedia, place: u64, len: u64) {
    media.flush(LineRange::covering(
        ByteRange::at(place, len).expect("small"),
    ));
}

#[track_caller]
fn fence(media: &CrashMedia) {
    media.fence().expect("no fault asked for");
}

#[track_caller]
fn persist(media: &CrashMedia, place: u64, value: u64) {
    put(media, place, value);
    flush(media, place, 8);
    fence(media);
}

#[test]
fn a_violation_replays_from_its_line() {
    let media = CrashMedia::new(LEN);
    media.invoke(1);
    media.write(ByteOffset::new(0), &[5; 16]);
    flush(&media, 0, 16);
    fence(&media);
    media.ack(1);
    let recover = |media: &CrashMedia| (get(media, 0), get(media, 8));
    let recording = media.recording();
    let explorer = Explorer::new();
    let report = explorer.explore(&recording, recover, |_, seen| match seen.0 == seen.1 {
        true => Ok(()),
        false => Err("torn".into()),
    });
    assert!(report.violations_met >= 2, "{report}");
    for violation in &report.violations {
        let line = violation.replay.to_string();
        let parsed = line.parse().expect("its own line");
        let again = explorer
            .replay(&recording, &parsed, recover)
            .expect("its own recording");
        assert_eq!(format!("{again:?}"), violation.observation, "{line}");
    }
}

#[test]
fn nested_and_killed_violations_replay_from_their_lines() {
    let media = CrashMedia::new(LEN);
    put(&media, 0, 1);
    // Recovery copies what it saw, and a later one finds the copy without the original or the other way round.
    let recover = |media: &CrashMedia| {
        let seen = (get(media, 0), get(media, 64));
        put(media, 64, seen.0);
        flush(media, 64, 8);
        fence(media);
        seen
    };
    let recording = media.recording();
    let explorer = Explorer::new();
    let report = explorer.explore(&recording, recover, |_, seen| match seen {
        (1, 1) | (0, 1) => Err("a second recovery".into()),
        _ => Ok(()),
    });
    let depths: Vec<_> = report.violations.iter().map(|v| v.depth).collect();
    assert!(depths.contains(&1), "{report}");
    for violation in &report.violations {
        let line = violation.replay.to_string();
        let again = explorer
            .replay(&recording, &violation.replay, recover)
            .expect("its own recording");
        assert_eq!(format!("{again:?}"), violation.observation, "{line}");
    }
    let killed = report.violations.iter().any(|v| v.replay.steps[0].kill);
    assert!(killed, "{report}");
}

#[test]
fn a_recovery_that_panics_or_never_ends_is_a_violation() {
    let media = CrashMedia::new(LEN);
    put(&media, 0, 1);
    let report = Explorer::new().explore(
        &media.recording(),
        |media| assert_eq!(get(media, 0), 0, "a word that was never expected"),
        |_, ()| Ok(()),
    );
    assert!(
        report.violations[0].reason.contains("never expected"),
        "{report}"
    );
    let report = Explorer::new().call_limit(1000).explore(
        &media.recording(),
        |media| while get(media, 0) == 1 {},
        |_, ()| Ok(()),
    );
    assert!(
        report.violations[0].reason.contains("does not end"),
        "{report}"
    );
}

#[test]
fn a_recovery_that_is_not_deterministic_is_named() {
    let media = CrashMedia::new(LEN);
    for word in 0..4 {
        put(&media, 64 * word, 1);
    }
    let calls = std::cell::Cell::new(0);
    let report = Explorer::new().explore(
        &media.recording(),
        |media| {
            calls.set(calls.get() + 1);
            get(media, 64 * (calls.get() % 4))
        },
        |_, _| Ok(()),
    );
    assert!(!report.exhaustive);
    assert!(
        report.violations[0].reason.contains("not deterministic"),
        "{report}"
    );
}

#[test]
fn beyond_its_budget_exploration_samples_and_says_so() {
    let media = CrashMedia::new(LEN);
    for word in 0..40 {
        put(&media, 8 * word, 1);
    }
    let explorer = Explorer::new().budget_per_point(128).kill_steps(0);
    let count = |media: &CrashMedia| (0..40).map(|word| get(media, 8 * word)).sum::<u64>();
    let report = explorer.explore(&media.recording(), count, |_, _| Ok(()));
    assert!(!report.exhaustive && report.is_clean(), "{report}");
    assert!(
        (report.log10_states - 40.0 * 2f64.log10()).abs() < 0.01,
        "{report}"
    );
    // A single word that deviates is met although depth first would take for ever to get there.
    for wrong in [0, 39] {
        let report = explorer.explore(
            &media.recording(),
            |media| (get(media, 8 * wrong), count(media)),
            |_, seen| match *seen {
                (0, 39) => Err("only this word was lost".into()),
                _ => Ok(()),
            },
        );
        assert!(report.violations_met > 0, "{wrong}: {report}");
    }
}

#[test]
fn recoveries_that_store_where_nobody_stored_are_explored_all_the_same() {
    let media = CrashMedia::new(LEN);
    for word in 0..3 {
        put(&media, 64 * word, word + 1);
    }
    let report = Explorer::new().idempotent(false).explore(
        &media.recording(),
        |media| {
            // Where it stores depends on what it finds, so that the memo learns new words late.
            let found = get(media, 0) + 2 * get(media, 64) + 4 * get(media, 128);
            let before = get(media, 1024 + 64 * found);
            persist(media, 1024 + 64 * found, found + 1);
            (found, before)
        },
        |point, (found, before)| match (point.depth, *before) {
            (0, 0) => Ok(()),
            (1, before) if before == 0 || before == found + 1 => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
    report.assert_clean();
    assert!(report.exhaustive);
    // 8 images, and each again with recovery's store lost or kept.
    assert!(report.executions >= 16, "{report}");
}
