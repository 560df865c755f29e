//! Faults of the medium under the real engine: it answers with an error, mends a copy, or has the right data; it never
//! panics or hangs. Where the format carries no sum over some bytes, data may be wrong: each such place is excused
//! below by name, and counted, and nothing else is.

mod crash_world;

use std::collections::BTreeSet;

use crash_world::{E, Op, Seen, State, full, judge, look, medium, recover, tiny, transaction};
use everline::engine::{Engine, OpenOptions};
use everline::layout::Geometry;
use everline::units::{ByteRange, FLUSH_LINE};
use everline_crash::{
    CrashMedia, Explorer, Fault, FaultPlan, FaultReport, Faulted, Judged, Recording,
};

/// Root slots are bare words, published by one store each.
const ROOTS: &str = "root slots have no checksum";
/// A bit that is set for no object, or clear for one, looks like any other.
const DATA: &str = "object bitmaps and object data have no checksum";
/// A record that does not match looks like one that power tore, also where later ones follow in its lane.
const RECORDS: &str = "a damaged record ends its lane";
/// What was whole once is whole still.
const OLDER: &str = "an older content with a right checksum is believed";

fn ops() -> Vec<Op> {
    let put = |slot, bytes, fill| Op::Put { slot, bytes, fill };
    vec![
        Op::Staged(10),
        put(0, 40, 0x11),
        Op::PutFresh {
            slot: 1,
            bytes: 600,
            fill: 0x22,
        },
        Op::Undo(20),
        Op::OtherLane(30),
        Op::Free(0),
    ]
}

struct Recorded {
    recording: Recording,
    states: Vec<State>,
    geometry: Geometry,
    /// Slab headers.
    headers: BTreeSet<u64>,
}

fn recorded() -> Recorded {
    let media = medium();
    let (recording, states) = crash_world::record(media.clone(), &tiny(), &ops());
    let image = media.durable_image();
    let engine = open(&media.cut(everline_crash::Cut::AllKept)).expect("a pool");
    let geometry = engine.pool().geometry();
    let slabs = (0..geometry.slab_count()).map(|slab| geometry.slab_at(slab).get());
    Recorded {
        headers: slabs
            .filter(|at| image[*at as usize..].starts_with(b"SLAB"))
            .collect(),
        recording,
        states,
        geometry,
    }
}

fn open(media: &CrashMedia) -> Result<E, String> {
    let opened = Engine::open(media.clone(), &OpenOptions::default());
    opened
        .map(|(engine, _)| engine)
        .map_err(|error| error.to_string())
}

impl Recorded {
    fn superblocks(&self) -> [ByteRange; 2] {
        everline::layout::Superblock::AT.map(|at| ByteRange::at(at.get(), 512).expect("small"))
    }

    fn slots(&self) -> ByteRange {
        let first = self.geometry.slot_at(0).get();
        let end = self.geometry.shared_at().get();
        ByteRange::at(first, end - first).expect("inside")
    }

    /// The reason for which data may be wrong where a line does not hold what it should.
    fn excuse(&self, fault: &Fault, line: u64) -> Option<&'static str> {
        let line = line & !(FLUSH_LINE - 1);
        let within = |from: u64, to: u64| (from..to).contains(&line);
        let geometry = &self.geometry;
        let (roots, rings) = (geometry.shared_at().get(), geometry.ring_at(0).get());
        let (map, heap) = (geometry.slab_map(), geometry.heap().start().get());
        let flipped = matches!(fault, Fault::BitFlip { .. });
        if within(roots, rings) {
            Some(ROOTS)
        } else if within(rings, map.start().get()) {
            Some(RECORDS)
        } else if line >= heap && !self.headers.contains(&line) {
            Some(DATA)
        } else if !flipped && line >= self.slots().start().get() {
            Some(OLDER)
        } else {
            None
        }
    }

    fn allowed(&self, faulted: &Faulted<'_>, seen: &Seen) -> Result<Judged, String> {
        let done = faulted.point.acked.len();
        let possible = &self.states[done..=done + faulted.point.in_flight.len()];
        let live = |state: &State| 1 + state.slots.iter().flatten().count() as u64;
        let is_right = |state: &State| seen.state == *state && seen.live == live(state);
        if possible.iter().any(is_right) {
            return Ok(Judged::Right);
        }
        let fault = faulted.fault;
        let mut lines = vec![fault.at().get()];
        match *fault {
            Fault::Misdirected { onto, .. } => lines.push(onto.get()),
            // A page may hold lines of several kinds; the last tells whether it may be excused.
            Fault::StalePage { page, .. } => lines.push(page.get() + 4096 - FLUSH_LINE),
            _ => {}
        }
        match lines.into_iter().find_map(|line| self.excuse(fault, line)) {
            Some(excuse) => Ok(Judged::Excused(excuse)),
            None => Err(format!("expected one of {possible:?}")),
        }
    }

    fn faults(&self, plan: &FaultPlan) -> FaultReport {
        let explorer = Explorer::new().call_limit(200_000);
        let report = explorer.faults(
            &self.recording,
            plan,
            open,
            |engine| look(engine),
            |faulted, seen| self.allowed(faulted, seen),
        );
        eprintln!("{report}");
        report.assert_clean();
        report
    }
}

#[test]
fn a_flipped_bit_of_superblocks_slots_or_slab_headers_never_gives_wrong_data() {
    let recorded = recorded();
    let mut plan = FaultPlan::every_bit().within(recorded.geometry.slab_map());
    plan = recorded
        .superblocks()
        .into_iter()
        .fold(plan, FaultPlan::within);
    for header in &recorded.headers {
        plan = plan.within(ByteRange::at(*header, FLUSH_LINE).expect("small"));
    }
    let slots = [0, 1].map(|index| recorded.geometry.slot_at(index).get());
    for slot in slots {
        plan = plan.within(ByteRange::at(slot, 512).expect("small"));
    }
    assert!(!recorded.headers.is_empty());
    let report = recorded.faults(&plan);
    assert!(report.excused.is_empty(), "no excuse in these: {report}");
    assert!(report.tried > 30_000 && report.errors > 0, "{report}");
}

#[test]
fn a_flipped_bit_anywhere_gives_an_error_the_right_data_or_what_is_excused() {
    let recorded = recorded();
    let plan = match full() {
        true => FaultPlan::every_bit(),
        false => FaultPlan::new().before_open_only(),
    };
    let report = recorded.faults(&plan);
    let excuses: Vec<_> = report.excused.keys().copied().collect();
    assert!(
        excuses
            .iter()
            .all(|excuse| [ROOTS, DATA, RECORDS, OLDER].contains(excuse))
    );
    assert!(
        report.right > report.excused.values().sum::<u64>() * 10,
        "{report}"
    );
}

#[test]
fn lost_misdirected_and_stale_writes_of_the_superblock_never_give_wrong_data() {
    let recorded = recorded();
    let plan = FaultPlan::writes();
    let plan = recorded
        .superblocks()
        .into_iter()
        .fold(plan, FaultPlan::within);
    let report = recorded.faults(&plan);
    assert!(report.excused.is_empty(), "{report}");
    // Everywhere else: no panic, no hang, and nothing that is not excused.
    recorded.faults(&FaultPlan::writes().at_points(if full() { 60 } else { 0 }));
}

#[test]
fn poison_ends_the_process_or_does_not_matter_and_never_gives_wrong_data() {
    let recorded = recorded();
    for bytes in [64, 256] {
        let report = recorded.faults(&FaultPlan::poison(bytes));
        assert!(report.died > 0 && report.excused.is_empty(), "{report}");
    }
}

#[test]
fn k3_whichever_fence_of_a_workload_fails_nothing_acknowledged_is_lost() {
    let mut ops = ops();
    ops.extend([
        Op::UndoBig(40),
        Op::Checkpoint,
        Op::Mixed(50),
        Op::Staged(60),
    ]);
    let (_, states) = crash_world::record(medium(), &tiny(), &ops);
    let explorer = Explorer::new().kill_steps(if full() { 64 } else { 4 });
    let faults = explorer.fence_faults(
        || {
            let media = medium();
            let engine = crash_world::create(media.clone(), &tiny());
            (media, engine)
        },
        |media, engine| {
            let mut failed = false;
            for (id, op) in ops.iter().enumerate() {
                if failed {
                    // A poisoned pool takes nothing more: that is no operation that could be in flight.
                    assert!(
                        transaction(&engine, *op).is_err(),
                        "{op:?} after a failed fence"
                    );
                    continue;
                }
                media.invoke(id as u64);
                let done = match op {
                    Op::Checkpoint => engine.checkpoint().map(|_report| ()),
                    op => transaction(&engine, *op),
                };
                match done {
                    Ok(()) => media.ack(id as u64),
                    Err(_) => failed = true,
                }
            }
        },
        recover,
        |point, seen| judge(&states, point, seen),
    );
    eprintln!("{faults}");
    faults.assert_clean();
    assert!(faults.fences >= 12, "{faults}");
}
