//! Every workload of up to three operations on regions and their directory, a power cut at every crash point of each,
//! once more inside recovery, and a killed process, under both models that gate the core.

#[path = "../../../tests/crash_world/sweep.rs"]
mod sweep;
mod tools;

use std::collections::BTreeMap;

use everline::engine::{Engine, OpenOptions};
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Depth, Point, Report};
use everline_region::{RegionOptions, Regions};
use sweep::{MODELS, Sweep, first_of, under, workload};
use tools::*;

/// The smallest pool there is.
const POOL: ByteLen = ByteLen::new(64 << 10);

type On = Regions<CrashMedia>;
/// What lies under each name: bytes, then attributes.
type State = BTreeMap<String, (Vec<u8>, Vec<u8>)>;

/// One operation; what its names do not allow does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    /// A region of zeros.
    Create(&'static str),
    /// A growable region without bytes, or a checked one of zeros.
    Grows(&'static str),
    Checked(&'static str),
    /// A region with its bytes, made or replaced.
    Put(&'static str, usize, u8),
    Rename(&'static str, &'static str),
    Destroy(&'static str),
    /// One word in the middle of a region; a growable one reaches it.
    Write(&'static str, u8),
    /// The same, stored and then persisted.
    Persist(&'static str, u8),
    /// Two words that are no neighbours, all or nothing.
    Atomic(&'static str, u8),
    Resize(&'static str, usize),
    /// A copy under another name.
    Copy(&'static str, &'static str),
    Attributes(&'static str, u8),
    /// One region goes and another comes, in one batch.
    Exchange(&'static str, &'static str),
    Compact(&'static str),
    Checkpoint,
    /// The process dies without closing; another one opens.
    Kill,
}

const ZEROS: usize = 20;
const WORD: std::ops::Range<usize> = 8..16;
const FAR: std::ops::Range<usize> = 0..4;

fn alphabet() -> Vec<Op> {
    vec![
        Op::Create("a"),
        Op::Grows("a"),
        Op::Checked("a"),
        Op::Put("a", 60, 0x11),
        Op::Put("b", 700, 0x22),
        Op::Rename("a", "b"),
        Op::Destroy("a"),
        Op::Write("a", 0x33),
        Op::Persist("a", 0x44),
        Op::Atomic("a", 0x55),
        Op::Resize("a", 10),
        Op::Resize("a", 100),
        Op::Copy("a", "b"),
        Op::Attributes("a", 0x66),
        Op::Exchange("a", "b"),
        Op::Compact("a"),
        Op::Checkpoint,
        Op::Kill,
    ]
}

/// Whether the region takes a write of the word: it is long enough, or it grows.
fn takes(state: &State, grows: &BTreeMap<String, bool>, name: &str) -> bool {
    let len = state.get(name).map(|(bytes, _)| bytes.len());
    len.is_some_and(|len| len >= WORD.end || grows.get(name) == Some(&true))
}

fn make(
    state: &mut State,
    grows: &mut BTreeMap<String, bool>,
    name: &str,
    bytes: Vec<u8>,
    growable: bool,
) {
    state.insert(name.into(), (bytes, Vec::new()));
    grows.insert(name.into(), growable);
}

fn after(state: &State, grows: &mut BTreeMap<String, bool>, op: Op) -> State {
    let mut next = state.clone();
    let free = |name: &str| !state.contains_key(name);
    match op {
        Op::Create(name) | Op::Checked(name) if free(name) => {
            make(&mut next, grows, name, vec![0; ZEROS], false);
        }
        Op::Grows(name) if free(name) => make(&mut next, grows, name, Vec::new(), true),
        Op::Put(name, len, fill) => make(&mut next, grows, name, vec![fill; len], false),
        Op::Rename(old, new) if free(new) => {
            if let Some(region) = next.remove(old) {
                next.insert(new.into(), region);
                let grew = grows.get(old) == Some(&true);
                grows.insert(new.into(), grew);
            }
        }
        Op::Copy(old, new) if free(new) => {
            if let Some(region) = state.get(old) {
                next.insert(new.into(), region.clone());
                let grew = grows.get(old) == Some(&true);
                grows.insert(new.into(), grew);
            }
        }
        Op::Destroy(name) => drop(next.remove(name)),
        Op::Write(name, fill) | Op::Persist(name, fill) | Op::Atomic(name, fill)
            if takes(state, grows, name) =>
        {
            if let Some((bytes, _)) = next.get_mut(name) {
                bytes.resize(bytes.len().max(WORD.end), 0);
                bytes[WORD].fill(fill);
                if matches!(op, Op::Atomic(..)) {
                    bytes[FAR].fill(fill);
                }
            }
        }
        Op::Resize(name, len) => {
            if let Some((bytes, _)) = next.get_mut(name) {
                bytes.resize(len, 0);
            }
        }
        Op::Attributes(name, fill) => {
            if let Some((_, attributes)) = next.get_mut(name) {
                *attributes = vec![fill; 30];
            }
        }
        Op::Exchange(gone, come) if !free(gone) && free(come) => {
            next.remove(gone);
            make(&mut next, grows, come, vec![0x44; 40], false);
        }
        _ => {}
    }
    next
}

fn run(regions: On, op: Op, before: &State, grows: &BTreeMap<String, bool>) -> On {
    let id = |name: &str| regions.by_name(name).expect("there");
    let there = |name: &str| before.contains_key(name);
    match op {
        Op::Create(name) if !there(name) => {
            regions.create(ZEROS as u64, &named(name)).expect("space");
        }
        Op::Grows(name) if !there(name) => {
            let options = RegionOptions {
                growable: true,
                ..named(name)
            };
            regions.create(0, &options).expect("space");
        }
        Op::Checked(name) if !there(name) => {
            let options = RegionOptions {
                checked: true,
                ..named(name)
            };
            regions.create(ZEROS as u64, &options).expect("space");
        }
        Op::Put(name, len, fill) => {
            regions.put(name, &vec![fill; len]).expect("space");
        }
        Op::Rename(old, new) if there(old) && !there(new) => {
            regions.rename(id(old), new).expect("free");
        }
        Op::Copy(old, new) if there(old) && !there(new) => {
            let old = id(old);
            let mut batch = regions.batch().expect("a lane");
            let copy = batch.copy(old).expect("space");
            batch.rename(copy, new).expect("free");
            batch.commit().expect("no failing fence");
        }
        Op::Destroy(name) if there(name) => regions.destroy(id(name)).expect("there"),
        Op::Write(name, fill) if takes(before, grows, name) => {
            let bytes = [fill; WORD.end - WORD.start];
            regions
                .write(id(name), WORD.start as u64, &bytes)
                .expect("inside");
        }
        Op::Persist(name, fill) if takes(before, grows, name) => {
            let (at, bytes) = (WORD.start as u64, [fill; WORD.end - WORD.start]);
            regions
                .write_volatile(id(name), at, &bytes)
                .expect("inside");
            regions
                .persist(id(name), at, bytes.len() as u64)
                .expect("inside");
        }
        Op::Atomic(name, fill) if takes(before, grows, name) => {
            let (word, far) = ([fill; WORD.end - WORD.start], [fill; FAR.end - FAR.start]);
            let pieces: [(u64, &[u8]); 2] = [(WORD.start as u64, &word), (FAR.start as u64, &far)];
            regions
                .write_atomic_list(id(name), &pieces)
                .expect("inside");
        }
        Op::Resize(name, len) if there(name) => {
            regions.resize(id(name), len as u64).expect("space")
        }
        Op::Attributes(name, fill) if there(name) => {
            regions
                .set_attributes(id(name), &[fill; 30])
                .expect("they fit");
        }
        Op::Exchange(gone, come) if there(gone) && !there(come) => {
            let gone = id(gone);
            let mut batch = regions.batch().expect("a lane");
            batch.destroy(gone).expect("there");
            batch.put(come, &[0x44; 40]).expect("space");
            batch.commit().expect("no failing fence");
        }
        Op::Compact(name) if there(name) => drop(regions.compact(id(name)).expect("room")),
        Op::Checkpoint => {
            regions.engine().checkpoint().expect("no failing fence");
        }
        Op::Kill => {
            let media = regions.into_engine().abandon();
            return open(media).0;
        }
        _ => {}
    }
    regions
}

fn see(media: &CrashMedia) -> Result<State, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let (engine, _) =
        Engine::open(media.clone(), &OpenOptions::default()).map_err(|error| told(&error))?;
    let regions = Regions::open(engine).map_err(|error| told(&error))?;
    let mut wrong = problems(&regions);
    let scrubbed = regions.scrub_all(|_, _| (), |bad| wrong.push(format!("{bad:?}")));
    scrubbed.map_err(|error| told(&error))?;
    if !wrong.is_empty() {
        return Err(wrong.join("; "));
    }
    let list = regions.list().map_err(|error| told(&error))?;
    list.into_iter()
        .map(|info| {
            let bytes = regions.read_all(info.id).map_err(|error| told(&error))?;
            let attributes = regions.attributes(info.id).map_err(|error| told(&error))?;
            Ok((info.name.unwrap_or_default(), (bytes, attributes)))
        })
        .collect()
}

fn explore(explorer: &everline_crash::Explorer, ops: &[Op]) -> Report {
    let media = CrashMedia::new(POOL).without_rmw_fences();
    let mut regions = on(media.clone());
    let (mut states, mut grows) = (vec![State::new()], BTreeMap::new());
    media.mark();
    for (number, op) in ops.iter().enumerate() {
        media.invoke(number as u64);
        regions = run(regions, *op, &states[number], &grows);
        media.ack(number as u64);
        let next = after(&states[number], &mut grows, *op);
        states.push(next);
    }
    drop(regions);
    let allowed = |point: &Point<'_>, seen: &Result<State, String>| {
        let done = point.acked.len();
        let seen = seen.as_ref().map_err(String::clone)?;
        match states[done..=done + point.in_flight.len()].contains(seen) {
            true => Ok(()),
            false => Err(format!("{done} operations acknowledged, {seen:?} is left")),
        }
    };
    explorer.explore(&media.recording().start_at_last_mark(), see, allowed)
}

/// Every workload of up to three operations, or in the short form a slice in which each operation comes first, second
/// and third.
fn explore_all(model: usize) {
    let all = alphabet();
    let step = Depth::from_env().pick(71, 13, 1);
    let explorer = under(MODELS[model]).kill_steps(2);
    let mut sweep = Sweep::default();
    for number in (0..first_of(all.len(), 4)).step_by(step) {
        let ops = workload(&all, number);
        sweep.add(&ops, &explore(&explorer, &ops));
    }
    assert_eq!(sweep.partly, 0, "each is explored wholly");
}

// A test for each model: the long form is long, and they run side by side.

#[test]
fn b30_every_workload_of_up_to_three_operations_on_regions_survives_every_cut() {
    explore_all(0);
}

#[test]
fn b30_every_workload_of_up_to_three_operations_survives_every_cut_of_whole_line_prefixes() {
    explore_all(1);
}
