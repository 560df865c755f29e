//! What the laboratory says of its own limits: it stops with a message, and never calls a part the whole.

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, Explorer, Point, PointKind};

const LEN: ByteLen = ByteLen::new(4096);

fn put(media: &CrashMedia, place: u64, value: u64) {
    media.store64(ByteOffset::new(place), value);
}

fn get(media: &CrashMedia, place: u64) -> u64 {
    media.load64(ByteOffset::new(place))
}

fn persist(media: &CrashMedia, place: u64, value: u64) {
    put(media, place, value);
    let word = ByteRange::at(place, 8).expect("small");
    media.flush(LineRange::covering(word));
    media.fence().expect("no fault asked for");
}

#[test]
fn a_recording_beyond_its_limit_stops_and_says_so() {
    let media = CrashMedia::new(LEN).recording_limit(ByteLen::new(64 << 10));
    let endless = std::panic::catch_unwind(|| {
        for value in 0.. {
            persist(&media, 0, value);
        }
    });
    let message = endless.expect_err("it stops");
    let message = message.downcast_ref::<String>().expect("a message");
    assert!(message.contains("CrashMedia::recording_limit"), "{message}");
}

#[test]
fn a_memory_limit_leaves_samples_and_says_so() {
    let media = CrashMedia::new(LEN);
    for word in 0..12 {
        put(&media, 8 * word, 1);
    }
    let explorer = Explorer::new().memory_limit(16 << 10).kill_steps(0);
    let count = |media: &CrashMedia| (0..12).map(|word| get(media, 8 * word)).sum::<u64>();
    let report = explorer.explore(&media.recording(), count, |_, _| Ok(()));
    assert!(!report.exhaustive && report.is_clean(), "{report}");
    assert!(report.to_string().contains("memory limit"), "{report}");
    assert_eq!(report.points_whole, 0, "{report}");
}

#[test]
fn recovery_twice_must_be_recovery_once() {
    let media = CrashMedia::new(LEN);
    put(&media, 0, 1);
    // Each open adds one to what it answers, and the next cut cannot take that back.
    let counts_opens = |media: &CrashMedia| {
        let opens = get(media, 64) + 1;
        persist(media, 64, opens);
        opens
    };
    let all = |_: &Point<'_>, _: &u64| Ok(());
    let report = Explorer::new().explore(&media.recording(), counts_opens, all);
    assert!(report.violations_met > 0, "{report}");
    assert!(report.violations[0].reason.contains("was over"), "{report}");
    let report = Explorer::new()
        .idempotent(false)
        .explore(&media.recording(), counts_opens, all);
    report.assert_clean();
}

#[test]
fn a_cut_before_a_change_of_length_is_told_as_such_and_sees_the_old_length() {
    let media = CrashMedia::new(LEN);
    put(&media, 0, 1);
    media.set_len(ByteLen::new(2 * 4096)).expect("room");
    put(&media, 4096, 1);
    media.set_len(LEN).expect("a cut");
    let seen = std::cell::RefCell::new(Vec::new());
    let report = Explorer::new().kill_steps(0).explore(
        &media.recording(),
        |media| media.len().get(),
        |point, len| {
            seen.borrow_mut().push((point.kind, *len));
            Ok(())
        },
    );
    report.assert_clean();
    let both = [(PointKind::Resize, 4096), (PointKind::Resize, 8192)];
    assert_eq!(
        seen.into_inner(),
        [both[0], both[1], (PointKind::End, 4096)]
    );
}

#[test]
fn states_are_summed_over_crash_points() {
    let media = CrashMedia::new(LEN);
    for word in 0..3 {
        put(&media, 64 * word, 1);
    }
    media.invoke(1);
    let report = Explorer::new().kill_steps(0).explore(
        &media.recording(),
        |media| get(media, 0),
        |_, _| Ok(()),
    );
    assert_eq!((report.crash_points, report.points_whole), (2, 2));
    for log10 in [report.log10_states, report.log10_covered] {
        assert!((log10 - 16f64.log10()).abs() < 1e-9, "{log10}");
    }
}
