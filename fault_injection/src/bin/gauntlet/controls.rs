//! Structures that look wrong and are right: none may be reported.

use everline::media::{Checksum, Media};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, CrashModel, Explorer, Point, Recording, Report};

use crate::structures::Sum;

const LEN: ByteLen = ByteLen::new(4096);

/// What a control gave: false reports, and notes on portability.
#[derive(Debug)]
pub struct Outcome {
    pub name: &'static str,
    /// What was reported; a control reports nothing.
    pub reports: Vec<String>,
    /// Distinct images on which recovery ran.
    pub executions: u64,
}

type Control = (&'static str, fn(&mut Outcome));

/// The seven of the project's list.
const CONTROLS: [Control; 7] = [
    ("a checksummed entry persisted at once", checksummed_entry),
    (
        "checksummed payload and flag in any order",
        payload_and_flag,
    ),
    ("volatile hints marked as such", volatile_hint),
    (
        "a line flushed again after being dirtied again",
        dirtied_again,
    ),
    (
        "statistics flushed lazily, within a stated bound",
        lazy_statistics,
    ),
    ("an in-line log that relies on same-line order", in_line_log),
    ("idempotent redo, replayed in part", partial_redo),
];

/// Runs every control.
pub fn run() -> Vec<Outcome> {
    let outcome = |(name, control): &Control| {
        let mut outcome = Outcome {
            name,
            reports: Vec::new(),
            executions: 0,
        };
        control(&mut outcome);
        if outcome.executions == 0 {
            outcome.reports.push("nothing ran".into());
        }
        outcome
    };
    CONTROLS.iter().map(outcome).collect()
}

impl Outcome {
    fn add(&mut self, report: &Report) {
        self.executions += report.executions;
        let told = report
            .violations
            .iter()
            .map(|violation| violation.to_string());
        self.reports.extend(told);
    }

    fn lint(&mut self, recording: &Recording) {
        let told = recording.lints().into_iter().map(|lint| lint.to_string());
        self.reports.extend(told);
    }
}

fn at(place: u64) -> ByteOffset {
    ByteOffset::new(place)
}

fn range(place: u64, len: u64) -> ByteRange {
    ByteRange::at(place, len).expect("small")
}

#[track_caller]
fn flush(media: &CrashMedia, place: u64, len: u64) {
    media.flush(LineRange::covering(range(place, len)));
}

#[track_caller]
fn persist(media: &CrashMedia, place: u64, len: u64) {
    flush(media, place, len);
    media.fence().expect("no fault asked for");
}

fn sum_of(bytes: &[u8]) -> u64 {
    let mut sum = Sum { want: 0, have: 0 };
    sum.reset();
    sum.update(bytes);
    sum.have
}

fn verified(media: &CrashMedia, place: u64, len: u64, want: u64) -> bool {
    media.verify(range(place, len), &mut Sum { want, have: 0 })
}

/// Operations 1 to the last acknowledged have happened, and perhaps the one in flight.
fn counts(point: &Point<'_>, seen: u64) -> Result<(), String> {
    let acked = point.acked.len() as u64;
    match (acked..=acked + point.in_flight.len() as u64).contains(&seen) {
        true => Ok(()),
        false => Err(format!("{acked} acknowledged, {seen} found")),
    }
}

/// Runs `step` as operations 1 to `count`.
fn operations(media: &CrashMedia, count: u64, step: impl Fn(u64)) -> Recording {
    for operation in 1..=count {
        media.invoke(operation);
        step(operation);
        media.ack(operation);
    }
    media.recording()
}

/// A slot of a log: payload of 64 bytes, and a sum of it with the operation's number.
fn slot(operation: u64) -> u64 {
    512 + 128 * operation
}

fn checksummed_entry(outcome: &mut Outcome) {
    let media = CrashMedia::new(LEN);
    let recording = operations(&media, 3, |operation| {
        let payload = [operation as u8; 64];
        media.write(at(slot(operation) + 8), &payload);
        media.store64(at(slot(operation)), sum_of(&payload) ^ operation);
        persist(&media, slot(operation), 72);
    });
    let whole = |media: &CrashMedia, operation: u64| {
        let want = media.load64(at(slot(operation))) ^ operation;
        want != operation && verified(media, slot(operation) + 8, 64, want)
    };
    outcome.lint(&recording);
    outcome.add(&Explorer::new().explore(
        &recording,
        |media| {
            (1..=3)
                .take_while(|operation| whole(media, *operation))
                .count() as u64
        },
        |point, seen| counts(point, *seen),
    ));
}

fn payload_and_flag(outcome: &mut Outcome) {
    for flag_first in [true, false] {
        let media = CrashMedia::new(LEN);
        let recording = operations(&media, 2, |operation| {
            let payload = [operation as u8; 40];
            let flag = || media.store64(at(slot(operation)), sum_of(&payload));
            if flag_first {
                flag();
            }
            media.write(at(slot(operation) + 8), &payload);
            if !flag_first {
                flag();
            }
            persist(&media, slot(operation), 48);
        });
        let whole = |media: &CrashMedia, operation: u64| {
            let flag = media.load64(at(slot(operation)));
            flag != 0 && verified(media, slot(operation) + 8, 40, flag)
        };
        outcome.lint(&recording);
        outcome.add(&Explorer::new().explore(
            &recording,
            |media| {
                (1..=2)
                    .take_while(|operation| whole(media, *operation))
                    .count() as u64
            },
            |point, seen| counts(point, *seen),
        ));
    }
}

fn volatile_hint(outcome: &mut Outcome) {
    const HINT: u64 = 1024;
    let media = CrashMedia::new(LEN);
    media.volatile_hint(range(HINT, 8));
    let recording = operations(&media, 3, |operation| {
        media.store64(at(HINT), 64 * operation);
        media.store64(at(64 * operation), operation);
        persist(&media, 64 * operation, 8);
    });
    outcome.lint(&recording);
    outcome.add(&Explorer::new().explore(
        &recording,
        |media| {
            // A hint is where to begin to look, and never believed.
            let hinted = media.load64(at(HINT)) / 64;
            let there = |operation: u64| media.load64(at(64 * operation)) == operation;
            let from = if hinted > 0 && there(hinted) {
                hinted
            } else {
                1
            };
            (1..from)
                .chain(from..=3)
                .take_while(|operation| there(*operation))
                .count() as u64
        },
        |point, seen| counts(point, *seen),
    ));
}

fn dirtied_again(outcome: &mut Outcome) {
    let media = CrashMedia::new(LEN);
    let recording = operations(&media, 3, |operation| {
        media.store64(at(0), 10 * operation);
        persist(&media, 0, 8);
        media.store64(at(8), operation);
        persist(&media, 8, 8);
    });
    outcome.lint(&recording);
    outcome.add(&Explorer::new().explore(
        &recording,
        |media| (media.load64(at(0)), media.load64(at(8))),
        |point, (ten, one)| match ten / 10 - one {
            0 | 1 => counts(point, *one),
            _ => Err(format!("{ten} beside {one}")),
        },
    ));
}

fn lazy_statistics(outcome: &mut Outcome) {
    const EVERY: u64 = 3;
    const STATISTIC: u64 = 2048;
    let media = CrashMedia::new(LEN);
    media.lazily_flushed(range(STATISTIC, 8), EVERY);
    let recording = operations(&media, 8, |operation| {
        media.store64(at(0), operation);
        flush(&media, 0, 8);
        media.store64(at(STATISTIC), operation);
        if operation % EVERY == 0 {
            flush(&media, STATISTIC, 8);
        }
        media.fence().expect("no fault asked for");
    });
    outcome.lint(&recording);
    outcome.add(&Explorer::new().explore(
        &recording,
        |media| (media.load64(at(0)), media.load64(at(STATISTIC))),
        |point, (count, statistic)| {
            counts(point, *count)?;
            match statistic + EVERY > point.acked.len() as u64 {
                true => Ok(()),
                false => Err(format!("{statistic} is more than {EVERY} behind {count}")),
            }
        },
    ));
}

/// Payload, then flag, in one line with one persist: right on x86, and said to be so.
fn in_line_log(outcome: &mut Outcome) {
    for model in [CrashModel::LinePrefix, CrashModel::WordSubset] {
        let media = CrashMedia::new(LEN);
        if model == CrashModel::WordSubset {
            media.relies_on_line_order(range(512, 1024));
        }
        let recording = operations(&media, 2, |operation| {
            media.store64(at(slot(operation)), 100 + operation);
            media.store64(at(slot(operation) + 8), 1);
            persist(&media, slot(operation), 16);
        });
        outcome.lint(&recording);
        let explorer = Explorer::new().model(model);
        let whole = |media: &CrashMedia, operation: u64| {
            let flag = media.load64(at(slot(operation) + 8));
            flag == 1 && {
                let found = media.load64(at(slot(operation)));
                assert_eq!(found, 100 + operation, "a flag without its payload");
                true
            }
        };
        let report = explorer.explore(
            &recording,
            |media| {
                (1..=2)
                    .take_while(|operation| whole(media, *operation))
                    .count() as u64
            },
            |point, seen| counts(point, *seen),
        );
        outcome.add(&report);
        if report.portability.is_none() {
            outcome
                .reports
                .push(format!("no note on portability under {model}"));
        }
    }
}

/// A redo log of two words, whose replay may stop anywhere and begin again.
fn partial_redo(outcome: &mut Outcome) {
    const LOG: u64 = 64;
    const HOMES: [u64; 2] = [1024, 2048];
    let replay = |media: &CrashMedia| {
        let operation = media.load64(at(LOG));
        if operation > 0 {
            // A killed process may have left it visible and not durable.
            persist(media, LOG, 8);
            for home in HOMES {
                media.store64(at(home), operation);
                flush(media, home, 8);
            }
            media.fence().expect("no fault asked for");
        }
    };
    let media = CrashMedia::new(LEN);
    let recording = operations(&media, 3, |operation| {
        media.store64(at(LOG), operation);
        persist(&media, LOG, 8);
        for home in HOMES {
            media.store64(at(home), operation);
            flush(&media, home, 8);
        }
        media.fence().expect("no fault asked for");
    });
    outcome.lint(&recording);
    outcome.add(&Explorer::new().nested_depth(2).explore(
        &recording,
        |media| {
            replay(media);
            HOMES.map(|home| media.load64(at(home)))
        },
        |point, [first, second]| match first == second {
            true => counts(point, *first),
            false => Err(format!("{first} beside {second}")),
        },
    ));
}
