//! The store: opening it, its keyspaces and transactions, what makes commits durable, and its end.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use everline::log::CheckpointReport;
use everline::media::Media;
use everline_region::Regions;

use crate::background;
use crate::catalogue;
use crate::claim::Claim;
use crate::core::{Core, Outcome, Writer};
use crate::lead::Committed;
use crate::space_state::DEFAULT_NAME;
use crate::table::TransactionInfo;
use crate::ticket::Ticket;
use crate::{Isolation, KvError, Receipt, Space, StoreOptions, Transaction};

/// An open key-value store. Dereferences to its default [`Space`] for every operation on keys.
///
/// Cheap to clone; `Send` and `Sync`: threads share it. It lives beside regions in their pool. Dropping it stores nothing:
/// what is not durable yet in the weaker modes is lost then, as in a crash; [`Store::close`] makes it durable.
pub struct Store<M: Media> {
    default: Space<M>,
}

impl<M: Media> Clone for Store<M> {
    fn clone(&self) -> Self {
        Store {
            default: self.default.clone(),
        }
    }
}

impl<M: Media> fmt::Debug for Store<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("applied", &self.core().applied())
            .finish_non_exhaustive()
    }
}

impl<M: Media> Deref for Store<M> {
    type Target = Space<M>;

    #[inline]
    fn deref(&self) -> &Space<M> {
        &self.default
    }
}

impl<M: Media + Send + Sync + 'static> Store<M> {
    /// Opens the store in the pool of `regions`, and makes it where there is none. One store at a time may be open in a pool.
    ///
    /// Errors: [`KvError::AlreadyOpen`]; [`KvError::NoStore`] in a read-only pool without one; no space; damage. Cost: reads the names of the keyspaces
    /// and the root of each tree, whatever they hold; one wait for a new store. Crash: no store or an empty one.
    pub fn open(regions: Arc<Regions<M>>, options: &StoreOptions) -> Outcome<Self, M> {
        let begun = std::time::Instant::now();
        let claim = Claim::on(&regions).ok_or(KvError::AlreadyOpen)?;
        let (catalogue, spaces) = catalogue::open(&regions, &options.tree)?;
        let Some(state) = spaces.get(DEFAULT_NAME).cloned() else {
            return Err(catalogue::no_default(&catalogue).into());
        };
        let mut core = Core::new(regions, catalogue, spaces, options, claim);
        core.recovery_time += begun.elapsed();
        let core = Arc::new(core);
        core.finish_drops()?;
        if let Err(error) = background::start(&core) {
            return Err(KvError::NoThread {
                reason: error.to_string(),
            });
        }
        Ok(Store {
            default: Space { core, state },
        })
    }
}

impl<M: Media> Store<M> {
    pub(crate) fn core(&self) -> &Arc<Core<M>> {
        &self.default.core
    }

    /// The regions of the same pool.
    pub fn regions(&self) -> &Arc<Regions<M>> {
        &self.core().regions
    }

    /// The default keyspace, which this dereferences to.
    pub fn default_space(&self) -> &Space<M> {
        &self.default
    }

    /// The keyspace `name`. Errors: [`KvError::NoSuchSpace`]. Cost: no wait.
    pub fn space(&self, name: &str) -> Outcome<Space<M>, M> {
        self.core().serving()?;
        match self.core().spaces.read().get(name) {
            Some(state) => Ok(self.handle(state)),
            None => Err(KvError::NoSuchSpace {
                name: name.to_owned(),
            }),
        }
    }

    /// The names of all keyspaces in order; the first is the default one's, which is empty.
    pub fn spaces(&self) -> Vec<String> {
        let spaces = self.core().spaces.read();
        spaces.iter().map(|state| state.name.clone()).collect()
    }

    /// Makes the keyspace `name`: 1 to 255 bytes without control characters.
    ///
    /// Errors: the name; no space. Cost: one wait in every mode, and what is not durable yet becomes so first. Crash: it is
    /// there, empty, or not.
    pub fn create_space(&self, name: &str) -> Outcome<Space<M>, M> {
        let state = self.core().create_space(name)?;
        Ok(self.handle(&state))
    }

    /// Removes the keyspace `name` with all its keys; who has it open is told [`KvError::NoSuchSpace`].
    ///
    /// Errors: there is none; the default keyspace stays; the commit fails, and it is there as it was. Once it is gone the
    /// answer is `Ok`, also where not all of it could be freed. Cost: a wait, and one for each so many thousand keys. Crash:
    /// it is there whole, or gone; what was not freed yet is freed at the next opening.
    pub fn drop_space(&self, name: &str) -> Outcome<(), M> {
        self.core().drop_space(name)
    }

    fn handle(&self, state: &Arc<crate::space_state::SpaceState>) -> Space<M> {
        Space {
            core: Arc::clone(self.core()),
            state: Arc::clone(state),
        }
    }

    /// Begins a transaction with snapshot isolation. Errors: the store is closed. Cost: no wait.
    pub fn begin(&self) -> Outcome<Transaction<M>, M> {
        self.begin_with(Isolation::Snapshot)
    }

    /// Begins a transaction. Errors: the store is closed. Cost: no wait.
    pub fn begin_with(&self, isolation: Isolation) -> Outcome<Transaction<M>, M> {
        Transaction::begin(&self.default, isolation)
    }

    /// The open transactions, in the order in which they began.
    pub fn transactions(&self) -> Vec<TransactionInfo> {
        let core = self.core();
        let now = core.clock.now();
        let open = core.table.lock().all();
        open.iter().map(|shared| shared.info(now)).collect()
    }

    /// Makes every commit that has returned durable. Errors: [`KvError::Behind`]. Cost: none in SYNC; else a wait for each
    /// few MiB.
    pub fn sync(&self) -> Outcome<(), M> {
        self.core().serving()?;
        match &self.core().window {
            Some(window) => self.core().flush(window),
            None => Ok(()),
        }
    }

    /// Tells when every commit that has returned is durable; `None` where all of them are.
    pub fn ticket(&self) -> Option<Ticket<M::SyncError>> {
        self.core().ticket(self.core().applied())
    }

    /// Makes every commit durable at its home, and retires the log: the next opening replays nothing of it. Open transactions
    /// go on. Errors: [`KvError::Behind`], and those of the medium. Cost: as of [`Store::sync`], and two waits.
    pub fn checkpoint(&self) -> Outcome<CheckpointReport, M> {
        self.core().serving()?;
        self.core().checkpoint()
    }

    /// Does what is due by the store's clock: flushes and checkpoints. For stores with a
    /// [`ManualClock`](crate::ManualClock); elsewhere a thread does it. Errors: those of what it does; that stays due.
    pub fn run_due(&self) -> Outcome<(), M> {
        self.core().serving()?;
        self.core().run_due()
    }

    /// Ends the store for all its handles: open transactions are aborted, every commit becomes durable, and the log is empty.
    /// The pool stays open; nothing in the background holds it any more. The second time it does nothing, and not before
    /// the first is done.
    ///
    /// Errors: [`KvError::Behind`], and those of the medium; the store is closed all the same. Which commits are lost with
    /// it, their tickets tell.
    pub fn close(&self) -> Outcome<(), M> {
        let core = self.core();
        let mut claim = core.claim.lock(); // whoever comes second waits here
        let mut closed = Ok(());
        if core.shut() {
            core.signal.stop();
            core.abort_all();
            let mut writer = core.writer(); // whoever commits has done so
            closed = self.empty(&mut writer);
        }
        if let Some(thread) = core.thread.get() {
            thread.join();
        }
        drop(claim.take());
        closed
    }

    /// Makes what waits durable, and the log empty.
    fn empty(&self, writer: &mut Writer) -> Outcome<(), M> {
        let core = self.core();
        if core.engine().is_read_only() {
            return Ok(());
        }
        if let Some(window) = &core.window {
            drop(window.lock());
            core.flush_with(window, writer)?;
        }
        Ok(core.engine().checkpoint().map(drop)?)
    }
}

impl<M: Media> Core<M> {
    /// What a commit's caller is told.
    #[inline]
    pub fn receipt(&self, committed: &Committed) -> Receipt<M::SyncError> {
        let ticket = match &self.window {
            Some(_) => self.ticket(committed.sequence),
            None => None,
        };
        Receipt {
            sequence: committed.sequence,
            lsn: committed.lsn,
            durable: ticket.is_none(),
            ticket,
        }
    }

    fn ticket(&self, sequence: u64) -> Option<Ticket<M::SyncError>> {
        let window = self.window.as_ref()?;
        let ticket = window.progress.ticket(sequence);
        (!matches!(ticket.is_durable(), Ok(true))).then_some(ticket)
    }
}
