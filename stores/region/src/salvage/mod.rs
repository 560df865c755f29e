//! Reads out what is readable of regions in a pool that does not open, or of which parts cannot be read; stores nothing.
//!
//! ```text
//! root ─▶ else a root of that look anywhere ─▶ else entries anywhere, which tell by their checksums which slot they are
//!      ─▶ blocks of entries ─▶ entries ─▶ names, maps, sums ─▶ pieces of each region, each with what is known of it
//! ```
//!
//! Every checksum of the store begins with the pool's identity. Where the superblocks are gone, the state of the checksum
//! behind the identity is found from a root or a slab's header, by running its checksum backwards; that is all that is
//! needed to check the rest, once two of them agree. Identifiers of regions need the key of the superblock, and are told only where it is known.
//!
//! Invariants
//! V1  a piece is told as good only where a checksum says so that leads to it from the entry on;
//! V2  bytes of which nothing is known are handed out, but told as such: whoever asked may recognise them;
//! V3  it ends, and needs memory for what it finds only, whatever it reads.

mod find;
mod open;
mod pieces;

use std::ops::Range;

use everline::engine::Engine;
use everline::layout::{DirectoryEntry, PoolId};
use everline::media::Media;
use everline::units::ByteOffset;

use crate::RegionId;
use crate::id::IdParts;
use crate::mend;

pub use open::{Opened, SalvageError, open};
pub use pieces::{Piece, Trust};

/// Bytes that may be anything.
pub trait Readable {
    /// How many there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the bytes from `at` on; answers whether all of them could be read.
    fn read(&self, at: u64, into: &mut [u8]) -> bool;
}

impl Readable for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read(&self, at: u64, into: &mut [u8]) -> bool {
        let from = usize::try_from(at).ok().and_then(|at| self.get(at..));
        match from.and_then(|from| from.get(..into.len())) {
            Some(from) => into.copy_from_slice(from),
            None => return false,
        }
        true
    }
}

impl<M: Media> Readable for Engine<M> {
    fn len(&self) -> u64 {
        self.pool().geometry().len()
    }

    fn read(&self, at: u64, into: &mut [u8]) -> bool {
        (**self).read(ByteOffset::new(at), into).is_ok()
    }
}

/// What is known of a pool beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin {
    /// Its identity.
    pub pool_id: Option<PoolId>,
    /// The key of its regions' identifiers.
    pub key: Option<[u8; 16]>,
    /// Where root slot 0 leads.
    pub root: Option<ByteOffset>,
}

impl Origin {
    /// That of an open pool.
    pub fn of<M: Media>(engine: &Engine<M>) -> Self {
        let root = engine.root(everline::layout::RootSlot::REGIONS);
        Origin {
            pool_id: Some(*engine.pool().id()),
            key: Some(*engine.pool().key()),
            root: (root != ByteOffset::ZERO).then_some(root),
        }
    }
}

/// How the entries were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a root that is whole.
    Root,
    /// By a root of which one byte was changed.
    MendedRoot,
    /// By looking for entries everywhere, and at the places that a damaged root tells.
    Entries,
    /// They were not.
    Nothing,
}

/// A region that was found.
#[derive(Clone, Debug)]
pub struct SalvagedRegion {
    /// Its slot of the directory.
    pub slot: u32,
    /// Which region of the slot it is.
    pub generation: u32,
    /// Its identifier, where the pool's key is known.
    pub id: Option<RegionId>,
    /// Its name, if it has one that can be read.
    pub name: Option<String>,
    /// Its attributes, if they can be read.
    pub attributes: Vec<u8>,
    /// Whether it has, or had, a name or attributes that cannot be read.
    pub name_lost: bool,
    /// Whether its entry was read with one byte put right.
    pub mended: bool,
    /// Whether it has checksums.
    pub checked: bool,
    /// Whether it grows with its writes.
    pub growable: bool,
    /// Its bytes.
    pub len: u64,
    /// Seconds since 1970 at create; 0 where no clock was at hand.
    pub created_s: u64,
    /// All of it, in order and without gaps.
    pub pieces: Vec<Piece>,
    /// Where its block lies.
    at: u64,
}

impl SalvagedRegion {
    /// Whether every byte of it is told as good.
    pub fn is_complete(&self) -> bool {
        self.pieces.iter().all(|piece| piece.trust.is_good())
    }

    /// Where its bytes lie in the pool; those that were never written have no place of their own.
    pub fn place(&self) -> Range<u64> {
        self.at..self.at.saturating_add(self.len)
    }

    /// Reads from the region; what was never written, or cannot be read, is zero.
    pub fn read(&self, source: &(impl Readable + ?Sized), at: u64, into: &mut [u8]) {
        into.fill(0);
        let end = at.saturating_add(into.len() as u64);
        for piece in &self.pieces {
            let from = piece.range.start.max(at);
            let to = piece.range.end.min(end);
            if from < to && !matches!(piece.trust, Trust::Unwritten | Trust::Unreadable) {
                let part = &mut into[(from - at) as usize..(to - at) as usize];
                if !source.read(self.at + from, part) {
                    part.fill(0);
                }
            }
        }
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Salvage {
    /// How the entries were found.
    pub way: Way,
    /// Regions, in order of their slots.
    pub regions: Vec<SalvagedRegion>,
    /// What could not be read, in words.
    pub notes: Vec<String>,
}

/// Finds what is readable of the regions in `source`.
///
/// Cost: reads the directory, and the bytes of checked regions; everything where no root is whole.
pub fn salvage(source: &(impl Readable + ?Sized), origin: &Origin) -> Salvage {
    let found = find::directory(source, origin);
    let mut salvage = Salvage {
        way: found.way,
        regions: Vec::new(),
        notes: found.notes,
    };
    let Some(pool_id) = found.pool_id else {
        return salvage;
    };
    let known = |key| (key, found.namespace, origin.pool_id == Some(pool_id));
    let identity = origin.key.map(known);
    for (block, at) in found.blocks {
        let first = everline::layout::DirectoryRoot::slots_of(block);
        for index in 0..everline::layout::DirectoryRoot::block_entries(block) {
            let place = at + index * size_of::<DirectoryEntry>() as u64;
            let Ok(slot) = u32::try_from(first + index) else {
                break;
            };
            let Some((entry, mended)) = entry(source, &pool_id, slot, place, &mut salvage.notes)
            else {
                continue;
            };
            let mut region = pieces::region(source, &pool_id, slot, &entry, &mut salvage.notes);
            region.mended = mended;
            region.id = identity.and_then(|(key, namespace, sure)| {
                let generation = entry.generation.get();
                let parts = IdParts {
                    namespace: namespace?,
                    slot,
                    generation,
                };
                sure.then(|| RegionId::seal(parts, &key, &pool_id))
            });
            salvage.regions.push(region);
        }
    }
    salvage.regions.sort_by_key(|region| region.slot);
    doubt_shared(&mut salvage);
    salvage
}

/// The live entry of a slot, and whether a byte of it was put right.
fn entry(
    source: &(impl Readable + ?Sized),
    pool_id: &PoolId,
    slot: u32,
    at: u64,
    notes: &mut Vec<String>,
) -> Option<(DirectoryEntry, bool)> {
    let mut bytes = [0; size_of::<DirectoryEntry>()];
    if !source.read(at, &mut bytes) {
        notes.push(format!(
            "the entry of slot {slot} at {at:#x} cannot be read"
        ));
        return None;
    }
    let stored = DirectoryEntry::from_bytes(&bytes);
    let (entry, mended) = match stored.fault(pool_id, slot) {
        None => (stored, false),
        Some(what) => match mend::entry(&bytes, pool_id, slot) {
            Some(entry) => (entry, true),
            None => {
                notes.push(format!(
                    "the region of slot {slot} is lost: at {at:#x} {what}"
                ));
                return None;
            }
        },
    };
    entry.is_live().then_some((entry, mended))
}

/// Two regions that claim the same bytes cannot both be right about them.
fn doubt_shared(salvage: &mut Salvage) {
    let mut order: Vec<usize> = (0..salvage.regions.len())
        .filter(|index| salvage.regions[*index].at != 0)
        .collect();
    order.sort_by_key(|index| salvage.regions[*index].at);
    let (mut end, mut last) = (0, None);
    let mut shared = Vec::new();
    for index in order {
        let place = salvage.regions[index].place();
        if let (true, Some(last)) = (place.start < end, last) {
            shared.extend([last, index]);
        }
        if place.end > end {
            (end, last) = (place.end, Some(index));
        }
    }
    for index in shared {
        let region = &mut salvage.regions[index];
        for piece in &mut region.pieces {
            if piece.trust == Trust::Unchecked {
                piece.trust = Trust::Unknown;
            }
        }
        let (slot, place) = (region.slot, region.place());
        salvage.notes.push(format!(
            "the region of slot {slot} shares bytes of {:#x}..{:#x} with another",
            place.start, place.end
        ));
    }
}
