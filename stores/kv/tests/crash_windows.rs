//! ASYNC, PERIODIC and without a log of its own: what a crash leaves is a prefix of the commits, no older than the
//! window says. Every row of up to four steps of a clock that the test moves.

#[path = "../../../tests/crash_world/sweep.rs"]
mod sweep;
mod world;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use everline::units::ByteLen;
use everline_crash::{CrashMedia, CrashModel, Point};
use everline_kv::{ManualClock, Mode, StoreOptions};
use sweep::{MODELS, Sweep, first_of, under, workload};
use world::*;

const POOL: ByteLen = ByteLen::new(128 << 10);
const WINDOW: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// One key.
    Put,
    /// Two keys and a delete of the one that `Put` puts.
    Commit,
    /// A transaction that is open over the next steps; the next one of these commits it.
    Open,
    /// Half of the window passes, and what is due is done.
    Half,
    /// The window passes, and what is due is done.
    Whole,
    Sync,
    Checkpoint,
}

const STEPS: [Step; 7] = [
    Step::Put,
    Step::Commit,
    Step::Open,
    Step::Half,
    Step::Whole,
    Step::Sync,
    Step::Checkpoint,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Async,
    Periodic,
    NoLog,
}

fn options(kind: Kind, clock: &ManualClock) -> StoreOptions {
    StoreOptions {
        mode: match kind {
            Kind::Async => Mode::Async,
            Kind::Periodic => Mode::Periodic,
            Kind::NoLog => Mode::Sync,
        },
        flush_interval: WINDOW,
        enable_wal: kind != Kind::NoLog,
        clock: clock.clock(),
        ..small()
    }
}

/// What the window makes of a row of commits.
#[derive(Default)]
struct Window {
    now: Duration,
    /// When each commit returned.
    commits: Vec<Duration>,
    /// Commits that no crash may take.
    durable: usize,
}

impl Window {
    /// After what was due has been done.
    fn due(&mut self, kind: Kind) {
        let until = match kind {
            Kind::Async => self.now.checked_sub(WINDOW),
            // What returns at a tick, behind what is done then, waits for the next.
            Kind::Periodic => {
                let ticks = self.now.as_nanos() / WINDOW.as_nanos();
                let last = WINDOW * ticks as u32;
                last.checked_sub(Duration::from_nanos(1))
            }
            Kind::NoLog => None,
        };
        if let Some(until) = until {
            let old = self.commits.iter().filter(|at| **at <= until).count();
            self.durable = self.durable.max(old);
        }
    }
}

/// Runs the row and explores it; answers how many commits of those that had returned crashes took at the most.
fn explore(kind: Kind, model: CrashModel, steps: &[Step], sweep: &mut Sweep) -> usize {
    let (clock, media) = (
        ManualClock::new(),
        CrashMedia::new(POOL).without_rmw_fences(),
    );
    let store = create(media.clone(), &options(kind, &clock));
    store.put(b"kept", b"kept").expect("room");
    store.checkpoint().expect("no failing fence");
    media.mark();
    let (mut window, mut open) = (Window::default(), None);
    let mut states = vec![see(&store).expect("sound")];
    // Before each step: commits that have returned, and commits that no crash may take.
    let mut bounds = vec![(0, 0)];
    for (number, step) in steps.iter().enumerate() {
        media.invoke(number as u64);
        let turn = [number as u8; 9];
        let mut committed = true;
        match step {
            Step::Put => drop(store.put(b"a", turn).expect("room")),
            Step::Commit => {
                let tx = store.begin().expect("open");
                tx.put(b"b", turn).expect("open");
                tx.put(b"c", turn).expect("open");
                tx.delete(b"a").expect("open");
                tx.commit().expect("nobody else writes these");
            }
            Step::Open => match open.take() {
                None => {
                    let tx = store.begin().expect("open");
                    tx.put(b"o", turn).expect("open");
                    tx.put(b"p", turn).expect("open");
                    open = Some(tx);
                    committed = false;
                }
                Some(tx) => {
                    drop(everline_kv::Transaction::commit(tx).expect("nobody else writes these"))
                }
            },
            Step::Half | Step::Whole => {
                let by = if *step == Step::Half {
                    WINDOW / 2
                } else {
                    WINDOW
                };
                clock.advance(by);
                window.now += by;
                store.run_due().expect("no failing fence");
                committed = false;
            }
            Step::Sync => {
                store.sync().expect("no failing fence");
                committed = false;
            }
            Step::Checkpoint => {
                store.checkpoint().expect("no failing fence");
                committed = false;
            }
        }
        media.ack(number as u64);
        if committed {
            window.commits.push(window.now);
            states.push(see(&store).expect("sound"));
        }
        match step {
            Step::Half | Step::Whole => window.due(kind),
            Step::Sync if kind != Kind::NoLog => window.durable = window.commits.len(),
            Step::Checkpoint => window.durable = window.commits.len(),
            _ => {}
        }
        bounds.push((window.commits.len(), window.durable));
    }
    let lost = RefCell::new(BTreeSet::new());
    let allowed = |point: &Point<'_>, seen: &Result<State, String>| {
        let done = point.acked.len();
        let (returned, durable) = bounds[done];
        let called = bounds[done + point.in_flight.len()].0.max(returned);
        one_of(&states[durable..=called], seen).map_err(|why| {
            format!("{steps:?}, {done} done, {durable} of {called} durable: {why}")
        })?;
        if let Some(at) = states.iter().position(|state| Ok(state) == seen.as_ref()) {
            lost.borrow_mut().insert(returned.saturating_sub(at));
        }
        Ok(())
    };
    let recording = media.recording().start_at_last_mark();
    let explorer = under(model).nested_depth(depth(0, 0, 1));
    let report = explorer.explore(
        &recording,
        |media| recovered(media, &options(kind, &ManualClock::new())),
        allowed,
    );
    sweep.add(&(kind, steps), &report);
    lost.into_inner().last().copied().unwrap_or(0)
}

fn explore_all(kind: Kind) {
    let step = depth(13, 3, 1);
    let (mut sweep, mut lost) = (Sweep::default(), 0);
    for model in [MODELS[0], CrashModel::Page { sector: 512 }] {
        for number in (0..first_of(STEPS.len(), 5)).step_by(step) {
            let steps = workload(&STEPS, number);
            lost = lost.max(explore(kind, model, &steps, &mut sweep));
        }
    }
    assert!(
        lost >= 2,
        "the window was never used: at most {lost} commits lost"
    );
}

#[test]
fn g12_g9_async_leaves_a_prefix_no_older_than_the_window() {
    explore_all(Kind::Async);
}

#[test]
fn g13_g9_periodic_leaves_a_prefix_that_has_all_from_before_the_last_tick() {
    explore_all(Kind::Periodic);
}

#[test]
fn g14_g9_without_a_log_a_crash_leaves_whole_commits_up_to_the_last_checkpoint_or_later() {
    explore_all(Kind::NoLog);
}
