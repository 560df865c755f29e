//! How many executions a second: 1 MiB, 64 lanes, a recovery that reads some 300 words and rolls back.
//!
//! `cargo run --release -p everline-crash --example speed`

use std::time::Instant;

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, Explorer};

const LANES: u64 = 64;
const ENTRIES: u64 = 4;

fn lane(number: u64) -> u64 {
    4096 + number * 256
}

fn home(number: u64, entry: u64) -> u64 {
    65536 + (number * ENTRIES + entry) * 1024
}

fn at(place: u64) -> ByteOffset {
    ByteOffset::new(place)
}

fn flush(media: &CrashMedia, place: u64) {
    media.flush(LineRange::covering(ByteRange::at(place, 8).expect("small")));
}

fn transaction(media: &CrashMedia, number: u64, value: u64) {
    let base = lane(number);
    for entry in 0..ENTRIES {
        media.store64(
            at(base + 16 + 8 * entry),
            media.load64(at(home(number, entry))),
        );
    }
    flush(media, base);
    media.fence().expect("no fault asked for");
    media.store64(at(base), 1);
    flush(media, base);
    media.fence().expect("no fault asked for");
    for entry in 0..ENTRIES {
        media.store64(at(home(number, entry)), value);
        flush(media, home(number, entry));
    }
    media.fence().expect("no fault asked for");
    media.store64(at(base), 0);
    flush(media, base);
    media.fence().expect("no fault asked for");
}

fn recover(media: &CrashMedia) -> u64 {
    let mut sum = 0;
    for number in 0..LANES {
        let open = media.load64(at(lane(number))) == 1;
        for entry in 0..ENTRIES {
            if open {
                let old = media.load64(at(lane(number) + 16 + 8 * entry));
                media.store64(at(home(number, entry)), old);
                flush(media, home(number, entry));
            }
            sum += media.load64(at(home(number, entry)));
        }
        if open {
            media.fence().expect("no fault asked for");
            media.store64(at(lane(number)), 0);
            flush(media, lane(number));
            media.fence().expect("no fault asked for");
        }
    }
    sum
}

fn main() {
    for (name, nested, kills) in [("cuts", 0, 0), ("nested and killed", 1, usize::MAX)] {
        let media = CrashMedia::new(ByteLen::new(1 << 20));
        let began = Instant::now();
        for number in 0..1000 {
            media.invoke(number);
            transaction(&media, number * 7 % LANES, number + 1);
            media.ack(number);
        }
        let recorded = began.elapsed();
        let recording = media.recording();
        let began = Instant::now();
        let report = Explorer::new()
            .nested_depth(nested)
            .kill_steps(kills)
            .explore(&recording, recover, |_, _| Ok(()));
        let explored = began.elapsed();
        println!(
            "{name}: {report}\n{} events at {:.0} ns; {:.0} executions/s, {:.0} judged paths/s, {explored:.2?}",
            recording.events(),
            recorded.as_nanos() as f64 / recording.events() as f64,
            report.executions as f64 / explored.as_secs_f64(),
            (report.executions + report.memo_hits) as f64 / explored.as_secs_f64(),
        );
    }
}
