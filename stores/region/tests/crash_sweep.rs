//! Every workload of up to three operations on regions and their directory, a power cut at every crash point of each,
//! once more inside recovery, and a killed process, under both models that gate the core.

#[path = "../../../tests/crash_world/sweep.rs"]
mod sweep;
mod tools;

use std::collections::BTreeMap;

use everline::engine::{Engine, OpenOptions};
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Point, Report};
use everline_region::Regions;
use sweep::{MODELS, Sweep, first_of, under, workload};
use tools::*;

/// The smallest pool there is.
const POOL: ByteLen = ByteLen::new(64 << 10);

type On = Regions<CrashMedia>;
/// What lies under each name.
type State = BTreeMap<String, Vec<u8>>;

/// One operation; what its names do not allow does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    /// A region of zeros.
    Create(&'static str),
    /// A region with its bytes, made or replaced.
    Put(&'static str, usize, u8),
    Rename(&'static str, &'static str),
    Destroy(&'static str),
    /// One word in the middle of a region.
    Write(&'static str, u8),
    /// One region goes and another comes, in one batch.
    Exchange(&'static str, &'static str),
    Checkpoint,
    /// The process dies without closing; another one opens.
    Kill,
}

const ZEROS: usize = 20;
const WORD: std::ops::Range<usize> = 8..16;

fn alphabet() -> Vec<Op> {
    vec![
        Op::Create("a"),
        Op::Put("a", 60, 0x11),
        Op::Put("b", 700, 0x22),
        Op::Rename("a", "b"),
        Op::Rename("b", "a"),
        Op::Destroy("a"),
        Op::Write("a", 0x33),
        Op::Exchange("a", "b"),
        Op::Checkpoint,
        Op::Kill,
    ]
}

fn after(state: &State, op: Op) -> State {
    let mut next = state.clone();
    match op {
        Op::Create(name) => drop(next.entry(name.into()).or_insert(vec![0; ZEROS])),
        Op::Put(name, len, fill) => drop(next.insert(name.into(), vec![fill; len])),
        Op::Rename(old, new) if !next.contains_key(new) => {
            if let Some(bytes) = next.remove(old) {
                next.insert(new.into(), bytes);
            }
        }
        Op::Destroy(name) => drop(next.remove(name)),
        Op::Write(name, fill) => {
            if let Some(bytes) = next.get_mut(name) {
                bytes[WORD].fill(fill);
            }
        }
        Op::Exchange(gone, come) if next.contains_key(gone) && !next.contains_key(come) => {
            next.remove(gone);
            next.insert(come.into(), vec![0x44; 40]);
        }
        Op::Rename(..) | Op::Exchange(..) | Op::Checkpoint | Op::Kill => {}
    }
    next
}

fn run(regions: On, op: Op, before: &State) -> On {
    let id = |name: &str| regions.by_name(name).expect("there");
    let there = |name: &str| before.contains_key(name);
    match op {
        Op::Create(name) if !there(name) => {
            regions.create(ZEROS as u64, &named(name)).expect("space");
        }
        Op::Put(name, len, fill) => {
            regions.put(name, &vec![fill; len]).expect("space");
        }
        Op::Rename(old, new) if there(old) && !there(new) => {
            regions.rename(id(old), new).expect("free");
        }
        Op::Destroy(name) if there(name) => regions.destroy(id(name)).expect("there"),
        Op::Write(name, fill) if there(name) => {
            let bytes = [fill; WORD.end - WORD.start];
            regions
                .write(id(name), WORD.start as u64, &bytes)
                .expect("inside");
        }
        Op::Exchange(gone, come) if there(gone) && !there(come) => {
            let mut batch = regions.batch().expect("a lane");
            batch.destroy(id(gone)).expect("there");
            batch.put(come, &[0x44; 40]).expect("space");
            batch.commit().expect("no failing fence");
        }
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
    let wrong = problems(&regions);
    if !wrong.is_empty() {
        return Err(wrong.join("; "));
    }
    let list = regions.list().map_err(|error| told(&error))?;
    list.into_iter()
        .map(|info| {
            let bytes = regions.read_all(info.id).map_err(|error| told(&error))?;
            Ok((info.name.unwrap_or_default(), bytes))
        })
        .collect()
}

fn explore(explorer: &everline_crash::Explorer, ops: &[Op]) -> Report {
    let media = CrashMedia::new(POOL).without_rmw_fences();
    let mut regions = on(media.clone());
    let mut states = vec![State::new()];
    media.mark();
    for (number, op) in ops.iter().enumerate() {
        media.invoke(number as u64);
        regions = run(regions, *op, &states[number]);
        media.ack(number as u64);
        states.push(after(&states[number], *op));
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

#[test]
fn b30_every_workload_of_up_to_three_operations_on_regions_survives_every_cut() {
    let full = std::env::var("EVERLINE_CRASH").is_ok_and(|depth| depth == "full");
    let all = alphabet();
    // The short form takes a slice in which each operation comes first, second and third.
    let step = if full { 1 } else { 37 };
    for model in MODELS {
        let explorer = under(model).kill_steps(2);
        let mut sweep = Sweep::default();
        for number in (0..first_of(all.len(), 4)).step_by(step) {
            let ops = workload(&all, number);
            sweep.add(&ops, &explore(&explorer, &ops));
        }
        assert_eq!(sweep.partly, 0, "each is explored wholly");
    }
}
