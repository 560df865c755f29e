//! The log under a store: records that are damaged or cut short are not replayed, and those before them are.

#[path = "../../../tests/image_tools/mod.rs"]
mod image_tools;
mod world;

use everline::units::ByteLen;
use everline_crash::CrashMedia;
use image_tools::{FoundRecord, geometry_of, records};
use world::{Random, State, create, recovered, see, small};

const POOL: ByteLen = ByteLen::new(128 << 10);

/// An image as a power cut leaves it that takes all it can, and what is there after each record of its log.
struct Row {
    image: Vec<u8>,
    records: Vec<FoundRecord>,
    states: Vec<State>,
}

/// Commits of all kinds, each a record behind the one before; their homes are never durable.
fn row() -> Row {
    let media = CrashMedia::new(POOL);
    let store = create(media.clone(), &small());
    for key in [b"b", b"d", b"f"] {
        store.put(key, [1; 20]).expect("room");
    }
    store.checkpoint().expect("no failing fence");
    let mut states = vec![see(&store).expect("sound")];
    let commits: [&dyn Fn(); 5] = [
        &|| drop(store.put(b"d", [2; 20]).expect("room")), // in place
        &|| drop(store.put(b"c", [3; 30]).expect("room")), // splits the leaf
        &|| {
            let tx = store.begin().expect("open");
            tx.put(b"a", [4; 5]).expect("open");
            tx.delete(b"b").expect("open");
            tx.put(b"f", [5; 60]).expect("open");
            tx.commit().expect("room");
        },
        &|| assert!(store.delete(b"d").expect("room")),
        &|| drop(store.put(b"g", b"the last").expect("room")),
    ];
    for commit in commits {
        commit();
        states.push(see(&store).expect("sound"));
    }
    let image = media.durable_image();
    let records = records(&image);
    assert_eq!(records.len(), states.len() - 1, "{records:?}");
    assert!(records.iter().all(|record| record.lane == records[0].lane));
    Row {
        image,
        records,
        states,
    }
}

fn opened(image: Vec<u8>) -> Result<State, String> {
    recovered(&CrashMedia::with_base(image), &small())
}

#[test]
fn g2_each_flipped_byte_of_a_record_is_found_and_the_record_is_not_replayed() {
    let row = row();
    assert_eq!(opened(row.image.clone()).as_ref(), Ok(&row.states[5]));
    for (number, record) in row.records.iter().enumerate() {
        for byte in 0..record.len {
            for flip in [1 << (byte % 8), 0xFF] {
                let mut image = row.image.clone();
                image[record.at + byte] ^= flip;
                let what = format!("record {number}, byte {byte}, {flip:#x}");
                let state = opened(image).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(state, row.states[number], "{what}");
            }
        }
    }
}

#[test]
fn g3_a_log_cut_at_every_length_opens_with_the_commits_before_the_cut() {
    let row = row();
    let geometry = geometry_of(&row.image);
    let (first, last) = (row.records[0], row.records[4]);
    let ring = geometry.ring_at(first.lane).get() as usize;
    let ring_end = ring + geometry.ring_bytes() as usize;
    let mut seen = vec![0; row.states.len()];
    for rest in [0, 0xa5] {
        for cut in first.at..=last.at + last.len {
            let mut image = row.image.clone();
            image[cut..ring_end].fill(rest);
            // A record whose missing bytes happen to be what stands there is whole.
            let is_whole = |record: &FoundRecord| {
                let bytes = record.at..record.at + record.len;
                image[bytes.clone()] == row.image[bytes]
            };
            let whole = row.records.iter().filter(|record| is_whole(record)).count();
            let state = opened(image).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            assert_eq!(state, row.states[whole], "cut at {cut}, then {rest:#x}");
            seen[whole] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn g3_a_log_that_ends_in_noise_opens_with_the_commits_before_it() {
    let row = row();
    let last = row.records[4];
    let end = (last.at + last.len).next_multiple_of(64);
    let mut random = Random(3);
    for _ in 0..200 {
        let mut image = row.image.clone();
        let len = 1 + random.below(200) as usize;
        image[end..end + len].fill_with(|| random.next() as u8);
        // What lies behind the log's end was never written, or is of an earlier lap.
        assert_eq!(opened(image).as_ref(), Ok(&row.states[5]));
    }
}
