//! Waiting for one of several requests, or for all of them, on a thread.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use super::handle::Request;
use super::operation::Outcome;

/// Something that ends, and wakes who waits for it.
pub trait Completion {
    /// Whether it has ended.
    fn is_complete(&self) -> bool;

    /// Has `waker` woken at the end, once however often it is given; answers whether the end has come already, and
    /// then wakes nobody.
    fn wake_by(&self, waker: &Waker) -> bool;
}

impl<C: Completion + ?Sized> Completion for &C {
    fn is_complete(&self) -> bool {
        (**self).is_complete()
    }

    fn wake_by(&self, waker: &Waker) -> bool {
        (**self).wake_by(waker)
    }
}

impl<C: Completion + ?Sized> Completion for Box<C> {
    fn is_complete(&self) -> bool {
        (**self).is_complete()
    }

    fn wake_by(&self, waker: &Waker) -> bool {
        (**self).wake_by(waker)
    }
}

/// Unparks a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// This thread's waker: always the same one, so that a request which is asked again does not collect more of them.
fn own_waker() -> Waker {
    std::thread_local! {
        static OWN: Waker = Waker::from(Arc::new(Unpark(thread::current())));
    }
    OWN.try_with(Waker::clone)
        .unwrap_or_else(|_| Waker::from(Arc::new(Unpark(thread::current()))))
}

/// Parks this thread until one of `requests` has ended, or until the moment comes; answers which.
fn park_for<C: Completion>(requests: &[C], until: Option<Instant>) -> Option<usize> {
    let waker = own_waker();
    loop {
        let ended = requests.iter().position(|request| request.wake_by(&waker));
        if ended.is_some() {
            return ended;
        }
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(left) if left.is_zero() => return None,
            Some(left) => thread::park_timeout(left),
        }
    }
}

/// Parks this thread until `request` has ended, or until the moment comes; answers whether it has ended.
pub(super) fn park_until<C: Completion>(request: &C, until: Option<Instant>) -> bool {
    park_for(&[request], until).is_some()
}

/// Waits until one of `requests` has ended and answers its index; `None` where there are none.
pub fn wait_any<C: Completion>(requests: &[C]) -> Option<usize> {
    if requests.is_empty() {
        return None;
    }
    park_for(requests, None)
}

/// Waits until all of `requests` have ended. Errors: that of the first in the slice which failed.
pub fn wait_all<O: Outcome>(requests: &[Request<O>]) -> Result<(), O::Error> {
    let mut first = Ok(());
    for request in requests {
        first = first.and(request.wait());
    }
    first
}
