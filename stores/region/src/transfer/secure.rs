//! Space behind a copy: where the source had zeros the copy has holes, and a pool counts on the space that it was
//! given, so that no store to it finds a full device (V4, H5).

use std::collections::HashSet;
use std::path::Path;

use everline::alloc::ExtentKind;
use everline::engine::{Engine, OpenOptions};
use everline::media::Media;
use everline::media::io::FileIo;
use everline::units::{ByteOffset, ByteRange};

use super::ImageError;
use super::restore::private;
use crate::Regions;
use crate::chunks::{Chunks, Grid};
use crate::directory::behind;

/// Takes space for everything in `file` that the pool there has taken space for: rings, slabs in use, and of regions
/// what was ever written.
///
/// Errors: no space; no pool that recovers.
pub(super) fn secure<F: FileIo>(file: &F, path: &Path) -> Result<(), ImageError> {
    let options = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let unsound = |error: &dyn std::error::Error| ImageError::unsound(path, error);
    let (engine, _) =
        Engine::open(private(file, path)?, &options).map_err(|error| unsound(&error))?;
    let regions = Regions::open(engine).map_err(|error| unsound(&error))?;
    let ranges = taken(&regions).map_err(|error| unsound(&error))?;
    for range in ranges {
        file.allocate(range)
            .map_err(|error| ImageError::space("reserve space", path, error))?;
    }
    Ok(())
}

/// What has space, in order, each stretch once.
fn taken<M: Media>(
    regions: &Regions<M>,
) -> Result<Vec<ByteRange>, crate::RegionError<M::SyncError>> {
    let geometry = regions.engine().pool().geometry();
    let mut taken = vec![geometry.zeroed_at_create()];
    let mut blocks = HashSet::new();
    regions.for_each_live(|slot, found, _| {
        let (entry, block) = (&found.entry, ByteOffset::new(found.entry.block().0));
        blocks.insert(block);
        let (grid, chunks) = (
            Grid::of(entry),
            Chunks::read(regions.engine(), slot, entry)?,
        );
        for index in grid.indices(&(0..entry.block().1)) {
            if regions.is_written(slot, entry, &chunks, index)? {
                let range = grid.range(index);
                let at = behind(block, range.start).get();
                taken.extend(ByteRange::at(at, range.end - range.start));
            }
        }
        Ok(())
    })?;
    regions.engine().for_each_extent(|extent| {
        let sparse = extent.kind == ExtentKind::Huge && blocks.contains(&extent.range.start());
        if extent.kind != ExtentKind::Free && !sparse {
            taken.push(extent.range);
        }
    })?;
    taken.sort_unstable_by_key(|range| range.start());
    taken.dedup_by(|next, one| join(next, one));
    Ok(taken)
}

/// Makes `one` reach over `next`, which begins later, if they meet.
fn join(next: &ByteRange, one: &mut ByteRange) -> bool {
    let meets = next.start() <= one.end();
    if meets {
        let end = one.end().max(next.end()).get();
        *one = ByteRange::at(one.start().get(), end - one.start().get()).unwrap_or(*one);
    }
    meets
}
