//! What of a pool's used bytes is keys and values.

use std::sync::Arc;

use everline::engine::{CreateOptions, Engine};
use everline::media::Ram;
use everline::units::ByteLen;
use everline_bench::kv::{KEY_BYTES, VALUE_BYTES, key};
use everline_kv::{ManualClock, Store, StoreOptions};
use everline_region::Regions;

const KEYS: u64 = 50_000;
const POOL_BYTES: u64 = 64 << 20;

/// The share of payload after all keys came in this order.
fn payload_share(number: impl Fn(u64) -> [u8; KEY_BYTES]) -> f64 {
    let options = CreateOptions {
        len: Some(POOL_BYTES),
        ..CreateOptions::default()
    };
    let engine = Engine::create(Ram::new(ByteLen::new(POOL_BYTES)), &options).expect("a pool");
    let regions = Arc::new(Regions::open(engine).expect("no regions yet"));
    let options = StoreOptions {
        clock: ManualClock::new().clock(),
        ..StoreOptions::default()
    };
    let store = Store::open(regions, &options).expect("room");
    for first in (0..KEYS).step_by(100) {
        let tx = store.begin().expect("open");
        for at in first..first + 100 {
            tx.put(number(at), [7; VALUE_BYTES]).expect("open");
        }
        tx.commit().expect("room");
    }
    store.checkpoint().expect("nothing fails in memory");
    let used = store.regions().engine().stats().expect("a sound pool").heap;
    let payload = KEYS * (KEY_BYTES + VALUE_BYTES) as u64;
    payload as f64 / used.used_bytes as f64
}

#[test]
fn h10_six_bytes_of_ten_are_keys_and_values_of_16_and_100_bytes() {
    let random = payload_share(key);
    let rising = payload_share(|at| {
        let mut key = [0; KEY_BYTES];
        key[8..].copy_from_slice(&at.to_be_bytes());
        key
    });
    println!("payload: {random:.3} in random order, {rising:.3} in rising order");
    assert!(random >= 0.6, "{random}");
    assert!(rising >= 0.6, "{rising}");
}
