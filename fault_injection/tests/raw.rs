//! Code that stores to a plain byte slice: compared at barriers, read lazily by recovery, at another address each time.

use std::collections::BTreeSet;

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{Advice, Base, CrashMedia, Explorer, RawRegion, Report, raw};

const LEN: ByteLen = ByteLen::new(4096);

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

/// A queue as one would write it in C: records of {length, bytes} one after the other, and how far they reach, over
/// memory that is handed in. It knows three things to ask of it.
mod queue {
    use super::*;

    const TAIL: usize = 0;
    const FIRST: usize = 64;

    pub fn push(region: &mut RawRegion, payload: &[u8], forgetful: bool) {
        let tail = FIRST + word(region.bytes(TAIL..TAIL + 8)) as usize;
        let end = tail + 8 + payload.len();
        let record = region.bytes_mut(tail..end);
        record[..8].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        record[8..].copy_from_slice(payload);
        if !forgetful {
            region.flush(tail..end);
        }
        region.fence().expect("no fault asked for");
        let reached = (end.next_multiple_of(8) - FIRST) as u64;
        let tail = region.bytes_mut(TAIL..TAIL + 8);
        tail.copy_from_slice(&reached.to_le_bytes());
        let address = region.address() + TAIL;
        region.flush_address(address, 8);
        region.fence().expect("no fault asked for");
    }

    pub fn all(region: &mut RawRegion) -> Vec<Vec<u8>> {
        let end = FIRST + word(region.bytes(TAIL..TAIL + 8)) as usize;
        let mut at = FIRST;
        let mut found = Vec::new();
        while at < end {
            let len = word(region.bytes(at..at + 8)) as usize;
            found.push(region.bytes(at + 8..at + 8 + len).to_vec());
            at = (at + 8 + len).next_multiple_of(8);
            if len == 0 {
                break;
            }
        }
        found
    }

    pub fn report(explorer: &Explorer, forgetful: bool) -> Report {
        let payloads: [&[u8]; 3] = [b"one", b"twenty-two bytes of it", &[3; 100]];
        raw::check(
            explorer,
            LEN,
            |region| {
                for (id, payload) in payloads.iter().enumerate() {
                    region.invoke(id as u64);
                    push(region, payload, forgetful);
                    region.ack(id as u64);
                }
            },
            all,
            |point, seen| {
                let acked = point.acked.len();
                let whole = seen
                    .iter()
                    .zip(payloads)
                    .all(|(seen, payload)| seen == payload);
                match whole && (acked..=acked + point.in_flight.len()).contains(&seen.len()) {
                    true => Ok(()),
                    false => Err(format!("{acked} acknowledged, {seen:?} is left")),
                }
            },
        )
    }
}

#[test]
fn a_queue_over_plain_bytes_is_clean() {
    for explorer in [
        Explorer::new(),
        Explorer::new().base(Base::Zero).nested_depth(2),
    ] {
        let report = queue::report(&explorer, false);
        report.assert_clean();
        assert!(report.exhaustive && report.executions >= 4, "{report}");
        assert!(
            report.to_string().contains("assumed: a raw region"),
            "{report}"
        );
    }
}

#[test]
fn a_queue_that_forgets_a_flush_is_caught_and_the_flush_is_suggested() {
    let report = queue::report(&Explorer::new(), true);
    let first = report.violations.first().expect("a violation");
    let Some(Advice::Insert(found)) = &first.advice else {
        panic!("no advice: {first}");
    };
    // The store was found by the fence after it: the flush belongs before that.
    let fence = include_str!("raw.rs")
        .lines()
        .position(|line| line.contains("region.fence()"));
    assert_eq!(
        found.place.line() as usize,
        fence.expect("in push") + 1,
        "{first}"
    );
    assert!(
        found.before && !found.flush.is_empty() && found.whole,
        "{first}"
    );
}

#[test]
fn the_first_records_bytes_outlive_a_dirty_medium_only_where_somebody_wrote() {
    let report = raw::check(
        &Explorer::new().base(Base::Dirty),
        LEN,
        |region| assert!(region.bytes(..).iter().all(|byte| *byte == 0xA1)),
        |region| region.bytes(7..8)[0],
        |_, seen| match seen {
            0xA1 => Ok(()),
            _ => Err("not what was there".into()),
        },
    );
    report.assert_clean();
}

/// All that recovery can see of `work`, by what `look` reads.
fn outcomes<O: Clone + Ord + std::fmt::Debug>(
    work: impl FnOnce(&mut RawRegion),
    look: impl Fn(&mut RawRegion) -> O,
) -> (BTreeSet<O>, Report) {
    let seen = std::cell::RefCell::new(BTreeSet::new());
    let report = raw::check(&Explorer::new(), LEN, work, look, |_, outcome| {
        seen.borrow_mut().insert(outcome.clone());
        Ok(())
    });
    (seen.into_inner(), report)
}

fn first_bytes(region: &mut RawRegion) -> [u8; 3] {
    [0, 8, 64].map(|at| region.bytes(at..at + 1)[0])
}

#[test]
fn words_stored_between_two_barriers_have_no_order() {
    let (seen, report) = outcomes(
        |region| {
            for at in [0, 8, 64] {
                region.bytes_mut(..)[at] = 1;
            }
        },
        first_bytes,
    );
    assert_eq!(seen.len(), 8, "every subset: {seen:?}");
    assert!(report.exhaustive);
}

#[test]
fn a_word_stored_twice_between_two_barriers_is_seen_once() {
    let stored = |region: &mut RawRegion, barrier: bool| {
        region.bytes_mut(..)[0] = 1;
        if barrier {
            region.declare(0..1);
        }
        region.bytes_mut(..)[0] = 2;
    };
    let look = |region: &mut RawRegion| region.bytes(0..1)[0];
    assert_eq!(
        outcomes(|region| stored(region, false), look).0,
        BTreeSet::from([0, 2])
    );
    assert_eq!(
        outcomes(|region| stored(region, true), look).0,
        BTreeSet::from([0, 1, 2])
    );
}

#[test]
fn a_flush_counts_once_it_is_fenced_and_for_its_lines_alone() {
    let work = |region: &mut RawRegion, fence: bool| {
        for at in [0, 8, 64] {
            region.bytes_mut(..)[at] = 1;
        }
        region.flush(3..9);
        if fence {
            region.fence().expect("no fault asked for");
            region.mark();
        }
    };
    let all = outcomes(|region| work(region, false), first_bytes).0;
    assert_eq!(all.len(), 8);
    let mut region = RawRegion::new(LEN);
    work(&mut region, true);
    let recording = region.recording().expect("not strict").start_at_last_mark();
    let seen = std::cell::RefCell::new(BTreeSet::new());
    raw::explore(&Explorer::new(), &recording, first_bytes, |_, outcome| {
        seen.borrow_mut().insert(*outcome);
        Ok(())
    })
    .assert_clean();
    assert_eq!(seen.into_inner(), BTreeSet::from([[1, 1, 0], [1, 1, 1]]));
}

#[test]
fn recovery_decides_only_the_words_that_it_asks_for() {
    let work = |region: &mut RawRegion| region.bytes_mut(..2048).fill(1);
    let (seen, report) = outcomes(work, |region| region.bytes(16..20).to_vec());
    assert_eq!(seen.len(), 2);
    assert!(report.exhaustive && report.executions < 10, "{report}");
    // Four bytes across a word's edge: two words.
    let (seen, _) = outcomes(work, |region| region.bytes(22..26).to_vec());
    assert_eq!(seen.len(), 4);
}

#[test]
fn what_recovery_itself_stores_can_be_lost_too() {
    let recover = |region: &mut RawRegion, flushes: bool| {
        if region.bytes(0..1)[0] == 1 && region.bytes(128..129)[0] == 0 {
            region.bytes_mut(64..65)[0] = 1;
            if flushes {
                region.flush(64..65);
            }
            region.fence().expect("no fault asked for");
            region.bytes_mut(128..129)[0] = 1;
            region.persist(128..129).expect("no fault asked for");
        }
        (region.bytes(128..129)[0], region.bytes(64..65)[0])
    };
    let report = |flushes| {
        raw::check(
            &Explorer::new(),
            LEN,
            |region| {
                region.bytes_mut(0..1)[0] = 1;
                region.persist(0..1).expect("no fault asked for");
            },
            |region| recover(region, flushes),
            |_, seen| match seen {
                (1, 0) => Err("done, and it is not".into()),
                _ => Ok(()),
            },
        )
    };
    report(true).assert_clean();
    let broken = report(false);
    assert!(
        broken
            .violations
            .iter()
            .any(|violation| violation.depth == 1),
        "{broken}"
    );
}

/// A list of one node that the root points to.
fn linked(absolute: bool) -> Report {
    raw::check(
        &Explorer::new(),
        LEN,
        |region| {
            region
                .bytes_mut(1024..1032)
                .copy_from_slice(&7u64.to_le_bytes());
            region.persist(1024..1032).expect("no fault asked for");
            let node = if absolute { region.address() as u64 } else { 0 } + 1024;
            region.bytes_mut(0..8).copy_from_slice(&node.to_le_bytes());
            region.persist(0..8).expect("no fault asked for");
        },
        |region| {
            let node = word(region.bytes(0..8)) as usize;
            let base = if absolute { region.address() } else { 0 };
            (node != 0).then(|| {
                word(
                    region
                        .bytes(node.wrapping_sub(base)..)
                        .get(..8)
                        .unwrap_or(&[0; 8]),
                )
            })
        },
        |_, seen| match seen {
            None | Some(7) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
}

#[test]
fn m28_a_stored_address_is_of_no_use_to_recovery() {
    linked(false).assert_clean();
    let report = linked(true);
    let first = report.violations.first().expect("a violation");
    assert!(
        first.reason.contains("leave a region of 4096 bytes"),
        "{report}"
    );
}

#[test]
fn an_undeclared_byte_is_an_error_that_names_it() {
    let mut region = RawRegion::new(LEN).strict();
    region.bytes_mut(..)[70] = 9;
    region.declare(64..72);
    region.flush(64..72);
    region.fence().expect("no fault asked for");
    assert!(region.recording().is_ok());
    region.bytes_mut(..)[70] = 8;
    region.bytes_mut(..)[131] = 5;
    region.declare(70..71);
    let barrier = line!() + 1;
    region.fence().expect("no fault asked for");
    let undeclared = region.recording().expect_err("byte 131");
    assert_eq!(
        (undeclared.at.get(), undeclared.was, undeclared.is),
        (131, 0, 5)
    );
    assert_eq!(
        (undeclared.found.file(), undeclared.found.line()),
        (file!(), barrier)
    );
    assert!(
        undeclared
            .to_string()
            .contains("byte offset 0x83 changed from 0x00 to 0x05"),
        "{undeclared}"
    );
}

#[test]
fn a_declared_store_bears_its_own_place() {
    let mut region = RawRegion::new(LEN);
    region.bytes_mut(..)[0] = 1;
    let here = line!() + 1;
    region.declare(0..8);
    region.bytes_mut(..)[64] = 1;
    let report = raw::explore(
        &Explorer::new(),
        &region.recording().expect("not strict"),
        |region| region.bytes(0..1)[0],
        |_, seen| {
            if *seen == 1 {
                Err("to see its place".into())
            } else {
                Ok(())
            }
        },
    );
    let kept = report.violations[0].words[0].kept.expect("a store");
    assert_eq!((kept.file(), kept.line()), (file!(), here));
}

#[test]
fn a_violation_of_a_region_replays_from_its_line() {
    let mut region = RawRegion::new(LEN);
    region.bytes_mut(0..16).fill(1);
    let recording = region.recording().expect("not strict");
    let look = |region: &mut RawRegion| (region.bytes(0..1)[0], region.bytes(8..9)[0]);
    let report = raw::explore(&Explorer::new(), &recording, look, |_, seen| match seen {
        (0, 1) | (1, 0) => Err("torn".into()),
        _ => Ok(()),
    });
    assert!(!report.violations.is_empty());
    for violation in &report.violations {
        let again = raw::replay(&Explorer::new(), &recording, &violation.replay, look);
        assert_eq!(
            format!("{:?}", again.expect("its own recording")),
            violation.observation
        );
    }
}

#[test]
fn a_region_and_a_medium_agree_on_what_a_crash_can_leave() {
    let (raw, _) = outcomes(
        |region| {
            region.bytes_mut(0..1)[0] = 1;
            region.flush(0..8);
            region.bytes_mut(8..9)[0] = 1;
            region.fence().expect("no fault asked for");
            region.bytes_mut(64..65)[0] = 1;
            region.persist(8..9).expect("no fault asked for");
        },
        first_bytes,
    );
    let seen = std::cell::RefCell::new(BTreeSet::new());
    Explorer::new()
        .check(
            LEN,
            |media| {
                let line = |at| LineRange::covering(ByteRange::at(at, 8).expect("small"));
                media.store8(ByteOffset::new(0), 1);
                media.flush(line(0));
                media.store8(ByteOffset::new(8), 1);
                media.fence().expect("no fault asked for");
                media.store8(ByteOffset::new(64), 1);
                media.flush(line(8));
                media.fence().expect("no fault asked for");
            },
            |media: &CrashMedia| [0, 8, 64].map(|at| media.load8(ByteOffset::new(at))),
            |_, outcome| {
                seen.borrow_mut().insert(*outcome);
                Ok(())
            },
        )
        .assert_clean();
    assert_eq!(raw, seen.into_inner());
    assert!(
        !raw.contains(&[0, 0, 1]) && raw.contains(&[1, 1, 0]),
        "{raw:?}"
    );
}

#[test]
fn a_recovery_that_panicked_leaves_nothing_behind_for_the_next() {
    let report = raw::check(
        &Explorer::new().idempotent(false),
        LEN,
        |region| region.bytes_mut(0..1)[0] = 1,
        |region| {
            let found = region.bytes(0..1)[0];
            region.declare(512..520);
            let left = region.bytes(512..513)[0];
            region.bytes_mut(512..513)[0] = 7;
            assert!(found == 0, "on purpose");
            left
        },
        |point, left| match (*left, point.depth) {
            (0, _) | (7, 1..) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
    assert!(
        report
            .violations
            .iter()
            .all(|violation| violation.reason.contains("on purpose")),
        "{report}"
    );
    assert!(!report.violations.is_empty());
}
