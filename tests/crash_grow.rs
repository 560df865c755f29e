//! Growth against power loss: the old length or the new one, and the same bytes, at every crash point; what was put into
//! the new part is there once it was acknowledged.

mod crash_world;

use crash_world::sweep::{MODELS, under};
use crash_world::{E, Op, Seen, State, create, judge, look, tiny, transaction};
use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::layout::Superblock;
use everline::pool::GrowError;
use everline::tx::TxError;
use everline::units::{ByteLen, ByteRange};
use everline_crash::{CrashMedia, Explorer, Point, Report};

const OLD: u64 = 64 << 10;
const NEW: u64 = 128 << 10;

/// One step of a workload, acknowledged when it has returned.
#[derive(Clone, Copy, Debug)]
enum Step {
    Grow(u64),
    /// One transaction.
    Do(Op),
    /// Growth while a transaction is under way that has extended its log from the last slab; then that commits.
    GrowBeside(u64, u64),
}

fn growing() -> CreateOptions {
    CreateOptions {
        capacity_max: Some(NEW + (16 << 10)),
        ..tiny()
    }
}

fn run(engine: &E, step: Step) {
    match step {
        Step::Grow(len) => engine.grow(len).expect("room"),
        Step::Do(Op::Checkpoint) => drop(engine.checkpoint().expect("no fault asked for")),
        Step::Do(op) => transaction(engine, op).expect("room"),
        Step::GrowBeside(len, value) => {
            let mut tx = engine.begin().expect("a lane");
            let wide = ByteRange::at(crash_world::cell(engine, 0).start().get() + 2048, 1500);
            tx.snapshot(&[wide.expect("small")]).expect("the reserve");
            engine.grow(len).expect("room");
            tx.set(crash_world::cell(engine, 0).start(), &value)
                .expect("inside");
            tx.commit().expect("room");
        }
    }
}

fn after(state: &State, step: Step) -> State {
    match step {
        Step::Grow(_) => state.clone(),
        Step::Do(op) => state.after(op),
        Step::GrowBeside(_, value) => state.after(Op::Tiny(value)),
    }
}

/// What a reopened pool shows, and how long it is.
fn recover(media: &CrashMedia) -> Result<(Seen, u64), String> {
    let opened = Engine::open(media.clone(), &OpenOptions::default());
    let (engine, _) = opened.map_err(|error| error.to_string())?;
    let stats = engine.stats().map_err(|error| error.to_string())?;
    let heap = stats.heap;
    if heap.used_bytes + heap.free_bytes + heap.overhead_bytes != stats.size_bytes {
        return Err(format!("{stats:?} does not add up"));
    }
    Ok((look(&engine)?, stats.size_bytes))
}

/// Runs `steps` from an old pool on and explores every crash point of them.
fn explore(explorer: &Explorer, steps: &[Step]) -> Report {
    let media = CrashMedia::new(ByteLen::new(OLD)).without_rmw_fences();
    let engine = create(media.clone(), &growing());
    media.mark();
    let mut states = vec![State::default()];
    let mut lengths = vec![OLD];
    for (id, step) in steps.iter().enumerate() {
        media.invoke(id as u64);
        run(&engine, *step);
        media.ack(id as u64);
        states.push(after(&states[id], *step));
        lengths.push(engine.pool().geometry().len());
    }
    assert_eq!(look(&engine).expect("a live world").problems, 0);
    explorer.explore(
        &media.recording().start_at_last_mark(),
        recover,
        |point: &Point<'_>, seen: &Result<(Seen, u64), String>| {
            let (seen, len) = seen.as_ref().map_err(String::clone)?;
            let done = point.acked.len();
            let allowed = &lengths[done..=done + point.in_flight.len()];
            if !allowed.contains(len) {
                return Err(format!("{len} bytes long, expected one of {allowed:?}"));
            }
            judge(&states, point, &Ok(seen.clone()))
        },
    )
}

fn put(slot: usize, bytes: u64) -> Step {
    Step::Do(Op::PutFresh {
        slot,
        bytes,
        fill: slot as u8 + 1,
    })
}

#[test]
fn e6_a_growth_between_transactions_leaves_the_old_length_or_the_new_one_at_every_crash_point() {
    let steps = [
        put(0, 40),
        Step::Grow(NEW),
        Step::Do(Op::Staged(7)),
        Step::Grow(NEW + 4096),
    ];
    for model in MODELS {
        let report = explore(&under(model), &steps);
        report.assert_clean();
        assert!(report.exhaustive && report.crash_points > 12, "{report}");
    }
}

#[test]
fn e6_a_growth_survives_two_cuts_more_inside_the_recovery() {
    let steps = [Step::Do(Op::Staged(7)), Step::Grow(NEW)];
    let report = explore(&Explorer::new().nested_depth(2), &steps);
    report.assert_clean();
    assert!(report.nested_points > 100, "{}", report.nested_points);
}

#[test]
fn e6_what_goes_into_the_new_part_is_all_there_or_not_at_every_crash_point() {
    // The first object takes most of the old part: the second one cannot lie there.
    let steps = [
        put(0, 24_000),
        Step::Grow(NEW),
        put(1, 20_000),
        put(2, 30_000),
        Step::Do(Op::Free(0)),
    ];
    let report = explore(&Explorer::new().kill_steps(0), &steps);
    report.assert_clean();
}

#[test]
fn e6_a_log_that_has_borrowed_the_last_slab_keeps_it_while_the_pool_grows() {
    let steps = [
        put(0, 30_000),
        Step::GrowBeside(NEW, 5),
        put(1, 40_000),
        Step::Do(Op::Checkpoint),
        put(2, 100),
    ];
    let report = explore(&Explorer::new().kill_steps(0), &steps);
    report.assert_clean();
}

#[test]
fn e6_the_old_last_slab_is_as_good_as_any_other_after_growth() {
    let media = CrashMedia::new(ByteLen::new(OLD));
    let engine = create(media, &growing());
    let slab = u64::from(engine.pool().geometry().slab_bytes());
    let fill = || {
        let mut blocks = Vec::new();
        loop {
            let mut tx = engine.begin().expect("a lane");
            match tx.alloc(Request::new(slab)) {
                Ok(block) => {
                    tx.commit().expect("room");
                    blocks.push(block);
                }
                Err(TxError::Alloc(_)) => return blocks,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let last = |engine: &E| {
        let geometry = engine.pool().geometry();
        geometry.slab_at(geometry.slab_count() - 1)
    };
    let old_last = last(&engine);
    assert!(fill().iter().all(|block| block.start() != old_last));
    // The log of this transaction needs a block, and there is only the reserve.
    let mut tx = engine.begin().expect("a lane");
    let wide = ByteRange::at(crash_world::cell(&engine, 0).start().get() + 2048, 1500);
    tx.snapshot(&[wide.expect("small")]).expect("the reserve");
    engine.grow(NEW).expect("room");
    let taken = fill();
    assert!(
        taken.iter().all(|block| block.start() != old_last),
        "the log has it"
    );
    assert!(taken.iter().all(|block| block.start() != last(&engine)));
    tx.commit().expect("room");
    engine.checkpoint().expect("no fault asked for");
    let more = fill();
    assert_eq!(more.len(), 1, "what the log has given back");
    assert_eq!(more[0].start(), old_last);
    assert_eq!(engine.check(|problem| panic!("{problem}")).problems, 0);
    let stats = engine.stats().expect("whole");
    assert_eq!(stats.heap.free_bytes, 0);
}

#[test]
fn e6_a_failed_fence_of_a_growth_poisons_the_pool_and_leaves_the_old_length() {
    for failing in 0..2 {
        let media = CrashMedia::new(ByteLen::new(OLD));
        let engine = create(media.clone(), &growing());
        let before = look(&engine).expect("whole");
        // The fences of create are behind us: counted anew on a medium over the same bytes.
        let media = CrashMedia::with_base(engine.close().expect("no fault yet").snapshot());
        let (engine, _) = Engine::open(media.clone(), &OpenOptions::default()).expect("a pool");
        media.fail_fence_at(failing);
        assert!(matches!(engine.grow(NEW), Err(GrowError::Sync(_))));
        assert_eq!(engine.pool().geometry().len(), OLD);
        assert!(matches!(engine.begin(), Err(TxError::Poisoned)));
        assert!(matches!(engine.grow(NEW), Err(GrowError::Poisoned)));
        assert_eq!(look(&engine).expect("reads go on"), before);
        let (engine, _) = Engine::open(engine.abandon(), &OpenOptions::default()).expect("a pool");
        assert_eq!(look(&engine).expect("whole"), before);
        engine.grow(NEW).expect("the fault is gone");
        assert_eq!(engine.pool().geometry().len(), NEW);
    }
}

#[test]
fn e6_a_copy_that_a_growth_left_behind_is_mended_and_is_no_damage() {
    let media = CrashMedia::new(ByteLen::new(OLD));
    let engine = create(media.clone(), &growing());
    let old = media.snapshot();
    engine.grow(NEW).expect("room");
    let grown = engine.close().expect("no fault asked for").snapshot();
    for copy in Superblock::AT {
        let copy = copy.get() as usize;
        let mut image = grown.clone();
        image[copy..copy + 512].copy_from_slice(&old[copy..copy + 512]);
        let media = CrashMedia::with_base(image);
        let (engine, report) =
            Engine::open(media.clone(), &OpenOptions::default()).expect("the newer copy serves");
        assert_eq!((report.len, report.mended_copy), (NEW, None));
        assert!(report.finished_growth);
        drop(engine);
        let (_, report) = Engine::open(media, &OpenOptions::default()).expect("a pool");
        assert!(!report.finished_growth, "mended once and for all");
    }
}

#[test]
fn e6_a_medium_longer_than_its_pool_is_fine_and_lets_it_grow() {
    let media = CrashMedia::new(ByteLen::new(OLD));
    drop(create(media.clone(), &growing()));
    let mut image = media.snapshot();
    image.resize(NEW as usize, 0xa5);
    let media = CrashMedia::with_base(image);
    let (engine, report) = Engine::open(media, &OpenOptions::default()).expect("a pool");
    assert_eq!(report.len, OLD);
    engine.grow(NEW).expect("room");
    engine.grow(NEW).expect("nothing to do");
    transaction(
        &engine,
        Op::PutFresh {
            slot: 0,
            bytes: 60_000,
            fill: 3,
        },
    )
    .expect("room");
    let (engine, report) = Engine::open(engine.abandon(), &OpenOptions::default()).expect("a pool");
    assert_eq!(report.len, NEW);
    assert_eq!(
        look(&engine).expect("whole").state.slots[0],
        Some((60_000, 3))
    );
}

#[test]
fn e6_what_cannot_be_is_refused_with_its_reason_and_changes_nothing() {
    let media = CrashMedia::new(ByteLen::new(OLD));
    let engine = create(media.clone(), &growing());
    let before = media.snapshot();
    let capacity_max = NEW + (16 << 10);
    assert!(
        matches!(engine.grow(OLD - 1), Err(GrowError::Smaller { len: OLD, asked }) if asked == OLD - 1)
    );
    let beyond = engine
        .grow(capacity_max + 1)
        .expect_err("no room in the slab map");
    assert!(
        beyond.to_string().contains(&capacity_max.to_string()),
        "{beyond}"
    );
    assert_eq!(media.snapshot(), before);
    let geometry = engine.pool().geometry();
    let slab = geometry.slab_count() + 3;
    let mut image = engine.close().expect("no fault asked for").snapshot();
    image[(geometry.used_word_at(slab).get() + slab % 64 / 8) as usize] |= 1 << (slab % 8);
    let options = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let reader = Engine::open(CrashMedia::with_base(image.clone()), &options)
        .expect("a pool")
        .0;
    assert_eq!(reader.grow(NEW), Err(GrowError::ReadOnly));
    assert_eq!(
        reader.check(|_| {}).problems,
        1,
        "a slab that is not there is in use"
    );
    let (engine, _) =
        Engine::open(CrashMedia::with_base(image), &OpenOptions::default()).expect("a pool");
    assert!(matches!(engine.grow(NEW), Err(GrowError::Corrupt(_))));
    assert_eq!(engine.pool().geometry().len(), OLD);
}
