//! Work that waits for a medium, on threads of the module's own: its future is woken by whoever has done the work, so
//! that it needs no runtime and blocks none.
//!
//! ```text
//! await ─▶ queue ─▶ thread: work ─▶ answer, wake ─▶ await returns
//! ```
//!
//! Work that was begun ends, whether or not somebody still waits for it: a future that is dropped gives up the answer
//! and not the work. Work that was still queued when the threads were told to stop is done before they end.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

type Job = Box<dyn FnOnce() + Send>;

/// Threads that do work in the order in which it came; several at a time.
#[derive(Debug)]
pub(super) struct Workers {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<Jobs>,
    more: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    closed: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Queue {
    /// The next job; `None` once there is none and there will be none.
    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock();
        loop {
            match jobs.waiting.pop_front() {
                Some(job) => return Some(job),
                None if jobs.closed => return None,
                None => self.more.wait(&mut jobs),
            }
        }
    }
}

impl Workers {
    /// Starts `count` threads. Errors: the system gives none.
    pub fn start(count: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let mut workers = Workers {
            queue: Arc::clone(&queue),
            threads: Vec::new(),
        };
        for number in 0..count {
            let queue = Arc::clone(&queue);
            let thread = std::thread::Builder::new()
                .name(format!("pmem-{number}"))
                .spawn(move || {
                    while let Some(job) = queue.next() {
                        // Whoever waits learns of a panic through the promise that it drops.
                        drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)));
                    }
                })?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Has `work` done, and answers with what becomes of it.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Work<T> {
        let cell = Arc::new(Mutex::new(Cell::Waiting(None)));
        let promise = Promise(Arc::clone(&cell));
        self.queue.jobs.lock().waiting.push_back(Box::new(move || {
            let answer = work();
            promise.keep(answer);
        }));
        self.queue.more.notify_one();
        Work(cell)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue.jobs.lock().closed = true;
        self.queue.more.notify_all();
        let own = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // The last owner may be a job; a thread cannot wait for itself, and ends right after.
            if thread.thread().id() != own {
                drop(thread.join());
            }
        }
    }
}

#[derive(Debug)]
enum Cell<T> {
    Waiting(Option<Waker>),
    Done(T),
    /// The work panicked, or its answer was taken.
    Gone,
}

/// The worker's end of an answer.
struct Promise<T>(Arc<Mutex<Cell<T>>>);

impl<T> Promise<T> {
    fn keep(self, answer: T) {
        self.settle(Cell::Done(answer));
    }

    fn settle(&self, outcome: Cell<T>) {
        let mut cell = self.0.lock();
        if let Cell::Waiting(waker) = &mut *cell {
            let waker = waker.take();
            *cell = outcome;
            drop(cell);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.settle(Cell::Gone);
    }
}

/// The future of an answer: `None` where the work panicked.
#[derive(Debug)]
pub(super) struct Work<T>(Arc<Mutex<Cell<T>>>);

impl<T> Future for Work<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut cell = self.0.lock();
        match std::mem::replace(&mut *cell, Cell::Gone) {
            Cell::Done(answer) => Poll::Ready(Some(answer)),
            Cell::Gone => Poll::Ready(None),
            Cell::Waiting(_) => {
                *cell = Cell::Waiting(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Unpark(std::thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut future = std::pin::pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    #[test]
    fn work_is_answered_and_a_panic_is_no_hang() {
        let workers = Workers::start(2).expect("threads");
        assert_eq!(block_on(workers.run(|| 7)), Some(7));
        let panicked = workers.run(|| -> u8 { std::panic::resume_unwind(Box::new(())) });
        assert_eq!(block_on(panicked), None);
        assert_eq!(block_on(workers.run(|| 8)), Some(8), "the thread lives");
    }

    #[test]
    fn what_was_queued_is_done_although_nobody_waits_any_more() {
        static DONE: AtomicUsize = AtomicUsize::new(0);
        let workers = Workers::start(1).expect("threads");
        for _ in 0..100 {
            // Relaxed: read after the threads were joined.
            drop(workers.run(|| DONE.fetch_add(1, Ordering::Relaxed)));
        }
        drop(workers);
        assert_eq!(DONE.load(Ordering::Relaxed), 100);
    }
}
