//! Threads and power cuts together on the core: two threads of three transactions each, under every schedule with up
//! to two preemptions, each schedule with every crash of it.

mod crash_world;

use crash_world::{E, Op, Seen, State, cell, create, full, look, medium, tiny, transaction};
use everline::engine::{Engine, OpenOptions};
use everline_crash::{Base, Choices, CrashMedia, Explorer, Shared, Subject};

/// One transaction of one thread; threads have their own cells, in lines that they share, and their own slots.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Two cells in one record.
    Staged(usize, u64),
    /// Two cells in place.
    Undo(usize, u64),
    /// Two cells in place, then taken back.
    Abort(usize, u64),
    /// An object of its own.
    Own(Op),
}

struct World(E);

fn cells(thread: usize) -> [usize; 2] {
    [thread, thread + 2]
}

impl Shared for World {
    fn apply_shared(&self, work: &Work) -> Result<(), String> {
        let engine = &self.0;
        let done = match *work {
            Work::Own(op) => transaction(engine, op),
            Work::Staged(thread, value) => (|| {
                let mut tx = engine.begin()?;
                for index in cells(thread) {
                    tx.set(cell(engine, index).start(), &value)?;
                }
                tx.commit().map(|_receipt| ())
            })(),
            Work::Undo(thread, value) | Work::Abort(thread, value) => (|| {
                let [first, second] = cells(thread).map(|index| cell(engine, index));
                let mut tx = engine.begin()?;
                let mut in_place = tx.snapshot(&[first, second])?;
                in_place.store64(first.start(), value)?;
                in_place.store64(second.start(), value)?;
                match work {
                    Work::Abort(..) => tx.abort(),
                    _ => tx.commit().map(|_receipt| ()),
                }
            })(),
        };
        done.map_err(|error| error.to_string())
    }
}

impl Subject for World {
    type Medium = CrashMedia;
    type Op = Work;
    type Model = State;
    type View = Seen;

    fn media(_: Base) -> CrashMedia {
        medium()
    }

    fn format(media: CrashMedia) -> Self {
        World(create(media, &tiny()))
    }

    fn apply(&mut self, work: &Work) -> Result<(), String> {
        self.apply_shared(work)
    }

    fn recover(media: CrashMedia) -> Result<(Self, Seen), String> {
        let (engine, _) =
            Engine::open(media, &OpenOptions::default()).map_err(|error| error.to_string())?;
        let seen = look(&engine)?;
        Ok((World(engine), seen))
    }

    fn step(state: &mut State, work: &Work) {
        match *work {
            Work::Own(op) => *state = state.after(op),
            Work::Staged(thread, value) | Work::Undo(thread, value) => {
                for index in cells(thread) {
                    state.cells[index] = value;
                }
            }
            Work::Abort(..) => {}
        }
    }

    fn view(state: &State) -> Seen {
        Seen {
            live: 1 + state.slots.iter().flatten().count() as u64,
            state: state.clone(),
            problems: 0,
        }
    }

    fn generate(step: usize, choices: &mut Choices) -> Work {
        Work::Staged(choices.below(2) as usize, step as u64 + 1)
    }
}

fn put(slot: usize, bytes: u64) -> Work {
    Work::Own(Op::Put {
        slot,
        bytes,
        fill: slot as u8 + 1,
    })
}

fn put_fresh(slot: usize, bytes: u64) -> Work {
    Work::Own(Op::PutFresh {
        slot,
        bytes,
        fill: slot as u8 + 1,
    })
}

/// Every schedule with two preemptions at the places that matter, and with one before any call. The long form takes
/// both, and cuts inside their recoveries and after a killed process too; the short one takes slices.
fn interleaved(setup: &[Work], programs: [Vec<Work>; 2], parts: [u64; 2]) {
    let (explorer, parts) = match full() {
        true => (Explorer::new().kill_steps(4), [1, 1]),
        false => (Explorer::new().kill_steps(0).nested_depth(0), parts),
    };
    let matters = explorer.threads::<World>().slice(5 % parts[0], parts[0]);
    let any = explorer.threads::<World>().preemptions(1).at_every_call();
    for (threads, parts) in [
        (matters, parts[0]),
        (any.slice(3 % parts[1], parts[1]), parts[1]),
    ] {
        let at_most = if full() { u64::MAX } else { 50 };
        let summary = threads.schedules_at_most(at_most).all(setup, &programs);
        eprintln!("{summary}");
        summary.assert_clean();
        let ran = summary.threads.as_ref().expect("threads");
        assert!(ran.whole == (parts == 1), "{summary}");
        assert!(ran.schedules > 10, "{summary}");
        assert!(summary.executions > 500, "{summary}");
    }
}

#[test]
fn two_threads_on_their_lanes_keep_every_promise_under_every_schedule() {
    let programs = [
        vec![Work::Staged(0, 10), Work::Undo(0, 20), Work::Abort(0, 30)],
        vec![Work::Undo(1, 11), Work::Staged(1, 21), Work::Staged(1, 31)],
    ];
    interleaved(&[Work::Staged(0, 1), Work::Staged(1, 2)], programs, [10, 2]);
}

#[test]
fn two_threads_that_allocate_and_free_keep_every_promise_under_every_schedule() {
    let programs = [
        vec![put(0, 40), put_fresh(1, 600), Work::Own(Op::Free(0))],
        vec![put_fresh(2, 700), Work::Own(Op::Free(3)), put(3, 100)],
    ];
    interleaved(&[put(3, 40)], programs, [13, 5]);
}
