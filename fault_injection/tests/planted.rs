//! Planted bugs on small reference structures: each is caught by the defaults, and each structure without its bug is
//! clean. Numbers are those of the project's list of planted bugs.

use everline::media::{Checksum, Media};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{Base, CrashMedia, Explorer, Point, Report};

const LEN: ByteLen = ByteLen::new(4096);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    Clean,
    M01,
    M02,
    M03,
    M05,
    M06,
    M08,
    M09,
    M12,
    M13,
    M17,
    M18,
    M24,
    /// What recovery believes, it does not first make durable.
    Unaffirmed,
}
use Bug::*;

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

/// FNV over bytes, against a wanted value.
struct Sum {
    want: u64,
    have: u64,
}

impl Checksum for Sum {
    fn reset(&mut self) {
        self.have = 0xCBF2_9CE4_8422_2325;
    }
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.have = (self.have ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    fn matches(&self) -> bool {
        self.want == self.have
    }
}

fn sum_of(words: &[u64]) -> u64 {
    let mut sum = Sum { want: 0, have: 0 };
    sum.reset();
    for word in words {
        sum.update(&word.to_le_bytes());
    }
    sum.have
}

fn verified(media: &CrashMedia, place: u64, len: u64, want: u64) -> bool {
    let range = ByteRange::at(place, len).expect("small");
    media.verify(range, &mut Sum { want, have: 0 })
}

fn expect<T: PartialEq + std::fmt::Debug>(seen: &T, one_of: &[T]) -> Result<(), String> {
    match one_of.contains(seen) {
        true => Ok(()),
        false => Err(format!("{seen:?} is none of {one_of:?}")),
    }
}

/// How many of operations 1, 2, … must have survived, and how many may have.
fn bounds(point: &Point<'_>) -> std::ops::RangeInclusive<u64> {
    let acked = point.acked.len() as u64;
    acked..=acked + point.in_flight.len() as u64
}

/// Two words changed together under an undo log of one entry {x, y, generation, sum}; `DONE` retires it.
mod undo {
    use super::*;

    const DONE: u64 = 0;
    const ENTRY: u64 = 64;
    const X: u64 = 1024;
    const Y: u64 = 2048;

    fn create(media: &CrashMedia, bug: Bug) {
        for place in [X, Y, DONE] {
            put(media, place, 0);
            flush(media, place, 8);
        }
        if bug != M24 {
            for word in 0..4 {
                put(media, ENTRY + 8 * word, 0);
            }
            flush(media, ENTRY, 32);
        }
        fence(media);
        media.mark();
    }

    fn update(media: &CrashMedia, generation: u64, bug: Bug) {
        let entry = [get(media, X), get(media, Y), generation];
        for (word, value) in entry.iter().enumerate() {
            put(media, ENTRY + 8 * word as u64, *value);
        }
        put(media, ENTRY + 24, sum_of(&entry));
        if bug != M01 {
            flush(media, ENTRY, 32);
        }
        if bug != M02 {
            fence(media);
        }
        for place in [X, Y] {
            put(media, place, generation);
            flush(media, place, 8);
        }
        fence(media);
        put(media, DONE, generation);
        flush(media, DONE, 8);
        if bug != M05 {
            fence(media);
        }
    }

    /// Unused log space is told by its generation alone where nobody wrote it: the fault of M24.
    fn recover(media: &CrashMedia, bug: Bug) -> (u64, u64) {
        let done = get(media, DONE);
        let generation = get(media, ENTRY + 16);
        let believed = match bug {
            M24 => generation > done,
            _ => generation == done + 1 && verified(media, ENTRY, 24, get(media, ENTRY + 24)),
        };
        if believed {
            for (word, place) in [X, Y].into_iter().enumerate() {
                put(media, place, get(media, ENTRY + 8 * word as u64));
                if bug != M18 {
                    flush(media, place, 8);
                }
            }
            fence(media);
            persist(media, ENTRY + 16, 0);
        }
        (get(media, X), get(media, Y))
    }

    pub fn report(bug: Bug) -> Report {
        let base = if bug == M24 { Base::Dirty } else { Base::Zero };
        let media = match base {
            Base::Dirty => CrashMedia::dirty(LEN),
            Base::Zero => CrashMedia::new(LEN),
        };
        create(&media, bug);
        for operation in 1..=3 {
            media.invoke(operation);
            update(&media, operation, bug);
            media.ack(operation);
        }
        Explorer::new().explore(
            &media.recording().start_at_last_mark(),
            |media| recover(media, bug),
            |point, seen| expect(seen, &bounds(point).map(|n| (n, n)).collect::<Vec<_>>()),
        )
    }
}

/// An object of two lines, made durable and then published by one word.
mod publish {
    use super::*;

    const ROOT: u64 = 0;
    const OBJECT: u64 = 1024;
    const SIZE: u64 = 128;

    fn object(media: &CrashMedia, bug: Bug) {
        media.write(ByteOffset::new(OBJECT), &[7; SIZE as usize]);
        flush(media, OBJECT, if bug == M06 { 64 } else { SIZE });
        fence(media);
    }

    pub fn report(bug: Bug) -> Report {
        Explorer::new().check(
            LEN,
            |media| {
                media.invoke(1);
                if bug == M03 {
                    persist(media, ROOT, OBJECT);
                    object(media, bug);
                } else {
                    object(media, bug);
                    persist(media, ROOT, OBJECT);
                }
                media.ack(1);
            },
            |media| match get(media, ROOT) {
                0 => None,
                root => {
                    let mut bytes = [0; SIZE as usize];
                    media.read(ByteOffset::new(root), &mut bytes);
                    Some(bytes)
                }
            },
            |point, seen| match (seen, point.acked) {
                (None, []) => Ok(()),
                (Some(bytes), _) if *bytes == [7; SIZE as usize] => Ok(()),
                (seen, _) => Err(format!("published, and {seen:?} is there")),
            },
        )
    }
}

/// A place and a length that belong together.
mod fat_pointer {
    use super::*;

    const SLOTS: u64 = 0;
    const SELECT: u64 = 512;

    fn set(media: &CrashMedia, operation: u64, bug: Bug) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(operation * 64).to_le_bytes());
        bytes[8..].copy_from_slice(&operation.to_le_bytes());
        let slot = if bug == M08 {
            SLOTS
        } else {
            SLOTS + 64 * (operation % 2)
        };
        media.write(ByteOffset::new(slot), &bytes);
        flush(media, slot, 16);
        fence(media);
        if bug != M08 {
            persist(media, SELECT, operation);
        }
    }

    pub fn report(bug: Bug) -> Report {
        Explorer::new().check(
            LEN,
            |media| {
                for operation in 1..=3 {
                    media.invoke(operation);
                    set(media, operation, bug);
                    media.ack(operation);
                }
            },
            |media| {
                let slot = match bug {
                    M08 => SLOTS,
                    _ => SLOTS + 64 * (get(media, SELECT) % 2),
                };
                (get(media, slot), get(media, slot + 8))
            },
            |point, seen| {
                let allowed: Vec<_> = bounds(point).map(|n| (64 * n, n)).collect();
                expect(seen, &allowed)
            },
        )
    }
}

/// A record of two words and a valid flag, in one line.
mod flagged {
    use super::*;

    const RECORD: u64 = 64;

    pub fn report(bug: Bug) -> Report {
        Explorer::new().check(
            LEN,
            |media| {
                media.invoke(1);
                let mut bytes = [5; 24];
                bytes[16..].copy_from_slice(&1u64.to_le_bytes());
                if bug == M09 {
                    media.write(ByteOffset::new(RECORD), &bytes);
                    flush(media, RECORD, 24);
                    fence(media);
                } else {
                    media.write(ByteOffset::new(RECORD), &bytes[..16]);
                    flush(media, RECORD, 16);
                    fence(media);
                    persist(media, RECORD + 16, 1);
                }
                media.ack(1);
            },
            |media| {
                let valid = get(media, RECORD + 16) == 1;
                valid.then(|| (get(media, RECORD), get(media, RECORD + 8)))
            },
            |point, seen| {
                let word = u64::from_le_bytes([5; 8]);
                match (seen, point.acked) {
                    (None, []) => Ok(()),
                    (Some(pair), _) => expect(pair, &[(word, word)]),
                    (None, _) => Err("an acknowledged record is gone".into()),
                }
            },
        )
    }
}

/// A ring of two slots {value, sum}; `HEAD` is the newest record known to be home.
mod ring {
    use super::*;

    const HEAD: u64 = 0;
    const HOME: u64 = 64;
    const SLOTS: u64 = 1024;

    fn slot(sequence: u64) -> u64 {
        SLOTS + 64 * (sequence % 2)
    }

    fn sum(sequence: u64, value: u64, bug: Bug) -> u64 {
        match bug {
            M12 => sum_of(&[value]),
            _ => sum_of(&[value]) ^ sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        }
    }

    fn append(media: &CrashMedia, sequence: u64, bug: Bug) {
        let value = 100 + sequence;
        put(media, slot(sequence), value);
        put(media, slot(sequence) + 8, sum(sequence, value, bug));
        flush(media, slot(sequence), 16);
        fence(media);
    }

    fn checkpoint(media: &CrashMedia, sequence: u64) {
        persist(media, HOME, 100 + sequence);
        persist(media, HEAD, sequence);
    }

    fn recover(media: &CrashMedia, bug: Bug) -> u64 {
        let head = get(media, HEAD);
        let mut value = get(media, HOME);
        for sequence in head + 1..=head + 2 {
            let (found, want) = (get(media, slot(sequence)), get(media, slot(sequence) + 8));
            if found == 0 || sum(sequence, found, bug) != want {
                break;
            }
            value = found;
        }
        value
    }

    pub fn report(bug: Bug) -> Report {
        Explorer::new().check(
            LEN,
            |media| {
                for sequence in 1..=5 {
                    media.invoke(sequence);
                    append(media, sequence, bug);
                    media.ack(sequence);
                    checkpoint(media, sequence);
                }
            },
            |media| recover(media, bug),
            |point, seen| {
                let value = |n: u64| if n == 0 { 0 } else { 100 + n };
                expect(seen, &bounds(point).map(value).collect::<Vec<_>>())
            },
        )
    }
}

/// A record {length, sum, payload} that is written in place with one persist and told whole by its sum.
mod wal {
    use super::*;

    const RECORD: u64 = 64;
    const PAYLOAD: u64 = RECORD + 16;
    const WORDS: u64 = 4;

    fn payload(operation: u64) -> Vec<u64> {
        (0..operation).map(|word| 10 * operation + word).collect()
    }

    fn sum(len: u64, words: &[u64], bug: Bug) -> u64 {
        let mut all = words.to_vec();
        all.resize(WORDS as usize, 0);
        match bug {
            M13 => sum_of(&all),
            _ => sum_of(&all) ^ len.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        }
    }

    fn write(media: &CrashMedia, slot: u64, operation: u64, bug: Bug) {
        let words = payload(operation);
        let at = slot * 128;
        put(media, RECORD + at, operation);
        put(media, RECORD + at + 8, sum(operation, &words, bug));
        for word in 0..WORDS {
            let value = words.get(word as usize).copied().unwrap_or(0);
            put(media, PAYLOAD + at + 8 * word, value);
        }
        flush(media, RECORD + at, 16 + 8 * WORDS);
        fence(media);
    }

    /// The record in the slot, or none where its sum does not match.
    fn read(media: &CrashMedia, slot: u64, bug: Bug) -> Option<Vec<u64>> {
        let at = slot * 128;
        let (len, want) = (get(media, RECORD + at), get(media, RECORD + at + 8));
        let salt = match bug {
            M13 => 0,
            _ => len.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        };
        if !verified(media, PAYLOAD + at, 8 * WORDS, want ^ salt) {
            return None;
        }
        let words = (0..len).map(|word| get(media, PAYLOAD + at + 8 * word));
        Some(words.collect())
    }

    pub fn report(bug: Bug) -> Report {
        Explorer::new().check(
            LEN,
            |media| {
                for operation in 1..=4 {
                    media.invoke(operation);
                    write(media, operation % 2, operation, bug);
                    media.ack(operation);
                }
            },
            |media| [read(media, 0, bug), read(media, 1, bug)],
            |point, seen| {
                let whole: Vec<_> = (0..=4).map(payload).collect();
                for record in seen.iter().flatten() {
                    expect(record, &whole)?;
                }
                let newest = seen
                    .iter()
                    .flatten()
                    .map(|record| record.len() as u64)
                    .max();
                expect(&newest.unwrap_or(0), &bounds(point).collect::<Vec<_>>())
            },
        )
    }
}

/// A redo log of one entry {value, sum}; recovery brings it home and truncates the log.
mod redo {
    use super::*;

    const TAIL: u64 = 0;
    const ENTRY: u64 = 64;
    const HOME: u64 = 1024;

    fn home(media: &CrashMedia, value: u64) {
        for half in 0..2 {
            put(media, HOME + 512 * half, value);
            flush(media, HOME + 512 * half, 8);
        }
    }

    fn recover(media: &CrashMedia, bug: Bug) -> (u64, u64) {
        if get(media, TAIL) == 1 {
            let value = get(media, ENTRY);
            if bug != Unaffirmed {
                // After a killed process both may be visible and not durable.
                flush(media, TAIL, 8);
                flush(media, ENTRY, 8);
                fence(media);
            }
            if bug == M17 {
                persist(media, TAIL, 0);
                home(media, value);
                fence(media);
            } else {
                home(media, value);
                fence(media);
                persist(media, TAIL, 0);
            }
        }
        (get(media, HOME), get(media, HOME + 512))
    }

    pub fn report(bug: Bug) -> Report {
        Explorer::new().check(
            LEN,
            |media| {
                for operation in 1..=2 {
                    media.invoke(operation);
                    persist(media, ENTRY, operation);
                    persist(media, TAIL, 1);
                    media.ack(operation);
                    recover(media, Clean);
                }
            },
            |media| recover(media, bug),
            |point, seen| expect(seen, &bounds(point).map(|n| (n, n)).collect::<Vec<_>>()),
        )
    }
}

fn run(bug: Bug) -> Vec<Report> {
    match bug {
        Clean => vec![
            undo::report(Clean),
            publish::report(Clean),
            fat_pointer::report(Clean),
            flagged::report(Clean),
            ring::report(Clean),
            wal::report(Clean),
            redo::report(Clean),
        ],
        M01 | M02 | M05 | M18 | M24 => vec![undo::report(bug)],
        M03 | M06 => vec![publish::report(bug)],
        M08 => vec![fat_pointer::report(bug)],
        M09 => vec![flagged::report(bug)],
        M12 => vec![ring::report(bug)],
        M13 => vec![wal::report(bug)],
        M17 | Unaffirmed => vec![redo::report(bug)],
    }
}

#[test]
fn structures_without_a_bug_are_clean() {
    for report in run(Clean) {
        println!("{report}");
        report.assert_clean();
        assert!(report.exhaustive, "{report}");
        assert!(report.executions >= 2, "{report}");
    }
}

#[test]
fn every_planted_bug_is_caught_and_its_store_named() {
    for bug in [
        M01, M02, M03, M05, M06, M08, M09, M12, M13, M17, M18, M24, Unaffirmed,
    ] {
        let reports = run(bug);
        let caught = &reports[0];
        assert!(!caught.violations.is_empty(), "{bug:?} escaped: {caught}");
        println!("{bug:?}: {}", caught.violations[0]);
    }
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
