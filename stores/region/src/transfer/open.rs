//! Opening a pool in a file of any disk, with respect to the note beside it.

use std::path::Path;

use everline::engine::{Engine, OpenOptions, OpenReport};
use everline::media::Media;
use everline::media::file::FileError;
use everline::media::io::{Access, Disk, IoMedia};
use everline::media::preserve::Preserved;

use super::{ImageError, admit};
use crate::Regions;

/// A pool in a file by explicit input and output, of which snapshots can be taken.
pub type PoolInFile<F> = Regions<Preserved<IoMedia<F>>>;

/// Opens the pool in the file at `path` of `disk` (a directory means `pool.pmem` in it) for writing, alone.
///
/// Errors: [`ImageError::File`], [`ImageError::Migrated`], [`ImageError::Unsound`]. Crash: recovers as
/// [`Engine::open`] does.
pub fn open_pool<D: Disk>(
    disk: &D,
    path: &Path,
) -> Result<(PoolInFile<D::File>, OpenReport), ImageError> {
    let path = disk.locate(path)?;
    let file = disk.open(&path, Access::Write)?;
    // Whoever was killed while it gave the file its name may have left one that is only visible.
    match disk.sync_directory(path.parent().unwrap_or(Path::new("/"))) {
        Ok(()) | Err(FileError::Permission { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let media = IoMedia::new(file, None);
    let media = media.map_err(|errno| ImageError::errno("look up", &path, errno))?;
    admit(disk, &path, &media, true)?;
    let opened = Engine::open(Preserved::new(media), &OpenOptions::default());
    let (engine, report) = opened.map_err(|error| ImageError::unsound(&path, error))?;
    let regions = Regions::open(engine).map_err(|error| ImageError::unsound(&path, error))?;
    match regions.engine().pool().media().intact() {
        true => Ok((regions, report)),
        false => Err(FileError::Lost { path }.into()),
    }
}
