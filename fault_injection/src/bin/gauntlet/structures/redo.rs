//! A redo log of one entry {value, sum}; recovery brings it home and truncates the log.

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
