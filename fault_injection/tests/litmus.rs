//! What a cut may leave where recovery looks, mends or checks a sum: the shapes that are more than a list of steps.

use std::cell::RefCell;
use std::collections::BTreeSet;

use everline::media::{Checksum, Media, SpaceError};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, Cut, Explorer, PointKind, Recording};

const LEN: u64 = 4096;
/// Two words of one line, one of the next line, one far away.
const A: u64 = 0;
const B: u64 = 8;
const C: u64 = 64;
const D: u64 = 1024;

fn at(place: u64) -> ByteOffset {
    ByteOffset::new(place)
}

fn range(place: u64, len: u64) -> ByteRange {
    ByteRange::at(place, len).expect("small")
}

fn flush(media: &CrashMedia, place: u64) {
    media.flush(LineRange::covering(range(place, 8)));
}

fn fence(media: &CrashMedia) {
    media.fence().expect("no fault asked for");
}

fn persist(media: &CrashMedia, place: u64, value: u64) {
    media.store64(at(place), value);
    flush(media, place);
    fence(media);
}

type Outcomes = BTreeSet<Vec<u64>>;

fn explored(
    recording: &Recording,
    places: &[u64],
    recover: impl Fn(&CrashMedia),
    counts: impl Fn(PointKind, u32) -> bool,
) -> Outcomes {
    let seen = RefCell::new(Outcomes::new());
    let report = Explorer::new().idempotent(false).explore(
        recording,
        |media| {
            let found: Vec<u64> = places.iter().map(|p| media.load64(at(*p))).collect();
            recover(media);
            found
        },
        |point, found: &Vec<u64>| {
            if counts(point.kind, point.depth) {
                seen.borrow_mut().insert(found.clone());
            }
            Ok(())
        },
    );
    report.assert_clean();
    assert!(report.exhaustive);
    seen.into_inner()
}

/// What recovery may read of `places` after a cut at the end of `work`.
fn reach(work: impl FnOnce(&CrashMedia), places: &[u64]) -> Outcomes {
    let media = CrashMedia::new(ByteLen::new(LEN));
    work(&media);
    reach_of(&media, places)
}

fn reach_of(media: &CrashMedia, places: &[u64]) -> Outcomes {
    explored(
        &media.recording(),
        places,
        |_| {},
        |kind, _| kind == PointKind::End,
    )
}

/// What a second recovery may read where the power goes again inside or after `recover`.
fn reach_nested(
    work: impl FnOnce(&CrashMedia),
    places: &[u64],
    recover: impl Fn(&CrashMedia),
) -> Outcomes {
    let media = CrashMedia::new(ByteLen::new(LEN));
    work(&media);
    let end = |kind, depth| kind == PointKind::End && depth == 1;
    explored(&media.recording(), places, recover, end)
}

fn set<const N: usize>(outcomes: &[[u64; N]]) -> Outcomes {
    outcomes.iter().map(|outcome| outcome.to_vec()).collect()
}

#[test]
fn real_threads_have_numbers_of_their_own() {
    let seen = reach(
        |m| {
            m.store64(at(A), 1);
            std::thread::scope(|scope| {
                scope.spawn(|| flush(m, A));
            });
            fence(m);
        },
        &[A],
    );
    assert_eq!(seen, set(&[[0], [1]]));
}

#[test]
fn after_a_kill_everything_is_visible_and_still_not_durable() {
    let media = CrashMedia::new(ByteLen::new(LEN));
    media.store64(at(A), 1);
    flush(&media, A);
    let next = media.kill();
    assert_eq!(next.load64(at(A)), 1);
    // The old process's flush never counts.
    fence(&next);
    assert_eq!(reach_of(&next, &[A]), set(&[[0], [1]]));
    flush(&next, A);
    fence(&next);
    assert_eq!(reach_of(&next, &[A]), set(&[[1]]));
    assert_eq!(reach_of(&media, &[A]), set(&[[0], [1]]));
}

#[test]
fn a_cut_leaves_one_concrete_image_that_is_durable() {
    let media = CrashMedia::new(ByteLen::new(LEN));
    persist(&media, D, 9);
    media.store64(at(A), 1);
    media.store64(at(C), 1);
    let words = |cut| {
        let left = media.cut(cut);
        assert_eq!(left.snapshot(), left.durable_image());
        [A, C, D].map(|place| left.load64(at(place)))
    };
    assert_eq!(words(Cut::AllLost), [0, 0, 9]);
    assert_eq!(words(Cut::AllKept), [1, 1, 9]);
    assert_eq!(words(Cut::Keep(&|line| line.get() == C)), [0, 1, 9]);
    let seeded: BTreeSet<_> = (0..64).map(|seed| words(Cut::Seeded(seed))).collect();
    assert_eq!(seeded.len(), 4);
    assert_eq!(media.durable_image()[..8], [0; 8]);
    assert_eq!(media.snapshot()[..8], 1u64.to_le_bytes());
}

#[test]
fn what_recovery_read_stays_as_it_was_read() {
    // Recovery reads A, and copies it to C: a second recovery never sees C = 2 beside A = 1 or 0 beside A stored.
    let copies = |m: &CrashMedia| {
        let value = m.load64(at(A));
        persist(m, C, value + 10);
    };
    let seen = reach_nested(|m| m.store64(at(A), 1), &[A, C], copies);
    assert_eq!(seen, set(&[[0, 0], [0, 10], [1, 0], [1, 11]]));
}

#[test]
fn words_that_recovery_did_not_read_stay_open_for_the_next() {
    // The first recovery reads only D; A is still either, until recovery's own durable store.
    let media = CrashMedia::new(ByteLen::new(LEN));
    media.store64(at(A), 1);
    let seen = RefCell::new(BTreeSet::new());
    let report = Explorer::new().kill_steps(0).idempotent(false).explore(
        &media.recording(),
        |m| {
            let done = m.load64(at(D));
            let found = if done == 1 { m.load64(at(A)) } else { 99 };
            persist(m, D, 1);
            (done, found)
        },
        |point, found| {
            seen.borrow_mut().insert((point.depth, *found));
            Ok(())
        },
    );
    report.assert_clean();
    let expected = [(0, (0, 99)), (1, (0, 99)), (1, (1, 0)), (1, (1, 1))];
    assert_eq!(seen.into_inner(), BTreeSet::from(expected));
}

#[test]
fn reaffirming_an_unread_word_after_a_cut_chooses_nothing() {
    let media = CrashMedia::new(ByteLen::new(LEN));
    media.store64(at(A), 1);
    let seen = RefCell::new(BTreeSet::new());
    let report = Explorer::new().kill_steps(0).idempotent(false).explore(
        &media.recording(),
        |m| {
            let done = m.load64(at(D));
            let found = if done == 1 { m.load64(at(A)) } else { 99 };
            m.reaffirm(range(A, 8));
            fence(m);
            persist(m, D, 1);
            (done, found)
        },
        |point, found| {
            if point.depth == 1 && found.0 == 1 {
                seen.borrow_mut().insert(found.1);
            }
            Ok(())
        },
    );
    report.assert_clean();
    assert_eq!(seen.into_inner(), BTreeSet::from([0, 1]));
}

#[test]
fn an_unread_word_that_recovery_stored_durably_is_settled() {
    let media = CrashMedia::new(ByteLen::new(LEN));
    media.store64(at(A), 1);
    let seen = RefCell::new(BTreeSet::new());
    let report = Explorer::new().kill_steps(0).idempotent(false).explore(
        &media.recording(),
        |m| {
            let done = m.load64(at(D));
            let found = if done == 1 { m.load64(at(A)) } else { 99 };
            persist(m, A, 7);
            persist(m, D, 1);
            (done, found)
        },
        |point, found| {
            seen.borrow_mut().insert((point.depth, *found));
            Ok(())
        },
    );
    report.assert_clean();
    let expected = [(0, (0, 99)), (1, (0, 99)), (1, (1, 7))];
    assert_eq!(seen.into_inner(), BTreeSet::from(expected));
}

#[test]
fn a_kill_then_a_cut_can_lose_what_the_second_process_saw() {
    let media = CrashMedia::new(ByteLen::new(LEN));
    media.store64(at(A), 1);
    // Recovery believes A and marks so in C, durably, without making A durable.
    let marks = |m: &CrashMedia| {
        if m.load64(at(A)) == 1 {
            persist(m, C, 1);
        }
    };
    let killed = |kind, depth| kind == PointKind::Killed && depth == 1;
    let seen = explored(&media.recording(), &[A, C], marks, killed);
    assert_eq!(seen, set(&[[0, 0], [1, 0], [0, 1], [1, 1]]));
    // A cut without a kill cannot: what recovery reads then is on the medium.
    let cut = |kind, depth| kind == PointKind::End && depth == 1;
    let seen = explored(&media.recording(), &[A, C], marks, cut);
    assert_eq!(seen, set(&[[1, 0], [1, 1]]));
}

#[test]
fn crash_points_begin_at_the_mark_and_what_is_pending_there_counts() {
    let media = CrashMedia::new(ByteLen::new(LEN));
    persist(&media, A, 1);
    media.store64(at(C), 1);
    media.mark();
    media.invoke(1);
    persist(&media, D, 1);
    media.ack(1);
    let recording = media.recording().start_at_last_mark();
    let seen = explored(&recording, &[A, C, D], |_| {}, |_, depth| depth == 0);
    let expected = set(&[[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]]);
    assert_eq!(seen, expected);
}

#[test]
fn a_longer_medium_is_durably_longer_and_fresh() {
    let media = CrashMedia::dirty(ByteLen::new(128));
    assert!(!media.reads_zero_when_fresh());
    media.set_len(ByteLen::new(256)).expect("room");
    media.store64(at(128), 1);
    let seen = RefCell::new(BTreeSet::new());
    let report = Explorer::new().explore(
        &media.recording(),
        |m| (m.len().get() > 128).then(|| (m.load64(at(128)), m.load64(at(136)))),
        |_, found| {
            seen.borrow_mut().insert(*found);
            Ok(())
        },
    );
    report.assert_clean();
    let old = 0xA1A1_A1A1_A1A1_A1A1;
    let expected = [None, Some((1, old)), Some((old, old))];
    assert_eq!(seen.into_inner(), BTreeSet::from(expected));
}

#[test]
fn a_full_device_refuses_backing_and_counts_no_unit_twice() {
    let media = CrashMedia::new(ByteLen::new(1 << 16));
    media.fail_back_after(ByteLen::new(8192));
    assert_eq!(media.back(range(0, 4096)), Ok(()));
    assert_eq!(media.back(range(100, 4096)), Ok(()));
    assert_eq!(media.back(range(0, 8192)), Ok(()));
    assert_eq!(media.back(range(0, 8193)), Err(SpaceError::NoSpace));
}

/// A sum that must equal the word behind the range.
struct Sum {
    want: u64,
    have: u64,
}

impl Checksum for Sum {
    fn reset(&mut self) {
        self.have = 0x9E37;
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

fn sum_of(bytes: &[u8]) -> u64 {
    let mut sum = Sum { want: 0, have: 0 };
    sum.reset();
    sum.update(bytes);
    sum.have
}

#[test]
fn a_checksummed_range_is_each_version_that_matches_or_one_that_does_not() {
    let media = CrashMedia::new(ByteLen::new(LEN));
    let payload = |byte: u8| [byte; 512];
    for byte in [1, 2] {
        media.write(at(D), &payload(byte));
        media.store64(at(A), sum_of(&payload(byte)));
    }
    let seen = RefCell::new(BTreeSet::new());
    let report = Explorer::new().kill_steps(0).idempotent(false).explore(
        &media.recording(),
        |m| {
            let mut sum = Sum {
                want: m.load64(at(A)),
                have: 0,
            };
            let matches = m.verify(range(D, 512), &mut sum);
            matches.then(|| {
                let mut bytes = vec![0; 512];
                m.read(at(D), &mut bytes);
                assert!(
                    bytes.iter().all(|byte| *byte == bytes[0]),
                    "torn and believed"
                );
                bytes[0]
            })
        },
        |_, found| {
            seen.borrow_mut().insert(*found);
            Ok(())
        },
    );
    report.assert_clean();
    assert_eq!(seen.into_inner(), BTreeSet::from([None, Some(1), Some(2)]));
    assert_eq!(report.assumptions.len(), 2);
    assert!(report.log10_states > 30.0, "{report}");
    assert!(report.executions < 100, "{report}");
}

#[test]
fn a_checksum_that_a_mixture_passes_is_found_where_there_are_few() {
    // The sum covers nothing that differs: every mixture passes, and all are explored.
    let media = CrashMedia::new(ByteLen::new(LEN));
    media.store64(at(A), 1);
    media.store64(at(B), 2);
    let seen = RefCell::new(BTreeSet::new());
    struct Anything;
    impl Checksum for Anything {
        fn reset(&mut self) {}
        fn update(&mut self, _: &[u8]) {}
        fn matches(&self) -> bool {
            true
        }
    }
    let report = Explorer::new().explore(
        &media.recording(),
        |m| {
            assert!(m.verify(range(A, 16), &mut Anything));
            (m.load64(at(A)), m.load64(at(B)))
        },
        |_, found| {
            seen.borrow_mut().insert(*found);
            Ok(())
        },
    );
    report.assert_clean();
    assert!(report.assumptions.is_empty());
    let all = [(0, 0), (0, 2), (1, 0), (1, 2)];
    assert_eq!(seen.into_inner(), BTreeSet::from(all));
}
