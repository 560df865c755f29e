//! Two threads on one structure, in one schedule of theirs.

use everline_crash::on_thread;

use super::*;

const HEAD: u64 = 0;
const FIRST: u64 = 512;
const SECOND: u64 = 1024;

/// A chain: each node is a key and the next node's place.
pub fn inserts(bug: Bug) -> Report {
    Explorer::new().check(
        LEN,
        |media| {
            media.invoke(1);
            media.invoke(2);
            on_thread(1, || {
                put(media, FIRST, 11);
                flush(media, FIRST, 16);
                fence(media);
                put(media, HEAD, FIRST);
            });
            on_thread(2, || {
                if bug != M30 {
                    // Whoever builds on what it read makes that durable first.
                    flush(media, HEAD, 8);
                    fence(media);
                }
                let found = get(media, HEAD);
                persist(media, SECOND, 22);
                persist(media, found + 8, SECOND);
                media.ack(2);
            });
            on_thread(1, || {
                flush(media, HEAD, 8);
                fence(media);
                media.ack(1);
            });
        },
        |media| {
            let mut keys = Vec::new();
            let mut at = get(media, HEAD);
            while at != 0 && keys.len() < 4 {
                keys.push(get(media, at));
                at = get(media, at + 8);
            }
            keys
        },
        |point, keys| match point.acked.iter().find(|id| !keys.contains(&(*id * 11))) {
            Some(id) => Err(format!("insert {id} was acknowledged, {keys:?} are left")),
            None => Ok(()),
        },
    )
}

/// A counter under a lock, and a copy that another thread takes of it.
pub fn locks(bug: Bug) -> Report {
    const COUNTER: u64 = 0;
    const COPY: u64 = 64;
    Explorer::new().check(
        LEN,
        |media| {
            media.invoke(1);
            on_thread(1, || {
                put(media, COUNTER, 1);
                if bug != M31 {
                    flush(media, COUNTER, 8);
                    fence(media);
                }
            });
            // Here the first thread lets go of the lock.
            media.invoke(2);
            on_thread(2, || persist(media, COPY, get(media, COUNTER)));
            media.ack(2);
            on_thread(1, || {
                flush(media, COUNTER, 8);
                fence(media);
            });
            media.ack(1);
        },
        |media| (get(media, COUNTER), get(media, COPY)),
        |point, (counter, copy)| match (copy <= counter, point.acked) {
            (true, []) => Ok(()),
            (true, [2]) if *copy == 1 => Ok(()),
            (true, [2, 1]) if (*counter, *copy) == (1, 1) => Ok(()),
            _ => Err(format!(
                "{:?} acknowledged, counter {counter}, copy {copy}",
                point.acked
            )),
        },
    )
}
