//! Reads what is readable of a pool that cannot be opened: in private memory, by whatever still tells what lies where.
//!
//! ```text
//! candidates(image) ─▶ the likeliest superblock ─▶ open_as(private copy, candidate) ─▶ a read-only engine and what it cost
//! ```
//!
//! Where both superblock copies are damaged, geometry comes from their fields, from the caller, or from the table of
//! defaults and the image's length; each guess is weighed by what it explains: whole slots, map entries with a right check,
//! slab headers in their place. Checksums that the pool's identity seeds cannot be checked without it.
//!
//! Nothing here stores to the pool: hand in a private copy.

use std::vec::Vec;

use zerocopy::{FromBytes, IntoBytes};

use super::repair::perform;
use super::{Engine, OpenOptions, RepairError, RepairPlan};
use crate::layout::{
    Geometry, LayoutName, MapEntry, POOL_BYTES_MIN, PoolId, SLAB_HEADER_BYTES, SlabHeader,
    Superblock,
};
use crate::log;
use crate::media::Media;
use crate::persist::Pending;
use crate::units::ByteOffset;

/// Where a guess at a pool's shape comes from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A superblock copy with a right checksum.
    Superblock,
    /// The fields of a damaged superblock copy.
    DamagedSuperblock,
    /// The caller.
    Given,
    /// The table of defaults, by the image's length.
    Defaults,
}

/// A guess at what pool this was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where the guess comes from.
    pub source: Source,
    /// Where everything lies.
    pub geometry: Geometry,
    /// The identity, if it is known; without it no checkpoint slot, header or directory can be checked.
    pub pool_id: Option<PoolId>,
    /// Structures that the guess explains: whole slots count a hundred, map entries and slab headers one each.
    pub explains: u64,
}

/// What was opened, and what had to be done for it.
#[derive(Debug)]
pub struct Salvaged<M> {
    /// The pool, read-only.
    pub engine: Engine<M>,
    /// Everything that was wrong with what the guess explains.
    pub plan: RepairPlan,
    /// Whether the identity is the pool's own.
    pub identity_known: bool,
}

/// Guesses at what pool `image` holds, the likeliest first; with `given`, the caller's own among them. None where the
/// image is too short for any pool.
///
/// Cost: reads superblocks, slots and slab map once for each guess.
pub fn candidates<M: Media>(image: &M, given: Option<Geometry>) -> Vec<Candidate> {
    let len = image.len().get();
    if len < POOL_BYTES_MIN {
        return Vec::new();
    }
    let mut found: Vec<Candidate> = Vec::new();
    let mut add = |source, geometry: Geometry, pool_id| {
        let is_new = |known: &Candidate| known.geometry != geometry || known.pool_id != pool_id;
        if geometry.heap_at().get() < len && found.iter().all(is_new) {
            found.push(Candidate {
                source,
                geometry,
                pool_id,
                explains: explains(image, &geometry, pool_id.as_ref()),
            });
        }
    };
    for at in Superblock::AT {
        let mut bytes = [0; size_of::<Superblock>()];
        image.read(at, &mut bytes);
        let (source, superblock) = match Superblock::parse(&bytes, at) {
            Ok(superblock) => (Source::Superblock, superblock),
            Err(_) => match Superblock::read_from_bytes(&bytes) {
                Ok(superblock) => (Source::DamagedSuperblock, superblock),
                Err(_) => continue,
            },
        };
        if let Ok(geometry) = Geometry::of(&superblock) {
            add(source, geometry, Some(superblock.pool_id));
            add(source, geometry, None);
        }
    }
    if let Some(geometry) = given {
        add(Source::Given, geometry, None);
    }
    if let Ok(geometry) = Geometry::with_defaults(len, None, None, None, None) {
        add(Source::Defaults, geometry, None);
    }
    // An identity from one copy may belong to a geometry from elsewhere.
    let ids: Vec<PoolId> = found.iter().filter_map(|known| known.pool_id).collect();
    let shapes: Vec<Candidate> = found.clone();
    for id in ids {
        for shape in &shapes {
            let is_new =
                |known: &Candidate| known.geometry != shape.geometry || known.pool_id != Some(id);
            if found.iter().all(is_new) {
                let explains = explains(image, &shape.geometry, Some(&id));
                found.push(Candidate {
                    pool_id: Some(id),
                    explains,
                    ..*shape
                });
            }
        }
    }
    found.sort_by_key(|known| (core::cmp::Reverse(known.explains), known.source));
    found
}

/// Opens what `private` holds as `candidate` says: the superblock is made up where there is none, the log is replayed where
/// it can be read and given up where not, and the slab map is made one that can be walked. `private` is changed.
///
/// Errors: the guess explains nothing that can be opened; try the next one.
pub fn open_as<M: Media>(
    private: M,
    candidate: &Candidate,
) -> Result<Salvaged<M>, RepairError<M::SyncError>> {
    let len = private.len().get();
    let geometry = &candidate.geometry;
    let geometry = if geometry.len() > len {
        // A truncated pool: what is left of it.
        let cut = Geometry::new(
            len,
            geometry.capacity_max(),
            geometry.lane_count(),
            geometry.ring_bytes(),
            geometry.slab_bytes(),
        );
        cut.unwrap_or(*geometry)
    } else {
        *geometry
    };
    if candidate.source != Source::Superblock || geometry != candidate.geometry {
        let superblock = Superblock::new(
            &geometry,
            candidate.pool_id.unwrap_or_default(),
            [0; 16],
            LayoutName::default(),
            0,
        );
        let mut pending = Pending::new(&private);
        for at in Superblock::AT {
            pending.write_nt(at, superblock.as_bytes());
        }
        pending.fence().map_err(RepairError::Sync)?;
    }
    let plan = perform(&private)?;
    let options = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let (engine, _) = Engine::open(private, &options).map_err(RepairError::Open)?;
    Ok(Salvaged {
        engine,
        plan,
        identity_known: candidate.pool_id.is_some(),
    })
}

/// How much of the image a guess explains.
fn explains<M: Media>(image: &M, geometry: &Geometry, pool_id: Option<&PoolId>) -> u64 {
    let len = image.len().get();
    let mut sum = 0;
    if let Some(id) = pool_id.filter(|_| geometry.shared_at().get() <= len) {
        sum += 100 * log::whole_slots(image, geometry, id);
    }
    for slab in 0..geometry.slab_count() {
        let (entry, header) = (geometry.entry_at(slab), geometry.slab_at(slab));
        let inside = |at: ByteOffset| at.get() + SLAB_HEADER_BYTES <= len;
        if !inside(entry) || !inside(header) {
            break;
        }
        sum += u64::from(MapEntry(image.load64(entry)).decode(slab).is_some());
        let mut magic = [0; 4];
        image.read(header, &mut magic);
        sum += u64::from(SlabHeader::is_marked(&magic));
    }
    sum
}
