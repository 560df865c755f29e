//! Which cure a fault gets. Reads only.

use everline::engine::Engine;
use everline::layout::{
    ChunkSum, DirectoryEntry, DirectoryRoot, MapWord, REGION_CHECKED, REGION_SUM_SHIFT, RegionTail,
    RootSlot, SumWord,
};
use everline::media::Media;
use everline::units::{ByteOffset, ByteRange};

use super::act::Act;
use super::rebuild::rebuild;
use super::{Cure, Finding, Loss, RepairOptions};
use crate::check::{Fault, Survey, find_root, id_in};
use crate::checked::crc_of;
use crate::directory::{self, Found, behind};
use crate::mend;

const SALVAGE: &str = "nothing proves what was there; salvage what can be read";

/// A cure, its loss and how it is done.
type Decision = (Cure, Option<Loss>, Act);

fn leave(why: &'static str) -> Decision {
    (Cure::Leave(why), None, Act::Nothing)
}

/// The cure of `fault`, which `survey` found.
pub(super) fn decide<M: Media>(
    engine: &Engine<M>,
    survey: &Survey,
    fault: &Fault,
    options: &RepairOptions,
    heap_is_sound: bool,
) -> (Finding, Act) {
    let pool = engine.pool();
    let namespace = survey.root.map_or(0, |(_, root)| root.namespace.get());
    let (cure, loss, act) = match fault {
        Fault::Heap(_) => leave("the heap itself is damaged: that must be repaired first"),
        Fault::Root(_) => root(engine, survey, heap_is_sound),
        Fault::CountCheck(_) => (Cure::Recount, None, Act::Count(survey.report.regions)),
        Fault::Count { found, .. } => (Cure::Recount, None, Act::Count(*found)),
        Fault::Entry { slot, corrupt } => entry(engine, survey, *slot, corrupt.at),
        Fault::Tail {
            slot, found, owned, ..
        } => {
            let id = id_in(pool, namespace, *slot, found.entry.generation.get());
            let lost = Loss::Name { id, name: None };
            tail(engine, *slot, found, *owned, lost)
        }
        Fault::Word {
            slot,
            found,
            index,
            corrupt,
        } => word(engine, *slot, found, *index, corrupt.at),
        Fault::NotOwned { .. } if !heap_is_sound => {
            leave("the heap itself is damaged: that must be repaired first")
        }
        Fault::NotOwned { part, at, len } => (Cure::Move, None, Act::Move(*part, *at, *len)),
        Fault::NameTwice { name, second, .. } => {
            let (slot, found) = *second;
            let id = id_in(pool, namespace, slot, found.entry.generation.get());
            let name = Some(name.clone());
            (
                Cure::Unname,
                Some(Loss::Name { id, name }),
                Act::Unname(slot),
            )
        }
        Fault::Data { .. } => leave("nobody knows what these bytes were; write them anew"),
        Fault::Orphan(range) if options.free_orphans && heap_is_sound => {
            let range = *range;
            (
                Cure::Free,
                Some(Loss::Object { range }),
                Act::Free(range.start()),
            )
        }
        Fault::Orphan(_) => leave("it harms nobody; it is freed on request"),
    };
    let problem = fault.problem(pool, namespace);
    (
        Finding {
            problem,
            cure,
            loss,
        },
        act,
    )
}

fn root<M: Media>(engine: &Engine<M>, survey: &Survey, heap_is_sound: bool) -> Decision {
    let at = engine.root(RootSlot::REGIONS);
    let mut bytes = [0; size_of::<DirectoryRoot>()];
    let readable = at != ByteOffset::ZERO && engine.read(at, &mut bytes).is_ok();
    if readable {
        let mended = mend::root(&bytes, engine.pool().id())
            .filter(|root| directory::fault_of(engine, at, root).is_none());
        if let Some(root) = mended {
            return (Cure::Restore, None, Act::Root(at, Box::new(root)));
        }
    }
    if !heap_is_sound {
        return leave("the heap itself is damaged: that must be repaired first");
    }
    if let [(place, _)] = find_root(engine, survey.unreached.keys())[..] {
        return (Cure::Restore, None, Act::Link(place));
    }
    let room = survey.unreached.get(&at.get()).copied().unwrap_or(0);
    if readable && room >= size_of::<DirectoryRoot>() as u64 {
        let stored = DirectoryRoot::from_bytes(&bytes);
        if let Some((root, proven)) = rebuild(engine, survey, at, &stored) {
            let loss = (!proven).then_some(Loss::Identifiers);
            return (Cure::Restore, loss, Act::Root(at, Box::new(root)));
        }
    }
    leave(SALVAGE)
}

fn entry<M: Media>(engine: &Engine<M>, survey: &Survey, slot: u32, at: ByteOffset) -> Decision {
    let mut bytes = [0; size_of::<DirectoryEntry>()];
    if engine.read(at, &mut bytes).is_err() {
        return leave(SALVAGE);
    }
    let parts = |entry: &DirectoryEntry| [entry.block().0, entry.tail(), entry.map().0];
    let mended = mend::entry(&bytes, engine.pool().id(), slot).filter(|entry| {
        let sound = entry
            .bytes()
            .try_into()
            .is_ok_and(|bytes| directory::checked(engine, at, slot, bytes).is_ok());
        let mut others = parts(entry).into_iter().filter(|_| entry.is_live());
        sound && !others.any(|at| at != 0 && survey.claimed.contains_key(&at))
    });
    if let Some(entry) = mended {
        return (Cure::Restore, None, Act::Entry(at, slot, entry));
    }
    let (block, capacity) = DirectoryEntry::from_bytes(&bytes).block();
    let block = survey
        .unreached
        .get(&block)
        .filter(|len| **len == capacity)
        .and_then(|len| ByteRange::at(block, *len));
    let loss = Some(Loss::Region { slot, block });
    // keeps R3: no generation is left for it
    let entry = DirectoryEntry::free_again(u32::MAX);
    (Cure::Retire, loss, Act::Entry(at, slot, entry))
}

fn tail<M: Media>(
    engine: &Engine<M>,
    slot: u32,
    found: &Found,
    owned: bool,
    lost: Loss,
) -> Decision {
    let at = ByteOffset::new(found.entry.tail());
    let end = engine.pool().geometry().len();
    let room = end.saturating_sub(at.get());
    let mut bytes = vec![0; (RegionTail::BYTES_MAX as u64).min(room) as usize];
    if owned && engine.read(at, &mut bytes).is_ok() {
        if let Some((name, attributes)) = mend::tail(&bytes, engine.pool().id(), slot) {
            return (Cure::Restore, None, Act::Tail(slot, name, attributes));
        }
    }
    (Cure::Unname, Some(lost), Act::DropTail(slot, owned))
}

fn word<M: Media>(
    engine: &Engine<M>,
    slot: u32,
    found: &Found,
    index: u64,
    at: ByteOffset,
) -> Decision {
    const REFUSED: &str = "nothing proves what it said, so reads of what it speaks of stay refused; salvage the region, and destroy it";
    let (entry, pool_id) = (&found.entry, *engine.pool().id());
    let mut bytes = [0; 8];
    if engine.read(at, &mut bytes).is_err() {
        return leave(REFUSED);
    }
    let damaged = u64::from_le_bytes(bytes);
    let right = if entry.has(REGION_CHECKED) {
        let start = index << REGION_SUM_SHIFT;
        let len = entry
            .len
            .get()
            .saturating_sub(start)
            .min(1 << REGION_SUM_SHIFT);
        let home = behind(ByteOffset::new(entry.block().0), start);
        let range = ByteRange::at(home.get(), len).unwrap_or_default();
        let now = crc_of(engine, range).ok();
        // The sum half of the word may be whole, and then the bytes prove it.
        let proven = now.filter(|now| len > 0 && u64::from(*now) == damaged >> 32);
        match proven {
            Some(now) => Some(SumWord::encode(ChunkSum::Sealed(now), &pool_id, slot, index).0),
            None => mend::word(damaged, |word| {
                SumWord(word).decode(&pool_id, slot, index).is_some()
            }),
        }
    } else {
        let chunks = entry.block().1.div_ceil(1 << entry.map().1);
        let valid = chunks.saturating_sub(index * MapWord::CHUNKS);
        mend::word(damaged, |word| {
            MapWord(word)
                .decode(&pool_id, slot, index)
                .is_some_and(|bits| u64::from(bits) >> valid.min(MapWord::CHUNKS) == 0)
        })
    };
    match right {
        Some(word) => (Cure::Restore, None, Act::Word(at, word)),
        None => leave(REFUSED),
    }
}
