//! Walks root, entries, names, maps and sums, and follows every place that they tell; decides nothing, stores nothing.
//!
//! What it finds is told with what a cure needs to know: [`Regions::check`](crate::Regions::check) puts it into words,
//! and the repair acts on it.

use std::collections::{BTreeMap, HashMap};

use everline::engine::Engine;
use everline::layout::{
    ChunkSum, Corrupt, DirectoryRoot, MapWord, REGION_CHECKED, REGION_SUM_SHIFT, RegionTail,
    RootSlot, SumWord,
};
use everline::media::Media;
use everline::units::{ByteOffset, ByteRange};

use super::RegionCheck;
use super::evidence::{find_root, holds_any_entries, lies_in_free_slabs};
use crate::RegionError;
use crate::checked::crc_of;
use crate::chunks::map_bytes;
use crate::directory::{self, Found, Tail, behind, block_bytes};

/// A part of the store that must be a live object which nothing else leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Root,
    /// A block of entries, by its number.
    Entries(usize),
    Block(u32, Found),
    Map(u32),
    Tail(u32),
}

/// Something that is not as it must be.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The heap cannot be listed: nothing is known of live objects.
    Heap(Corrupt),
    /// The root, or the word that leads to it.
    Root(Corrupt),
    /// An entry; `slot` is the one that stands at `at`.
    Entry { slot: u32, corrupt: Corrupt },
    /// Name and attributes; whether they are a live object of their own.
    Tail {
        slot: u32,
        found: Found,
        corrupt: Corrupt,
        owned: bool,
    },
    /// Word `index` of a map or of a table of sums.
    Word {
        slot: u32,
        found: Found,
        index: u64,
        corrupt: Corrupt,
    },
    /// Not a live object of its own.
    NotOwned {
        part: Part,
        at: ByteOffset,
        len: u64,
    },
    /// Two live regions with one name; the second has the greater slot.
    NameTwice {
        name: String,
        first: (u32, u32),
        second: (u32, Found),
    },
    /// Bytes that do not match their sum.
    Data {
        slot: u32,
        generation: u32,
        at: u64,
        len: u64,
    },
    /// The count and its check do not agree.
    CountCheck(Corrupt),
    /// The count is not that of the entries.
    Count { counted: u64, found: u64 },
    /// A live object that nothing leads to.
    Orphan(ByteRange),
}

/// What a walk has seen.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub report: RegionCheck,
    pub faults: Vec<Fault>,
    /// The root, where it can be believed but for its count.
    pub root: Option<(ByteOffset, DirectoryRoot)>,
    /// Live objects that nothing has led to: place and bytes.
    pub unreached: BTreeMap<u64, u64>,
    /// Places that something leads to, with the bytes that it takes there.
    pub claimed: HashMap<u64, u64>,
    /// Whether every live object is known.
    pub heap_listed: bool,
    names: HashMap<String, (u32, u32)>,
}

/// Walks the directory of `engine`. Whoever calls sees to it that nobody changes it meanwhile.
pub(crate) fn survey<M: Media>(engine: &Engine<M>) -> Survey {
    let mut survey = Survey::default();
    let listed = engine.for_each_live(|object| {
        let range = object.range;
        survey
            .unreached
            .insert(range.start().get(), range.len().get());
    });
    survey.heap_listed = listed.is_ok();
    if let Err(corrupt) = listed {
        survey.faults.push(Fault::Heap(corrupt));
    }
    match survey.read_root(engine) {
        Ok(()) => survey.walk(engine),
        // Without a root everything would look lost.
        Err(corrupt) => survey.faults.push(Fault::Root(corrupt)),
    }
    survey
}

/// What a reader refused.
fn corrupt_of<E: std::error::Error + 'static>(error: &RegionError<E>, at: ByteOffset) -> Corrupt {
    match error {
        RegionError::Corrupt(corrupt) => *corrupt,
        _ => Corrupt::new(at, "a part of the region directory lies outside the pool"),
    }
}

impl Survey {
    fn read_root<M: Media>(&mut self, engine: &Engine<M>) -> Result<(), Corrupt> {
        let at = engine.root(RootSlot::REGIONS);
        if at == ByteOffset::ZERO {
            // A pool that never had a region; a directory that is there all the same says that the word was lost.
            let lost = !find_root(engine, self.unreached.keys()).is_empty()
                || holds_any_entries(engine, &self.unreached)
                || lies_in_free_slabs(engine);
            return match lost {
                false => Ok(()),
                true => Err(Corrupt::new(
                    RootSlot::REGIONS.at(&engine.pool().geometry()),
                    "root slot 0 leads nowhere, and there is a directory of regions",
                )),
            };
        }
        let mut bytes = [0; size_of::<DirectoryRoot>()];
        let outside = |_| Corrupt::new(at, "root slot 0 leads out of the pool");
        engine.read(at, &mut bytes).map_err(outside)?;
        let root = DirectoryRoot::from_bytes(&bytes);
        let Some(corrupt) = directory::fault_of(engine, at, &root) else {
            self.root = Some((at, root));
            return Ok(());
        };
        let mut counted = root;
        counted.set_live(0, engine.pool().id());
        match directory::fault_of(engine, at, &counted) {
            Some(_) => Err(corrupt),
            None => {
                self.faults.push(Fault::CountCheck(corrupt));
                self.root = Some((at, root));
                Ok(())
            }
        }
    }

    fn walk<M: Media>(&mut self, engine: &Engine<M>) {
        if let Some((at, root)) = self.root {
            self.reach(Part::Root, at, size_of_val(&root) as u64);
            for block in 0..root.block_count.get() as usize {
                let at = ByteOffset::new(root.blocks[block].get());
                self.reach(Part::Entries(block), at, block_bytes(block));
            }
            let visited = directory::for_each_of(engine, &root, |slot, found| match found {
                Ok(found) if found.entry.is_live() => self.walk_region(engine, slot, found),
                Ok(_) => {}
                Err(error) => {
                    let corrupt = corrupt_of(&error, at);
                    self.faults.push(Fault::Entry { slot, corrupt });
                }
            });
            if let Err(error) = visited {
                self.faults.push(Fault::Root(corrupt_of(&error, at)));
            }
            let (counted, found) = (root.live.get(), self.report.regions);
            if counted != found {
                self.faults.push(Fault::Count { counted, found });
            }
        }
        self.walk_objects(engine);
    }

    /// A part of `len` bytes at `at`; answers whether it is a live object of its own.
    fn reach(&mut self, part: Part, at: ByteOffset, len: u64) -> bool {
        let first = self.claimed.insert(at.get(), len).is_none();
        let object = self.unreached.get(&at.get()).copied();
        let fits = match part {
            // A block is what was allocated, all of it.
            Part::Block(..) => object == Some(len),
            _ => object.is_some_and(|object| object >= len),
        };
        let owned = first && fits;
        if owned {
            self.unreached.remove(&at.get());
        } else if self.heap_listed || !first {
            self.faults.push(Fault::NotOwned { part, at, len });
        }
        owned
    }

    fn walk_region<M: Media>(&mut self, engine: &Engine<M>, slot: u32, found: Found) {
        let entry = &found.entry;
        self.report.regions += 1;
        self.report.bytes += entry.len.get();
        let (at, capacity) = entry.block();
        if capacity > 0 {
            self.reach(Part::Block(slot, found), ByteOffset::new(at), capacity);
        }
        if entry.map().0 != 0 {
            let at = ByteOffset::new(entry.map().0);
            self.reach(Part::Map(slot), at, map_bytes(entry));
            self.walk_map(engine, slot, &found);
        }
        if entry.tail() != 0 {
            self.walk_tail(engine, slot, found);
        }
    }

    fn walk_tail<M: Media>(&mut self, engine: &Engine<M>, slot: u32, found: Found) {
        let at = ByteOffset::new(found.entry.tail());
        let read = Tail::read(engine, slot, &found.entry);
        let len = read.as_ref().map_or(1, |tail| {
            (size_of::<RegionTail>() + tail.name().len() + tail.attributes().len()) as u64
        });
        let owned = self.reach(Part::Tail(slot), at, len);
        let tail = match read {
            Ok(tail) => tail,
            Err(error) => {
                let corrupt = corrupt_of(&error, at);
                self.faults.push(Fault::Tail {
                    slot,
                    found,
                    corrupt,
                    owned,
                });
                return;
            }
        };
        if tail.name().is_empty() {
            return;
        }
        let this = (slot, found.entry.generation.get());
        let name = tail.name().to_owned();
        match self.names.get(&name) {
            Some(first) => self.faults.push(Fault::NameTwice {
                name,
                first: *first,
                second: (slot, found),
            }),
            None => drop(self.names.insert(name, this)),
        }
    }

    /// Every word of a map or a table, and the bytes behind the sums.
    fn walk_map<M: Media>(&mut self, engine: &Engine<M>, slot: u32, found: &Found) {
        let entry = &found.entry;
        let (at, shift) = entry.map();
        let (pool_id, chunks) = (*engine.pool().id(), entry.block().1.div_ceil(1 << shift));
        let mut bytes = vec![0; map_bytes(entry) as usize];
        if engine.read(ByteOffset::new(at), &mut bytes).is_err() {
            return; // an entry whose map leaves the heap was refused
        }
        for (index, word) in bytes.chunks_exact(8).enumerate() {
            let index = index as u64;
            let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
            let what = if entry.has(REGION_CHECKED) {
                match SumWord(word).decode(&pool_id, slot, index) {
                    Some(ChunkSum::Sealed(sum)) => {
                        self.compare(engine, slot, found, index, sum);
                        None
                    }
                    Some(_) => None,
                    None => Some("a word of a region's table of sums has a wrong check"),
                }
            } else {
                let valid = chunks.saturating_sub(index * MapWord::CHUNKS);
                match MapWord(word).decode(&pool_id, slot, index) {
                    Some(bits) if u64::from(bits) >> valid.min(MapWord::CHUNKS) != 0 => {
                        Some("a region's map has bits that stand for no chunk")
                    }
                    Some(_) => None,
                    None => Some("a word of a region's map has a wrong check"),
                }
            };
            if let Some(what) = what {
                let corrupt = Corrupt::new(behind(ByteOffset::new(at), 8 * index), what);
                self.faults.push(Fault::Word {
                    slot,
                    found: *found,
                    index,
                    corrupt,
                });
            }
        }
    }

    fn compare<M: Media>(
        &mut self,
        engine: &Engine<M>,
        slot: u32,
        found: &Found,
        index: u64,
        sum: u32,
    ) {
        let entry = &found.entry;
        let at = index << REGION_SUM_SHIFT;
        let len = entry
            .len
            .get()
            .saturating_sub(at)
            .min(1 << REGION_SUM_SHIFT);
        let home = behind(ByteOffset::new(entry.block().0), at);
        let range = ByteRange::at(home.get(), len).unwrap_or_default();
        let same = len == 0 || crc_of(engine, range).is_ok_and(|now| now == sum);
        if !same {
            self.faults.push(Fault::Data {
                slot,
                generation: entry.generation.get(),
                at,
                len,
            });
        }
    }

    /// What nothing led to: lost, unless another root slot may lead there.
    fn walk_objects<M: Media>(&mut self, engine: &Engine<M>) {
        if others(engine) {
            self.report.foreign = self.unreached.len() as u64;
            return;
        }
        for (at, len) in &self.unreached {
            self.report.orphans += 1;
            self.report.orphan_bytes += len;
            let range = ByteRange::at(*at, *len).unwrap_or_default();
            self.faults.push(Fault::Orphan(range));
        }
    }
}

/// Whether another root slot than that of the regions is in use.
pub(crate) fn others<M: Media>(engine: &Engine<M>) -> bool {
    let user = (0..48).filter_map(RootSlot::user);
    [RootSlot::KEYS, RootSlot::OBJECT]
        .into_iter()
        .chain(user)
        .any(|slot| engine.root(slot) != ByteOffset::ZERO)
}
