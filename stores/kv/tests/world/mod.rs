//! Stores with small nodes on media of the laboratory, and everything that can be asked of one after a crash.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::ops::Bound;
use std::sync::Arc;

use everline::engine::{CreateOptions, Engine, Identity, OpenOptions};
use everline::media::Media;
use everline::tree::TreeOptions;
use everline_crash::{CrashMedia, Depth};
use everline_kv::{Direction, ManualClock, Store, StoreOptions};
use everline_region::Regions;

/// Three keys fill a leaf and three children an inner node, and a value above 64 bytes has a block of its own, so that
/// three operations split, merge, grow and shrink a tree.
pub const SMALL: TreeOptions = TreeOptions {
    leaf_slots: 3,
    inner_slots: 3,
    inline_bytes: 64,
};

/// SYNC, small nodes, and a clock that stands still: no thread runs beside the test.
pub fn small() -> StoreOptions {
    StoreOptions {
        tree: SMALL,
        stripe_bits: 6,
        clock: ManualClock::new().clock(),
        ..StoreOptions::default()
    }
}

fn pool_options() -> CreateOptions {
    CreateOptions {
        identity: Identity {
            pool_id: [7; 16],
            key: [9; 16],
            created_s: 0,
        },
        ..CreateOptions::default()
    }
}

fn told(error: impl Display) -> String {
    error.to_string()
}

/// A store on a medium that held nothing.
pub fn create<M: Media + Send + Sync + 'static>(media: M, options: &StoreOptions) -> Store<M> {
    create_with(media, options, &pool_options())
}

/// The same, in a pool with these options.
pub fn create_with<M: Media + Send + Sync + 'static>(
    media: M,
    options: &StoreOptions,
    pool: &CreateOptions,
) -> Store<M> {
    let identity = pool_options().identity;
    let pool = CreateOptions { identity, ..*pool };
    let engine = Engine::create(media, &pool).expect("a pool");
    let regions = Regions::open(engine).expect("no regions yet");
    Store::open(Arc::new(regions), options).expect("room")
}

/// The store that lies on `media`.
pub fn open<M: Media + Send + Sync + 'static>(
    media: M,
    options: &StoreOptions,
) -> Result<Store<M>, String> {
    let (engine, _) = Engine::open(media, &OpenOptions::default()).map_err(told)?;
    let regions = Regions::open(engine).map_err(told)?;
    Store::open(Arc::new(regions), options).map_err(told)
}

/// Every entry of every keyspace.
pub type State = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

/// What is wrong with heap, regions and store.
pub fn problems<M: Media + Send + Sync + 'static>(store: &Store<M>) -> Vec<String> {
    let mut problems = Vec::new();
    let regions = store.regions();
    regions
        .engine()
        .check(|problem| problems.push(problem.to_string()));
    regions.check(|problem| problems.push(problem.to_string()));
    match store.check() {
        Ok(check) => problems.extend(check.problems.iter().map(|problem| format!("{problem:?}"))),
        Err(error) => problems.push(error.to_string()),
    }
    match store.orphans() {
        Ok(found) if found.orphans.is_empty() => {}
        Ok(found) => problems.push(format!("nobody leads to {:?}", found.orphans)),
        Err(error) => problems.push(error.to_string()),
    }
    problems
}

/// All that is there, read in both directions and key by key, or what is wrong with it.
pub fn see<M: Media + Send + Sync + 'static>(store: &Store<M>) -> Result<State, String> {
    let problems = problems(store);
    if !problems.is_empty() {
        return Err(problems.join("; "));
    }
    let mut state = State::new();
    for name in store.spaces() {
        let space = store.space(&name).map_err(told)?;
        let whole = (Bound::Unbounded::<&[u8]>, Bound::Unbounded);
        let scanned = |direction| -> Result<Vec<_>, String> {
            let entries = space.scan::<&[u8]>(whole, direction);
            entries.map(|entry| entry.map_err(told)).collect()
        };
        let (up, mut down) = (scanned(Direction::Forward)?, scanned(Direction::Backward)?);
        down.reverse();
        if up != down {
            return Err(format!("{name:?}: up {up:?}, down {down:?}"));
        }
        if space.count().map_err(told)? != up.len() as u64 {
            return Err(format!("{name:?}: the count is not {}", up.len()));
        }
        for (key, value) in &up {
            let got = space.get(key).map_err(told)?;
            if got.as_ref() != Some(value) {
                return Err(format!("{name:?}: get {key:?} is {got:?}"));
            }
        }
        state.insert(name, up.into_iter().collect());
    }
    Ok(state)
}

/// Opens and sees.
pub fn recovered(media: &CrashMedia, options: &StoreOptions) -> Result<State, String> {
    see(&open(media.clone(), options)?)
}

/// What a suite does at the depth that the environment asks for.
pub fn depth<T>(desk: T, merge: T, full: T) -> T {
    Depth::from_env().pick(desk, merge, full)
}

/// Small numbers that look random.
#[derive(Clone, Debug)]
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

/// Whether `seen` is one of `states`.
pub fn one_of<S: PartialEq + Debug>(states: &[S], seen: &Result<S, String>) -> Result<(), String> {
    match seen {
        Ok(seen) if states.contains(seen) => Ok(()),
        Ok(seen) => Err(format!("{seen:?} is left, and not one of {states:?}")),
        Err(error) => Err(error.clone()),
    }
}
