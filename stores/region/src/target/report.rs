//! How an open went, and the lines that tell it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use everline::log::RecoveryReport;
use everline::media::{Domain, Durability};

use super::TargetKind;

/// One line of what an open tells while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMessage<'p> {
    /// There is no pool yet.
    Creating {
        /// Where it will be.
        path: &'p Path,
    },
    /// There is one.
    Opening {
        /// Where it is.
        path: &'p Path,
    },
    /// Its bytes.
    Size {
        /// Bytes.
        len: u64,
    },
    /// Recovery is over.
    Recovered {
        /// Live regions.
        regions: u64,
    },
}

impl fmt::Display for OpenMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenMessage::Creating { path } => {
                write!(f, "Creating new pmem pool at {}", path.display())
            }
            OpenMessage::Opening { path } => {
                write!(f, "Opening existing pmem pool at {}", path.display())
            }
            OpenMessage::Size { len } => write!(f, "Pool size: {len}"),
            OpenMessage::Recovered { regions } => {
                write!(f, "Recovered {regions} existing regions")
            }
        }
    }
}

/// What an open of a target found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetReport {
    /// What keeps the bytes.
    pub kind: TargetKind,
    /// The file from the root; none for memory.
    pub path: Option<PathBuf>,
    /// A new pool was made.
    pub created: bool,
    /// Bytes of the pool.
    pub len: u64,
    /// The size in the configuration, where the pool has another.
    pub configured_len: Option<u64>,
    /// The length that the pool had before this open made it longer, as it was asked to.
    pub grown_from: Option<u64>,
    /// Live regions.
    pub regions: u64,
    /// What recovery of the log did: transactions rolled forward (`redone`) and back (`undone`), LSN.
    pub recovery: RecoveryReport,
    /// The superblock copy that was damaged and has been stored anew from the other.
    pub mended_copy: Option<usize>,
    /// What is durable when an operation returns, and by which instruction or call.
    pub durability: Durability,
    /// How long the open took.
    pub elapsed: Duration,
    /// How long recovery took, its syncs included.
    pub recovering: Duration,
}

impl TargetReport {
    /// The time of the open in milliseconds, always above zero.
    pub fn elapsed_ms(&self) -> f64 {
        self.elapsed.as_secs_f64().max(1e-9) * 1e3
    }

    /// Whether what was acknowledged survives a power cut.
    pub fn is_power_fail_safe(&self) -> bool {
        self.durability.domain != Domain::Volatile
    }

    /// The lines of a verbose open, in order; none for memory.
    pub fn messages(&self) -> Vec<String> {
        let Some(path) = &self.path else {
            return Vec::new();
        };
        let size = OpenMessage::Size { len: self.len };
        if self.created {
            [OpenMessage::Creating { path }, size]
                .map(|message| message.to_string())
                .to_vec()
        } else {
            let regions = self.regions;
            let lines = [
                OpenMessage::Opening { path },
                size,
                OpenMessage::Recovered { regions },
            ];
            lines.map(|message| message.to_string()).to_vec()
        }
    }
}

impl fmt::Display for TargetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = if self.created { "created" } else { "opened" };
        write!(f, "{done} ")?;
        match &self.path {
            Some(path) => write!(f, "{}", path.display())?,
            None => write!(f, "{}", self.kind.name())?,
        }
        write!(f, ": {} bytes", self.len)?;
        if let Some(configured) = self.configured_len {
            write!(f, " (the configuration says {configured})")?;
        }
        if let Some(before) = self.grown_from {
            write!(f, " (grown from {before})")?;
        }
        let (redone, undone) = (self.recovery.redone, self.recovery.undone);
        write!(
            f,
            ", {} regions, {redone} transactions redone, {undone} undone, {:.3} ms; {}",
            self.regions,
            self.elapsed_ms(),
            self.durability
        )?;
        if !self.is_power_fail_safe() {
            f.write_str("; not power-fail safe")?;
        }
        Ok(())
    }
}
