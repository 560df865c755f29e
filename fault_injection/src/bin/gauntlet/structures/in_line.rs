//! A record whose payload and flag share a line.

use super::*;

const PAYLOAD: u64 = 64;
const FLAG: u64 = 72;

fn write(media: &CrashMedia, bug: Bug) {
    match bug {
        M14 => {
            put(media, FLAG, 1);
            put(media, PAYLOAD, 7);
        }
        M11 => {
            media.write_nt(ByteOffset::new(PAYLOAD), &7u64.to_le_bytes());
            put(media, FLAG, 1);
        }
        M15 => {
            put(media, PAYLOAD, 7);
            put(media, FLAG, 1);
        }
        _ => {
            persist(media, PAYLOAD, 7);
            put(media, FLAG, 1);
        }
    }
    flush(media, PAYLOAD, 16);
    fence(media);
}

pub fn report(bug: Bug, model: CrashModel) -> Report {
    Explorer::new().model(model).check(
        LEN,
        |media| {
            media.invoke(1);
            write(media, bug);
            media.ack(1);
        },
        |media| (get(media, FLAG) == 1).then(|| get(media, PAYLOAD)),
        |point, seen| match (seen, point.acked) {
            (None, []) | (Some(7), _) => Ok(()),
            (seen, acked) => Err(format!("{acked:?} acknowledged, {seen:?} found")),
        },
    )
}
