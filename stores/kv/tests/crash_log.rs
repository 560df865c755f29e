//! The log under a store: records that are damaged or cut short are not replayed, and those before them are.

mod world;

use std::ops::Range;

use everline::units::ByteLen;
use everline_crash::CrashMedia;
use world::*;

const POOL: ByteLen = ByteLen::new(128 << 10);

/// Images as a power cut leaves them that takes all it can: after the set-up, and after each commit.
struct Row {
    images: Vec<Vec<u8>>,
    states: Vec<State>,
}

/// Commits of all kinds, each a record behind the one before; their homes are never durable.
fn row() -> Row {
    let media = CrashMedia::new(POOL);
    let store = create(media.clone(), &small());
    for key in [b"b", b"d", b"f"] {
        store.put(key, &[1; 20]).expect("room");
    }
    store.checkpoint().expect("no failing fence");
    let mut row = Row {
        images: vec![media.durable_image()],
        states: vec![see(&store).expect("sound")],
    };
    let commits: [&dyn Fn(); 5] = [
        &|| drop(store.put(b"d", &[2; 20]).expect("room")), // in place
        &|| drop(store.put(b"c", &[3; 30]).expect("room")), // splits the leaf
        &|| {
            let tx = store.begin().expect("open");
            tx.put(b"a", &[4; 5]).expect("open");
            tx.delete(b"b").expect("open");
            tx.put(b"f", &[5; 60]).expect("open");
            tx.commit().expect("room");
        },
        &|| assert!(store.delete(b"d").expect("room")),
        &|| drop(store.put(b"g", b"the last").expect("room")),
    ];
    for commit in commits {
        commit();
        row.images.push(media.durable_image());
        row.states.push(see(&store).expect("sound"));
    }
    row
}

/// The bytes that differ: one record, and nothing else, for no commit waits for its homes.
fn changed(before: &[u8], after: &[u8]) -> Range<usize> {
    let differs = |at: &usize| before[*at] != after[*at];
    let first = (0..before.len()).find(differs).expect("a record");
    let last = (0..before.len()).rfind(differs).expect("a record");
    first..last + 1
}

fn opened(image: Vec<u8>) -> Result<State, String> {
    recovered(&CrashMedia::with_base(image), &small())
}

#[test]
fn g2_each_flipped_byte_of_a_record_is_found_and_the_record_is_not_replayed() {
    let row = row();
    for (number, pair) in row.images.windows(2).enumerate() {
        let record = changed(&pair[0], &pair[1]);
        assert!(record.len() < 2048, "{record:?} is more than one record");
        assert_eq!(opened(pair[1].clone()), Ok(row.states[number + 1].clone()));
        for at in record.clone() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut image = pair[1].clone();
                image[at] ^= flip;
                // A byte of what was there before makes no difference: it is not of the record.
                let of_record = pair[0][at] != pair[1][at];
                let state = opened(image).unwrap_or_else(|error| panic!("byte {at}: {error}"));
                let expected = &row.states[number];
                let may = [expected, &row.states[number + 1]];
                assert!(
                    state == *expected || (!of_record && may.contains(&&state)),
                    "commit {number}, byte {at} of {record:?} flipped by {flip:#x}: {state:?}"
                );
            }
        }
    }
}

#[test]
fn g3_a_log_cut_at_every_length_opens_with_the_commits_before_the_cut() {
    let row = row();
    let base = &row.images[0];
    let last = row.images.last().expect("some");
    let whole = changed(base, last);
    let ends: Vec<usize> = row
        .images
        .windows(2)
        .map(|pair| changed(&pair[0], &pair[1]).end)
        .collect();
    let mut seen = 0;
    for cut in whole.start..=whole.end {
        let mut image = base.clone();
        image[whole.start..cut].copy_from_slice(&last[whole.start..cut]);
        let state = opened(image).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let complete = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(state, row.states[complete], "cut at {cut} of {whole:?}");
        seen = seen.max(complete);
    }
    assert_eq!(seen, row.states.len() - 1, "every commit was seen");
}

#[test]
fn g3_a_log_that_ends_in_noise_opens_with_the_commits_before_it() {
    let row = row();
    let last = row.images.last().expect("some");
    let end = changed(&row.images[0], last).end;
    let mut random = Random(3);
    for _ in 0..200 {
        let mut image = last.clone();
        let len = 1 + random.below(200) as usize;
        image[end..end + len].fill_with(|| random.next() as u8);
        // What lies behind the log's end was never written, or is of an earlier lap.
        assert_eq!(opened(image).as_ref(), Ok(row.states.last().expect("some")));
    }
}
