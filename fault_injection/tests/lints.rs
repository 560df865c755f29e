//! Row J7: flushes and fences that do nothing, and stores that an acknowledgement left behind, are reported with their
//! places. Numbers are those of the project's list of planted bugs.

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, Explorer, Lint, LintKind, Recording, on_thread};

const LEN: ByteLen = ByteLen::new(4096);
const X: u64 = 0;
const Y: u64 = 1024;

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

fn range(at: u64, len: u64) -> ByteRange {
    ByteRange::at(at, len).expect("small")
}

fn recorded(work: impl FnOnce(&CrashMedia)) -> Recording {
    let media = CrashMedia::new(LEN);
    work(&media);
    media.recording()
}

fn kinds(recording: &Recording) -> Vec<LintKind> {
    recording.lints().iter().map(|lint| lint.kind).collect()
}

/// Values 1 to 3 go to X and then to Y; the `planted` part comes with each.
fn in_order(planted: &str) -> Recording {
    recorded(|media| {
        for value in 1..=3 {
            media.invoke(value);
            put(media, X, value);
            flush(media, X, 8);
            if planted == "m34" {
                flush(media, X, 8);
            }
            fence(media);
            put(media, Y, value);
            flush(media, Y, if planted == "m35" { 72 } else { 8 });
            fence(media);
            if planted == "m36" {
                fence(media);
            }
            media.ack(value);
        }
    })
}

#[track_caller]
fn assert_no_crash_breaks(recording: &Recording) {
    let report = Explorer::new().explore(
        recording,
        |media| {
            (
                media.load64(ByteOffset::new(X)),
                media.load64(ByteOffset::new(Y)),
            )
        },
        |point, (x, y)| {
            let acked = point.acked.len() as u64;
            match x - y <= 1 && (acked..=acked + 1).contains(y) {
                true => Ok(()),
                false => Err(format!("{acked} acknowledged, {x} and {y} are left")),
            }
        },
    );
    report.assert_clean();
}

#[track_caller]
fn only(recording: &Recording) -> Lint {
    let lints = recording.lints();
    assert_eq!(lints.len(), 1, "{lints:#?}");
    lints[0].clone()
}

#[test]
fn j7_code_that_flushes_and_fences_just_what_it_must_has_no_lint() {
    let recording = in_order("nothing");
    assert_eq!(recording.lints(), []);
    assert_no_crash_breaks(&recording);
}

#[test]
fn j7_m34_a_line_flushed_twice_before_a_fence_is_reported_and_breaks_nothing() {
    let recording = in_order("m34");
    let lint = only(&recording);
    assert_eq!((lint.kind, lint.times), (LintKind::RedundantFlush, 3));
    let first = lint.other.expect("the first flush");
    assert_eq!(
        (lint.place.line(), lint.place.file()),
        (first.line() + 2, file!())
    );
    assert_no_crash_breaks(&recording);
}

#[test]
fn j7_m35_a_flush_beyond_what_was_written_is_reported_and_breaks_nothing() {
    let recording = in_order("m35");
    let lint = only(&recording);
    assert_eq!(
        (lint.kind, lint.at.get()),
        (LintKind::UnwrittenFlush, Y + 64)
    );
    assert!(lint.to_string().contains("tests/lints.rs:"), "{lint}");
    assert!(lint.to_string().contains("narrow the range"), "{lint}");
    assert_no_crash_breaks(&recording);
}

#[test]
fn j7_m36_a_fence_with_nothing_pending_is_reported_and_breaks_nothing() {
    let recording = in_order("m36");
    let lint = only(&recording);
    assert_eq!((lint.kind, lint.times), (LintKind::EmptyFence, 3));
    assert!(lint.to_string().contains("drop the fence"), "{lint}");
    assert_no_crash_breaks(&recording);
}

#[test]
fn j7_a_flush_of_a_line_that_is_durable_already_is_reported() {
    let lint = only(&recorded(|media| {
        put(media, X, 1);
        flush(media, X, 8);
        fence(media);
        flush(media, X, 8);
        fence(media);
    }));
    assert_eq!(lint.kind, LintKind::CleanFlush);
    assert_eq!(
        lint.other.expect("the flush that sufficed").line() + 2,
        lint.place.line()
    );
}

#[test]
fn j7_a_store_past_the_cache_needs_a_fence_and_no_flush() {
    let stored = |media: &CrashMedia| media.write_nt(ByteOffset::new(X), &[1; 64]);
    let clean = recorded(|media| {
        media.invoke(1);
        stored(media);
        fence(media);
        media.ack(1);
    });
    assert_eq!(kinds(&clean), []);
    let flushed = recorded(|media| {
        stored(media);
        flush(media, X, 64);
        fence(media);
    });
    assert_eq!(kinds(&flushed), [LintKind::CleanFlush]);
    let unfenced = recorded(|media| {
        media.invoke(1);
        stored(media);
        media.ack(1);
    });
    assert_eq!(kinds(&unfenced), [LintKind::UnfencedAtAck]);
}

#[test]
fn j7_a_store_that_an_acknowledgement_left_without_flush_is_reported_with_both_places() {
    let lint = only(&recorded(|media| {
        media.invoke(1);
        put(media, X, 1);
        put(media, Y, 1);
        flush(media, Y, 8);
        fence(media);
        media.ack(1);
    }));
    assert_eq!(lint.kind, LintKind::UnflushedAtAck);
    assert_eq!(
        lint.other.expect("the acknowledgement").line(),
        lint.place.line() + 4
    );
    assert!(
        lint.to_string().contains("flush and fence before"),
        "{lint}"
    );
}

#[test]
fn j7_a_flush_that_no_fence_completed_before_the_acknowledgement_is_reported() {
    let lint = only(&recorded(|media| {
        media.invoke(1);
        put(media, X, 1);
        flush(media, X, 8);
        media.ack(1);
        fence(media);
    }));
    assert_eq!(lint.kind, LintKind::UnfencedAtAck);
}

#[test]
fn j7_another_threads_fence_completes_no_flush() {
    let recording = recorded(|media| {
        media.invoke(1);
        put(media, X, 1);
        flush(media, X, 8);
        on_thread(7, || {
            put(media, Y, 1);
            flush(media, Y, 8);
            fence(media);
        });
        media.ack(1);
    });
    assert_eq!(kinds(&recording), [LintKind::UnfencedAtAck]);
}

#[test]
fn j7_a_thread_that_flushes_what_another_has_not_fenced_has_a_reason() {
    let recording = recorded(|media| {
        put(media, X, 1);
        flush(media, X, 8);
        on_thread(7, || {
            flush(media, X, 8);
            fence(media);
        });
        fence(media);
    });
    assert_eq!(kinds(&recording), []);
}

#[test]
fn j7_one_operation_that_makes_a_line_durable_again_and_again_is_reported() {
    let appended = |words: u64| {
        recorded(|media| {
            media.invoke(1);
            for word in 0..words {
                put(media, 8 * word, 1);
                flush(media, 8 * word, 8);
                fence(media);
            }
            media.ack(1);
        })
    };
    assert_eq!(kinds(&appended(LintKind::REPEATS)), []);
    assert_eq!(
        kinds(&appended(LintKind::REPEATS + 1)),
        [LintKind::RepeatedPersist]
    );
}

#[test]
fn j7_a_line_flushed_again_after_it_was_stored_to_again_has_no_lint() {
    let recording = recorded(|media| {
        for value in 1..=20 {
            media.invoke(value);
            put(media, X, value);
            flush(media, X, 8);
            put(media, X, value + 100);
            flush(media, X, 8);
            fence(media);
            media.ack(value);
        }
    });
    assert_eq!(kinds(&recording), []);
}

#[test]
fn j7_a_checksummed_entry_made_durable_at_once_has_no_lint() {
    let recording = recorded(|media| {
        media.invoke(1);
        media.write(ByteOffset::new(X), &[3; 120]);
        put(media, X + 120, 42);
        flush(media, X, 128);
        fence(media);
        media.ack(1);
    });
    assert_eq!(kinds(&recording), []);
}

#[test]
fn j7_a_volatile_hint_may_stay_unflushed_and_its_neighbour_may_not() {
    let hinted = |neighbour: bool| {
        recorded(|media| {
            media.volatile_hint(range(X + 8, 8));
            media.invoke(1);
            put(media, X + 8, 1);
            if neighbour {
                put(media, X + 16, 1);
            }
            media.ack(1);
        })
    };
    assert_eq!(kinds(&hinted(false)), []);
    assert_eq!(kinds(&hinted(true)), [LintKind::UnflushedAtAck]);
}

#[test]
fn j7_statistics_flushed_lazily_are_reported_only_beyond_their_bound() {
    let lazily = |every: u64| {
        recorded(|media| {
            media.lazily_flushed(range(X, 8), 3);
            for value in 1..=12 {
                media.invoke(value);
                put(media, X, value);
                media.ack(value);
                if value % every == 0 {
                    flush(media, X, 8);
                    fence(media);
                }
            }
        })
    };
    assert_eq!(kinds(&lazily(3)), []);
    assert_eq!(kinds(&lazily(4)), [LintKind::UnflushedAtAck]);
}

#[test]
fn j7_what_a_failed_fence_or_a_dead_process_left_is_not_taken_for_durable() {
    let failed = recorded(|media| {
        media.fail_next_fences(1);
        media.invoke(1);
        put(media, X, 1);
        flush(media, X, 8);
        assert!(media.fence().is_err());
        media.ack(1);
    });
    assert_eq!(kinds(&failed), [LintKind::UnflushedAtAck]);
    let media = CrashMedia::new(LEN);
    put(&media, X, 1);
    flush(&media, X, 8);
    let next = media.kill();
    flush(&next, X, 8);
    fence(&next);
    assert_eq!(kinds(&next.recording()), []);
}

#[test]
fn j7_only_what_came_after_the_mark_is_reported() {
    let recording = recorded(|media| {
        fence(media);
        media.mark();
        fence(media);
    });
    assert_eq!(kinds(&recording), [LintKind::EmptyFence; 2]);
    let whole = recording.lints();
    assert_eq!(recording.start_at_last_mark().lints(), whole[1..]);
}
