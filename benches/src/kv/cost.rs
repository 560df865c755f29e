//! What operations on keys ask of the medium.
//!
//! Each row has a store of its own with [`KEYS`] keys, on a log that nothing fills by half, so that a checkpoint runs only
//! where the row says so.

use std::ops::Bound;
use std::sync::Arc;

use everline::engine::{CreateOptions, Engine};
use everline::media::{Cost, Counted, Ram};
use everline::units::ByteLen;
use everline_kv::{Direction, ManualClock, Store, StoreOptions};
use everline_region::Regions;

use super::{VALUE_BYTES, key};
use crate::cost::Row;

/// Keys that are there.
pub const KEYS: u64 = 10_000;
/// Operations of the rows that tell what one takes on average, leaves that split and the log's own records included.
pub const MANY: u64 = 1_000;

const POOL_BYTES: u64 = 64 << 20;
const RING_BYTES: u64 = 8 << 20;
const VALUE: [u8; VALUE_BYTES] = [0xa5; VALUE_BYTES];
const BIG_VALUE_BYTES: usize = 1 << 20;

type Medium = &'static Counted<Ram>;
type Kv = Store<Medium>;
type Step = fn(&Kv);

const STEPS: [(&str, Step); 14] = [
    ("kv/put/100B", |kv| put(kv, KEYS, &VALUE)),
    ("kv/put/100B over another", |kv| put(kv, 7, &VALUE)),
    ("kv/put/10B over 100B", |kv| put(kv, 7, &VALUE[..10])),
    ("kv/put/1MiB", |kv| put(kv, KEYS, &[0x5a; BIG_VALUE_BYTES])),
    ("kv/delete/100B", |kv| delete(kv, 7)),
    ("kv/append/10B", |kv| {
        kv.append(key(7), [1; 10]).expect("room");
    }),
    ("kv/get/100B", |kv| get(kv, 7, true)),
    ("kv/get/absent", |kv| get(kv, KEYS, false)),
    ("kv/scan/100", scan),
    ("kv/tx of nothing", |kv| {
        drop(kv.begin().expect("open").commit())
    }),
    ("kv/tx/100 puts of 100B", |kv| many_at_once(kv)),
    ("kv/1000 puts/100B", |kv| puts(kv, KEYS)),
    ("kv/1000 puts/100B over others", |kv| puts(kv, 0)),
    ("kv/1000 puts/100B, and their checkpoint", |kv| {
        puts(kv, KEYS);
        kv.checkpoint().expect("nothing fails in memory");
    }),
];

fn put(kv: &Kv, number: u64, value: &[u8]) {
    kv.put(key(number), value).expect("room");
}

fn delete(kv: &Kv, number: u64) {
    assert!(kv.delete(key(number)).expect("room"));
}

fn get(kv: &Kv, number: u64, there: bool) {
    let found = kv.get_into(key(number), &mut Vec::new());
    assert_eq!(found, Ok(there));
}

fn scan(kv: &Kv) {
    let from = key(7);
    let range = (Bound::Included(&from[..]), Bound::Unbounded);
    let entries = kv.scan::<&[u8]>(range, Direction::Forward).take(100);
    assert!(entries.filter(|entry| entry.is_ok()).count() > 0);
}

fn many_at_once(kv: &Kv) {
    let tx = kv.begin().expect("open");
    for number in KEYS..KEYS + 100 {
        tx.put(key(number), VALUE).expect("open");
    }
    tx.commit().expect("room");
}

fn puts(kv: &Kv, first: u64) {
    (first..first + MANY).for_each(|number| put(kv, number, &VALUE));
}

/// A store with [`KEYS`] keys, behind a checkpoint. Its medium lives as long as the program.
fn loaded() -> (Kv, Medium) {
    let medium: Medium = Box::leak(Box::new(Counted::new(Ram::new(ByteLen::new(POOL_BYTES)))));
    let options = CreateOptions {
        len: Some(POOL_BYTES),
        lanes: Some(2),
        ring_bytes: Some(RING_BYTES),
        ..CreateOptions::default()
    };
    let engine = Engine::create(medium, &options).expect("a fresh pool");
    let regions = Arc::new(Regions::open(engine).expect("no regions yet"));
    let options = StoreOptions {
        clock: ManualClock::new().clock(),
        ..StoreOptions::default()
    };
    let kv = Store::open(regions, &options).expect("room");
    for first in (0..KEYS).step_by(100) {
        let tx = kv.begin().expect("open");
        for number in first..first + 100 {
            tx.put(key(number), VALUE).expect("open");
        }
        tx.commit().expect("room");
    }
    kv.checkpoint().expect("nothing fails in memory");
    (kv, medium)
}

/// Measures every row.
pub fn rows() -> Vec<Row> {
    STEPS
        .iter()
        .map(|&(operation, step)| of(operation, step))
        .collect()
}

fn of(operation: &'static str, step: Step) -> Row {
    let (kv, medium) = loaded();
    let ((), cost): ((), Cost) = medium.cost_of(|| step(&kv));
    Row { operation, cost }
}

/// The row of one operation.
pub fn row(operation: &str) -> Option<Row> {
    let step = STEPS.iter().find(|(name, _)| *name == operation);
    step.map(|&(operation, step)| of(operation, step))
}
