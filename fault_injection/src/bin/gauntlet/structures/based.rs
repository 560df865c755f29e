//! A root that leads to an object; the next process maps the medium elsewhere.

use super::*;

const ROOT: u64 = 0;
const OBJECT: u64 = 1024;
/// Where each process has the medium.
const FIRST_BASE: u64 = 0x7F00_0000_0000;
const NEXT_BASE: u64 = 0x7E00_0000_0000;

pub fn report(bug: Bug) -> Report {
    Explorer::new().check(
        LEN,
        |media| {
            media.invoke(1);
            persist(media, OBJECT, 5);
            let base = if bug == M28 { FIRST_BASE } else { 0 };
            persist(media, ROOT, base + OBJECT);
            media.ack(1);
        },
        |media| {
            let base = if bug == M28 { NEXT_BASE } else { 0 };
            match get(media, ROOT) {
                0 => None,
                root => Some(get(media, root.wrapping_sub(base))),
            }
        },
        |point, seen| match (seen, point.acked) {
            (None, []) | (Some(5), _) => Ok(()),
            (seen, _) => Err(format!("{seen:?} found")),
        },
    )
}
