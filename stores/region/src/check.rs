//! Checks the directory against R1-R4, and that every live object of the heap is reached exactly once; reads only.

use std::collections::HashMap;

use everline::layout::{Corrupt, RootSlot};
use everline::media::Media;
use everline::units::{ByteOffset, ByteRange};

use crate::chunks::{self, Chunks, Grid, map_bytes};
use crate::directory::{self, Found, Tail, block_bytes};
use crate::{RegionError, RegionId, Regions};

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

/// What has been found out so far.
struct Walk<P> {
    report: RegionCheck,
    problem: P,
    /// Live objects that nothing has led to yet: place and bytes.
    unreached: HashMap<u64, u64>,
    names: HashMap<String, RegionId>,
}

impl<P: FnMut(RegionProblem)> Walk<P> {
    fn tell(&mut self, problem: RegionProblem) {
        self.report.problems += 1;
        (self.problem)(problem);
    }

    /// Something that the directory's own reading refused.
    fn refused<E: std::error::Error + 'static>(&mut self, error: &RegionError<E>) {
        let corrupt = match error {
            RegionError::Corrupt(corrupt) => *corrupt,
            _ => Corrupt::new(ByteOffset::ZERO, "the region directory cannot be read"),
        };
        self.tell(corrupt.into());
    }

    /// The live object at `range` is reached; answers whether it is one, of that size, and for the first time.
    fn reach(&mut self, range: ByteRange) -> bool {
        self.unreached.remove(&range.start().get()) == Some(range.len().get())
    }

    fn reach_metadata(&mut self, at: ByteOffset, len: u64) {
        let found = self.unreached.remove(&at.get());
        if found.is_none_or(|found| found < len) {
            self.tell(Corrupt::new(at, "a part of the directory is no live object").into());
        }
    }
}

impl<M: Media> Regions<M> {
    /// Checks the directory: its structure and checksums, that names are unique, that every region has a live
    /// block of its own, and that something leads to every live object. Objects that no region leads to count as
    /// orphans only where no other root slot is in use. [`Engine::check`](everline::engine::Engine::check) tells
    /// about the heap itself. Cost: reads the whole directory and all bitmaps, no wait.
    pub fn check(&self, problem: impl FnMut(RegionProblem)) -> RegionCheck {
        let _still = self.lock_index();
        let mut walk = Walk {
            report: RegionCheck::default(),
            problem,
            unreached: HashMap::new(),
            names: HashMap::new(),
        };
        let listed = self.engine().for_each_live(|object| {
            let range = object.range;
            walk.unreached
                .insert(range.start().get(), range.len().get());
        });
        if let Err(corrupt) = listed {
            walk.tell(corrupt.into());
        }
        match directory::root(self.engine()) {
            Ok(None) => self.check_objects(&mut walk),
            Ok(Some((at, root))) => {
                walk.reach_metadata(at, size_of_val(&root) as u64);
                for block in 0..root.block_count.get() as usize {
                    let at = ByteOffset::new(root.blocks[block].get());
                    walk.reach_metadata(at, block_bytes(block));
                }
                self.check_entries(&mut walk);
                let (counted, found) = (root.live.get(), walk.report.regions);
                if counted != found {
                    walk.tell(RegionProblem::WrongCount { counted, found });
                }
                self.check_objects(&mut walk);
            }
            // Without a directory everything would look lost.
            Err(error) => walk.refused(&error),
        }
        walk.report
    }

    fn check_entries<P: FnMut(RegionProblem)>(&self, walk: &mut Walk<P>) {
        let visited = directory::for_each(self.engine(), |slot, found| match found {
            Ok(found) if found.entry.is_live() => {
                if let Err(error) = self.check_region(walk, slot, &found) {
                    walk.refused(&error);
                }
            }
            Ok(_) => {}
            Err(error) => walk.refused(&error),
        });
        if let Err(error) = visited {
            walk.refused(&error);
        }
    }

    fn check_region<P: FnMut(RegionProblem)>(
        &self,
        walk: &mut Walk<P>,
        slot: u32,
        found: &Found,
    ) -> Result<(), RegionError<M::SyncError>> {
        let entry = &found.entry;
        let id = self.id_of(slot, entry.generation.get());
        walk.report.regions += 1;
        walk.report.bytes += entry.len.get();
        let (at, capacity) = entry.block();
        let range = ByteRange::at(at, capacity).unwrap_or_default();
        if capacity > 0 && !walk.reach(range) {
            walk.tell(RegionProblem::BlockNotOwned { id, range });
        }
        if entry.map().0 != 0 {
            walk.reach_metadata(ByteOffset::new(entry.map().0), map_bytes(entry));
        }
        if entry.tail() != 0 {
            walk.reach_metadata(ByteOffset::new(entry.tail()), 1);
        }
        if Chunks::read(self.engine(), slot, entry)? == Chunks::Sums {
            for index in Grid::of(entry).indices(&(0..entry.len.get())) {
                chunks::sum(self.engine(), slot, entry, index)?;
            }
        }
        let tail = Tail::read(self.engine(), slot, entry)?;
        let name = tail.name().to_owned();
        if name.is_empty() {
            return Ok(());
        }
        if let Some(first) = walk.names.insert(name.clone(), id) {
            let second = id;
            walk.tell(RegionProblem::NameTwice {
                name,
                first,
                second,
            });
        }
        Ok(())
    }

    fn check_objects<P: FnMut(RegionProblem)>(&self, walk: &mut Walk<P>) {
        let user = (0..48).filter_map(RootSlot::user);
        let mut others = [RootSlot::KEYS, RootSlot::OBJECT].into_iter().chain(user);
        let mut left: Vec<(u64, u64)> = walk.unreached.drain().collect();
        left.sort_unstable();
        if others.any(|slot| self.engine().root(slot) != ByteOffset::ZERO) {
            walk.report.foreign = left.len() as u64;
            return;
        }
        for (at, len) in left {
            walk.report.orphans += 1;
            walk.report.orphan_bytes += len;
            let range = ByteRange::at(at, len).unwrap_or_default();
            walk.tell(RegionProblem::Orphan { range });
        }
    }
}
