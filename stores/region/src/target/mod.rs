//! Targets: a pool of regions with the configuration that opened it, whatever keeps its bytes.
//!
//! ```text
//! TargetConfig (JSON) ─▶ Target::open ─▶ Target ─ derefs to ─▶ Regions<Preserved<TargetMedia>> ─▶ mapped file, file, memory
//!                                          ├─ report(): what open found and did
//!                                          └─ config(): what is in force, which opens the same pool again
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `config.rs`, `fields.rs`, `transfer.rs`, `size.rs` | what can be configured, and how it is read |
//! | `open.rs`, `verify.rs`, `report.rs`, `error.rs` | ways to a target, and how they went |
//! | `moves.rs` | snapshots of it, and moving it |
//! | `life.rs` | close, destroy, and whether the file is still what was opened |
//! | `media.rs` | one medium for every kind |
//! | `space.rs` | space in numbers, and alarms |
//! | `provider.rs` | several targets from one document |
//!
//! Invariants
//! T1  a file that is there is opened or refused; only `override_if_exists` puts another in its place.
//! T2  after destroy, every handle to the regions answers an error, and nothing is stored any more.
//! Crash: a pool is whole or absent after create, replace and destroy.

mod config;
mod error;
mod fields;
mod life;
mod media;
mod moves;
mod open;
mod provider;
mod report;
mod size;
mod space;
mod transfer;
mod verify;

pub use config::{RecoveryMode, TargetConfig, TargetKind};
pub use error::{ConfigError, TargetError};
pub(crate) use fields::Fields;
pub use media::TargetMedia;
pub use provider::Provider;
pub use report::{OpenMessage, TargetReport};
pub use size::{ParseSizeError, parse_size};
pub use space::{Alarm, Measure, Space, Thresholds, payload_min};
pub use transfer::{RequestConfig, TransferConfig};

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use everline::media::preserve::Preserved;
use serde_json::Value;

use crate::{Regions, Requests, RequestsError};

/// The regions of a target, whatever keeps their bytes; one moment of them can be copied while stores go on.
pub type TargetRegions = Regions<Preserved<TargetMedia>>;

/// An open pool of regions with its configuration. Dereferences to [`Regions`] for every operation.
///
/// `Send` and `Sync`: threads share it. Dropping it stores nothing and releases the pool's lock once nobody holds
/// [`Target::regions`] any more; what was acknowledged is durable.
#[derive(Debug)]
pub struct Target {
    regions: Arc<TargetRegions>,
    config: TargetConfig,
    report: TargetReport,
    /// Path or kind, for errors.
    place: String,
}

impl Deref for Target {
    type Target = TargetRegions;

    fn deref(&self) -> &TargetRegions {
        &self.regions
    }
}

impl Target {
    /// The configuration in force: the effective path and size, nothing to replace. Opens the same pool again.
    pub fn config(&self) -> &TargetConfig {
        &self.config
    }

    /// The configuration in force as JSON: `{"type", "config": {"path", "size", …}, "transfer_manager"}`.
    pub fn config_json(&self) -> Value {
        self.config.clone().into()
    }

    /// What open found and did.
    pub fn report(&self) -> &TargetReport {
        &self.report
    }

    /// The pool's file from the root; none for memory.
    pub fn path(&self) -> Option<&Path> {
        self.report.path.as_deref()
    }

    /// Starts workers for asynchronous operations, as the configuration says: see [`Requests`].
    pub fn requests(&self) -> Result<Requests<Preserved<TargetMedia>>, RequestsError> {
        let (regions, config) = (Arc::clone(&self.regions), &self.config);
        Requests::new(regions, &config.requests, config.transfer.as_ref())
    }

    /// The regions, to share with requests and threads that outlive this handle.
    pub fn regions(&self) -> &Arc<TargetRegions> {
        &self.regions
    }
}
