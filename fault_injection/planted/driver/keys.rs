//! Keys: a tree of small nodes, transactions that overlap, readers beside writers, and commits that wait in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use everline::engine::{Engine, OpenOptions};
use everline::tree::TreeOptions;
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Explorer, Point, Recording};
use everline_kv::{Direction, Isolation, ManualClock, Mode, Store, StoreOptions};
use everline_region::Regions;

use crate::probe::Probe;
use crate::regions;

type On = Store<CrashMedia>;
/// Every entry, or what is wrong.
type Seen = Result<BTreeMap<Vec<u8>, Vec<u8>>, String>;

const POOL: ByteLen = ByteLen::new(128 << 10);
/// Between the ticks of the weaker mode.
const WINDOW: Duration = Duration::from_millis(100);

fn options(clock: &ManualClock) -> StoreOptions {
    StoreOptions {
        tree: TreeOptions {
            leaf_slots: 3,
            inner_slots: 3,
            inline_bytes: 40,
        },
        stripe_bits: 6,
        flush_interval: WINDOW,
        clock: clock.clock(),
        ..StoreOptions::default()
    }
}

/// What finds each of the bugs in a second or two: the suites of the store go deeper.
fn brief() -> Explorer {
    Explorer::new()
        .kill_steps(4)
        .nested_depth(0)
        .budget_per_point(48)
}

fn created(media: CrashMedia, options: &StoreOptions) -> On {
    let regions = regions::new(media);
    Store::open(Arc::new(regions), options).expect("room")
}

fn see(media: &CrashMedia) -> Seen {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let (engine, _) =
        Engine::open(media.clone(), &OpenOptions::default()).map_err(|error| told(&error))?;
    let mut problems = String::new();
    engine.check(|problem| problems += &problem.to_string());
    let regions = Regions::open(engine).map_err(|error| told(&error))?;
    let options = options(&ManualClock::new());
    let store = Store::open(Arc::new(regions), &options).map_err(|error| told(&error))?;
    let check = store.check().map_err(|error| told(&error))?;
    problems.extend(check.problems.iter().map(|problem| format!("{problem:?}")));
    let orphans = store.orphans().map_err(|error| told(&error))?.orphans;
    if !orphans.is_empty() {
        problems += &format!("nobody leads to {orphans:?}");
    }
    match problems.is_empty() {
        true => entries(&store),
        false => Err(problems),
    }
}

/// Every entry, as a scan has it and as a get has it.
fn entries(store: &On) -> Seen {
    let mut seen = BTreeMap::new();
    let all = (Bound::Unbounded::<&[u8]>, Bound::Unbounded);
    for entry in store.scan::<&[u8]>(all, Direction::Forward) {
        let (key, value) = entry.map_err(|error| error.to_string())?;
        if store.get(&key).map_err(|error| error.to_string())? != Some(value.clone()) {
            return Err(format!("get and scan disagree on {key:?}"));
        }
        seen.insert(key, value);
    }
    match store.count() {
        Ok(count) if count == seen.len() as u64 => Ok(seen),
        other => Err(format!("the count is {other:?}, not {}", seen.len())),
    }
}

/// Bytes that tell who wrote them; the last word of a record is whole.
fn value(turn: u8) -> [u8; 11] {
    [turn; 11]
}

/// Puts and deletes that fill, split, empty and merge leaves; values move in and out of blocks of their own.
pub fn changed(probe: &mut Probe) {
    let put = |store: &On, key: &[u8], bytes: &[u8]| drop(store.put(key, bytes).expect("room"));
    let mut changes: Vec<Box<dyn Fn(&On)>> = Vec::new();
    for key in *b"dbfhacg" {
        changes.push(Box::new(move |store| put(store, &[key], &value(key))));
    }
    changes.push(Box::new(move |store| put(store, b"d", &value(1))));
    changes.push(Box::new(move |store| put(store, b"d", &[2; 41])));
    changes.push(Box::new(|store| {
        drop(store.checkpoint().expect("no failing fence"))
    }));
    changes.push(Box::new(move |store| put(store, b"d", &value(3))));
    changes.push(Box::new(|store| {
        let tx = store.begin().expect("open");
        tx.put(b"b", value(4)).expect("open");
        tx.put(b"e", value(4)).expect("open");
        tx.delete(b"h").expect("open");
        tx.commit().expect("nobody else writes");
    }));
    for key in *b"acfge" {
        changes.push(Box::new(move |store| {
            assert!(store.delete([key]).expect("room"))
        }));
    }
    let media = CrashMedia::new(POOL).without_rmw_fences();
    let store = created(media.clone(), &options(&ManualClock::new()));
    media.mark();
    let mut states = vec![entries(&store)];
    for (number, change) in changes.iter().enumerate() {
        media.invoke(number as u64);
        change(&store);
        media.ack(number as u64);
        let seen = entries(&store);
        if let Err(error) = &seen {
            return probe.report("without a crash", error);
        }
        states.push(seen);
    }
    if see(&CrashMedia::with_base(media.snapshot())) != states[changes.len()] {
        probe.report("without a crash", "what is opened is not what was there");
    }
    let explorer = brief();
    let recording = media.recording().start_at_last_mark();
    probe.explore(&explorer, &recording, see, |point, seen| {
        judged(&states, point, seen)
    });
}

fn judged(states: &[Seen], point: &Point<'_>, seen: &Seen) -> Result<(), String> {
    let done = point.acked.len();
    let may = done..=done + point.in_flight.len();
    match seen {
        Err(error) => Err(error.clone()),
        Ok(_) if states[may.clone()].contains(seen) => Ok(()),
        Ok(_) => Err(format!("none of the states {may:?}")),
    }
}

/// Transactions that overlap, step by step: what each sees, and who may commit.
pub fn overlapping(probe: &mut Probe) {
    let store = created(CrashMedia::new(POOL), &options(&ManualClock::new()));
    let mut wrong = |is: bool, what| {
        if is {
            probe.report("without a crash", what);
        }
    };
    store.put(b"k", b"old").expect("room");
    let reader = store.begin().expect("open");
    store.put(b"k", b"new").expect("room");
    store.put(b"l", b"new").expect("room");
    let seen = reader.get(b"k").expect("open");
    wrong(
        seen.as_deref() != Some(b"old"),
        "a snapshot saw a later value",
    );
    wrong(
        reader.exists(b"l").expect("open"),
        "a snapshot saw a later key",
    );
    let scanned = reader.scan_prefix(b"", Direction::Forward).count();
    wrong(scanned != 1, "a snapshot's scan saw a later key");
    drop(reader);
    let [one, two] = [(); 2].map(|()| store.begin().expect("open"));
    one.put(b"k", b"one").expect("open");
    two.put(b"k", b"two").expect("open");
    wrong(one.commit().is_err(), "the first committer lost");
    wrong(two.commit().is_ok(), "an update was lost");
    let [one, two] = [(); 2].map(|()| store.begin_with(Isolation::Serializable).expect("open"));
    for (tx, read, write) in [(&one, b"k", b"l"), (&two, b"l", b"k")] {
        tx.get(read).expect("open");
        tx.put(write, b"skew").expect("open");
    }
    wrong(one.commit().is_err(), "the first committer lost");
    wrong(
        two.commit().is_ok(),
        "serializable transactions were skewed",
    );
    let [one, two] = [(); 2].map(|()| store.begin_with(Isolation::Serializable).expect("open"));
    for (tx, key) in [(&one, b"x"), (&two, b"y")] {
        wrong(
            tx.scan(&b"w"[..]..&b"z"[..], Direction::Forward).count() != 0,
            "keys from nowhere",
        );
        tx.put(key, b"only one").expect("open");
    }
    wrong(one.commit().is_err(), "the first committer lost");
    wrong(
        two.commit().is_ok(),
        "a key came into a range that was read",
    );
}

/// Readers without a lock beside a writer, for a while: whole values, keys that stay, sums that stay.
pub fn beside(probe: &mut Probe) {
    if !probe.is_lab() {
        return;
    }
    const KEYS: u8 = 9;
    let store = created(
        CrashMedia::new(ByteLen::new(1 << 20)),
        &options(&ManualClock::new()),
    );
    for key in 0..KEYS {
        store.put([2 * key], value(100)).expect("room");
    }
    let (done, until) = (
        AtomicBool::new(false),
        Instant::now() + Duration::from_secs(2),
    );
    let found = thread::scope(|scope| {
        let (store, done) = (&store, &done);
        let readers: Vec<_> = (0..3)
            .map(|reader| {
                scope.spawn(move || -> Result<(), String> {
                    let mut bytes = Vec::new();
                    while !done.load(Ordering::SeqCst) {
                        for key in 0..KEYS {
                            let there = store.get_into([2 * key], &mut bytes);
                            let there = there.map_err(|error| error.to_string())?;
                            if !there || bytes.iter().any(|byte| *byte != bytes[0]) {
                                return Err(format!("key {key} was read as {bytes:?}"));
                            }
                        }
                        if reader == 0 {
                            sums(store)?;
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        let written = write_for(store, KEYS, until);
        done.store(true, Ordering::SeqCst);
        let read = readers.into_iter().map(|reader| reader.join());
        read.fold(written, |all, one| {
            all.and(one.unwrap_or_else(|_| Err("a reader panicked".into())))
        })
    });
    if let Err(error) = found {
        probe.report("without a crash", &error);
    }
}

/// Moves one from key to key, so that the first bytes add up; new keys come and go between them.
fn write_for(store: &On, keys: u8, until: Instant) -> Result<(), String> {
    let mut turn = 0u8;
    while Instant::now() < until {
        turn = turn.wrapping_add(1);
        let tx = store.begin().map_err(|error| error.to_string())?;
        let pair = [2 * (turn % keys), 2 * ((turn / keys + 1 + turn) % keys)];
        let each = pair.map(|key| tx.get([key]).map(|found| found.map_or(0, |bytes| bytes[0])));
        let [Ok(from), Ok(to)] = each else {
            return Err(format!("{each:?}"));
        };
        if pair[0] != pair[1] && from > 0 && to < 200 {
            tx.put([pair[0]], value(from - 1))
                .map_err(|error| error.to_string())?;
            tx.put([pair[1]], value(to + 1))
                .map_err(|error| error.to_string())?;
        }
        let between = [2 * (turn % keys) + 1];
        if !tx.delete(between).map_err(|error| error.to_string())? {
            tx.put(between, value(0))
                .map_err(|error| error.to_string())?;
        }
        tx.commit().map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// In one snapshot the first bytes add up, whichever way they are read.
fn sums(store: &On) -> Result<(), String> {
    let tx = store.begin().map_err(|error| error.to_string())?;
    for direction in [Direction::Forward, Direction::Backward] {
        let mut sum = 0;
        for entry in tx.scan_prefix(b"", direction) {
            let (key, value) = entry.map_err(|error| error.to_string())?;
            sum += u32::from(value[0]);
            if tx.get(&key).map_err(|error| error.to_string())? != Some(value) {
                return Err("get and scan of one snapshot disagree".into());
            }
        }
        if sum != 900 {
            return Err(format!("the sum in a snapshot is {sum}"));
        }
    }
    Ok(())
}

/// Commits that wait in memory: a crash leaves a prefix of them, with all that `sync` or a tick has promised.
pub fn late(probe: &mut Probe) {
    let clock = ManualClock::new();
    let options = StoreOptions {
        mode: Mode::Periodic,
        ..options(&clock)
    };
    let media = CrashMedia::new(POOL).without_rmw_fences();
    let store = created(media.clone(), &options);
    media.mark();
    let mut states = vec![entries(&store)];
    // Behind each step: commits that have returned, and those that no crash may take.
    let mut bounds = vec![(0, 0)];
    for (number, step) in "cccScccTcdcSc".chars().enumerate() {
        media.invoke(number as u64);
        let mut durable = bounds[number].1;
        let turn = number as u8;
        match step {
            'S' => store.sync().expect("no failing fence"),
            'T' => {
                clock.advance(WINDOW);
                store.run_due().expect("no failing fence");
            }
            'd' => assert!(store.delete(b"k").expect("room")),
            _ => {
                let tx = store.begin().expect("open");
                tx.put([turn], value(turn)).expect("open");
                tx.put(b"k", value(turn)).expect("open");
                tx.commit().expect("nobody else writes");
            }
        }
        media.ack(number as u64);
        match step {
            'S' | 'T' => durable = states.len() - 1,
            _ => states.push(entries(&store)),
        }
        bounds.push((states.len() - 1, durable));
    }
    if let Some(Err(error)) = states.iter().find(|state| state.is_err()) {
        return probe.report("without a crash", error);
    }
    explore_late(
        probe,
        &media.recording().start_at_last_mark(),
        &states,
        &bounds,
    );
}

fn explore_late(
    probe: &mut Probe,
    recording: &Recording,
    states: &[Seen],
    bounds: &[(usize, usize)],
) {
    let explorer = brief();
    probe.explore(&explorer, recording, see, |point, seen| {
        let done = point.acked.len();
        let called = bounds[done + point.in_flight.len()].0;
        match seen {
            Err(error) => Err(error.clone()),
            Ok(_) if states[bounds[done].1..=called].contains(seen) => Ok(()),
            Ok(_) => Err(format!("no state from {} to {called}", bounds[done].1)),
        }
    });
}
