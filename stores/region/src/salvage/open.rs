//! Opens a private copy of a pool by whatever still says what lies where.

use everline::engine::salvage::{Source, candidates, open_as};
use everline::engine::{Engine, OpenOptions};
use everline::layout::{PoolId, Superblock};
use everline::media::Media;
use everline::pool::OpenError;
use everline::units::{ByteOffset, ByteRange};

use super::{Origin, Readable, find};

/// A private copy of a pool that can be read.
#[derive(Debug)]
pub struct Opened<M> {
    /// What can be read.
    pub engine: Engine<M>,
    /// What is known of it.
    pub origin: Origin,
    /// Why it does not open by itself, and what was given up for it; nothing where it does.
    pub notes: Vec<String>,
    /// Whether it is as of the last commit: it opened by itself, its log was replayed.
    pub settled: bool,
}

/// Why nothing can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SalvageError<E, F: std::error::Error + 'static> {
    /// No copy of the pool could be made.
    #[error("{0}")]
    Copy(E),
    /// Nothing explains the bytes.
    #[error(transparent)]
    Open(OpenError<F>),
}

/// A medium's own bytes.
struct Bytes<'m, M>(&'m M);

impl<M: Media> Readable for Bytes<'_, M> {
    fn len(&self) -> u64 {
        self.0.len().get()
    }

    fn read(&self, at: u64, into: &mut [u8]) -> bool {
        let range = ByteRange::at(at, into.len() as u64);
        let inside = range.is_some_and(|range| range.end().get() <= Readable::len(self));
        if inside {
            self.0.read(ByteOffset::new(at), into);
        }
        inside
    }
}

/// The identity with which the checksums on `media` begin, or one that stands for it there: `given`, where any of them
/// agrees with it, or none can be read.
fn identify<M: Media>(media: &M, given: Option<PoolId>) -> Option<PoolId> {
    find::witnesses(&Bytes(media), given).0
}

/// The key in a superblock that is whole.
fn key_of<M: Media>(media: &M) -> Option<[u8; 16]> {
    Superblock::AT.into_iter().find_map(|at| {
        let mut bytes = [0; size_of::<Superblock>()];
        let read = Bytes(media).read(at.get(), &mut bytes);
        read.then_some(())
            .and_then(|()| Superblock::parse(&bytes, at).ok())
            .map(|superblock| superblock.key)
    })
}

/// Gives the core's own area the bytes of `image` back. Where a guess is wrong, what was made up there for the sake of the open
/// lies over data; from here on the engine is only read.
fn undo_core<M: Media>(image: &M, engine: &Engine<M>) {
    let pool = engine.pool();
    let mut chunk = [0; 4096];
    let mut at = pool.geometry().slot_at(0).get();
    let end = pool.geometry().heap_at().get().min(image.len().get());
    while at < end {
        let bytes = &mut chunk[..4096.min(end - at) as usize];
        image.read(ByteOffset::new(at), bytes);
        pool.media().write(ByteOffset::new(at), bytes);
        at += bytes.len() as u64;
    }
}

/// Opens a pool, of which each call of `copy` makes a private copy, for [`salvage`](super::salvage).
///
/// Errors: `copy`'s own, or nothing explains the bytes. Cost: an open; where that fails, everything is read.
pub fn open<M: Media, E>(
    mut copy: impl FnMut() -> Result<M, E>,
) -> Result<Opened<M>, SalvageError<E, M::SyncError>> {
    let read_only = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let refused = match Engine::open(copy().map_err(SalvageError::Copy)?, &read_only) {
        Ok((engine, _)) => {
            return Ok(Opened {
                origin: Origin::of(&engine),
                engine,
                notes: Vec::new(),
                settled: true,
            });
        }
        Err(refused) => refused,
    };
    let image = copy().map_err(SalvageError::Copy)?;
    for mut candidate in candidates(&image, None) {
        // Fields of a damaged superblock are not believed by themselves.
        let told = candidate.source == Source::Superblock;
        if !told {
            candidate.pool_id = identify(&image, candidate.pool_id);
        }
        let Ok(opened) = open_as(copy().map_err(SalvageError::Copy)?, &candidate) else {
            continue;
        };
        let mut notes = vec![format!("the pool does not open: {refused}")];
        // The superblock that the engine has may have been made up, for a pool that was cut off.
        let mut origin = Origin {
            key: key_of(&image),
            ..Origin::of(&opened.engine)
        };
        if !told {
            undo_core(&image, &opened.engine);
            (origin.pool_id, origin.key) = (candidate.pool_id, None);
            notes.push("both superblocks are damaged: regions have no identifiers here".into());
        }
        for finding in &opened.plan.findings {
            if let Some(cost) = finding.repair.costs() {
                notes.push(format!("at {}: {cost}", finding.at));
            }
        }
        return Ok(Opened {
            engine: opened.engine,
            origin,
            notes,
            settled: false,
        });
    }
    Err(SalvageError::Open(refused))
}
