//! Two words changed together under an undo log of one entry {x, y, generation, sum}; `DONE` retires it.

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
