//! A record of two words and a valid flag, in one line.

use super::*;

const RECORD: u64 = 64;

pub fn report(bug: Bug) -> Report {
    Explorer::new().check(
        LEN,
        |media| {
            media.invoke(1);
            let mut bytes = [5; 24];
            bytes[16..].copy_from_slice(&1u64.to_le_bytes());
            if bug == M09 {
                media.write(ByteOffset::new(RECORD), &bytes);
                flush(media, RECORD, 24);
                fence(media);
            } else {
                media.write(ByteOffset::new(RECORD), &bytes[..16]);
                flush(media, RECORD, 16);
                fence(media);
                persist(media, RECORD + 16, 1);
            }
            media.ack(1);
        },
        |media| {
            let valid = get(media, RECORD + 16) == 1;
            valid.then(|| (get(media, RECORD), get(media, RECORD + 8)))
        },
        |point, seen| {
            let word = u64::from_le_bytes([5; 8]);
            match (seen, point.acked) {
                (None, []) => Ok(()),
                (Some(pair), _) => expect(pair, &[(word, word)]),
                (None, _) => Err("an acknowledged record is gone".into()),
            }
        },
    )
}
