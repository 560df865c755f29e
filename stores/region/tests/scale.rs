//! A million regions: what they cost in space, and how long it takes to open and to list them.

mod tools;

use std::time::{Duration, Instant};

use everline::engine::{Engine, OpenOptions};
use everline_region::Regions;
use tools::*;

const COUNT: u64 = 1_000_000;
const LEN: u64 = 64;

/// Limits are those of a release build.
fn limit(release_ms: u64) -> Duration {
    let factor = if cfg!(debug_assertions) { 20 } else { 1 };
    Duration::from_millis(release_ms * factor)
}

#[test]
fn e4_a_million_regions_cost_64_bytes_each_and_are_opened_and_listed_in_no_time() {
    let regions = ram(256 << 20);
    let first = regions.create(LEN, &named("first")).expect("space");
    let before = regions.engine().stats().expect("stats").heap;
    let mut made = 1;
    while made < COUNT {
        let mut batch = regions.batch().expect("a lane");
        for _ in 0..40.min(COUNT - made) {
            batch.create(LEN, &UNNAMED).expect("space");
            made += 1;
        }
        batch.commit().expect("room in the log");
    }
    let after = regions.engine().stats().expect("stats").heap;
    let taken = before.free_bytes - after.free_bytes + after.overhead_bytes - before.overhead_bytes;
    let each = taken as f64 / (COUNT - 1) as f64 - LEN as f64;
    println!("{each:.1} bytes a region beside its own {LEN}");
    assert!(each <= 64.0, "{each} bytes of overhead a region");

    let ram = regions.into_engine().close().expect("no failing fence");
    let (engine, _) = Engine::open(ram, &OpenOptions::default()).expect("a pool");
    let start = Instant::now();
    let regions = Regions::open(engine).expect("a directory");
    let opened = start.elapsed();
    let start = Instant::now();
    let (mut count, mut bytes, mut names) = (0, 0, Vec::new());
    regions
        .for_each(|region| {
            count += 1;
            bytes += region.len();
            names.extend(region.name().map(str::to_owned));
        })
        .expect("a directory");
    let listed = start.elapsed();
    println!("opened in {opened:?}, listed in {listed:?}");
    assert_eq!(
        (count, bytes, names),
        (COUNT, COUNT * LEN, vec!["first".to_owned()])
    );
    assert_eq!(regions.count(), Ok(COUNT));
    assert!(opened < limit(5), "{opened:?}");
    assert!(listed < limit(100), "{listed:?}");
    assert!(regions.exists(first));
}
