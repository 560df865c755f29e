//! Opens a pool: superblock, log recovery, heap.

use super::{Engine, OpenReport};
use crate::layout::LayoutName;
use crate::log::{self, RecoverError};
use crate::media::{Domain, Media};
use crate::pool::{self, Expectation, OpenError, Pool};
use crate::tx::Manager;

/// What the caller takes for granted about a pool.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// The application's layout name, if it matters.
    pub layout: Option<LayoutName>,
    /// The weakest durability domain that will do.
    pub require: Option<Domain>,
    /// Refuse every change; recovery still stores to the medium, so hand in a private copy.
    pub read_only: bool,
    /// The size that the caller expects; a difference is reported, not an error.
    pub expected_len: Option<u64>,
}

impl<M: Media> Engine<M> {
    /// Opens the pool on `media` and recovers it.
    ///
    /// Errors: see [`OpenError`]; unless it is `Sync` or `Space`, no byte was changed. Cost: two waits for a pool
    /// that was closed, three for one that was not; one more where a superblock copy is mended. Never
    /// more than the log is read. Crash: at any step, the next open reaches the same state.
    pub fn open(
        media: M,
        options: &OpenOptions,
    ) -> Result<(Self, OpenReport), OpenError<M::SyncError>> {
        let expect = Expectation {
            layout: options.layout,
            require: options.require,
            read_only: options.read_only,
        };
        Engine::recover(pool::open(media, &expect)?, options)
    }

    pub(super) fn recover(
        pool: Pool<M>,
        options: &OpenOptions,
    ) -> Result<(Self, OpenReport), OpenError<M::SyncError>> {
        let (log, recovery) = log::recover(&pool).map_err(|error| match error {
            RecoverError::Corrupt(corrupt) => OpenError::Corrupt(corrupt),
            RecoverError::Space(error) => OpenError::Space(error),
            RecoverError::Sync(error) => OpenError::Sync(error),
            RecoverError::TooManyLanes(lanes) => OpenError::TooManyLanes { lanes },
        })?;
        pool::mend(&pool).map_err(OpenError::Sync)?;
        let len = pool.geometry().len();
        let report = OpenReport {
            len,
            expected_len: options.expected_len.filter(|expected| *expected != len),
            recovery,
            mended_copy: pool.damaged_copy(),
            finished_growth: pool.older_copy().is_some(),
            durability: pool.media().durability(),
        };
        Ok((
            Engine {
                manager: Manager::new(pool, log, options.read_only),
            },
            report,
        ))
    }
}
