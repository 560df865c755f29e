//! Syncs that fail, and bits that flip: an error or the right data, never wrong data.

use everline::engine::{Engine, OpenOptions};
use everline_crash::{CrashMedia, Explorer};

use crate::crash_world::{Op, State, create, judge, medium, recover, tiny, transaction};
use crate::probe::Probe;
use crate::regions;

/// Each fence in turn fails; what was acknowledged before must survive, what failed is in flight for ever.
pub fn failed_syncs(probe: &mut Probe) {
    let ops = [
        Op::Staged(1),
        Op::UndoBig(2),
        Op::Put {
            slot: 0,
            bytes: 60,
            fill: 3,
        },
        Op::Undo(4),
    ];
    for failing in 0..9 {
        let media = medium();
        let engine = create(media.clone(), &tiny());
        media.mark();
        media.fail_fence_at(failing);
        let mut states = vec![State::default()];
        for (id, op) in ops.into_iter().enumerate() {
            media.invoke(id as u64);
            states.push(states[id].after(op));
            if transaction(&engine, op).is_err() {
                break;
            }
            media.ack(id as u64);
        }
        drop(engine);
        let recording = media.recording().start_at_last_mark();
        probe.explore(&Explorer::new(), &recording, recover, |point, seen| {
            judge(&states, point, seen)
        });
    }
}

/// One bit of a closed pool's metadata flips at a time.
pub fn flipped_bits(probe: &mut Probe) {
    if !probe.is_lab() {
        return;
    }
    let media = CrashMedia::new(everline::units::ByteLen::new(64 << 10));
    let regions = regions::new(media.clone());
    let id = regions.put("name", &[5; 100]).expect("space");
    let content = regions.info(id).expect("there").at.get() as usize;
    regions.into_engine().close().expect("no fault asked for");
    let image = media.snapshot();
    let right = regions::see(&CrashMedia::with_base(image.clone()));
    let geometry = {
        let (engine, _) = Engine::open(
            CrashMedia::with_base(image.clone()),
            &OpenOptions::default(),
        )
        .expect("a pool");
        engine.pool().geometry()
    };
    let heap = geometry.heap_at().get() as usize;
    let slots = geometry.slot_at(0).get() as usize;
    let metadata = (0..512).chain(4096..4096 + 512).chain(slots..slots + 256);
    let in_use = (heap..image.len()).filter(|byte| image[*byte] != 0);
    let metadata = metadata.chain(in_use.filter(|byte| !(content..content + 100).contains(byte)));
    for byte in metadata {
        for bit in [0, 5] {
            if probe.done() {
                return;
            }
            let mut flipped = image.clone();
            flipped[byte] ^= 1 << bit;
            let seen = std::panic::catch_unwind(|| regions::see(&CrashMedia::with_base(flipped)));
            probe.executions += 1;
            match seen {
                Ok(Err(_)) => {}
                Ok(seen) if seen == right => {}
                Ok(_) => probe.report(
                    "a flipped bit",
                    &format!("byte {byte:#x}, bit {bit}: wrong data without an error"),
                ),
                Err(_) => probe.report(
                    "a flipped bit",
                    &format!("byte {byte:#x}, bit {bit}: a panic"),
                ),
            }
        }
    }
}
