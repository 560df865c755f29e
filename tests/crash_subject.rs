//! The small world of transactions as an engine of six functions: all short workloads and drawn long ones under
//! every oracle that the laboratory has of its own, among them lives after a first crash and room without leaks.

mod crash_world;

use crash_world::{E, Op, Seen, State, cell, create, full, look, medium, run, slot, tiny};
use everline::alloc::Request;
use everline::engine::{Engine, OpenOptions};
use everline::units::ByteOffset;
use everline_crash::{Base, Choices, CrashMedia, Explorer, Subject};

/// Where `FILLS`, the room that is left after a crash is compared with that of a world without one.
struct World<const FILLS: bool>(Option<E>);

impl<const FILLS: bool> Subject for World<FILLS> {
    type Medium = CrashMedia;
    type Op = Op;
    type Model = State;
    type View = Seen;

    fn media(_: Base) -> CrashMedia {
        medium()
    }

    fn format(media: CrashMedia) -> Self {
        World(Some(create(media, &tiny())))
    }

    fn apply(&mut self, op: &Op) -> Result<(), String> {
        let engine = self.0.take().expect("put back below");
        self.0 = Some(run(engine, *op));
        Ok(())
    }

    fn recover(media: CrashMedia) -> Result<(Self, Seen), String> {
        let (engine, _) =
            Engine::open(media, &OpenOptions::default()).map_err(|error| error.to_string())?;
        if cell(&engine, 0).start() == ByteOffset::ZERO {
            return Err("a pool without a world in it".into());
        }
        let seen = look(&engine)?;
        Ok((World(Some(engine)), seen))
    }

    fn step(state: &mut State, op: &Op) {
        *state = state.after(*op);
    }

    fn view(state: &State) -> Seen {
        Seen {
            live: 1 + state.slots.iter().flatten().count() as u64,
            state: state.clone(),
            problems: 0,
        }
    }

    fn generate(step: usize, choices: &mut Choices) -> Op {
        let v = 10 * (step as u64 + 1);
        let fill = step as u8 | 1;
        match choices.below(15) {
            0 => Op::Staged(v),
            1 => Op::Undo(v),
            2 => Op::UndoBig(v),
            3 => Op::Mixed(v),
            4 => Op::AbortUndo(v),
            5 => Op::AbortBig(v),
            6 => Op::AbortStaged(v),
            7 => Op::Put {
                slot: choices.any_below(4) as usize,
                bytes: choices.any_below(200) + 1,
                fill,
            },
            8 => Op::PutFresh {
                slot: choices.any_below(4) as usize,
                bytes: choices.any_below(3_000) + 1,
                fill,
            },
            9 => Op::Free(choices.any_below(4) as usize),
            10 => Op::Group(v),
            11 => Op::Extended(v),
            12 => Op::OtherLane(v),
            13 => Op::Checkpoint,
            _ => [Op::Reopen, Op::Kill][choices.below(2) as usize],
        }
    }

    fn fill(&mut self) -> Option<u64> {
        let engine = self.0.as_ref().filter(|_| FILLS)?;
        let take = || {
            let mut tx = engine.begin().ok()?;
            let block = tx.alloc(Request::new(3_000)).ok()?;
            tx.set_root(slot(8), block.start()).ok()?;
            tx.commit().ok()
        };
        Some(std::iter::from_fn(take).count() as u64)
    }
}

#[test]
fn every_workload_of_up_to_two_operations_keeps_every_promise() {
    let explorer = Explorer::new();
    let parts = if full() { 6 } else { 17 };
    let summary = explorer.subject::<World<false>>().slice(1, parts).all(2);
    summary.assert_clean();
    println!("{summary}");
    assert!(summary.executions > 5_000, "{summary}");
}

#[test]
fn no_crash_leaves_less_room_than_there_was() {
    let mut world: World<true> = World::format(medium());
    assert!(world.fill().is_some_and(|room| room > 2), "there is room");
    let explorer = Explorer::new().kill_steps(8);
    let parts = if full() { 1 } else { 3 };
    let summary = explorer.subject::<World<true>>().slice(0, parts).all(1);
    summary.assert_clean();
    println!("{summary}");
}

#[test]
fn drawn_workloads_and_the_lives_after_them_keep_every_promise() {
    let explorer = Explorer::new().kill_steps(8);
    let (seeds, len) = if full() { (8, 24) } else { (3, 20) };
    let trials = explorer.subject::<World<false>>().second_lives(4);
    let summary = trials.random(0..seeds, len);
    summary.assert_clean();
    println!("{summary}");
    assert!(summary.second_lives >= seeds * 2, "{summary}");
}
