//! How a store is opened, and the small words of its operations.

use std::time::Duration;

use everline::tree::TreeOptions;

use crate::Clock;

/// When a commit becomes durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Before it returns. Commits of several threads share a wait.
    #[default]
    Sync,
    /// Soon after it has returned, and no later than [`StoreOptions::flush_interval`].
    Async,
    /// At the next tick of [`StoreOptions::flush_interval`], counted from the opening of the store.
    Periodic,
}

/// How transactions see each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// Reads see one moment; of two transactions that write one key, one commits.
    #[default]
    Snapshot,
    /// As if transactions had run one after another: what one has read must also not have changed when it commits.
    Serializable,
}

/// When [`Space::put_if`](crate::Space::put_if) puts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'v> {
    /// Only a new key.
    Absent,
    /// Only a key that is there.
    Present,
    /// Only a key whose value is this.
    Equals(&'v [u8]),
}

/// The way a scan goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the least key on.
    #[default]
    Forward,
    /// From the greatest key back.
    Backward,
}

/// How a store is opened. The default: SYNC, no checkpoints of its own, 64 MiB for old versions.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// When a commit becomes durable.
    pub mode: Mode,
    /// The window of [`Mode::Async`], the tick of [`Mode::Periodic`]. At least a millisecond counts.
    pub flush_interval: Duration,
    /// How often the store checkpoints by itself; `None` leaves that to the log, which does it when a ring is half full.
    pub checkpoint_interval: Option<Duration>,
    /// Bytes of log above which a commit is followed by a checkpoint.
    pub max_log_size: Option<u64>,
    /// `false`: commits stay in memory until a checkpoint, whatever the mode says, and a crash loses those since the
    /// last one, each of them whole.
    pub enable_wal: bool,
    /// Bytes that old versions may take while snapshots are open; a snapshot that needs more is told
    /// [`KvError::SnapshotTooOld`](crate::KvError::SnapshotTooOld).
    pub version_bytes_max: usize,
    /// Bytes of commits in memory above which the weaker modes flush at once.
    pub window_bytes_max: usize,
    /// The shape of new keyspaces.
    pub tree: TreeOptions,
    /// Binary logarithm of the number of stripes in which changes are told apart: 8 bytes each, twice.
    pub stripe_bits: u32,
    /// Time, for the weaker modes and for checkpoints by interval.
    pub clock: Clock,
    /// How long it took to open what is underneath, for the metric `recovery_time_ms`.
    pub recovery_time: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            mode: Mode::default(),
            flush_interval: Duration::from_secs(1),
            checkpoint_interval: None,
            max_log_size: None,
            enable_wal: true,
            version_bytes_max: 64 << 20,
            window_bytes_max: 64 << 20,
            tree: TreeOptions::default(),
            stripe_bits: 16,
            clock: Clock::system(),
            recovery_time: Duration::ZERO,
        }
    }
}
