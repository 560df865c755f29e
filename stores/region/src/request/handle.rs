//! One request: what was issued, as something to wait for.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::operation::Outcome;
use super::wait::{Completion, park_until};

/// An operation under way or done.
///
/// A thread waits for it with [`Request::wait`], as often as it likes; a task awaits it. Dropping it harms nothing:
/// the operation runs to its end, and what it answers is dropped with its buffers (Q4).
#[must_use = "a request that is dropped tells nobody how it went"]
pub struct Request<O: Outcome> {
    shared: Arc<Shared<O>>,
}

/// What a request and the operation's end have in common.
pub(super) struct Shared<O: Outcome> {
    state: Mutex<State<O>>,
}

struct State<O: Outcome> {
    done: bool,
    /// Taken by whoever wants the whole answer.
    output: Option<O>,
    /// Kept for every wait.
    error: Option<O::Error>,
    wakers: Vec<Waker>,
}

impl<O: Outcome> Shared<O> {
    fn lock(&self) -> MutexGuard<'_, State<O>> {
        // Nothing panics while it is held but a waker's clone, which leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end: every waiter is woken.
    pub fn complete(&self, output: O) {
        let wakers = {
            let mut state = self.lock();
            state.error = output.error().cloned();
            state.output = Some(output);
            state.done = true;
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl<O: Outcome> Request<O> {
    pub(super) fn new() -> (Self, Arc<Shared<O>>) {
        let state = Mutex::new(State {
            done: false,
            output: None,
            error: None,
            wakers: Vec::new(),
        });
        let shared = Arc::new(Shared { state });
        let end = Arc::clone(&shared);
        (Request { shared }, end)
    }

    /// Waits for the end. Every call answers the same.
    pub fn wait(&self) -> Result<(), O::Error> {
        park_until(self, None);
        self.outcome()
    }

    /// Whether the operation has ended. Never waits.
    pub fn test(&self) -> bool {
        self.shared.lock().done
    }

    /// Waits at most so long: `Pending` where the operation goes on, else what [`Request::wait`] answers.
    pub fn timeout(&self, at_most: Duration) -> Poll<Result<(), O::Error>> {
        // A time that no clock can tell is no limit.
        let until = Instant::now().checked_add(at_most);
        if park_until(self, until) {
            Poll::Ready(self.outcome())
        } else {
            Poll::Pending
        }
    }

    /// Waits for the end and takes the whole answer, with the buffers that the operation owned. `None` where a task
    /// has taken it already.
    pub fn into_output(self) -> Option<O> {
        park_until(&self, None);
        self.shared.lock().output.take()
    }

    fn outcome(&self) -> Result<(), O::Error> {
        match &self.shared.lock().error {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

impl<O: Outcome> Completion for Request<O> {
    fn is_complete(&self) -> bool {
        self.test()
    }

    fn wake_by(&self, waker: &Waker) -> bool {
        let mut state = self.shared.lock();
        if !state.done && !state.wakers.iter().any(|known| known.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        state.done
    }
}

/// The whole answer, once. Polled again after that it stays pending, as a fused future does.
impl<O: Outcome> Future for Request<O> {
    type Output = O;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        if !self.wake_by(context.waker()) {
            return Poll::Pending;
        }
        match self.shared.lock().output.take() {
            Some(output) => Poll::Ready(output),
            None => Poll::Pending,
        }
    }
}

impl<O: Outcome> std::fmt::Debug for Request<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("done", &self.test())
            .finish_non_exhaustive()
    }
}
