//! Whether a pool still serves those who have it open.
//!
//! ```text
//! serving ─ begin_move ─▶ moving ─ the move failed ─▶ serving
//!    └──── retire ─────────┴──── it is over ────────▶ closed, destroyed, moved: for good
//! ```

use std::sync::atomic::{AtomicU8, Ordering, fence};

use everline::media::Media;
use everline::tx::Tx;

use crate::{RegionError, Regions, Retirement};

const SERVING: u8 = 0;

/// Every way of not serving, in the order of their numbers, which begin at 1.
const WAYS: [Retirement; 4] = [
    Retirement::Closed,
    Retirement::Destroyed,
    Retirement::Moved,
    Retirement::Moving,
];

/// Volatile state of an open pool.
#[derive(Debug, Default)]
pub(crate) struct Service(AtomicU8);

fn number(why: Retirement) -> u8 {
    let at = WAYS.iter().position(|way| *way == why);
    at.map_or(SERVING, |at| at as u8 + 1)
}

impl Service {
    /// Why the pool does not serve, if so.
    #[inline]
    fn why(&self) -> Option<Retirement> {
        // Acquire: who sees that a pool is moved sees what was done before that.
        match self.0.load(Ordering::Acquire) {
            SERVING => None,
            number => WAYS.get(usize::from(number) - 1).copied(),
        }
    }

    fn change(&self, from: u8, to: u8) -> bool {
        let changed = self
            .0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
        changed.is_ok()
    }
}

/// A pool that serves nobody while it is being moved; dropped without [`Moving::over`], it serves again.
#[derive(Debug)]
pub(crate) struct Moving<'r> {
    service: &'r Service,
}

impl Moving<'_> {
    /// The pool is somewhere else now.
    pub fn over(self) {
        self.service
            .change(number(Retirement::Moving), number(Retirement::Moved));
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        // Does nothing once the move is over.
        self.service.change(number(Retirement::Moving), SERVING);
    }
}

impl<M: Media> Regions<M> {
    /// Makes every later operation answer [`RegionError::Retired`]; the first reason stays. Operations that run
    /// meanwhile end as they would have.
    pub fn retire(&self, why: Retirement) {
        let service = self.service();
        let _first = service.change(SERVING, number(why))
            || service.change(number(Retirement::Moving), number(why));
    }

    /// Whether the pool serves; for stores beside the regions. Errors: [`RegionError::Retired`]. Cost: one load.
    #[inline]
    pub fn serving(&self) -> Result<(), RegionError<M::SyncError>> {
        self.in_service()
    }

    /// Errors: [`RegionError::Retired`].
    #[inline]
    pub(crate) fn in_service(&self) -> Result<(), RegionError<M::SyncError>> {
        match self.service().why() {
            None => Ok(()),
            Some(why) => Err(RegionError::Retired { why }),
        }
    }

    /// As [`Regions::in_service`], for whoever holds a slot whose page may be new: either he sees a move that has
    /// begun, or the move sees the slot.
    pub(crate) fn in_service_still(&self) -> Result<(), RegionError<M::SyncError>> {
        fence(Ordering::SeqCst); // pairs with the fence in `begin_move`
        self.in_service()
    }

    /// A transaction of the core, for stores beside the regions: with its lane, which whoever moves the pool waits for, the
    /// pool still serves. Errors: [`RegionError::Retired`], read-only, poisoned. Cost: no wait.
    pub fn begin(&self) -> Result<Tx<'_, M>, RegionError<M::SyncError>> {
        self.in_service()?;
        let tx = self.engine().begin()?;
        self.in_service()?;
        Ok(tx)
    }

    /// Lets nobody in any more and waits until everybody is out of the regions. Transactions under way are another
    /// matter: [`Manager::pause`](everline::tx::Manager::pause) waits for those, and [`Regions::begin`] asks again.
    ///
    /// Errors: [`RegionError::Retired`]; [`RegionError::InUse`] where a view leads into a region.
    pub(crate) fn begin_move(&self) -> Result<Moving<'_>, RegionError<M::SyncError>> {
        let service = self.service();
        while !service.change(SERVING, number(Retirement::Moving)) {
            self.in_service()?; // unless it serves again by now
        }
        let moving = Moving { service };
        fence(Ordering::SeqCst); // pairs with the fence in `in_service_still`
        self.slots().each(|slot| {
            let state = slot.hold();
            match (slot.views(), &*state) {
                (views @ 1.., Some(live)) => Err(RegionError::InUse { id: live.id, views }),
                _ => Ok(()),
            }
        })?;
        Ok(moving)
    }
}
