//! The ordered index against power loss: every workload of up to three transactions, on empty trees and on trees that are
//! about to split, to grow a level, to merge or to lose one, with a cut at every crash point, a killed process, and a cut
//! inside recovery. After each the tree is checked whole (Y1 to Y5), every live object is the tree's (Y3), and the keys are
//! those of the acknowledged transactions and of all or none of the one in flight.

mod crash_world;
mod tree_tools;

use std::collections::BTreeSet;
use std::ops::Bound;

use crash_world::sweep::{MODELS, Sweep, first_of, under, workload};
use crash_world::{E, medium, tiny};
use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::media::Media;
use everline::tree::{Tree, TreeOptions, Versions};
use everline_crash::{CrashMedia, CrashModel, Depth, Explorer, Point, Recording, Report};
use tree_tools::{Change, Model, World, change, entries, forwards, slot};

/// A tree before the workload: the slots of its nodes and the changes that make it, each a transaction.
#[derive(Clone, Debug)]
struct Shape {
    name: &'static str,
    slots: u8,
    made_by: Vec<Vec<Change>>,
    height: u8,
}

/// One operation of a workload.
#[derive(Clone, Debug)]
enum Op {
    /// One transaction.
    Changes(Vec<Change>),
    Checkpoint,
    /// The process dies without closing; another one opens.
    Kill,
}

/// Values that take one size class, another one, and a block of their own.
const SHORT: usize = 8;
const LONG: usize = 40;
const BIG: usize = 150;

fn options(slots: u8) -> TreeOptions {
    TreeOptions {
        leaf_slots: slots,
        inner_slots: slots,
        inline_bytes: 100,
    }
}

/// Key number `number`: numbers sort as keys do. Long keys share more than a node can skip and a slot can hold.
fn key(number: u8, long: bool) -> Vec<u8> {
    let mut key = match long {
        true => b"a beginning that all keys share/".to_vec(),
        false => Vec::new(),
    };
    key.extend([b'k', number]);
    key
}

fn put(number: u8, long: bool, len: usize, fill: u8) -> Change {
    Change::Put(key(number, long), vec![fill; len])
}

fn remove(number: u8, long: bool) -> Change {
    Change::Remove(key(number, long))
}

fn ascending(numbers: &[u8], long: bool) -> Vec<Vec<Change>> {
    let puts = numbers
        .iter()
        .map(|number| put(*number, long, SHORT, *number));
    puts.map(|put| vec![put]).collect()
}

/// Trees on the brink: even numbers are there, odd ones are not.
fn shapes() -> Vec<Shape> {
    let evens = |count: u8| (1..=count).map(|number| 2 * number).collect::<Vec<_>>();
    vec![
        Shape {
            name: "empty",
            slots: 4,
            made_by: Vec::new(),
            height: 1,
        },
        Shape {
            name: "a full root leaf",
            slots: 4,
            made_by: ascending(&evens(4), false),
            height: 1,
        },
        Shape {
            name: "full leaves under a full root",
            slots: 3,
            made_by: ascending(&evens(9), false),
            height: 2,
        },
        Shape {
            name: "two leaves about to merge, and the root to go",
            slots: 4,
            made_by: {
                let mut made = ascending(&evens(6), false);
                made.push(vec![remove(4, false), remove(6, false)]);
                made
            },
            height: 2,
        },
        Shape {
            name: "three levels about to become two",
            slots: 3,
            made_by: {
                let mut made = ascending(&evens(10), false);
                made.push([8, 10, 6, 20].map(|number| remove(number, false)).to_vec());
                made
            },
            height: 3,
        },
        Shape {
            name: "long separators under a full root",
            slots: 3,
            made_by: ascending(&evens(9), true),
            height: 2,
        },
    ]
}

/// One operation of each kind. `long` as the shape's keys are.
fn alphabet(long: bool) -> Vec<Op> {
    let one = |change| Op::Changes(vec![change]);
    vec![
        one(put(5, long, SHORT, 0x51)),
        one(put(4, long, SHORT, 0x41)),
        one(put(4, long, LONG, 0x42)),
        one(put(2, long, BIG, 0x21)),
        one(put(30, long, SHORT, 0x31)),
        one(remove(2, long)),
        one(remove(12, long)),
        Op::Changes(vec![
            put(3, long, LONG, 0x33),
            put(2, long, SHORT, 0x22),
            remove(4, long),
            put(7, long, BIG, 0x77),
            remove(7, long),
            put(3, long, SHORT, 0x34),
        ]),
        Op::Checkpoint,
        Op::Kill,
    ]
}

/// What recovery found: the keys, or what is wrong.
type Observation = Result<Model, String>;

/// The smallest pool with one lane, in whose ring every record fits: what extensions do is the log's own suite's business.
fn small() -> CreateOptions {
    CreateOptions {
        lanes: Some(1),
        ring_bytes: Some(4096),
        ..tiny()
    }
}

fn make(media: CrashMedia, shape: &Shape) -> (World<CrashMedia>, Model) {
    let engine: E = Engine::create(media, &small()).expect("the medium is large enough");
    let mut world = World::create(engine, &options(shape.slots));
    let mut model = Model::new();
    for changes in &shape.made_by {
        world.apply(changes);
        change(&mut model, changes);
    }
    world.engine.checkpoint().expect("no fault asked for");
    assert_eq!(world.check().height, shape.height, "{}", shape.name);
    (world, model)
}

/// Runs `ops` on a prepared tree; answers what was recorded of them, and the model after each.
fn record(shape: &Shape, ops: &[Op]) -> (Recording, Vec<Model>) {
    let media = medium();
    let (mut world, model) = make(media.clone(), shape);
    media.mark();
    let mut models = vec![model];
    for (id, op) in ops.iter().enumerate() {
        media.invoke(id as u64);
        let mut model = models[id].clone();
        match op {
            Op::Changes(changes) => {
                let expected = change(&mut model, changes);
                assert_eq!(world.apply(changes), expected);
            }
            Op::Checkpoint => {
                world.engine.checkpoint().expect("no fault asked for");
            }
            Op::Kill => {
                let opened = Engine::open(world.engine.abandon(), &OpenOptions::default());
                world = World::open(opened.expect("a pool").0);
            }
        }
        media.ack(id as u64);
        models.push(model);
    }
    world.check();
    world.compare(&models[ops.len()]);
    drop(world);
    (media.recording().start_at_last_mark(), models)
}

/// Opens a crashed medium and reads everything.
fn recover(media: &CrashMedia) -> Observation {
    let (engine, _report): (E, _) =
        Engine::open(media.clone(), &OpenOptions::default()).map_err(|error| error.to_string())?;
    look(&engine)
}

fn look<M: Media>(engine: &Engine<M>) -> Observation {
    let text = |error: &dyn std::error::Error| error.to_string();
    let tree = Tree::open(engine, engine.root(slot())).map_err(|error| text(&error))?;
    let mut owned = BTreeSet::new();
    let mut twice = false;
    let seen = tree
        .check(engine, &mut |range| twice |= !owned.insert(range.start()))
        .map_err(|error| text(&error))?;
    let mut told = String::new();
    let report = engine.check(|problem| told += &format!("{problem}; "));
    if twice || report.problems > 0 || report.objects != owned.len() as u64 {
        return Err(format!(
            "{told}{} objects, {} owned",
            report.objects,
            owned.len()
        ));
    }
    let versions = Versions::new(4);
    let reader = tree.reader(engine, &versions);
    let model: Model = forwards(&reader, Bound::Unbounded).into_iter().collect();
    let mut value = Vec::new();
    for (key, expected) in &model {
        if !reader.get(key, &mut value).map_err(|error| text(&error))? || value != *expected {
            return Err(format!("a scan and a lookup of {key:?} disagree"));
        }
    }
    match seen.keys == model.len() as u64 {
        true => Ok(model),
        false => Err("a scan and a check count differently".into()),
    }
}

/// All acknowledged transactions, and all or none of the one in flight.
fn judge(models: &[Model], point: &Point<'_>, seen: &Observation) -> Result<(), String> {
    let seen = seen.as_ref().map_err(String::clone)?;
    let done = point.acked.len();
    let mut candidates = models[done..].iter().take(1 + point.in_flight.len());
    if candidates.any(|model| model == seen) {
        Ok(())
    } else {
        let (expected, seen) = (entries(&models[done]).len(), seen.len());
        Err(format!(
            "{done} acknowledged, {expected} keys expected or what is in flight, {seen} seen"
        ))
    }
}

fn explore(explorer: &Explorer, shape: &Shape, ops: &[Op]) -> Report {
    let (recording, models) = record(shape, ops);
    explorer.explore(&recording, recover, |point, seen| {
        judge(&models, point, seen)
    })
}

fn is_long(shape: &Shape) -> bool {
    shape.name.starts_with("long")
}

/// Explores every `step`-th workload of `len` operations on each shape.
fn sweep(explorer: &Explorer, len: u32, step: usize) -> Sweep {
    let mut sweep = Sweep::default();
    for (number, shape) in shapes().iter().enumerate() {
        let all = alphabet(is_long(shape));
        let numbers = first_of(all.len(), len)..first_of(all.len(), len + 1);
        for workload_number in numbers.skip(number % step).step_by(step) {
            let ops = workload(&all, workload_number);
            sweep.add(&(shape.name, &ops), &explore(explorer, shape, &ops));
        }
    }
    sweep
}

/// A record of many lines that is not believed leaves more states in its ring than a desk has time for: beyond so many at a
/// crash point they are sampled.
fn explorer(model: CrashModel, states: u64) -> Explorer {
    under(model).budget_per_point(Depth::from_env().pick(states, states, 1 << 18))
}

#[test]
fn every_change_of_a_tree_survives_a_cut_at_every_crash_point_and_one_inside_recovery() {
    for model in MODELS {
        let sweep = sweep(&explorer(model, 1 << 11).kill_steps(4), 1, 1);
        assert!(sweep.partly * 3 < sweep.workloads, "{}", sweep.partly);
        assert!(sweep.executions > 5_000, "{}", sweep.executions);
    }
}

/// The short form takes a slice in which each operation comes first and second on some shape.
#[test]
fn every_pair_of_changes_of_a_tree_survives_a_cut_at_every_crash_point() {
    let step = Depth::from_env().pick(11, 3, 1);
    for model in MODELS {
        sweep(&explorer(model, 1 << 8).kill_steps(2), 2, step);
    }
}

#[test]
fn every_triple_of_changes_of_a_tree_survives_a_cut_at_every_crash_point() {
    let step = Depth::from_env().pick(211, 41, 1);
    for model in MODELS {
        sweep(&explorer(model, 1 << 8).kill_steps(2), 3, step);
    }
}

#[test]
fn every_shape_is_on_the_brink_it_is_named_for() {
    let after = |shape: &Shape, changes: &[Change]| {
        let (mut world, _) = make(medium(), shape);
        world.apply(changes);
        let seen = world.check();
        (seen.height, seen.leaves, seen.inner_nodes)
    };
    let shapes = shapes();
    assert_eq!(after(&shapes[1], &[put(5, false, 8, 1)]), (2, 2, 1));
    assert_eq!(after(&shapes[2], &[put(5, false, 8, 1)]), (3, 4, 3));
    assert_eq!(after(&shapes[3], &[remove(12, false)]), (1, 1, 0));
    assert_eq!(after(&shapes[4], &[remove(12, false)]).0, 2);
    assert_eq!(after(&shapes[5], &[put(5, true, 8, 1)]), (3, 4, 3));
}
