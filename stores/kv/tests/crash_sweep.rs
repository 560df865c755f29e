//! Every workload of up to three operations on stores with small nodes, a power cut at every crash point of each, once
//! more inside recovery, and a killed process, under both models that gate the core.

#[path = "../../../tests/crash_world/sweep.rs"]
mod sweep;
mod world;

use everline::units::ByteLen;
use everline_crash::{CrashMedia, Explorer, Point, Report};
use everline_kv::{Condition, Store, StoreOptions, TreeOptions};
use everline_region::RegionOptions;
use sweep::{MODELS, Sweep, first_of, under, workload};
use world::*;

const POOL: ByteLen = ByteLen::new(128 << 10);

type On = Store<CrashMedia>;

/// One operation; what the state does not allow does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    /// A key and how many bytes; more than 64 have a block of their own.
    Put(&'static str, usize),
    Delete(&'static str),
    Append(&'static str),
    /// Puts where there is no such key.
    New(&'static str),
    /// Two puts and a delete.
    Commit,
    /// The same, begun before a checkpoint, and with more that a savepoint takes back.
    OverCheckpoint,
    /// A put in a second keyspace, which is made where it is missing, and one in the first, at once.
    TwoSpaces,
    DropSpace,
    /// A key and the region it names, at once.
    Joint,
    Checkpoint,
    /// The process dies without closing; another one opens.
    Kill,
}

/// Bytes of a value that has a block of its own.
const BIG: usize = 41;

fn options() -> StoreOptions {
    StoreOptions {
        tree: TreeOptions {
            inline_bytes: BIG as u32 - 1,
            ..SMALL
        },
        ..small()
    }
}

const OTHER: &str = "other";
const REGION: &str = "region";

/// Values end where a word ends: a record whose last word is half its own has as many more images, and none of them is
/// another case.
fn alphabet() -> Vec<Op> {
    vec![
        Op::Put("c", 11),
        Op::Put("a", 3),
        Op::Put("d", 11),
        Op::Put("d", 27),
        Op::Put("d", BIG),
        Op::Delete("b"),
        Op::Delete("d"),
        Op::Append("b"),
        Op::New("g"),
        Op::Commit,
        Op::OverCheckpoint,
        Op::TwoSpaces,
        Op::DropSpace,
        Op::Joint,
        Op::Checkpoint,
        Op::Kill,
    ]
}

/// Bytes that tell which operation wrote them.
fn bytes(len: usize, turn: usize) -> Vec<u8> {
    (0..len)
        .map(|at| at as u8 ^ (turn as u8 * 37 + 11))
        .collect()
}

/// What there is: entries, and the bytes of the region.
type Seen = (State, Option<Vec<u8>>);

fn after(before: &Seen, op: Op, turn: usize) -> Seen {
    let (mut state, mut region) = before.clone();
    let main = state.entry(String::new()).or_default();
    match op {
        Op::Put(key, len) => drop(main.insert(key.into(), bytes(len, turn))),
        Op::Delete(key) => drop(main.remove(key.as_bytes())),
        Op::Append(key) => main.entry(key.into()).or_default().extend(bytes(8, turn)),
        Op::New(key) => {
            main.entry(key.into()).or_insert_with(|| bytes(11, turn));
        }
        Op::Commit | Op::OverCheckpoint => {
            main.insert("c".into(), bytes(11, turn));
            main.insert("f".into(), bytes(19, turn));
            main.remove(&b"b"[..]);
        }
        Op::TwoSpaces => {
            main.insert("c".into(), bytes(11, turn));
            let other = state.entry(OTHER.into()).or_default();
            other.insert("c".into(), bytes(11, turn));
        }
        Op::DropSpace => drop(state.remove(OTHER)),
        Op::Joint => {
            main.insert(REGION.into(), bytes(6, turn));
            region = Some(bytes(24, turn));
        }
        Op::Checkpoint | Op::Kill => {}
    }
    (state, region)
}

fn run(store: On, op: Op, before: &Seen, turn: usize) -> On {
    match op {
        Op::Put(key, len) => drop(store.put(key.as_bytes(), bytes(len, turn)).expect("room")),
        Op::Delete(key) => {
            let there = before.0[""].contains_key(key.as_bytes());
            assert_eq!(store.delete(key.as_bytes()).expect("room"), there);
        }
        Op::Append(key) => {
            store.append(key.as_bytes(), bytes(8, turn)).expect("room");
        }
        Op::New(key) => {
            let put = store.put_if(key, Condition::Absent, bytes(11, turn));
            let there = before.0[""].contains_key(key.as_bytes());
            assert_eq!(put.expect("room"), !there);
        }
        Op::Commit | Op::OverCheckpoint => {
            let tx = store.begin().expect("open");
            tx.put(b"c", bytes(11, turn)).expect("open");
            tx.put(b"f", bytes(19, turn)).expect("open");
            tx.delete(b"b").expect("open");
            if op == Op::OverCheckpoint {
                let kept = tx.savepoint().expect("open");
                tx.put(b"b", b"taken back").expect("open");
                store.checkpoint().expect("no failing fence");
                tx.rollback_to(&kept).expect("made by it");
            }
            tx.commit().expect("nobody else writes");
        }
        Op::TwoSpaces => {
            if !before.0.contains_key(OTHER) {
                store.create_space(OTHER).expect("room");
            }
            let other = store.space(OTHER).expect("there");
            let tx = store.begin().expect("open");
            tx.put(b"c", bytes(11, turn)).expect("open");
            tx.on(&other).put(b"c", bytes(11, turn)).expect("open");
            tx.commit().expect("nobody else writes");
        }
        Op::DropSpace if before.0.contains_key(OTHER) => store.drop_space(OTHER).expect("there"),
        Op::DropSpace => {}
        Op::Joint => {
            let mut tx = store.begin().expect("open");
            tx.put(REGION, bytes(6, turn)).expect("open");
            let mut joint = tx.join().expect("nobody else writes");
            joint.batch().put(REGION, &bytes(24, turn)).expect("room");
            joint.commit().expect("room");
        }
        Op::Checkpoint => drop(store.checkpoint().expect("no failing fence")),
        Op::Kill => {
            let media = store.regions().engine().pool().media().clone();
            drop(store);
            return open(media, &options()).expect("a store");
        }
    }
    store
}

fn see_all(media: &CrashMedia) -> Result<Seen, String> {
    let store = open(media.clone(), &options())?;
    let state = see(&store)?;
    let regions = store.regions();
    let list = regions.list().map_err(|error| error.to_string())?;
    let mut bytes = list.iter().map(|info| {
        let bytes = regions.read_all(info.id);
        bytes.map_err(|error| error.to_string())
    });
    Ok((state, bytes.next().transpose()?))
}

/// What there is before the first operation: nothing; a full leaf; a tree of two levels and two keyspaces.
fn set_up(store: &On, base: usize) {
    let keys = ["", "bdf", "bdfhjln"][base];
    for key in keys.bytes() {
        store.put([key], bytes(11, 0)).expect("room");
    }
    if base == 2 {
        store.create_space(OTHER).expect("room");
        let regions = store.regions();
        let named = RegionOptions {
            name: Some(REGION),
            ..RegionOptions::default()
        };
        regions.create_with(b"before", &named).expect("room");
    }
    store.checkpoint().expect("no failing fence");
}

const BASES: usize = 3;

fn explore(explorer: &Explorer, base: usize, ops: &[Op]) -> Report {
    let media = CrashMedia::new(POOL).without_rmw_fences();
    let mut store = create(media.clone(), &options());
    set_up(&store, base);
    // Two states an operation: a keyspace is made in a commit of its own.
    let mut states = vec![see_all(&CrashMedia::with_base(media.snapshot())).expect("sound")];
    media.mark();
    for (turn, op) in ops.iter().enumerate() {
        media.invoke(turn as u64);
        store = run(store, *op, &states[turn], turn + 1);
        media.ack(turn as u64);
        states.push(after(&states[turn], *op, turn + 1));
    }
    drop(store);
    let allowed = |point: &Point<'_>, seen: &Result<Seen, String>| {
        let done = point.acked.len();
        let mut may = states[done..=done + point.in_flight.len()].to_vec();
        if ops.get(done) == Some(&Op::TwoSpaces) && point.in_flight.len() == 1 {
            let mut made = states[done].clone();
            made.0.entry(OTHER.into()).or_default();
            may.push(made);
        }
        one_of(&may, seen).map_err(|why| format!("{done} acknowledged: {why}"))
    };
    explorer.explore(&media.recording().start_at_last_mark(), see_all, allowed)
}

/// Every workload of up to three operations, bases in turn, or in the short form a slice in which each operation comes
/// first, second and third.
fn explore_all(model: usize) {
    let all = alphabet();
    let step = depth(163, 41, 1);
    let whole = depth(false, false, true);
    let mut explorer = under(MODELS[model]).kill_steps(2);
    if !whole {
        explorer = explorer.budget_per_point(depth(96, 192, 0));
    }
    let mut sweep = Sweep::default();
    for number in (0..first_of(all.len(), 4)).step_by(step) {
        let ops = workload(&all, number);
        let base = number as usize % BASES;
        sweep.add(&(base, &ops), &explore(&explorer, base, &ops));
    }
    assert!(!whole || sweep.partly == 0, "each is explored wholly");
}

#[test]
fn h1_f2_f3_every_workload_of_up_to_three_operations_survives_every_cut() {
    explore_all(0);
}

#[test]
fn h1_f2_f3_every_workload_of_up_to_three_operations_survives_every_cut_of_whole_line_prefixes() {
    explore_all(1);
}

/// A tree that grows and shrinks by several levels: each commit splits or merges on the way.
#[test]
fn h9_a_tree_that_grows_and_shrinks_survives_every_cut() {
    let keys: Vec<Vec<u8>> = (0..depth(14u8, 20, 24))
        .map(|number| vec![b'k', number.wrapping_mul(11) % 24])
        .collect();
    let media = CrashMedia::new(POOL).without_rmw_fences();
    let store = create(media.clone(), &options());
    media.mark();
    let mut states = vec![see(&store).expect("sound")];
    let steps = keys
        .iter()
        .map(|key| (key, true))
        .chain(keys.iter().map(|key| (key, false)));
    for (number, (key, put)) in steps.enumerate() {
        let mut next = states[number].clone();
        let main = next.get_mut("").expect("there from the first");
        media.invoke(number as u64);
        if put {
            store.put(key, [number as u8; 10]).expect("room");
            main.insert(key.clone(), vec![number as u8; 10]);
        } else {
            assert!(store.delete(key).expect("room"));
            main.remove(key);
        }
        media.ack(number as u64);
        states.push(next);
    }
    let explorer = Explorer::new()
        .nested_depth(depth(0, 0, 1))
        .kill_steps(8)
        .budget_per_point(depth(64, 256, 4096));
    let recording = media.recording().start_at_last_mark();
    let report = explorer.explore(
        &recording,
        |media| recovered(media, &options()),
        |point, seen| {
            let done = point.acked.len();
            one_of(&states[done..=done + point.in_flight.len()], seen)
        },
    );
    println!("{report}");
    report.assert_clean();
}
