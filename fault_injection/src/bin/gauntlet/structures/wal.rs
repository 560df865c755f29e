//! A record {length, sum, payload} that is written in place with one persist and told whole by its sum.

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
