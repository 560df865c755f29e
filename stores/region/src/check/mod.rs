//! Checks the directory against R1-R4, every checksum of the store, and that every live object of the heap is reached
//! exactly once; reads only.

mod evidence;
mod survey;

use everline::layout::{ChunkSum, Corrupt, REGION_SUM_SHIFT};
use everline::media::Media;
use everline::pool::Pool;
use everline::units::{ByteOffset, ByteRange};

pub(crate) use evidence::{candidates, find_root, holds_entries};
pub(crate) use survey::{Fault, Part, Survey, others, survey};

use crate::checked::crc_of;
use crate::id::IdParts;
use crate::{RegionId, Regions};

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionProblem {
    /// Bytes of the directory that cannot be right.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Two live regions with one name.
    #[error("the regions {first} and {second} are both named \"{name}\": rename one of them")]
    NameTwice {
        /// The name.
        name: String,
        /// One of them.
        first: RegionId,
        /// The other.
        second: RegionId,
    },
    /// A region whose block is not a live object of that size, or is reached twice.
    #[error(
        "the block of region {id} ({range}) is no live object of its own: save what can be read of the region, and destroy it"
    )]
    BlockNotOwned {
        /// Which region.
        id: RegionId,
        /// Where its block should be.
        range: ByteRange,
    },
    /// Bytes of a checked region that are not what was written.
    #[error(
        "the {len} bytes at {at} of the region {id} do not match their checksum: write them anew from a copy"
    )]
    Data {
        /// Which region.
        id: RegionId,
        /// Where in it.
        at: u64,
        /// Bytes that have the checksum.
        len: u64,
    },
    /// The directory's count of regions.
    #[error("the directory counts {counted} regions and holds {found}")]
    WrongCount {
        /// By its counter.
        counted: u64,
        /// By its entries.
        found: u64,
    },
    /// A live object that nothing leads to: its space is lost until it is freed.
    #[error("nothing leads to the {} at {}: free it to get its space back", .range.len(), .range.start())]
    Orphan {
        /// Its bytes, rounded up to its class.
        range: ByteRange,
    },
}

impl RegionProblem {
    /// Where in the pool, if that is one place.
    pub fn at(&self) -> Option<ByteOffset> {
        match self {
            RegionProblem::Corrupt(corrupt) => Some(corrupt.at),
            RegionProblem::BlockNotOwned { range, .. } | RegionProblem::Orphan { range } => {
                Some(range.start())
            }
            _ => None,
        }
    }
}

/// What a check looked at and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionCheck {
    /// Live regions.
    pub regions: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects of others, which the pool's other roots may lead to.
    pub foreign: u64,
    /// Objects that nothing leads to.
    pub orphans: u64,
    /// Bytes of them.
    pub orphan_bytes: u64,
    /// Problems told, orphans included.
    pub problems: u64,
}

/// The identifier of a slot's region.
pub(crate) fn id_in<M: Media>(
    pool: &Pool<M>,
    namespace: u32,
    slot: u32,
    generation: u32,
) -> RegionId {
    let parts = IdParts {
        namespace,
        slot,
        generation,
    };
    RegionId::seal(parts, pool.key(), pool.id())
}

impl Fault {
    /// The fault in words.
    pub fn problem<M: Media>(&self, pool: &Pool<M>, namespace: u32) -> RegionProblem {
        let id = |slot, generation| id_in(pool, namespace, slot, generation);
        match self {
            Fault::Heap(corrupt)
            | Fault::Root(corrupt)
            | Fault::CountCheck(corrupt)
            | Fault::Entry { corrupt, .. }
            | Fault::Tail { corrupt, .. }
            | Fault::Word { corrupt, .. } => RegionProblem::Corrupt(*corrupt),
            Fault::NotOwned {
                part: Part::Block(slot, found),
                at,
                len,
            } => RegionProblem::BlockNotOwned {
                id: id(*slot, found.entry.generation.get()),
                range: ByteRange::at(at.get(), *len).unwrap_or_default(),
            },
            Fault::NotOwned { at, .. } => {
                Corrupt::new(*at, "a part of the directory is no live object of its own").into()
            }
            Fault::NameTwice {
                name,
                first,
                second,
            } => RegionProblem::NameTwice {
                name: name.clone(),
                first: id(first.0, first.1),
                second: id(second.0, second.1.entry.generation.get()),
            },
            Fault::Data {
                slot,
                generation,
                at,
                len,
            } => RegionProblem::Data {
                id: id(*slot, *generation),
                at: *at,
                len: *len,
            },
            Fault::Count { counted, found } => RegionProblem::WrongCount {
                counted: *counted,
                found: *found,
            },
            Fault::Orphan(range) => RegionProblem::Orphan { range: *range },
        }
    }
}

impl<M: Media> Regions<M> {
    /// Checks the directory: its structure and checksums, that names are unique, that every region has a live block of
    /// its own, that the bytes of checked regions are what was written, and that something leads to every live object.
    /// Objects that no region leads to count as orphans only where no other root slot is in use.
    /// [`Engine::check`](everline::engine::Engine::check) tells about the heap itself.
    /// Cost: reads the whole directory, all bitmaps and all checked regions, no wait; changes of the directory wait
    /// until it is done.
    pub fn check(&self, mut problem: impl FnMut(RegionProblem)) -> RegionCheck {
        let _still = self.lock_all();
        let survey = survey(self.engine());
        let mut report = survey.report;
        for fault in &survey.faults {
            if let Fault::Data {
                slot,
                generation,
                at,
                ..
            } = fault
            {
                let id = self.id_of(*slot, *generation);
                if !self.is_damaged(id, *at) {
                    continue;
                }
            }
            report.problems += 1;
            problem(fault.problem(self.engine().pool(), self.namespace()));
        }
        report
    }

    /// Whether a chunk does not match its sum while nobody writes to its region: the walk may have met a writer.
    fn is_damaged(&self, id: RegionId, at: u64) -> bool {
        let Ok(held) = self.hold(id) else {
            return false;
        };
        let live = held.live();
        let sum = crate::chunks::sum(
            self.engine(),
            live.number,
            &live.entry,
            at >> REGION_SUM_SHIFT,
        );
        let len = live
            .entry
            .len
            .get()
            .saturating_sub(at)
            .min(1 << REGION_SUM_SHIFT);
        match sum {
            Ok(ChunkSum::Sealed(sum)) => {
                !crc_of(self.engine(), live.home_range(at, len)).is_ok_and(|now| now == sum)
            }
            _ => false,
        }
    }
}
