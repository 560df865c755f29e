//! Does what was decided: one transaction a cure (P3). Entries are read again, since another cure may have changed them.

use everline::alloc::{ExtentKind, Request};
use everline::engine::Engine;
use everline::layout::{DirectoryEntry, DirectoryRoot, RootSlot};
use everline::media::Media;
use everline::tx::Tx;
use everline::units::{ByteLen, ByteOffset, ByteRange};

use crate::RegionError;
use crate::check::{Fault, Part, Survey};
use crate::chunks::map_bytes;
use crate::directory::{self, Found, Tail, behind};

type Outcome<M, R> = Result<R, RegionError<<M as Media>::SyncError>>;

/// Bytes that are moved at once.
const PIECE: u64 = 64 << 10;

/// How a cure is done.
#[derive(Debug)]
pub(super) enum Act {
    Nothing,
    /// This root at this place.
    Root(ByteOffset, Box<DirectoryRoot>),
    /// Root slot 0 leads here.
    Link(ByteOffset),
    /// This entry, of this slot, at this place.
    Entry(ByteOffset, u32, DirectoryEntry),
    /// Name and attributes of a slot's region.
    Tail(u32, String, Vec<u8>),
    /// No name and no attributes; whether the object that held them is freed.
    DropTail(u32, bool),
    Unname(u32),
    Word(ByteOffset, u64),
    Count(u64),
    /// The bytes of a part get a block of their own.
    Move(Part, ByteOffset, u64),
    Free(ByteOffset),
}

impl Act {
    /// Does it. Errors: nothing was changed.
    pub fn run<M: Media>(&self, engine: &Engine<M>, survey: &Survey) -> Outcome<M, ()> {
        let mut tx = engine.begin()?;
        let staged = self.stage(&mut tx, engine, survey);
        match staged {
            Ok(()) => tx.commit().map(drop)?,
            Err(error) => {
                tx.abort()?;
                return Err(error);
            }
        }
        Ok(())
    }

    fn stage<M: Media>(
        &self,
        tx: &mut Tx<'_, M>,
        engine: &Engine<M>,
        survey: &Survey,
    ) -> Outcome<M, ()> {
        match self {
            Act::Nothing => Ok(()),
            Act::Root(at, root) => {
                tx.set(*at, &**root)?;
                Ok(tx.set_root(RootSlot::REGIONS, *at)?)
            }
            Act::Link(at) => Ok(tx.set_root(RootSlot::REGIONS, *at)?),
            Act::Entry(at, slot, entry) => {
                let mut found = Found {
                    at: *at,
                    entry: *entry,
                };
                match entry.bytes().iter().all(|byte| *byte == 0) {
                    true => Ok(tx.write(*at, entry.bytes())?), // never used, and so without a checksum
                    false => found.stage(tx, *slot),
                }
            }
            Act::Tail(slot, name, attributes) => {
                let mut found = live(tx, *slot)?;
                found.stage_tail(tx, *slot, name, attributes)?;
                found.stage(tx, *slot)
            }
            Act::DropTail(slot, owned) => {
                let mut found = live(tx, *slot)?;
                if *owned {
                    tx.free(ByteOffset::new(found.entry.tail()))?;
                }
                found.entry.set_tail(0);
                found.stage(tx, *slot)
            }
            Act::Unname(slot) => {
                let mut found = live(tx, *slot)?;
                let attributes = Tail::read(tx, *slot, &found.entry)?.attributes().to_vec();
                found.stage_tail(tx, *slot, "", &attributes)?;
                found.stage(tx, *slot)
            }
            Act::Word(at, word) => Ok(tx.write(*at, &word.to_le_bytes())?),
            Act::Count(live) => count(tx, *live),
            Act::Move(part, at, len) => {
                let range = ByteRange::at(at.get(), *len).unwrap_or_default();
                let place = copy(tx, engine, survey, part, range)?;
                link(tx, part, place)
            }
            Act::Free(at) => Ok(tx.free(*at)?),
        }
    }
}

fn refused<M: Media>(at: ByteOffset, what: &'static str) -> RegionError<M::SyncError> {
    everline::layout::Corrupt::new(at, what).into()
}

/// The live entry of a slot, as it is now.
fn live<M: Media>(tx: &Tx<'_, M>, slot: u32) -> Outcome<M, Found> {
    directory::entry(tx, slot)?
        .filter(|found| found.entry.is_live())
        .ok_or_else(|| refused::<M>(ByteOffset::ZERO, "the region is not there any more"))
}

fn count<M: Media>(tx: &mut Tx<'_, M>, live: u64) -> Outcome<M, ()> {
    if let Some(at) = directory::root_at(tx)? {
        let mut root = DirectoryRoot::new(0);
        root.set_live(live, tx.manager().pool().id());
        tx.write(behind(at, DirectoryRoot::COUNT_AT), root.count())?;
    }
    Ok(())
}

/// Stores the bytes of `from` in a new block. That block may be where they are already, but nowhere else where something
/// lies that is not marked live.
fn copy<M: Media>(
    tx: &mut Tx<'_, M>,
    engine: &Engine<M>,
    survey: &Survey,
    part: &Part,
    from: ByteRange,
) -> Outcome<M, ByteRange> {
    let mut request = Request::new(from.len().get());
    match part {
        Part::Block(_, found) => {
            if let Some(align) = found.entry.align() {
                request = request.with_align(align);
            }
        }
        Part::Tail(..) => request = request.with_align(16),
        _ => {}
    }
    let place = tx.alloc(request)?;
    for range in unmarked(engine, survey)? {
        let itself = range == from && place.start() == from.start();
        if overlap(range, place) && !itself {
            return Err(refused::<M>(
                place.start(),
                "the only space is not really free",
            ));
        }
    }
    let mut bytes = vec![0; PIECE.min(from.len().get()) as usize];
    let mut done = 0;
    while done < from.len().get() {
        let step = PIECE.min(from.len().get() - done) as usize;
        engine.read(behind(from.start(), done), &mut bytes[..step])?;
        tx.write_fresh(behind(place.start(), done), &bytes[..step])?;
        done += step as u64;
    }
    Ok(place)
}

/// What something leads to and the heap believes to be free. A slab that is not in use gets a header and a bitmap when it is
/// taken, so that all of it counts where something small lies in it.
fn unmarked<M: Media>(engine: &Engine<M>, survey: &Survey) -> Outcome<M, Vec<ByteRange>> {
    let mut free = Vec::new();
    engine.for_each_extent(|extent| {
        if extent.kind == ExtentKind::Free {
            free.push(extent.range);
        }
    })?;
    let geometry = engine.pool().geometry();
    let slab = u64::from(geometry.slab_bytes());
    let mut unmarked = Vec::new();
    for fault in &survey.faults {
        let Fault::NotOwned { at, len, .. } = fault else {
            continue;
        };
        let range = ByteRange::at(at.get(), *len).unwrap_or_default();
        unmarked.push(range);
        let small = *len < slab && free.iter().any(|free| overlap(*free, range));
        if let (true, Some(number)) = (small, geometry.slab_of(*at)) {
            let whole = ByteRange::new(geometry.slab_at(number), ByteLen::new(slab));
            unmarked.push(whole.unwrap_or_default());
        }
    }
    Ok(unmarked)
}

fn overlap(a: ByteRange, b: ByteRange) -> bool {
    a.start() < b.end() && b.start() < a.end()
}

/// Makes what led to `part` lead to `place`.
fn link<M: Media>(tx: &mut Tx<'_, M>, part: &Part, place: ByteRange) -> Outcome<M, ()> {
    let at = place.start();
    match part {
        Part::Root => Ok(tx.set_root(RootSlot::REGIONS, at)?),
        Part::Entries(block) => {
            let no_root = || refused::<M>(at, "the directory has no root");
            let (root_at, mut root) = directory::root(tx)?.ok_or_else(no_root)?;
            root.blocks[*block] = at.get().into();
            root.seal(tx.manager().pool().id());
            let word = behind(root_at, DirectoryRoot::block_word(*block));
            tx.write(word, &at.get().to_le_bytes())?;
            Ok(tx.write(behind(root_at, DirectoryRoot::HEAD_AT), root.head())?)
        }
        Part::Block(slot, _) => {
            let mut found = live(tx, *slot)?;
            let before = map_bytes(&found.entry);
            found.entry.set_block(at.get(), place.len().get());
            if map_bytes(&found.entry) != before {
                return Err(refused::<M>(at, "the block does not fit the region's map"));
            }
            found.stage(tx, *slot)
        }
        Part::Map(slot) => {
            let mut found = live(tx, *slot)?;
            let shift = found.entry.map().1;
            found.entry.set_map(at.get(), shift);
            found.stage(tx, *slot)
        }
        Part::Tail(slot) => {
            let mut found = live(tx, *slot)?;
            found.entry.set_tail(at.get());
            found.stage(tx, *slot)
        }
    }
}
