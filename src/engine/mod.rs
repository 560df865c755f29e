//! The engine: the one place where pool, log, heap and transactions meet. Create, open, check, close.
//!
//! ```
//! use everline::alloc::Request;
//! use everline::engine::{CreateOptions, Engine, OpenOptions};
//! use everline::layout::RootSlot;
//! use everline::media::Ram;
//! use everline::units::{ByteLen, ByteRange};
//!
//! let slot = RootSlot::user(0).expect("one of 48");
//! let engine = Engine::create(Ram::new(ByteLen::new(1 << 20)), &CreateOptions::default())?;
//!
//! // Undo: the before-image is durable, then the bytes change in place. Two waits.
//! let mut tx = engine.begin()?;
//! let counter = tx.alloc(Request::new(8))?;
//! tx.write(counter.start(), &0u64.to_le_bytes())?;
//! tx.set_root(slot, counter.start())?;
//! tx.commit()?;
//! let mut tx = engine.begin()?;
//! let word = ByteRange::at(counter.start().get(), 8).expect("in the pool");
//! tx.snapshot(&[word])?.store64(word.start(), 41)?;
//! tx.commit()?;
//!
//! // Staged: the change travels in the commit record. One wait.
//! let mut tx = engine.begin()?;
//! tx.update(counter.start(), |value: &mut u64| *value += 1)?;
//! tx.commit()?;
//!
//! let ram = engine.close()?;
//! let (engine, report) = Engine::open(ram, &OpenOptions::default())?;
//! assert_eq!(report.recovery.redone, 0);
//! assert_eq!(engine.load64(engine.root(slot))?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adopt;
mod check;
mod create;
#[cfg(all(feature = "std", unix, not(loom)))]
mod file;
#[cfg(all(feature = "std", unix, not(loom)))]
mod io;
mod open;
#[cfg(feature = "std")]
mod repair;
mod report;
#[cfg(feature = "std")]
pub mod salvage;

pub use adopt::{AdoptError, adopt};
pub use check::{CheckReport, Problem};
pub use create::{CreateOptions, Identity};
#[cfg(all(feature = "std", unix, not(loom)))]
pub use file::{
    FileConfig, FileEngine, FileEngineError, Opened, PrivateEngine, create_file, destroy_file,
    open_file, open_file_read_only,
};
#[cfg(all(feature = "std", unix, not(loom)))]
pub use io::{IoConfig, IoEngine, create_io, open_io, open_io_read_only};
pub use open::{OpenOptions, Recovery};
#[cfg(feature = "std")]
pub use repair::{Finding, Repair, RepairError, RepairPlan, apply, plan};
pub use report::{OpenReport, PoolStats};

use core::ops::Deref;

use crate::alloc::{Extent, LiveObject};
use crate::layout::Corrupt;
use crate::media::Media;
use crate::tx::{Manager, TxError};

/// An open pool.
///
/// Dereferences to [`Manager`] for transactions, reads and checkpoints. Dropping it stores nothing; what was
/// committed is durable, and the next open replays the log instead of finding it empty.
#[derive(Debug)]
pub struct Engine<M> {
    manager: Manager<M>,
}

impl<M> Deref for Engine<M> {
    type Target = Manager<M>;

    fn deref(&self) -> &Manager<M> {
        &self.manager
    }
}

impl<M: Media> Engine<M> {
    /// Space and log in numbers. Errors: metadata that cannot be right. Cost: reads every bitmap in use.
    ///
    /// Beside commits it may meet one half-way at its homes and take that for an error: [`Manager::pause`] first.
    pub fn stats(&self) -> Result<PoolStats, Corrupt> {
        let heap = self.heap().stats(self.pool())?;
        Ok(PoolStats {
            size_bytes: self.pool().geometry().len(),
            heap,
            log: self.log().status(),
        })
    }

    /// Visits every live object in order of place. Errors: metadata that cannot be right.
    pub fn for_each_live(&self, visit: impl FnMut(LiveObject)) -> Result<(), Corrupt> {
        self.heap().for_each_live(self.pool(), visit)
    }

    /// Visits the whole heap as extents in order of place: free, slabs of one class, huge objects. Errors: metadata that
    /// cannot be right. Cost: reads the slab map and every bitmap in use.
    pub fn for_each_extent(&self, visit: impl FnMut(Extent)) -> Result<(), Corrupt> {
        self.heap().for_each_extent(self.pool(), visit)
    }

    /// Checkpoints until the log is empty, and gives the medium back: the next open replays nothing.
    ///
    /// Errors: [`TxError::Poisoned`] and [`TxError::Sync`]; what was committed is durable all the same. Cost: two
    /// waits, or none.
    pub fn close(self) -> Result<M, TxError<M::SyncError>> {
        if !self.is_read_only() {
            self.checkpoint()?;
        }
        Ok(self.manager.into_pool().into_media())
    }

    /// Gives the medium back as it is, as a killed process would leave it.
    pub fn abandon(self) -> M {
        self.manager.into_pool().into_media()
    }
}
