//! Space and log of a pool in numbers, and alarms over them.
//!
//! `used + free + overhead` is the pool's size, exactly, open after open. Fragmentation is the part of the free space
//! that lies outside the largest free extent: 0 where all of it is one piece.

use std::fmt;
use std::str::FromStr;

use everline::media::Media;

use crate::{RegionError, Regions};

/// A pool's space and log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes of the pool.
    pub size_bytes: u64,
    /// Bytes to which it can grow.
    pub capacity_max_bytes: u64,
    /// Bytes of live objects, rounded up to their class or run.
    pub used_bytes: u64,
    /// Bytes that objects can still take.
    pub free_bytes: u64,
    /// Metadata, slab headers, what classes leave over, the emergency reserve.
    pub overhead_bytes: u64,
    /// The longest free extent.
    pub largest_free_bytes: u64,
    /// Live objects: regions and what the directory takes.
    pub objects: u64,
    /// Live regions.
    pub regions: u64,
    /// Bytes of log not yet behind a checkpoint.
    pub log_used_bytes: u64,
    /// Bytes of all rings.
    pub log_capacity_bytes: u64,
}

/// The payload that a pool of `size_bytes` holds at least: 80 percent from 16 MiB on, in regions of 4 KiB or of
/// multiples of 64 KiB. The rest is log, slab map, directory and reserve.
///
/// Other lengths are rounded up to their class, or to whole slabs of 64 KiB, which is lost besides: 24 percent in
/// regions of 100,000 bytes, nearly a half in regions of one byte more than a slab.
pub const fn payload_min(size_bytes: u64) -> u64 {
    if size_bytes < 16 << 20 {
        0
    } else {
        size_bytes / 10 * 8
    }
}

impl Space {
    /// Part of the pool that is in use, 0 to 1; the overhead counts as used.
    pub fn use_ratio(&self) -> f64 {
        ratio(self.size_bytes - self.free_bytes, self.size_bytes)
    }

    /// Part of the free space outside the largest free extent, 0 to 1.
    pub fn fragmentation(&self) -> f64 {
        ratio(
            self.free_bytes.saturating_sub(self.largest_free_bytes),
            self.free_bytes,
        )
    }

    /// Part of the log that waits for a checkpoint, 0 to 1.
    pub fn log_ratio(&self) -> f64 {
        ratio(self.log_used_bytes, self.log_capacity_bytes)
    }

    /// What has crossed its threshold, worst sense first as listed in [`Measure`].
    pub fn alarms(&self, thresholds: &Thresholds) -> Vec<Alarm> {
        let alarm = |measure, limit: Option<f64>, value: f64| {
            let limit = limit.filter(|limit| value > *limit)?;
            Some(Alarm {
                measure,
                value,
                limit,
            })
        };
        let measured = [
            alarm(Measure::Use, thresholds.use_above, self.use_ratio()),
            alarm(
                Measure::Fragmentation,
                thresholds.fragmentation_above,
                self.fragmentation(),
            ),
            alarm(Measure::Log, thresholds.log_above, self.log_ratio()),
        ];
        measured.into_iter().flatten().collect()
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    }
}

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// [`Space::use_ratio`].
    Use,
    /// [`Space::fragmentation`].
    Fragmentation,
    /// [`Space::log_ratio`].
    Log,
}

impl Measure {
    /// The word in thresholds and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Measure::Use => "use",
            Measure::Fragmentation => "fragmentation",
            Measure::Log => "log",
        }
    }
}

/// A threshold that was crossed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alarm {
    /// What was measured.
    pub measure: Measure,
    /// What it is, 0 to 1.
    pub value: f64,
    /// What it may be at most.
    pub limit: f64,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cure = match self.measure {
            Measure::Use => "destroy regions or grow the pool",
            Measure::Fragmentation => "compact the pool",
            Measure::Log => "checkpoint more often or use larger rings",
        };
        write!(
            f,
            "{} is {:.1} %, above {:.1} %: {cure}",
            self.measure.name(),
            self.value * 100.0,
            self.limit * 100.0
        )
    }
}

/// Above what an alarm is raised; nothing is watched where a field is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// For [`Space::use_ratio`].
    pub use_above: Option<f64>,
    /// For [`Space::fragmentation`].
    pub fragmentation_above: Option<f64>,
    /// For [`Space::log_ratio`].
    pub log_above: Option<f64>,
}

/// A text that sets no threshold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{text}\" is no threshold: write 90%, or use=90%,fragmentation=50%,log=80% with percentages up to 100%"
)]
pub struct ParseThresholdsError {
    text: String,
}

/// `90%` is the threshold for use; `use=90%,fragmentation=50%,log=80%` sets each by name.
impl FromStr for Thresholds {
    type Err = ParseThresholdsError;

    fn from_str(text: &str) -> Result<Self, ParseThresholdsError> {
        let wrong = || ParseThresholdsError {
            text: text.to_owned(),
        };
        let mut thresholds = Thresholds::default();
        for part in text.split(',') {
            let (name, percent) = part.split_once('=').unwrap_or(("use", part));
            let number = percent.trim().strip_suffix('%').ok_or_else(wrong)?;
            let percent: f64 = number.trim().parse().map_err(|_| wrong())?;
            let limit = Some(percent / 100.0).filter(|limit| (0.0..=1.0).contains(limit));
            let limit = Some(limit.ok_or_else(wrong)?);
            match name.trim() {
                "use" => thresholds.use_above = limit,
                "fragmentation" => thresholds.fragmentation_above = limit,
                "log" => thresholds.log_above = limit,
                _ => return Err(wrong()),
            }
        }
        Ok(thresholds)
    }
}

impl<M: Media> Regions<M> {
    /// Space and log now. Errors: metadata that cannot be right. Cost: reads every bitmap in use; no wait.
    pub fn space(&self) -> Result<Space, RegionError<M::SyncError>> {
        let stats = self.engine().stats()?;
        Ok(Space {
            size_bytes: stats.size_bytes,
            capacity_max_bytes: self.engine().pool().geometry().capacity_max(),
            used_bytes: stats.heap.used_bytes,
            free_bytes: stats.heap.free_bytes,
            overhead_bytes: stats.heap.overhead_bytes,
            largest_free_bytes: stats.heap.largest_free_bytes,
            objects: stats.heap.objects,
            regions: self.count()?,
            log_used_bytes: stats.log.used_bytes,
            log_capacity_bytes: stats.log.capacity_bytes,
        })
    }
}
