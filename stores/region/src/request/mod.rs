//! Operations that run behind the caller's back: issued at once, waited for, polled or awaited later.
//!
//! ```text
//! issue ─▶ table: what waits and what runs, in issue order ─▶ ready ─▶ worker ─▶ Request: wait, test, timeout, await
//!   └──── small and nothing in the way: on the caller's own thread ─────────────────▲
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `operation.rs` | what can be issued: work, what it touches, what it answers |
//! | `operations.rs` | the operations of [`Regions`], each as a request |
//! | `table.rs` | who must wait for whom, and how many there may be |
//! | `worker.rs` | threads that do the work |
//! | `handle.rs`, `wait.rs` | one request; several of them |
//! | `buffers.rs`, `stream.rs` | transfers in pieces, through a bounded number of buffers |
//!
//! There is no runtime here: a [`Request`] is a plain future that any executor can poll, and a thread can wait for.
//!
//! Invariants
//! Q1  two operations of which one changes what the other touches run one after the other, in issue order.
//! Q2  at most `queue_depth` operations wait or run; issue waits for room, `try_issue` gives the operation back.
//! Q3  issue never fails: whatever is wrong is the request's answer, and every wait repeats it.
//! Q4  an operation owns its buffers until it answers; a request that is dropped leaves it running to its end.
//! Q5  an operation depends only on earlier ones, so that some operation is always ready: no deadlock at any depth.
//!
//! Crash: as of each operation; what was not answered may be done or not.

mod buffers;
mod handle;
mod operation;
mod operations;
mod stream;
mod table;
mod wait;
mod worker;

pub use handle::Request;
pub use operation::{Operation, Outcome, Touch};
pub use stream::TransferError;
pub use wait::{Completion, wait_all, wait_any};

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use everline::media::Media;

use crate::target::{ConfigError, RequestConfig, TransferConfig};
use crate::{RegionError, Regions};
use buffers::Buffers;
use worker::Pool;

/// What an operation without buffers answers.
pub type Answer<M, T> = Result<T, RegionError<<M as Media>::SyncError>>;

/// What an operation answers that was lent a buffer, and the buffer.
pub type BufferAnswer<M, T> = (Answer<M, T>, Vec<u8>);

/// Why no requests can be made.
#[derive(Debug, thiserror::Error)]
pub enum RequestsError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system gives no more threads.
    #[error("cannot start worker {number} of {workers} ({reason}); configure fewer \"workers\"")]
    NoThread {
        /// Which one, from 1.
        number: u32,
        /// How many were to be started.
        workers: u32,
        /// What the system said.
        reason: io::Error,
    },
}

/// Threads that run operations on the regions of one pool.
///
/// `Send` and `Sync`: threads share it. Dropping it waits until everything issued has run; dropped by an operation of its
/// own, it lets the rest run on.
pub struct Requests<M: Media + Send + Sync + 'static> {
    pool: Arc<Pool<M>>,
    workers: Vec<JoinHandle<()>>,
    buffers: Arc<Buffers>,
    eager_threshold: u64,
}

impl<M: Media + Send + Sync + 'static> Requests<M> {
    /// Starts the workers. `transfer` says how streamed transfers are cut; by default two buffers of 1 MiB.
    ///
    /// Errors: [`RequestsError`]; no thread is left behind.
    pub fn new(
        regions: Arc<Regions<M>>,
        config: &RequestConfig,
        transfer: Option<&TransferConfig>,
    ) -> Result<Self, RequestsError> {
        config.check()?;
        let default = TransferConfig {
            num_pools: 1,
            num_buffers_per_pool: 2,
            first_buffer_size: 1 << 20,
            buffer_size_multiplier: 2,
        };
        let transfer = transfer.unwrap_or(&default);
        transfer.check()?;
        let pool = Arc::new(Pool::new(regions, config.queue_depth as usize));
        let mut requests = Requests {
            pool,
            workers: Vec::with_capacity(config.workers as usize),
            buffers: Arc::new(Buffers::new(transfer)),
            eager_threshold: config.eager_threshold,
        };
        for number in 1..=config.workers {
            let started = Pool::start(&requests.pool, number);
            requests
                .workers
                .push(started.map_err(|reason| RequestsError::NoThread {
                    number,
                    workers: config.workers,
                    reason,
                })?);
        }
        Ok(requests)
    }

    /// The regions that the operations run on.
    pub fn regions(&self) -> &Arc<Regions<M>> {
        self.pool.regions()
    }

    /// Operations that wait or run now.
    pub fn in_flight(&self) -> usize {
        self.pool.in_flight()
    }

    /// Issues `operation`; waits while there are `queue_depth` others (Q2). Never fails (Q3).
    pub fn issue<O: Outcome>(&self, operation: Operation<M, O>) -> Request<O> {
        let (request, work, eager) = self.prepare(operation);
        self.pool.issue(work, eager);
        request
    }

    /// As [`Requests::issue`], but never waits for room: gives the operation with its buffers back where there is
    /// none.
    pub fn try_issue<O: Outcome>(
        &self,
        operation: Operation<M, O>,
    ) -> Result<Request<O>, Operation<M, O>> {
        let Some(room) = self.pool.try_room() else {
            return Err(operation);
        };
        let (request, work, eager) = self.prepare(operation);
        self.pool.issue_in(room, work, eager);
        Ok(request)
    }

    fn prepare<O: Outcome>(
        &self,
        operation: Operation<M, O>,
    ) -> (Request<O>, worker::Work<M>, bool) {
        let eager = operation.is_small(self.eager_threshold);
        let (request, work) = operation.split(|id| self.regions().may_grow(id));
        (request, work, eager)
    }

    fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }
}

impl<M: Media + Send + Sync + 'static> Drop for Requests<M> {
    fn drop(&mut self) {
        self.pool.finish();
        let own = std::thread::current().id();
        if self
            .workers
            .iter()
            .any(|worker| worker.thread().id() == own)
        {
            // An operation held the last handle: nobody can wait for the one that runs this. The workers end by
            // themselves when it has.
            return;
        }
        for worker in self.workers.drain(..) {
            // A worker contains what panics in an operation; there is nothing else to learn here.
            drop(worker.join());
        }
    }
}

impl<M: Media + Send + Sync + 'static> std::fmt::Debug for Requests<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requests")
            .field("workers", &self.workers.len())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
