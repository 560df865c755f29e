//! An object of two lines, made durable and then published by one word.

use super::*;

const ROOT: u64 = 0;
const OBJECT: u64 = 1024;
const SIZE: u64 = 128;

fn object(media: &CrashMedia, bug: Bug) {
    media.write(ByteOffset::new(OBJECT), &[7; SIZE as usize]);
    flush(media, OBJECT, if bug == M06 { 64 } else { SIZE });
    fence(media);
}

pub fn report(bug: Bug) -> Report {
    Explorer::new().check(
        LEN,
        |media| {
            media.invoke(1);
            if bug == M03 {
                persist(media, ROOT, OBJECT);
                object(media, bug);
            } else {
                object(media, bug);
                persist(media, ROOT, OBJECT);
            }
            media.ack(1);
        },
        |media| match get(media, ROOT) {
            0 => None,
            root => {
                let mut bytes = [0; SIZE as usize];
                media.read(ByteOffset::new(root), &mut bytes);
                Some(bytes)
            }
        },
        |point, seen| match (seen, point.acked) {
            (None, []) => Ok(()),
            (Some(bytes), _) if *bytes == [7; SIZE as usize] => Ok(()),
            (seen, _) => Err(format!("published, and {seen:?} is there")),
        },
    )
}
