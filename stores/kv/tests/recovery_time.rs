//! How long recovery takes, on a medium that takes a millisecond for each sync.

mod tools;

use std::sync::Arc;
use std::time::{Duration, Instant};

use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::media::Ram;
use everline::units::ByteLen;
use everline_kv::{Store, StoreOptions};
use everline_region::Regions;
use tools::slow::Slow;
use tools::{abandon, pool_options};

const PAUSE: Duration = Duration::from_millis(1);

/// A pool whose log holds one commit of so many keys, or nothing.
fn with_log(keys: u32) -> Ram {
    let options = CreateOptions {
        ring_bytes: Some(8 << 20),
        lanes: Some(2),
        ..pool_options()
    };
    let ram = Ram::assume_persistent(ByteLen::new(64 << 20));
    let engine = Engine::create(ram, &options).expect("a pool");
    let regions = Arc::new(Regions::open(engine).expect("no regions yet"));
    let store = Store::open(regions, &StoreOptions::default()).expect("a store");
    store.close().expect("memory does not fail");
    let regions = Arc::new(Regions::open(reopened(abandon(store))).expect("no regions yet"));
    let store = Store::open(regions, &StoreOptions::default()).expect("a store");
    if keys > 0 {
        let tx = store.begin().expect("open");
        for key in 0..keys {
            tx.put(key.to_be_bytes(), [7; 100]).expect("in memory");
        }
        tx.commit().expect("space");
    }
    abandon(store)
}

fn reopened(ram: Ram) -> Engine<Ram> {
    let opened = Engine::open(ram, &OpenOptions::default());
    opened.expect("a pool").0
}

/// What the store on the slow medium tells of its opening, in milliseconds; the least of several, since a thread may be
/// kept waiting for anything.
fn recovery_ms(keys: u32) -> f64 {
    let measured = (0..5).map(|_| {
        let inner = with_log(keys);
        let begun = Instant::now();
        let media = Slow {
            inner,
            pause: PAUSE,
        };
        let (engine, report) = Engine::open(media, &OpenOptions::default()).expect("a pool");
        assert_eq!(report.recovery.redone, u64::from(keys > 0));
        let options = StoreOptions {
            recovery_time: begun.elapsed(),
            ..StoreOptions::default()
        };
        let regions = Arc::new(Regions::open(engine).expect("no regions"));
        let store = Store::open(regions, &options).expect("a store");
        assert_eq!(store.count(), Ok(keys.into()));
        store.metrics().expect("sound").recovery_time_ms
    });
    measured.fold(f64::INFINITY, f64::min)
}

#[test]
fn g16_recovery_time_grows_with_the_log_on_a_slow_medium() {
    let [none, one, many] = [0, 1, 20_000].map(recovery_ms);
    assert!(none >= 2.0, "two syncs: {none} ms");
    assert!(one >= 3.0, "three syncs: {one} ms");
    assert!(none < one && one < many, "{none} ms, {one} ms, {many} ms");
}
