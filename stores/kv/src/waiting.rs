//! The queue of commits that wait for a leader.
//!
//! Whoever cannot have the writers' lock at once puts its request here and sleeps. Whoever lets go of the lock wakes the
//! first of the queue, which takes the lock, leads all that have gathered, and wakes each with its answer.
//!
//! Nobody sleeps for ever: a request is queued before the lock is tried once more, and the lock is let go of before the
//! queue is looked at, each with a fence in between. One of the two sees the other (K6).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::thread::Thread;

use parking_lot::Mutex;

/// A request and, in the end, its answer.
#[derive(Debug)]
pub(crate) struct Waiter<R, A> {
    pub request: R,
    thread: Thread,
    answer: Mutex<Option<A>>,
    answered: AtomicBool,
}

impl<R, A> Waiter<R, A> {
    /// The answer, once it is there.
    pub fn take(&self) -> Option<A> {
        // Acquire pairs with the release in `answer`.
        if !self.answered.load(Ordering::Acquire) {
            return None;
        }
        self.answer.lock().take()
    }

    /// Whether it was answered.
    pub fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Acquire) // as in `take`
    }

    /// Answers, and wakes whoever waits.
    pub fn answer(&self, answer: A) {
        *self.answer.lock() = Some(answer);
        self.answered.store(true, Ordering::Release); // pairs with `take`
        self.thread.unpark();
    }
}

/// Requests in their order.
#[derive(Debug)]
pub(crate) struct Waiting<R, A> {
    queue: Mutex<VecDeque<Arc<Waiter<R, A>>>>,
    len: AtomicUsize,
}

impl<R, A> Default for Waiting<R, A> {
    fn default() -> Self {
        Waiting {
            queue: Mutex::default(),
            len: AtomicUsize::new(0),
        }
    }
}

impl<R, A> Waiting<R, A> {
    /// Whether nobody waits, as far as one can see without a lock.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0 // Relaxed: a courtesy, or behind a fence
    }

    /// Puts a request of this thread behind the others.
    pub fn push(&self, request: R) -> Arc<Waiter<R, A>> {
        let waiter = Arc::new(Waiter {
            request,
            thread: std::thread::current(),
            answer: Mutex::new(None),
            answered: AtomicBool::new(false),
        });
        let mut queue = self.queue.lock();
        queue.push_back(Arc::clone(&waiter));
        self.len.store(queue.len(), Ordering::Relaxed); // the fence orders it
        drop(queue);
        fence(Ordering::SeqCst); // keeps K6
        waiter
    }

    /// Takes up to `most` requests from the front.
    pub fn take(&self, most: usize) -> Vec<Arc<Waiter<R, A>>> {
        let mut queue = self.queue.lock();
        let count = queue.len().min(most);
        let taken = queue.drain(..count).collect();
        self.len.store(queue.len(), Ordering::Relaxed); // a later look sees it or more
        taken
    }

    /// Wakes the first, if there is one; called behind the release of the lock.
    #[inline]
    pub fn wake_first(&self) {
        fence(Ordering::SeqCst); // keeps K6
        if !self.is_empty() {
            self.unpark_first();
        }
    }

    #[cold]
    fn unpark_first(&self) {
        if let Some(first) = self.queue.lock().front() {
            first.thread.unpark();
        }
    }
}
