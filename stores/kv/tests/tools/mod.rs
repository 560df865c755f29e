//! Stores for tests.
#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod slow;

use std::collections::BTreeMap;
use std::sync::Arc;

use everline::engine::{CreateOptions, Engine, Identity, OpenOptions, OpenReport};
use everline::media::{Media, Ram};
use everline::units::ByteLen;
use everline_kv::{Direction, KvError, Space, Store, StoreOptions, Transaction, TreeOptions};
use everline_region::Regions;

/// Options of a pool that is always the same.
pub fn pool_options() -> CreateOptions {
    CreateOptions {
        identity: Identity {
            pool_id: [7; 16],
            key: [0x5A; 16],
            created_s: 0,
        },
        ..CreateOptions::default()
    }
}

/// Trees that split early, and little memory beside them.
pub fn small() -> StoreOptions {
    StoreOptions {
        tree: TreeOptions {
            leaf_slots: 4,
            inner_slots: 4,
            inline_bytes: 64,
        },
        stripe_bits: 8,
        ..StoreOptions::default()
    }
}

/// A new pool with a store on `media`.
pub fn create_on<M: Media + Send + Sync + 'static>(media: M, options: &StoreOptions) -> Store<M> {
    let engine = Engine::create(media, &pool_options()).expect("a pool");
    let regions = Regions::open(engine).expect("no regions yet");
    Store::open(Arc::new(regions), options).expect("a store")
}

/// The store in the pool on `media`, recovered.
pub fn try_open_on<M: Media + Send + Sync + 'static>(
    media: M,
    options: &StoreOptions,
) -> Result<(Store<M>, OpenReport), String> {
    let (engine, report) =
        Engine::open(media, &OpenOptions::default()).map_err(|error| error.to_string())?;
    let regions = Regions::open(engine).map_err(|error| error.to_string())?;
    let store = Store::open(Arc::new(regions), options).map_err(|error| error.to_string())?;
    Ok((store, report))
}

pub fn open_on<M: Media + Send + Sync + 'static>(
    media: M,
    options: &StoreOptions,
) -> (Store<M>, OpenReport) {
    try_open_on(media, options).expect("a pool with a store")
}

/// A store in memory that counts as persistent.
pub fn ram(len: u64, options: &StoreOptions) -> Store<Ram> {
    create_on(Ram::assume_persistent(ByteLen::new(len)), options)
}

/// The medium of a store of which this is the last handle, as a killed process would leave it.
pub fn abandon<M: Media>(store: Store<M>) -> M {
    let regions = Arc::clone(store.regions());
    drop(store);
    let mut regions = Some(regions);
    loop {
        // A thread of the store may be about to end.
        match Arc::try_unwrap(regions.take().expect("put back below")) {
            Ok(last) => return last.into_engine().abandon(),
            Err(shared) => regions = Some(shared),
        }
        std::thread::yield_now();
    }
}

/// Closes a store and opens it again.
pub fn reopen<M: Media + Send + Sync + 'static>(
    store: Store<M>,
    options: &StoreOptions,
) -> (Store<M>, OpenReport) {
    store.close().expect("no failing fence");
    open_on(abandon(store), options)
}

/// Kills the process and opens the store again.
pub fn kill<M: Media + Send + Sync + 'static>(
    store: Store<M>,
    options: &StoreOptions,
) -> (Store<M>, OpenReport) {
    open_on(abandon(store), options)
}

pub type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// Everything in a keyspace, each way the same.
pub fn all<M: Media>(space: &Space<M>) -> State {
    let forward: Vec<_> = space
        .scan_prefix("", Direction::Forward)
        .collect::<Result<_, _>>()
        .expect("not too old");
    let mut backward: Vec<_> = space
        .scan_prefix("", Direction::Backward)
        .collect::<Result<_, _>>()
        .expect("not too old");
    backward.reverse();
    assert_eq!(forward, backward);
    assert!(forward.is_sorted_by(|one, next| one.0 < next.0));
    forward.into_iter().collect()
}

/// Everything that a transaction sees in the default keyspace.
pub fn seen<M: Media>(tx: &Transaction<M>) -> State {
    let scan = tx.scan_prefix("", Direction::Forward);
    scan.collect::<Result<_, _>>().expect("not too old")
}

/// Engine, regions, every tree, and nothing in the heap that nobody leads to.
pub fn problems<M: Media>(store: &Store<M>) -> Vec<String> {
    let mut problems = Vec::new();
    let regions = store.regions();
    let engine = regions.engine();
    engine.check(|problem| problems.push(problem.to_string()));
    regions.check(|problem| problems.push(problem.to_string()));
    let check = store.check().expect("open");
    for (space, problem) in check.problems {
        problems.push(format!("{space:?}: {problem}"));
    }
    match store.orphans() {
        Ok(report) if report.orphans.is_empty() && report.certain => {}
        Ok(report) => problems.push(format!("{report:?}")),
        Err(error) => problems.push(error.to_string()),
    }
    problems
}

#[track_caller]
pub fn assert_clean<M: Media>(store: &Store<M>) {
    let problems = problems(store);
    assert!(problems.is_empty(), "{problems:#?}");
}

pub fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

pub fn some(text: &str) -> Option<Vec<u8>> {
    Some(bytes(text))
}

pub fn is_conflict<T, E: std::error::Error>(outcome: Result<T, KvError<E>>) -> bool {
    matches!(outcome, Err(KvError::Conflict { .. }))
}

/// Small numbers that look random.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
