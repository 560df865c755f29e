//! What can be issued: work, what it touches, and what it answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use everline::media::Media;

use super::handle::{Request, Shared};
use super::worker::Work;
use crate::{Extent, RegionError, RegionId, Regions};

/// What an operation touches. It decides which operations must keep the order of their issue (Q1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// Nothing that another operation can name: a new region without a name.
    Nothing,
    /// Bytes of one region. Changing them in one that can grow touches all of it, since its length may change.
    Ranges {
        /// Which region.
        id: RegionId,
        /// Pairs of place and length in it.
        ranges: Vec<(u64, u64)>,
        /// Whether they are changed.
        changes: bool,
    },
    /// One region as a whole: its length, its name, its life.
    Region(RegionId),
    /// Names of regions.
    Names,
    /// Everything there is.
    Everything,
}

impl Touch {
    /// Bytes that are read.
    pub fn read(id: RegionId, at: u64, len: u64) -> Self {
        Touch::Ranges {
            id,
            ranges: vec![(at, len)],
            changes: false,
        }
    }

    /// Bytes that are changed.
    pub fn write(id: RegionId, at: u64, len: u64) -> Self {
        Touch::Ranges {
            id,
            ranges: vec![(at, len)],
            changes: true,
        }
    }

    /// Bytes of several ranges.
    pub fn list(id: RegionId, extents: &[Extent], changes: bool) -> Self {
        let ranges = extents.iter().map(|extent| (extent.at, extent.len));
        Touch::Ranges {
            id,
            ranges: ranges.collect(),
            changes,
        }
    }

    /// Whether the two must not change places.
    pub(super) fn conflicts(&self, other: &Touch) -> bool {
        match (self, other) {
            (Touch::Everything, _) | (_, Touch::Everything) => true,
            (Touch::Nothing, _) | (_, Touch::Nothing) => false,
            (Touch::Names, Touch::Names) => true,
            (Touch::Names, _) | (_, Touch::Names) => false,
            (Touch::Region(one), Touch::Region(other))
            | (Touch::Region(one), Touch::Ranges { id: other, .. })
            | (Touch::Ranges { id: one, .. }, Touch::Region(other)) => one == other,
            (
                Touch::Ranges {
                    id: one,
                    ranges: mine,
                    changes: i_change,
                },
                Touch::Ranges {
                    id: other,
                    ranges: theirs,
                    changes: they_change,
                },
            ) => {
                one == other
                    && (*i_change || *they_change)
                    && mine
                        .iter()
                        .any(|mine| theirs.iter().any(|theirs| overlap(*mine, *theirs)))
            }
        }
    }
}

fn overlap((at, len): (u64, u64), (other_at, other_len): (u64, u64)) -> bool {
    // A length that overflows is refused when the operation runs; here it reaches to the end.
    at < other_at.saturating_add(other_len) && other_at < at.saturating_add(len)
}

/// What an operation answers: an error or none, and perhaps buffers.
pub trait Outcome: Send + 'static {
    /// What can go wrong.
    type Error: Clone + Send + 'static;

    /// What went wrong.
    fn error(&self) -> Option<&Self::Error>;

    /// The answer of an operation that panicked; its buffers are lost.
    fn panicked() -> Self;
}

impl<T: Send + 'static, E: std::error::Error + Clone + Send + 'static> Outcome
    for Result<T, RegionError<E>>
{
    type Error = RegionError<E>;

    fn error(&self) -> Option<&RegionError<E>> {
        self.as_ref().err()
    }

    fn panicked() -> Self {
        Err(RegionError::Panicked)
    }
}

impl<O: Outcome, B: Default + Send + 'static> Outcome for (O, B) {
    type Error = O::Error;

    fn error(&self) -> Option<&O::Error> {
        self.0.error()
    }

    fn panicked() -> Self {
        (O::panicked(), B::default())
    }
}

type Run<M, O> = Box<dyn FnOnce(&Regions<M>) -> O + Send>;

/// Work that has not been issued yet, with everything it owns.
pub struct Operation<M: Media, O: Outcome> {
    touch: Touch,
    /// Bytes that move, for operations that may run on the thread that issues them.
    small: Option<u64>,
    run: Run<M, O>,
}

impl<M: Media + Send + Sync + 'static, O: Outcome> Operation<M, O> {
    /// Work of the caller's own. It must touch no more than `touch` says, or the order of others' work is not kept.
    /// It must not wait for other requests: its worker may be the one that they need. A panic in it is contained and
    /// answered as [`Outcome::panicked`].
    pub fn new(touch: Touch, run: impl FnOnce(&Regions<M>) -> O + Send + 'static) -> Self {
        Operation {
            touch,
            small: None,
            run: Box::new(run),
        }
    }

    /// The same, which moves `bytes` bytes and may run on the thread that issues it where these are few.
    pub fn moving(self, bytes: u64) -> Self {
        Operation {
            small: Some(bytes),
            ..self
        }
    }

    pub(super) fn is_small(&self, threshold: u64) -> bool {
        self.small.is_some_and(|bytes| bytes <= threshold)
    }

    /// What a handle waits for, and what a worker runs. `grows` tells of which regions a write may change the length,
    /// which others can see wherever they look (Q1).
    pub(super) fn split(self, grows: impl Fn(RegionId) -> bool) -> (Request<O>, Work<M>) {
        let touch = match self.touch {
            Touch::Ranges {
                id, changes: true, ..
            } if grows(id) => Touch::Region(id),
            touch => touch,
        };
        let (request, end) = Request::new();
        let task = Task {
            run: Some(self.run),
            output: None,
            end,
        };
        (request, Work::new(touch, Box::new(task)))
    }
}

impl<M: Media, O: Outcome> std::fmt::Debug for Operation<M, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation")
            .field("touch", &self.touch)
            .field("small", &self.small)
            .finish_non_exhaustive()
    }
}

/// An operation of whatever type, to a worker.
pub(super) trait Runs<M: Media>: Send {
    /// Does the work.
    fn run(&mut self, regions: &Regions<M>);
    /// Tells who waits.
    fn tell(self: Box<Self>);
}

struct Task<M: Media, O: Outcome> {
    run: Option<Run<M, O>>,
    output: Option<O>,
    end: Arc<Shared<O>>,
}

impl<M: Media, O: Outcome> Runs<M> for Task<M, O> {
    fn run(&mut self, regions: &Regions<M>) {
        if let Some(run) = self.run.take() {
            // What the work owned went with the panic; the regions' own locks survive one.
            let outcome = catch_unwind(AssertUnwindSafe(|| run(regions)));
            self.output = Some(outcome.unwrap_or_else(|_| O::panicked()));
        }
    }

    fn tell(self: Box<Self>) {
        self.end
            .complete(self.output.unwrap_or_else(|| O::panicked()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_common_bytes_must_keep_its_order() {
        let (a, b) = (RegionId::from_bytes([1; 16]), RegionId::from_bytes([2; 16]));
        let conflict = |one: &Touch, other: &Touch| {
            assert_eq!(one.conflicts(other), other.conflicts(one), "it is mutual");
            one.conflicts(other)
        };
        assert!(conflict(&Touch::write(a, 0, 4), &Touch::write(a, 3, 4)));
        assert!(conflict(&Touch::write(a, 0, 4), &Touch::read(a, 3, 4)));
        assert!(!conflict(&Touch::write(a, 0, 4), &Touch::write(a, 4, 4)));
        assert!(!conflict(&Touch::read(a, 0, 4), &Touch::read(a, 0, 4)));
        assert!(!conflict(&Touch::write(a, 0, 4), &Touch::write(b, 0, 4)));
        assert!(!conflict(
            &Touch::write(a, u64::MAX, 4),
            &Touch::write(a, 0, u64::MAX)
        ));
        assert!(conflict(
            &Touch::write(a, u64::MAX - 1, 4),
            &Touch::write(a, 0, u64::MAX)
        ));
        assert!(conflict(&Touch::Region(a), &Touch::read(a, 9, 0)));
        assert!(!conflict(&Touch::Region(a), &Touch::Region(b)));
        assert!(conflict(&Touch::Names, &Touch::Names));
        assert!(!conflict(&Touch::Names, &Touch::Region(a)));
        for touch in [
            Touch::Nothing,
            Touch::Names,
            Touch::Region(a),
            Touch::read(a, 0, 1),
        ] {
            assert!(conflict(&Touch::Everything, &touch));
        }
        assert!(!conflict(&Touch::Nothing, &Touch::Nothing));
    }
}
