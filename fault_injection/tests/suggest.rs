//! Which flush or fence prevents a violation: the right one is named, it was tried, and none is invented.

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::files::DiskOptions;
use everline_crash::{Advice, CrashMedia, Explorer, Point, PointKind, Report, Suggestion};

const LEN: ByteLen = ByteLen::new(4096);

#[track_caller]
fn put(media: &CrashMedia, at: u64, value: u64) {
    media.store64(ByteOffset::new(at), value);
}

fn get(media: &CrashMedia, at: u64) -> u64 {
    media.load64(ByteOffset::new(at))
}

#[track_caller]
fn flush(media: &CrashMedia, at: u64, len: u64) {
    media.flush(LineRange::covering(ByteRange::at(at, len).expect("small")));
}

#[track_caller]
fn fence(media: &CrashMedia) {
    media.fence().expect("no fault asked for");
}

#[track_caller]
fn suggested(report: &Report) -> &Suggestion {
    match report
        .violations
        .first()
        .and_then(|first| first.advice.as_ref())
    {
        Some(Advice::Insert(suggestion)) => suggestion,
        other => panic!("{other:?}: {report}"),
    }
}

#[track_caller]
fn assert_no_suggestion(report: &Report) {
    let first = report.violations.first().expect("a violation");
    assert!(matches!(first.advice, Some(Advice::NoneOf(_))), "{first}");
    assert!(!first.to_string().contains("would be prevented"), "{first}");
    assert!(
        first.to_string().contains("in the workload prevents it"),
        "{first}"
    );
}

/// An undo log of one entry {x, y, generation}, retired by `DONE`; the numbers are those of the planted bugs, and their
/// lines are answered.
mod undo {
    use super::*;

    const DONE: u64 = 0;
    const ENTRY: u64 = 64;
    const X: u64 = 1024;
    const Y: u64 = 2048;

    #[derive(Default)]
    pub struct Lines {
        pub entry_stored: u32,
        pub entry_flushed: u32,
        pub done_flushed: u32,
    }

    fn update(media: &CrashMedia, generation: u64, planted: &str) -> Lines {
        let mut lines = Lines::default();
        let entry = [get(media, X), get(media, Y), generation];
        let mut bytes = [0; 24];
        for (word, value) in entry.iter().enumerate() {
            bytes[8 * word..][..8].copy_from_slice(&value.to_le_bytes());
        }
        media.write(ByteOffset::new(ENTRY), &bytes[..16]);
        // The generation makes the entry count, once what it says is durable.
        lines.entry_stored = line!() - 2;
        if planted != "m01" {
            lines.entry_flushed = line!() + 1;
            flush(media, ENTRY, 16);
        }
        if planted != "m02" {
            fence(media);
        }
        put(media, ENTRY + 64, generation);
        flush(media, ENTRY + 64, 8);
        fence(media);
        for place in [X, Y] {
            put(media, place, generation);
            flush(media, place, 8);
        }
        fence(media);
        put(media, DONE, generation);
        lines.done_flushed = line!() + 1;
        flush(media, DONE, 8);
        if planted != "m05" {
            fence(media);
        }
        lines
    }

    fn recover(media: &CrashMedia) -> (u64, u64) {
        if get(media, ENTRY + 64) == get(media, DONE) + 1 {
            for (word, place) in [X, Y].into_iter().enumerate() {
                put(media, place, get(media, ENTRY + 8 * word as u64));
                flush(media, place, 8);
            }
            fence(media);
            put(media, ENTRY + 64, 0);
            flush(media, ENTRY + 64, 8);
            fence(media);
        }
        (get(media, X), get(media, Y))
    }

    fn allowed(point: &Point<'_>, seen: &(u64, u64)) -> Result<(), String> {
        let acked = point.acked.len() as u64;
        let within = (acked..=acked + point.in_flight.len() as u64).contains(&seen.0);
        match seen.0 == seen.1 && within {
            true => Ok(()),
            false => Err(format!("{acked} acknowledged, {seen:?} is left")),
        }
    }

    pub fn report(explorer: &Explorer, planted: &str) -> (Report, Lines) {
        let media = CrashMedia::new(LEN);
        let mut lines = Lines::default();
        for operation in 1..=3 {
            media.invoke(operation);
            lines = update(&media, operation, planted);
            media.ack(operation);
        }
        (
            explorer.explore(&media.recording(), recover, allowed),
            lines,
        )
    }
}

#[test]
fn without_a_bug_there_is_nothing_to_suggest() {
    let (report, _) = undo::report(&Explorer::new(), "nothing");
    report.assert_clean();
}

#[test]
fn m01_the_store_whose_flush_is_missing_is_named() {
    let (report, lines) = undo::report(&Explorer::new(), "m01");
    let found = suggested(&report);
    assert_eq!(found.place.line(), lines.entry_stored, "{report}");
    assert_eq!(
        (found.flush[0].get(), found.flush.len(), found.fence),
        (64, 1, false)
    );
    assert!(found.whole && found.exhaustive && !found.before);
}

#[test]
fn m02_the_flush_that_needs_a_fence_is_named() {
    let (report, lines) = undo::report(&Explorer::new(), "m02");
    let found = suggested(&report);
    assert_eq!(found.place.line(), lines.entry_flushed, "{report}");
    assert_eq!((found.flush.len(), found.fence), (0, true));
}

#[test]
fn m05_the_fence_before_the_acknowledgement_is_named() {
    let (report, lines) = undo::report(&Explorer::new(), "m05");
    let found = suggested(&report);
    assert_eq!(found.place.line(), lines.done_flushed, "{report}");
    assert_eq!((found.flush.len(), found.fence), (0, true));
}

/// Two words that are acknowledged together, made durable as `persist` does.
fn pair(explorer: &Explorer, persist: impl Fn(&CrashMedia)) -> Report {
    explorer.check(
        LEN,
        |media| {
            media.invoke(1);
            persist(media);
            media.ack(1);
        },
        |media| (get(media, 0), get(media, 64)),
        |point, seen| match (point.acked, *seen) {
            ([1], (1, 1)) | ([], _) => Ok(()),
            (acked, seen) => Err(format!("{acked:?} was acknowledged, {seen:?} is left")),
        },
    )
}

#[test]
fn m06_the_lines_that_a_flush_left_out_are_named() {
    let report = Explorer::new().check(
        LEN,
        |media| {
            media.write(ByteOffset::new(1024), &[7; 128]);
            flush(media, 1024, 64);
            fence(media);
            put(media, 0, 1024);
            flush(media, 0, 8);
            fence(media);
        },
        |media| (get(media, 0) != 0).then(|| get(media, 1024 + 120)),
        |_, seen| match seen {
            Some(0) => Err("published and not there".into()),
            _ => Ok(()),
        },
    );
    let found = suggested(&report);
    assert!(found.flush.contains(&ByteOffset::new(1088)), "{report}");
    assert!(
        report.to_string().contains("flush 0x400..0x480 after "),
        "{report}"
    );
}

#[test]
fn a_store_past_the_cache_needs_only_a_fence() {
    let report = pair(&Explorer::new(), |media| {
        media.write_nt(ByteOffset::new(0), &1u64.to_le_bytes());
        media.write_nt(ByteOffset::new(64), &1u64.to_le_bytes());
    });
    let found = suggested(&report);
    assert_eq!((found.flush.len(), found.fence), (0, true), "{report}");
}

#[test]
fn several_stores_that_lack_a_flush_are_mended_before_the_acknowledgement() {
    let report = pair(&Explorer::new(), |media| {
        put(media, 0, 1);
        put(media, 64, 1);
    });
    let found = suggested(&report);
    assert!(found.before && found.fence, "{report}");
    assert_eq!((found.flush.len(), found.stores.len()), (2, 2), "{report}");
}

#[test]
fn a_bug_that_no_flush_or_fence_mends_gets_no_suggestion() {
    // Two words without a log: whatever is durable, a cut between them is possible.
    let torn = Explorer::new().check(
        LEN,
        |media| {
            put(media, 0, 1);
            put(media, 64, 1);
        },
        |media| (get(media, 0), get(media, 64)),
        |_, seen| match seen.0 == seen.1 {
            true => Ok(()),
            false => Err("torn".into()),
        },
    );
    assert_no_suggestion(&torn);
    let wrong = Explorer::new().check(
        LEN,
        |media| put(media, 0, 1),
        |media| get(media, 0) + 7,
        |_, _| Err("wrong whatever happens".into()),
    );
    assert_no_suggestion(&wrong);
    let in_wrong_order = Explorer::new().check(
        LEN,
        |media| {
            for place in [64, 0] {
                put(media, place, 1);
                flush(media, place, 8);
                fence(media);
            }
        },
        |media| (get(media, 0), get(media, 64)),
        |_, seen| match seen {
            (0, 1) => Err("the flag before the value".into()),
            _ => Ok(()),
        },
    );
    assert_no_suggestion(&in_wrong_order);
}

#[test]
fn a_bug_of_recovery_is_not_blamed_on_the_workload() {
    let report = Explorer::new().check(
        LEN,
        |media| {
            put(media, 0, 1);
            flush(media, 0, 8);
            fence(media);
        },
        |media| {
            // Marks itself as done before what it does is durable.
            if get(media, 0) == 1 && get(media, 128) == 0 {
                put(media, 64, 1);
                put(media, 128, 1);
                flush(media, 128, 8);
                fence(media);
            }
            (get(media, 128), get(media, 64))
        },
        |_, seen| match seen {
            (1, 0) => Err("done, and it is not".into()),
            _ => Ok(()),
        },
    );
    assert!(report.violations[0].depth > 0, "{report}");
    assert_no_suggestion(&report);
}

#[test]
fn where_another_bug_follows_the_suggestion_says_how_far_it_was_tried() {
    let report = Explorer::new().check(
        LEN,
        |media| {
            for (operation, place) in [(1, 0), (2, 64)] {
                media.invoke(operation);
                // Two faults at two places.
                match operation {
                    1 => put(media, place, 1),
                    _ => put(media, place, 1),
                }
                media.ack(operation);
            }
        },
        |media| [get(media, 0), get(media, 64)],
        |point, seen| match point.acked.iter().all(|id| seen[*id as usize - 1] == 1) {
            true => Ok(()),
            false => Err("an acknowledged store is lost".into()),
        },
    );
    let found = suggested(&report);
    assert!(!found.whole, "{report}");
    assert!(
        report
            .to_string()
            .contains("up to here; other violations come later"),
        "{report}"
    );
}

#[test]
fn a_violation_after_a_kill_is_mended_with_all_kills_tried() {
    let (report, _) = undo::report(&Explorer::new(), "m01");
    let (few, lines) = undo::report(&Explorer::new().kill_steps(3), "m01");
    assert_eq!(suggested(&few).place.line(), lines.entry_stored, "{few}");
    assert!(
        report
            .violations
            .iter()
            .any(|one| one.kind == PointKind::Killed)
    );
}

#[test]
fn who_does_not_want_suggestions_gets_none() {
    let (report, _) = undo::report(&Explorer::new().suggest(false), "m01");
    assert!(report.violations[0].advice.is_none());
    assert!(!report.to_string().contains("prevent"), "{report}");
}

#[test]
fn code_that_writes_files_is_told_what_to_sync() {
    let written = line!() + 2;
    let replace = |path: &str, text: &str| {
        everline_crash::fs::write("new", text).expect("no fault asked for");
        everline_crash::fs::rename("new", path).expect("no fault asked for");
    };
    let report = Explorer::new().check_files(
        DiskOptions::new(),
        |_| replace("settings", "young"),
        |_| everline_crash::fs::read_to_string("settings").ok(),
        |_, seen| match seen.as_deref() {
            None | Some("young") => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
    let found = suggested(&report);
    assert_eq!(
        (found.place.line(), found.sync),
        (written, true),
        "{report}"
    );
    let told = format!("sync what is changed at {}:{written}:", file!());
    assert!(report.to_string().contains(&told), "{report}");
}
