//! The baton: who holds it may call the medium.

use std::cell::{Cell, RefCell};
use std::panic::{Location, panic_any};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::schedule::{Chooser, Frame};
use crate::event::Place;
use crate::media::CrashMedia;

/// What a thread is about to ask of the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Load {
        at: u64,
        len: u64,
    },
    Store,
    Rmw,
    Flush,
    Fence,
    /// An operation begins or is acknowledged.
    Note,
}

impl Call {
    /// Whether a thread may be preempted before it, and before whatever comes next.
    fn matters(self) -> bool {
        matches!(self, Call::Rmw | Call::Fence | Call::Note)
    }
}

thread_local! {
    static TAKES_TURNS: Cell<bool> = const { Cell::new(false) };
    static MINE: RefCell<Option<(Arc<Baton>, usize)>> = const { RefCell::new(None) };
}

/// Waits for this thread's turn, where threads take turns.
#[inline]
#[track_caller]
pub(crate) fn turn(call: Call) {
    if TAKES_TURNS.get() {
        wait_for_turn(call, Location::caller());
    }
}

#[cold]
fn wait_for_turn(call: Call, place: Place) {
    let mine = MINE.with_borrow(Clone::clone);
    if let Some((baton, thread)) = mine {
        baton.call(thread, call, place);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// At a call, or at its beginning.
    Waiting,
    Running,
    /// Waits for what another thread holds.
    Blocked,
    Finished,
}

struct Thread {
    status: Status,
    /// Its last call mattered, so it may be preempted before the next.
    fresh: bool,
    last: Option<Place>,
    /// Where the system tells how it does, if it does.
    stat: Option<String>,
}

/// A load, for the detector of races.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Events before it.
    pub event: usize,
    pub thread: u16,
    pub at: u64,
    pub len: u64,
    pub place: Place,
}

/// How long the holder has made no call.
#[derive(Default)]
struct Watch {
    calls: u64,
    holder: Option<usize>,
    idle: u32,
    asleep: u32,
}

struct State {
    holder: Option<usize>,
    threads: Vec<Thread>,
    entered: usize,
    calls: u64,
    chooser: Chooser,
    loads: Vec<Load>,
    blocked: u64,
    watch: Watch,
    over: bool,
}

/// The payload with which a thread ends whose schedule was given up.
struct GivenUp;

/// One schedule's turns.
pub(crate) struct Baton {
    state: Mutex<State>,
    turns: Vec<Condvar>,
    media: CrashMedia,
    /// Whether a thread may be preempted before every call.
    every_call: bool,
}

/// Looks at the holder come that often.
const TICK: Duration = Duration::from_micros(250);
/// So many looks that find it asleep mean that it waits for another.
const ASLEEP: u32 = 2;
/// So many looks without a call do, where nobody tells whether it sleeps.
const IDLE: u32 = 200;
/// How long a thread that was blocked may take to its next call.
const GRACE: Duration = Duration::from_micros(400);

/// What came of one schedule.
pub(crate) struct Turns {
    pub frames: Vec<Frame>,
    pub loads: Vec<Load>,
    pub strayed: bool,
    pub blocked: u64,
}

impl Baton {
    pub(crate) fn new(
        media: CrashMedia,
        threads: usize,
        chooser: Chooser,
        every_call: bool,
    ) -> Self {
        let thread = || Thread {
            status: Status::Running,
            fresh: true,
            last: None,
            stat: None,
        };
        Baton {
            state: Mutex::new(State {
                holder: None,
                threads: (0..threads).map(|_| thread()).collect(),
                entered: 0,
                calls: 0,
                chooser,
                loads: Vec::new(),
                blocked: 0,
                watch: Watch::default(),
                over: false,
            }),
            turns: (0..threads).map(|_| Condvar::new()).collect(),
            media,
            every_call,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }

    /// Runs `work` as thread number `thread`; begins when all are there and it is its turn.
    pub(crate) fn take_part<R>(self: &Arc<Self>, thread: usize, work: impl FnOnce() -> R) -> R {
        struct Leave<'b>(&'b Baton, usize);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                TAKES_TURNS.set(false);
                MINE.set(None);
                self.0.leave(self.1);
            }
        }
        {
            let mut state = self.lock();
            state.threads[thread].status = Status::Waiting;
            state.threads[thread].stat = own_stat();
            state.entered += 1;
            if state.entered == state.threads.len() {
                self.pass_on(&mut state, None);
            }
            let leave = Leave(self, thread);
            drop(self.wait(state, thread));
            MINE.set(Some((self.clone(), thread)));
            TAKES_TURNS.set(true);
            let result = work();
            drop(leave);
            result
        }
    }

    fn leave(&self, thread: usize) {
        let mut state = self.lock();
        state.threads[thread].status = Status::Finished;
        if state.holder == Some(thread) {
            self.pass_on(&mut state, None);
        }
    }

    /// Gives the baton to whom the schedule says: `current` if it can go on, or one of those that wait.
    fn pass_on(&self, state: &mut State, current: Option<usize>) {
        let waiting = state.threads.iter().enumerate();
        let waiting = waiting.filter(|(_, thread)| thread.status == Status::Waiting);
        let mut options: Vec<usize> = waiting.map(|(number, _)| number).collect();
        if let Some(current) = current {
            options.retain(|number| *number != current);
            options.insert(0, current);
        }
        state.holder = match options[..] {
            // Whoever comes next to a call takes it.
            [] => None,
            _ => Some(state.chooser.choose(current.is_some(), options)),
        };
        if let Some(next) = state.holder {
            self.turns[next].notify_one();
        }
    }

    fn call(&self, thread: usize, call: Call, place: Place) {
        let mut state = self.lock();
        let was_blocked = state.threads[thread].status == Status::Blocked;
        state.threads[thread].status = Status::Waiting;
        if was_blocked {
            if let Some(holder) = state.holder {
                self.turns[holder].notify_one();
            }
        }
        if state.holder == Some(thread) {
            let may_lose = self.every_call || call.matters() || state.threads[thread].fresh;
            if may_lose {
                state = self.await_blocked(state, thread);
                self.pass_on(&mut state, Some(thread));
            }
        }
        let mut state = self.wait(state, thread);
        let own = &mut state.threads[thread];
        own.fresh = call.matters();
        own.last = Some(place);
        state.calls += 1;
        if let Call::Load { at, len } = call {
            let event = self.media.events_so_far();
            let thread = crate::event::thread_number();
            state.loads.push(Load {
                event,
                thread,
                at,
                len,
                place,
            });
        }
    }

    /// Threads whose lock may just have been released come to their next call before the holder decides (T3).
    fn await_blocked<'b>(
        &'b self,
        mut state: MutexGuard<'b, State>,
        thread: usize,
    ) -> MutexGuard<'b, State> {
        let until = Instant::now() + GRACE;
        while state.threads.iter().any(|t| t.status == Status::Blocked) && !state.over {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.turns[thread].wait_timeout(state, left);
            state = waited.unwrap_or_else(|broken| broken.into_inner()).0;
        }
        state
    }

    fn wait<'b>(
        &'b self,
        mut state: MutexGuard<'b, State>,
        thread: usize,
    ) -> MutexGuard<'b, State> {
        loop {
            if state.over {
                drop(state);
                // A thread that unwinds already goes on without a turn.
                if !std::thread::panicking() {
                    panic_any(GivenUp);
                }
                return self.lock();
            }
            let everybody = state.entered == state.threads.len();
            if state.holder.is_none() && everybody {
                state.holder = Some(thread);
            }
            if state.holder == Some(thread) {
                state.threads[thread].status = Status::Running;
                return state;
            }
            let waited = self.turns[thread].wait_timeout(state, TICK);
            let (guard, waited) = waited.unwrap_or_else(|broken| broken.into_inner());
            state = guard;
            if waited.timed_out() {
                self.suspect(&mut state);
            }
        }
    }

    /// Looks at the holder; where it waits for another, the baton goes on (T2).
    fn suspect(&self, state: &mut State) {
        let Some(holder) = state.holder else { return };
        if state.threads[holder].status != Status::Running {
            return;
        }
        let watch = &mut state.watch;
        if (watch.calls, watch.holder) != (state.calls, Some(holder)) {
            *watch = Watch {
                calls: state.calls,
                holder: Some(holder),
                ..Watch::default()
            };
            return;
        }
        watch.idle += 1;
        watch.asleep += u32::from(is_asleep(state.threads[holder].stat.as_deref()));
        if watch.asleep >= ASLEEP || watch.idle >= IDLE {
            state.threads[holder].status = Status::Blocked;
            state.blocked += 1;
            state.watch = Watch::default();
            self.pass_on(state, None);
        }
    }

    /// Calls made so far: where the count stands still for long, all wait for one another.
    pub(crate) fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Ends the schedule: every thread unwinds at its next call. Answers where each one that is not over was last.
    pub(crate) fn give_up(&self) -> Vec<String> {
        let mut state = self.lock();
        state.over = true;
        for turn in &self.turns {
            turn.notify_all();
        }
        let threads = state.threads.iter().enumerate();
        let open = threads.filter(|(_, thread)| thread.status != Status::Finished);
        open.map(|(number, thread)| match thread.last {
            Some(place) => format!("thread {number} after {place}"),
            None => format!("thread {number} before its first call"),
        })
        .collect()
    }

    pub(crate) fn turns(&self) -> Turns {
        let mut state = self.lock();
        Turns {
            loads: std::mem::take(&mut state.loads),
            strayed: state.chooser.strayed,
            blocked: state.blocked,
            frames: std::mem::take(&mut state.chooser.frames),
        }
    }
}

/// Where Linux tells how the calling thread does.
fn own_stat() -> Option<String> {
    let own = std::fs::read_link("/proc/thread-self").ok()?;
    Some(format!("/proc/{}/stat", own.display()))
}

/// Whether a thread sleeps, rather than runs or waits for a processor.
fn is_asleep(stat: Option<&str>) -> bool {
    let text = stat.and_then(|path| std::fs::read_to_string(path).ok());
    // The name in parentheses may hold anything; the state follows the last one.
    text.is_some_and(|text| {
        let after = text.rsplit(')').next().unwrap_or_default();
        after.trim_start().starts_with('S')
    })
}
