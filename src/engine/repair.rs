//! Repairs a pool that cannot be opened, or in which a check finds something.
//!
//! ```text
//! plan(private copy) ─▶ findings, each with what will be done and what is lost ─▶ apply(the pool, plan)
//! ```
//!
//! A plan is made by repairing a private copy of the pool, so that it tells what really comes of it. The same is then done
//! to the pool itself, which nobody may open in between; keep a copy of it until you have seen the result.
//!
//! Invariants
//! E1  no byte of an object is stored to but by the log that the last open left to be recovered.
//! E2  what could be read before can be read afterwards, at the same place.
//! Crash: a repair that was cut is done again; every step ends in a state from which the next repair starts.

use std::vec::Vec;

use super::check::first_set;
use super::{Engine, OpenOptions};
use crate::alloc::{Heap, HeapRepair, Mending};
use crate::layout::{Corrupt, Superblock};
use crate::log;
use crate::media::{Media, SpaceError};
use crate::persist::Pending;
use crate::pool::{self, Expectation, OpenError, Pool};
use crate::tx::TxError;
use crate::units::ByteOffset;

/// What is done about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// A superblock copy is stored anew from the other one. Nothing is lost.
    SuperblockCopy,
    /// A checkpoint slot is stored anew. Nothing is lost.
    Slot,
    /// The log, or both slots, cannot be read: the log is given up, and what stands at its homes stays. Lost is what
    /// committed since the last checkpoint and had not been written home; a transaction that was open then may be there
    /// in part.
    LogGivenUp,
    /// Bytes that nothing uses are made zero again. Nothing is lost.
    Unused,
    /// Something of the heap.
    Heap(HeapRepair),
}

impl Repair {
    /// Whether data may be lost, or space that nobody gets back but by an audit of what is reached.
    pub fn costs(&self) -> Option<&'static str> {
        match self {
            Repair::LogGivenUp => Some(
                "commits since the last checkpoint may be lost, and an open transaction may be there in part",
            ),
            Repair::Heap(HeapRepair::Isolated { .. }) => Some(
                "the slabs stay as they are, as one object; what they held cannot be freed one by one",
            ),
            _ => None,
        }
    }

    /// In words.
    pub fn what(&self) -> &'static str {
        match self {
            Repair::SuperblockCopy => "store a damaged superblock copy anew from the other one",
            Repair::Slot => "store a damaged checkpoint slot anew",
            Repair::LogGivenUp => "give up the log, which cannot be read",
            Repair::Unused => "clear bytes that nothing uses",
            Repair::Heap(HeapRepair::HeaderRestored) => {
                "store a slab's header anew from the slab map"
            }
            Repair::Heap(HeapRepair::EntryRestored) => {
                "store an entry of the slab map anew from its slab"
            }
            Repair::Heap(HeapRepair::MarksRestored) => "mark a run of slabs as its entry says",
            Repair::Heap(HeapRepair::StrayBitsCleared) => "clear bits that stand for nothing",
            Repair::Heap(HeapRepair::Isolated { .. }) => "isolate slabs that nothing explains",
        }
    }
}

/// One thing that is wrong, and what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub at: ByteOffset,
    /// What is done about it.
    pub repair: Repair,
}

/// What a repair does, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairPlan {
    /// Each thing that is wrong; none where the pool is well.
    pub findings: Vec<Finding>,
    /// What a check still finds afterwards.
    pub left: Vec<Corrupt>,
}

impl RepairPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.left.is_empty()
    }
}

/// Why nothing was repaired, or a repair did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepairError<E: core::error::Error + 'static> {
    /// No superblock says what is what: see [`salvage`](super::salvage).
    #[error("{0}; nothing can be repaired, but what is readable may be salvaged")]
    Open(OpenError<E>),
    /// The pool was not what the plan was made for: it has been repaired, by other steps than the plan says.
    #[error(
        "the pool had changed since its repair was planned, and was repaired as it was found: plan again to see"
    )]
    Changed,
    /// The device is full.
    #[error("no space to repair: {0}")]
    Space(#[from] SpaceError),
    /// A fence failed; the repair can be planned and done again.
    #[error("the medium failed while it was repaired: {0}")]
    Sync(E),
}

/// What a repair of the pool on `private` would do; `private` is a copy that nobody needs, and is repaired.
///
/// Errors: see [`RepairError`]. Cost: reads all metadata.
pub fn plan<M: Media>(private: &M) -> Result<RepairPlan, RepairError<M::SyncError>> {
    perform(private)
}

/// Repairs the closed pool on `media` as `plan` says; answers what a check still finds.
///
/// Errors: see [`RepairError`]. Cost: some waits. Crash: see the module.
pub fn apply<M: Media>(
    media: &M,
    plan: &RepairPlan,
) -> Result<Vec<Corrupt>, RepairError<M::SyncError>> {
    let done = perform(media)?;
    if done == *plan {
        Ok(done.left)
    } else {
        Err(RepairError::Changed)
    }
}

/// Finds and repairs, in this order: superblock, log, unused bytes, heap.
pub(super) fn perform<M: Media>(media: &M) -> Result<RepairPlan, RepairError<M::SyncError>> {
    let mut plan = RepairPlan::default();
    recover(media, &mut plan.findings)?;
    let pool = open_pool(media)?;
    let mut pending = Pending::new(pool.media());
    let geometry = pool.geometry();
    media.back(geometry.zeroed_at_create())?;
    if log::retired(&pool).is_ok_and(|retired| retired.is_some()) {
        // A damaged epoch could bring an old record back to life.
        log::clear_rings(&geometry, &mut pending);
    }
    for gap in geometry.gaps() {
        if let Some(at) = first_set(media, gap) {
            pending.fill(gap, 0);
            let repair = Repair::Unused;
            plan.findings.push(Finding { at, repair });
        }
    }
    media.back(geometry.slab_map())?;
    Heap::new(&geometry).repair(&mut Mending {
        pool: &pool,
        pending: &mut pending,
        tell: &mut |at, repair| {
            let repair = Repair::Heap(repair);
            plan.findings.push(Finding { at, repair });
        },
    });
    pending.fence().map_err(RepairError::Sync)?;
    let options = OpenOptions::default();
    let (engine, _) = Engine::open(media, &options).map_err(RepairError::Open)?;
    engine.check(|problem| plan.left.push(problem));
    Ok(plan)
}

fn open_pool<M: Media>(media: &M) -> Result<Pool<&M>, RepairError<M::SyncError>> {
    pool::open(media, &Expectation::default()).map_err(RepairError::Open)
}

/// Opens and closes the pool, so that its log is empty; gives the log up where it cannot be read.
fn recover<M: Media>(
    media: &M,
    findings: &mut Vec<Finding>,
) -> Result<(), RepairError<M::SyncError>> {
    let options = OpenOptions::default();
    let opened = match Engine::open(media, &options) {
        Err(OpenError::Corrupt(corrupt)) => {
            let pool = open_pool(media)?;
            media.back(pool.geometry().zeroed_at_create())?; // a file may have holes there
            let mut pending = Pending::new(pool.media());
            let empty = log::abandoned(&pool);
            log::renew(&pool.geometry(), pool.id(), &empty, &mut pending);
            pending.fence().map_err(RepairError::Sync)?;
            let repair = Repair::LogGivenUp;
            findings.push(Finding {
                at: corrupt.at,
                repair,
            });
            Engine::open(media, &options)
        }
        opened => opened,
    };
    let (engine, report) = opened.map_err(RepairError::Open)?;
    if let Some(copy) = report.mended_copy {
        findings.push(Finding {
            at: Superblock::AT[copy & 1],
            repair: Repair::SuperblockCopy,
        });
    }
    if let Some(slot) = report.recovery.mended_slot {
        findings.push(Finding {
            at: engine.pool().geometry().slot_at(slot),
            repair: Repair::Slot,
        });
    }
    match engine.close() {
        Err(TxError::Sync(error)) => Err(RepairError::Sync(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}
