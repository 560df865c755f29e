//! Repairs a whole pool: first what lies below the stores, so that it opens, then the regions.

use everline::engine::{self, Engine, OpenOptions, RepairError, RepairPlan};
use everline::media::Media;
use everline::pool::OpenError;

use super::{RepairOptions, RepairReport, repair};
use crate::RegionError;

/// What was done to a pool, and what is wrong with it still.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolRepair {
    /// Superblocks, slots, log, heap.
    pub below: RepairPlan,
    /// The region store.
    pub regions: RepairReport,
}

impl PoolRepair {
    /// Whether nothing was wrong that a repair does something about.
    pub fn is_idle(&self) -> bool {
        self.below.findings.is_empty() && self.regions.done.is_empty()
    }

    /// Whether nothing is wrong any more but lost space.
    pub fn is_sound(&self) -> bool {
        self.below.left.is_empty() && self.regions.is_sound()
    }
}

/// Why a pool was not repaired, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolRepairError<E: std::error::Error + 'static> {
    /// Below the stores.
    #[error(transparent)]
    Below(#[from] RepairError<E>),
    /// It does not open, though nothing below the stores is wrong.
    #[error(transparent)]
    Open(#[from] OpenError<E>),
    /// In the region store.
    #[error(transparent)]
    Regions(#[from] RegionError<E>),
}

/// Repairs the closed pool on `media`. Where `plan` is given, that is what a repair of a private copy has found below the
/// stores, and another state of the pool is refused; else `media` is such a copy.
///
/// Errors: see [`PoolRepairError`]; what was done until then is durable. Crash: a further repair does what is left.
pub fn repair_pool<M: Media>(
    media: &M,
    plan: Option<&RepairPlan>,
    options: &RepairOptions,
) -> Result<PoolRepair, PoolRepairError<M::SyncError>> {
    let below = match plan {
        None => engine::plan(media)?,
        Some(plan) => RepairPlan {
            left: engine::apply(media, plan)?,
            findings: plan.findings.clone(),
        },
    };
    let (engine, _) = Engine::open(media, &OpenOptions::default())?;
    let regions = repair(&engine, options)?;
    engine.close().map_err(RegionError::from)?;
    Ok(PoolRepair { below, regions })
}
