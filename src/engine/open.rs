//! Opens a pool: superblock, log recovery, heap; or a pool as it lies, to look at.

use super::{Engine, OpenReport};
use crate::layout::LayoutName;
use crate::log::{self, RecoverError, RecoveryReport};
use crate::media::{Domain, Media};
use crate::pool::{self, Expectation, OpenError, Pool};
use crate::tx::Manager;

/// What an open does about the log that it finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// Redo what committed, undo what did not.
    #[default]
    Replay,
    /// Nothing: not one byte of the medium changes, and the engine is read-only.
    None {
        /// Open even where the log holds something: what is seen is then what stands at home, in part older than the
        /// last commit and in part newer.
        forced: bool,
    },
}

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
    /// What is done about the log.
    pub recovery: Recovery,
}

impl<M: Media> Engine<M> {
    /// Opens the pool on `media` and recovers it, or looks at it as it lies where [`OpenOptions::recovery`] says so.
    ///
    /// Errors: see [`OpenError`]; unless it is `Sync` or `Space`, no byte was changed. Cost: two waits for a pool
    /// that was closed, three for one that was not; one more where a superblock copy is mended; none, and no store,
    /// without recovery. Never more than the log is read. Crash: at any step, the next open reaches the same state.
    pub fn open(
        media: M,
        options: &OpenOptions,
    ) -> Result<(Self, OpenReport), OpenError<M::SyncError>> {
        let expect = Expectation {
            layout: options.layout,
            require: options.require,
            read_only: options.read_only || options.recovery != Recovery::Replay,
        };
        let pool = pool::open(media, &expect)?;
        match options.recovery {
            Recovery::Replay => Engine::recover(pool, options),
            Recovery::None { forced } => Engine::look(pool, options, forced),
        }
    }

    pub(super) fn recover(
        pool: Pool<M>,
        options: &OpenOptions,
    ) -> Result<(Self, OpenReport), OpenError<M::SyncError>> {
        let (log, recovery) = log::recover(&pool).map_err(because)?;
        pool::mend(&pool).map_err(OpenError::Sync)?;
        let report = OpenReport {
            mended_copy: pool.damaged_copy(),
            finished_growth: pool.older_copy().is_some(),
            ..report(&pool, options, recovery)
        };
        let manager = Manager::new(pool, log, options.read_only);
        Ok((Engine { manager }, report))
    }

    /// The pool as it lies; nothing is mended and nothing stored.
    fn look(
        pool: Pool<M>,
        options: &OpenOptions,
        forced: bool,
    ) -> Result<(Self, OpenReport), OpenError<M::SyncError>> {
        let (log, found) = log::skip(&pool).map_err(because)?;
        if found.log_bytes > 0 && !forced {
            let bytes = found.log_bytes;
            return Err(OpenError::NotRecovered { bytes });
        }
        let report = report(&pool, options, found);
        let manager = Manager::new(pool, log, true);
        Ok((Engine { manager }, report))
    }
}

fn because<E: core::error::Error>(error: RecoverError<E>) -> OpenError<E> {
    match error {
        RecoverError::Corrupt(corrupt) => OpenError::Corrupt(corrupt),
        RecoverError::Space(error) => OpenError::Space(error),
        RecoverError::Sync(error) => OpenError::Sync(error),
        RecoverError::TooManyLanes(lanes) => OpenError::TooManyLanes { lanes },
    }
}

/// What every open tells, before anything is mended.
fn report<M: Media>(pool: &Pool<M>, options: &OpenOptions, recovery: RecoveryReport) -> OpenReport {
    let len = pool.geometry().len();
    OpenReport {
        len,
        expected_len: options.expected_len.filter(|expected| *expected != len),
        recovery,
        mended_copy: None,
        finished_growth: false,
        durability: pool.media().durability(),
    }
}
