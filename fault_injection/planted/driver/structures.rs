//! A structure of a user's own, on the typed views of `everline::persist`.

use everline::media::Media;
use everline::persist::{View, fence};
use everline::units::{ByteLen, ByteOffset};
use everline_crash::{CrashMedia, Explorer};

use crate::probe::Probe;

/// Places that differ in more than one byte, so that a torn root leads elsewhere.
const STRIDE: u64 = 0x140;
const ROOT: ByteOffset = ByteOffset::ZERO;

/// A node is made durable, then published by one word.
pub fn published(probe: &mut Probe) {
    let media = CrashMedia::new(ByteLen::new(4096));
    let view = View::new(&media);
    for number in 1..=3u64 {
        media.invoke(number);
        let body = view
            .write(ByteOffset::new(number * STRIDE), &[number as u8; 256])
            .expect("inside");
        let body = fence(body.flush()).expect("no fault asked for");
        let slot = view.publish(ROOT, &body).expect("a word");
        fence(slot.flush()).expect("no fault asked for");
        media.ack(number);
    }
    probe.explore(
        &Explorer::new(),
        &media.recording(),
        |media| {
            let at = media.load64(ROOT);
            let mut bytes = [0; 256];
            if at != 0 && at < 2048 {
                media.read(ByteOffset::new(at), &mut bytes);
            }
            (at / STRIDE, bytes.to_vec())
        },
        |point, (number, bytes)| {
            let done = point.acked.len() as u64;
            let may = done..=done + point.in_flight.len() as u64;
            match may.contains(number) && bytes.iter().all(|byte| u64::from(*byte) == *number) {
                true => Ok(()),
                false => Err(format!("{may:?} expected, {number} found")),
            }
        },
    );
}
