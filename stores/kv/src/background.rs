//! What a store does by itself: flush the window when that is due, checkpoint by interval and by the size of the log.
//!
//! With the system's clock a thread does it, which sleeps until something is due and ends with the store. With a manual
//! clock [`Store::run_due`](crate::Store::run_due) does it.

use std::sync::{Arc, Weak};
use std::thread::{JoinHandle, ThreadId};
use std::time::Duration;

use everline::media::Media;
use parking_lot::{Condvar, Mutex};

use crate::KvError;
use crate::core::{Core, Outcome};

/// Wakes the thread of a store.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SignalState {
    poked: bool,
    stop: bool,
}

impl Signal {
    /// Something may come due earlier than it did.
    pub fn poke(&self) {
        self.state.lock().poked = true;
        self.changed.notify_all();
    }

    /// The thread is to end.
    pub fn stop(&self) {
        self.state.lock().stop = true;
        self.changed.notify_all();
    }

    /// Sleeps for `time` at most, or until it is woken; answers whether to go on.
    fn wait(&self, time: Option<Duration>) -> bool {
        let mut state = self.state.lock();
        if !state.poked && !state.stop {
            match time {
                Some(time) => drop(self.changed.wait_for(&mut state, time)),
                None => self.changed.wait(&mut state),
            }
        }
        state.poked = false;
        !state.stop
    }
}

/// The least sleep behind something that failed, so that it is not tried without end.
const PAUSE: Duration = Duration::from_millis(50);

impl<M: Media> Core<M> {
    /// When something is due next, by the clock of the store.
    fn next_due(&self) -> Option<Duration> {
        let oldest = self
            .window
            .as_ref()
            .and_then(|window| window.overlay.read().oldest());
        let flush = self.schedule.flush_at(oldest);
        let checkpoint = self.schedule.checkpoint_at(*self.last_checkpoint.lock());
        flush.into_iter().chain(checkpoint).min()
    }

    /// Does what is due by now. Errors: of a flush, else of a checkpoint; what failed stays due, and keeps the other from
    /// nothing.
    pub fn run_due(&self) -> Outcome<(), M> {
        let now = self.clock.now();
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let mut flushed = Ok(());
        if let Some(window) = &self.window {
            let oldest = window.overlay.read().oldest();
            if is_due(self.schedule.flush_at(oldest)) {
                flushed = self.flush(window);
            }
        }
        let last = *self.last_checkpoint.lock();
        let mut retired = Ok(());
        if is_due(self.schedule.checkpoint_at(last)) {
            retired = self.checkpoint().map(drop);
        }
        flushed.and(retired)
    }

    /// Makes every commit durable at its home, and retires the log. What cannot be flushed keeps nothing else from it.
    pub fn checkpoint(&self) -> Outcome<everline::log::CheckpointReport, M> {
        let flushed = match &self.window {
            Some(window) => self.flush(window),
            None => Ok(()),
        };
        let now = self.clock.now();
        let retired = self.engine().checkpoint();
        if retired.is_ok() {
            *self.last_checkpoint.lock() = now;
        }
        flushed?;
        Ok(retired?)
    }

    /// Behind a commit: keeps the log below its limit.
    #[inline]
    pub fn limit_log(&self) {
        if let Some(limit) = self.max_log_size {
            self.limit_log_to(limit);
        }
    }

    #[cold]
    fn limit_log_to(&self, limit: u64) {
        if self.engine().log().status().used_bytes > limit {
            // The commit stands; a failure poisons the pool, and the next operation says so.
            let _poisoned = self.engine().checkpoint();
        }
    }
}

/// The thread of a store.
#[derive(Debug)]
pub(crate) struct Thread {
    id: ThreadId,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Thread {
    /// Waits until it has ended, which it was told to: it holds the store, and with that the pool, now and then. From the
    /// thread itself, which may wake whoever closes the store, it does nothing.
    pub fn join(&self) {
        if std::thread::current().id() != self.id
            && let Some(handle) = self.handle.lock().take()
        {
            drop(handle.join()); // a panic has told of itself
        }
    }
}

/// Starts the thread of a store that needs one.
pub(crate) fn start<M: Media + Send + Sync + 'static>(core: &Arc<Core<M>>) -> std::io::Result<()> {
    if core.clock.is_manual() || !core.schedule.needs_time() {
        return Ok(());
    }
    let (weak, signal) = (Arc::downgrade(core), Arc::clone(&core.signal));
    let thread = std::thread::Builder::new().name("everline-kv".into());
    let handle = thread.spawn(move || run(&weak, &signal))?;
    let thread = Thread {
        id: handle.thread().id(),
        handle: Mutex::new(Some(handle)),
    };
    drop(core.thread.set(thread)); // started once
    Ok(())
}

/// Whether it is of no use to try again before the store is opened anew.
fn stays<E: std::error::Error + 'static>(error: &KvError<E>) -> bool {
    let ended = matches!(
        error,
        KvError::ReadOnly | KvError::Closed | KvError::Retired { .. }
    );
    ended || error.is_fatal()
}

fn run<M: Media>(core: &Weak<Core<M>>, signal: &Signal) {
    loop {
        let time = match core.upgrade() {
            None => return,
            Some(core) => {
                // What failed is told by tickets and by the next commit.
                let done = core.run_due();
                if done.as_ref().is_err_and(stays) {
                    return;
                }
                let failed = done.is_err();
                let now = core.clock.now();
                let next = core.next_due().map(|at| at.saturating_sub(now));
                match failed {
                    true => Some(next.unwrap_or(PAUSE).max(PAUSE)),
                    false => next,
                }
            }
        };
        if !signal.wait(time) {
            return;
        }
    }
}

impl<M: Media> Drop for Core<M> {
    fn drop(&mut self) {
        self.signal.stop();
        if let Some(window) = &self.window {
            window.progress.fail(KvError::Closed);
        }
    }
}
