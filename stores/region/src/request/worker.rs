//! Threads that do the work.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use everline::media::Media;

use super::operation::{Runs, Touch};
use super::table::{Room, Table};
use crate::Regions;

/// Work in the table.
pub(super) struct Work<M: Media> {
    touch: Touch,
    runs: Box<dyn Runs<M>>,
}

impl<M: Media> Work<M> {
    pub fn new(touch: Touch, runs: Box<dyn Runs<M>>) -> Self {
        Work { touch, runs }
    }
}

/// What issuers and workers share.
pub(super) struct Pool<M: Media> {
    regions: Arc<Regions<M>>,
    state: Mutex<State<M>>,
    /// Something is ready, or nothing more will come.
    ready: Condvar,
    /// There is room.
    room: Condvar,
}

struct State<M: Media> {
    table: Table<Box<dyn Runs<M>>>,
    finishing: bool,
}

impl<M: Media + Send + Sync + 'static> Pool<M> {
    pub fn new(regions: Arc<Regions<M>>, depth: usize) -> Self {
        Pool {
            regions,
            state: Mutex::new(State {
                table: Table::new(depth),
                finishing: false,
            }),
            ready: Condvar::new(),
            room: Condvar::new(),
        }
    }

    pub fn start(this: &Arc<Self>, number: u32) -> io::Result<JoinHandle<()>> {
        let pool = Arc::clone(this);
        thread::Builder::new()
            .name(format!("everline-request-{number}"))
            .spawn(move || pool.work())
    }

    pub fn regions(&self) -> &Arc<Regions<M>> {
        &self.regions
    }

    pub fn in_flight(&self) -> usize {
        self.lock().table.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        // No operation runs while it is held, so that nothing panics there.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn try_room(&self) -> Option<Room> {
        self.lock().table.room()
    }

    /// Puts work in as soon as there is room; runs it here where it may and can.
    pub fn issue(&self, work: Work<M>, here: bool) {
        let mut state = self.lock();
        let room = loop {
            match state.table.room() {
                Some(room) => break room,
                None => {
                    let woken = self.room.wait(state);
                    state = woken.unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        self.put(state, room, work, here);
    }

    /// As [`Pool::issue`], in a room that was taken before.
    pub fn issue_in(&self, room: Room, work: Work<M>, here: bool) {
        self.put(self.lock(), room, work, here);
    }

    fn put(&self, mut state: MutexGuard<'_, State<M>>, room: Room, work: Work<M>, here: bool) {
        let (number, now) = state.table.put(room, work.touch, work.runs, here);
        drop(state);
        match now {
            Some(runs) => self.run(number, runs),
            None => self.ready.notify_one(),
        }
    }

    /// Runs work that is in the table, takes it out, and only then tells: whoever learns of the end finds room.
    fn run(&self, number: u64, mut runs: Box<dyn Runs<M>>) {
        runs.run(&self.regions);
        let became_ready = self.lock().table.end(number);
        self.room.notify_one();
        for _ in 0..became_ready {
            self.ready.notify_one();
        }
        // What panics in an answer that nobody wants, or in whoever is woken, is not this thread's end.
        drop(catch_unwind(AssertUnwindSafe(|| runs.tell())));
    }

    /// A worker's life: until nothing more will come and nothing is left.
    fn work(&self) {
        loop {
            let mut state = self.lock();
            let (number, runs) = loop {
                if let Some(work) = state.table.take() {
                    break work;
                }
                if state.finishing && state.table.len() == 0 {
                    return;
                }
                let woken = self.ready.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
            };
            drop(state);
            self.run(number, runs);
            if self.is_over() {
                // The others wait for work that will not come.
                self.ready.notify_all();
            }
        }
    }

    fn is_over(&self) -> bool {
        let state = self.lock();
        state.finishing && state.table.len() == 0
    }

    /// Nothing more will come: workers end when the table is empty.
    pub fn finish(&self) {
        self.lock().finishing = true;
        self.ready.notify_all();
    }
}
