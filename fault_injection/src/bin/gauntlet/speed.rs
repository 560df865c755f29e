//! Executions a second and core of a small structure, whose recovery reads a dozen words; those of the real layers come
//! from the copy's driver.

use std::time::{Duration, Instant};

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, Explorer};

use crate::clock::Clock;

const DONE: u64 = 0;
const ENTRY: u64 = 64;
const PAIRS: u64 = 4;

fn put(media: &CrashMedia, place: u64, value: u64) {
    media.store64(ByteOffset::new(place), value);
}

fn get(media: &CrashMedia, place: u64) -> u64 {
    media.load64(ByteOffset::new(place))
}

fn persist(media: &CrashMedia, places: &[u64]) {
    for place in places {
        media.flush(LineRange::covering(
            ByteRange::at(*place, 32).expect("small"),
        ));
    }
    media.fence().expect("no fault asked for");
}

/// The two words of a pair lie in different lines.
fn homes(pair: u64) -> [u64; 2] {
    [4096 + 64 * pair, 8192 + 64 * pair]
}

/// Adds one to both words of a pair, under an undo entry {generation, pair, first, second} of one line.
fn add(media: &CrashMedia, generation: u64) {
    let pair = generation % PAIRS;
    let [first, second] = homes(pair);
    for (word, value) in [pair, get(media, first), get(media, second)]
        .into_iter()
        .enumerate()
    {
        put(media, ENTRY + 8 + 8 * word as u64, value);
    }
    persist(media, &[ENTRY]);
    put(media, ENTRY, generation);
    persist(media, &[ENTRY]);
    for home in [first, second] {
        put(media, home, get(media, home) + 1);
    }
    persist(media, &[first, second]);
    put(media, DONE, generation);
    persist(media, &[DONE]);
}

/// Rolls back what is open, and checks every pair.
fn recover(media: &CrashMedia) -> Result<u64, u64> {
    let (done, open) = (get(media, DONE), get(media, ENTRY));
    if open > done {
        let homes = homes(get(media, ENTRY + 8));
        for (word, home) in homes.into_iter().enumerate() {
            put(media, home, get(media, ENTRY + 16 + 8 * word as u64));
        }
        persist(media, &homes);
        put(media, DONE, open);
        persist(media, &[DONE]);
    }
    let mut sum = 0;
    for pair in 0..PAIRS {
        let [first, second] = homes(pair).map(|home| get(media, home));
        if first != second {
            return Err(pair);
        }
        sum += first;
    }
    Ok(sum)
}

/// Executions and the time they took, about `time` of it. Errors: the structure was reported.
pub fn structure(time: Duration) -> Result<(u64, Duration), String> {
    let begun = Instant::now();
    let (mut executions, mut spent) = (0, Duration::ZERO);
    for seed in 0.. {
        let media = CrashMedia::new(ByteLen::new(16 << 10));
        for generation in 1..=64 {
            media.invoke(generation);
            add(&media, generation);
            media.ack(generation);
        }
        let clock = Clock::start();
        let report =
            Explorer::new()
                .seed(seed)
                .explore(&media.recording(), recover, |point, sum| {
                    let acked = point.acked.len() as u64;
                    match sum {
                        Ok(sum) if (acked..=acked + point.in_flight.len() as u64).contains(sum) => {
                            Ok(())
                        }
                        other => Err(format!("{acked} acknowledged, {other:?} found")),
                    }
                });
        spent += clock.elapsed();
        executions += report.executions;
        if !report.is_clean() {
            return Err(report.to_string());
        }
        if begun.elapsed() > time {
            break;
        }
    }
    Ok((executions, spent))
}
