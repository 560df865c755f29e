//! Receipts of commits, and tickets for those that become durable later.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::{Condvar, Mutex};

use crate::KvError;

/// What a commit reached.
#[derive(Clone, Debug)]
pub struct Receipt<E: std::error::Error + 'static> {
    /// The commit's number: later commits have higher ones while the store is open. That of the last commit where nothing
    /// was changed.
    pub sequence: u64,
    /// The timestamp (LSN) of the log record that holds the commit, which also grows from one opening of the pool to the
    /// next; 0 where nothing was changed, or where it is not durable yet.
    pub lsn: u64,
    /// Whether the commit was durable when it returned.
    pub durable: bool,
    /// For a commit that is not durable yet: tells when it is.
    pub ticket: Option<Ticket<E>>,
}

/// Tells when a commit is durable: ask it, wait for it, or await it.
#[derive(Clone, Debug)]
pub struct Ticket<E: std::error::Error + 'static> {
    sequence: u64,
    progress: Arc<Progress<E>>,
}

/// How far commits are durable.
#[derive(Debug)]
pub(crate) struct Progress<E: std::error::Error + 'static> {
    state: Mutex<State<E>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<E: std::error::Error + 'static> {
    durable: u64,
    failure: Option<KvError<E>>,
    wakers: Vec<Waker>,
}

impl<E: std::error::Error + Clone + 'static> Progress<E> {
    pub fn new(durable: u64) -> Self {
        Progress {
            state: Mutex::new(State {
                durable,
                failure: None,
                wakers: Vec::new(),
            }),
            changed: Condvar::new(),
        }
    }

    pub fn ticket(self: &Arc<Self>, sequence: u64) -> Ticket<E> {
        Ticket {
            sequence,
            progress: Arc::clone(self),
        }
    }

    /// Commits up to `sequence` are durable.
    pub fn reach(&self, sequence: u64) {
        self.change(|state| {
            state.durable = state.durable.max(sequence);
            state.failure = None;
        });
    }

    /// The next commits could not be made durable; some later attempt may.
    pub fn fail(&self, failure: KvError<E>) {
        self.change(|state| state.failure = Some(failure));
    }

    fn change(&self, change: impl FnOnce(&mut State<E>)) {
        let mut state = self.state.lock();
        change(&mut state);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Why commits are not made durable, if so.
    pub fn failure(&self) -> Option<KvError<E>> {
        self.state.lock().failure.clone()
    }
}

impl<E: std::error::Error + Clone + 'static> State<E> {
    fn outcome(&self, sequence: u64) -> Option<Result<(), KvError<E>>> {
        if self.durable >= sequence {
            return Some(Ok(()));
        }
        let cause = Box::new(self.failure.clone()?);
        Some(Err(KvError::Behind { cause }))
    }
}

impl<E: std::error::Error + Clone + 'static> Ticket<E> {
    /// The commit's number.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether the commit is durable by now. Errors: [`KvError::Behind`] where the last attempt failed.
    pub fn is_durable(&self) -> Result<bool, KvError<E>> {
        let outcome = self.progress.state.lock().outcome(self.sequence);
        outcome.map_or(Ok(false), |outcome| outcome.map(|()| true))
    }

    /// Waits until the commit is durable, or an attempt has failed ([`KvError::Behind`]).
    ///
    /// With a [`ManualClock`](crate::ManualClock) some other thread must do what is due.
    pub fn wait(&self) -> Result<(), KvError<E>> {
        let mut state = self.progress.state.lock();
        loop {
            if let Some(outcome) = state.outcome(self.sequence) {
                return outcome;
            }
            self.progress.changed.wait(&mut state);
        }
    }
}

impl<E: std::error::Error + Clone + 'static> Future for Ticket<E> {
    type Output = Result<(), KvError<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.progress.state.lock();
        match state.outcome(self.sequence) {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                // Whoever asks again and again is woken once.
                let waker = context.waker();
                if !state.wakers.iter().any(|known| known.will_wake(waker)) {
                    state.wakers.push(waker.clone());
                }
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn a_ticket_that_is_asked_often_keeps_one_waker() {
        let progress = Arc::new(Progress::<Infallible>::new(0));
        let mut ticket = progress.ticket(1);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            assert!(Pin::new(&mut ticket).poll(&mut context).is_pending());
        }
        assert_eq!(progress.state.lock().wakers.len(), 1);
        progress.reach(1);
        assert!(Pin::new(&mut ticket).poll(&mut context).is_ready());
    }
}
