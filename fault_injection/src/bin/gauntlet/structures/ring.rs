//! A ring of two slots {value, sum}; `HEAD` is the newest record known to be home.

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
