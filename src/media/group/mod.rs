//! The fence of a file that needs a system call: one sync for the fences of many threads.
//!
//! ```text
//! thread A  flush flush fence ─┐ queue        ┌ leader: takes the queue, syncs ──┐ round 7 is over
//! thread B        flush fence ─┴──────────────┴ follower: waits for round 7 ─────┴─► both return
//! thread C              flush     fence ── comes while round 7 runs: waits for round 8
//! ```
//!
//! Invariants
//! F1  a fence returns `Ok` only when a sync that started after all of the thread's own flushes has succeeded.
//! F2  a fence with nothing pending of its own thread makes no system call and does not wait.
//! F3  one run of pages is one msync; several runs are one fdatasync.
//! F4  the first failed sync sticks: every fence that it covered and every later one fails with its error, and
//!     no sync is tried again. Linux has marked the pages clean by then; a second sync would lie.

mod runs;

pub(super) use runs::{Batch, PageRun};

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::vec::Vec;

use super::Errno;
use crate::sync::{AtomicU32, Ordering};
use runs::Runs;

/// What the threads of one medium share.
#[derive(Debug)]
pub(super) struct SyncGroup {
    /// The error number of the first failed sync; 0 while there is none (F4).
    failed: AtomicU32,
    state: Mutex<State>,
    round_over: Condvar,
}

#[derive(Debug)]
struct State {
    /// What the next round will sync.
    queued: Runs,
    /// Whether a leader is at work.
    running: bool,
    /// The number of the round that will start next.
    next_round: u64,
    /// The last round that succeeded.
    done_round: u64,
}

struct Pending {
    group: Weak<SyncGroup>,
    runs: Runs,
}

std::thread_local! {
    /// What this thread has flushed and not yet fenced, for each medium that it uses.
    static PENDING: RefCell<Vec<Pending>> = const { RefCell::new(Vec::new()) };
}

impl SyncGroup {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(SyncGroup {
            failed: AtomicU32::new(0),
            state: Mutex::new(State {
                queued: Runs::EMPTY,
                running: false,
                next_round: 1,
                done_round: 0,
            }),
            round_over: Condvar::new(),
        })
    }

    /// The state; a thread that panicked elsewhere leaves it as consistent as it was.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that this thread's next fence has to sync `run`.
    pub(super) fn record(self: &Arc<Self>, run: PageRun) {
        let noted = PENDING.try_with(|pending| {
            let mut pending = pending.borrow_mut();
            if let Some(own) = pending.iter_mut().find(|own| own.is_of(self)) {
                own.runs.add(run);
                return;
            }
            pending.retain(|own| own.group.strong_count() > 0); // media that were closed meanwhile
            let mut runs = Runs::EMPTY;
            runs.add(run);
            pending.push(Pending {
                group: Arc::downgrade(self),
                runs,
            });
        });
        if noted.is_err() {
            // The thread is ending and has lost its own list: queue at once.
            self.state().queued.add(run);
        }
    }

    /// Takes what this thread has pending. An ending thread queued it in `record`: it waits for one round more.
    fn take_own(self: &Arc<Self>) -> Option<Runs> {
        let taken = PENDING.try_with(|pending| {
            let mut pending = pending.borrow_mut();
            let own = pending.iter_mut().find(|own| own.is_of(self))?;
            if own.runs.is_empty() {
                return None;
            }
            Some(core::mem::replace(&mut own.runs, Runs::EMPTY))
        });
        taken.unwrap_or(Some(Runs::EMPTY))
    }

    /// The error that sticks, if a sync has failed.
    pub(super) fn health(&self) -> Result<(), Errno> {
        // Acquire pairs with the release in `poison`: who sees the error sees that nothing more was synced.
        match self.failed.load(Ordering::Acquire) {
            0 => Ok(()),
            errno => Err(Errno(errno as i32)),
        }
    }

    /// Makes every later fence fail with `errno`; the first error stays (F4).
    pub(super) fn poison(&self, errno: Errno) {
        // Release pairs with the acquire in `health`; a failed exchange means that an error sticks already.
        if self
            .failed
            .compare_exchange(0, errno.0 as u32, Ordering::Release, Ordering::Relaxed)
            .is_ok()
        {
            self.round_over.notify_all();
        }
    }

    /// Waits until everything that this thread has recorded is synced by `sync` (F1 to F4).
    pub(super) fn fence(
        self: &Arc<Self>,
        sync: impl Fn(Batch) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        self.health()?;
        let Some(own) = self.take_own() else {
            return Ok(()); // F2
        };
        let mut state = self.state();
        state.queued.join(&own);
        let my_round = state.next_round; // whichever round is running may have started before our stores (F1)
        loop {
            self.health()?;
            if state.done_round >= my_round {
                return Ok(());
            }
            state = if state.running {
                self.round_over
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner)
            } else {
                self.lead(state, &sync)
            };
        }
    }

    /// One round: takes the queue, syncs it without the lock, tells everybody.
    fn lead<'g>(
        &'g self,
        mut state: MutexGuard<'g, State>,
        sync: &impl Fn(Batch) -> Result<(), Errno>,
    ) -> MutexGuard<'g, State> {
        let batch = core::mem::replace(&mut state.queued, Runs::EMPTY).batch();
        let round = state.next_round;
        state.next_round += 1;
        state.running = true;
        drop(state);

        let outcome = batch.map_or(Ok(()), sync);

        let mut state = self.state();
        state.running = false;
        match outcome {
            Ok(()) => state.done_round = round,
            Err(errno) => self.poison(errno),
        }
        self.round_over.notify_all();
        state
    }
}

impl Pending {
    fn is_of(&self, group: &Arc<SyncGroup>) -> bool {
        core::ptr::eq(self.group.as_ptr(), Arc::as_ptr(group))
    }
}

#[cfg(test)]
mod tests;
