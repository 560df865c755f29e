//! A place and a length that belong together.

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
