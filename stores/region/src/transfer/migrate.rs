//! A pool moves to another place.
//!
//! | step | after a power cut, the pool is |
//! |---|---|
//! | nobody is inside, log empty | at the source |
//! | image written, read again, compared | at the source |
//! | note durable | at the source: nothing is at the destination |
//! | destination durable, then its name | at the source, or at the destination once that name is there |
//! | source removed | at the destination |
//! | note removed | at the destination |

use std::ops::ControlFlow;
use std::path::Path;

use everline::engine::Identity;
use everline::media::Media;
use everline::media::file::FileError;
use everline::media::io::Disk;

use super::adopt::{Renamed, adopt};
use super::image::{NewImage, Verified, free_place};
use super::note::{self, Note};
use super::restore::check_file;
use super::snapshot::refused;
use super::{ImageError, ImageReport, MigrateOptions, Progress};
use crate::Regions;
use crate::service::Moving;

/// A pool that was moved, or one that was made like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The copy: its place and size, and the checksum of what was copied.
    pub image: ImageReport,
    /// Where the source stays: each region's identifier there, and that of its copy.
    pub renamed: Renamed,
}

/// Moves the pool of `regions`, which lies in the file `source` of `disk`, to `path` (a directory that is empty means
/// `pool.pmem` in it). Identity and identifiers go with it. From then on every handle to `regions` answers
/// [`RegionError::Retired`](crate::RegionError::Retired), and while the call lasts too.
///
/// Where the source is to stay ([`MigrateOptions::remove_source`]), it serves on, and the copy is a pool of its own:
/// with another identity, and other identifiers, which the answer lists.
///
/// Waits for all that is under way, so a thread that has a batch open waits for ever.
///
/// Errors: [`ImageError`], a view that leads into a region among them; the source serves on, with nothing at the
/// destination and no note, unless a directory could not be synced: then the next open finds out which of the two is
/// the pool. Cost: one copy, one read, one checkpoint and the syncs. Crash: see the module.
pub fn migrate<M: Media, D: Disk>(
    regions: &Regions<M>,
    source: &Path,
    disk: &D,
    path: &Path,
    options: &MigrateOptions,
    mut proceed: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Migration, ImageError> {
    if regions.engine().is_read_only() {
        return Err(ImageError::ReadOnly);
    }
    let path = free_place(disk, path, false)?;
    let moving = regions.begin_move().map_err(|error| refused(&error))?;
    let closed = regions.engine().checkpoint();
    closed.map_err(|error| ImageError::Source {
        reason: error.to_string(),
    })?;
    let _quiet = regions.engine().pause();
    let media = regions.engine().pool().media();
    let image = NewImage::create(disk, &path, media.len().get(), options.transfer)?;
    image.fill(media, &mut proceed)?;
    let verified = image.verify(&mut proceed)?;
    if !options.remove_source {
        return keep_source(regions, disk, verified, &path);
    }
    let step = Step {
        disk,
        source,
        note: Note {
            destination: path,
            pool_id: *regions.engine().pool().id(),
        },
    };
    let image = step.change_places(verified, moving)?;
    let renamed = Renamed::new();
    Ok(Migration { image, renamed })
}

/// Makes the copy a pool of its own.
fn keep_source<M: Media, D: Disk>(
    regions: &Regions<M>,
    disk: &D,
    image: Verified<D>,
    path: &Path,
) -> Result<Migration, ImageError> {
    let identity = Identity::random().map_err(|error| ImageError::Source {
        reason: format!("the system has no random identity for its copy: {error}"),
    })?;
    let renamed = image.with_file(|file| {
        let renamed = adopt(regions, file, &identity)?;
        check_file(file, path)?;
        Ok::<_, ImageError>(renamed)
    })?;
    let (image, _) = image.publish(disk, false)?;
    Ok(Migration { image, renamed })
}

/// The steps that decide where the pool is.
struct Step<'s, D> {
    disk: &'s D,
    source: &'s Path,
    note: Note,
}

impl<D: Disk> Step<'_, D> {
    fn change_places(
        &self,
        image: Verified<D>,
        moving: Moving<'_>,
    ) -> Result<ImageReport, ImageError> {
        note::forget(self.disk, &self.note.destination)?;
        if let Err(error) = note::write(self.disk, self.source, &self.note) {
            note::remove(self.disk, self.source).ok(); // best effort: without a destination it says nothing
            return Err(error);
        }
        // Held until the source is gone: who opened the copy before that would lose his writes with it.
        let (report, file) = match image.publish(self.disk, false) {
            Ok(published) => published,
            Err(error) => return Err(self.withdraw(moving, error)),
        };
        if let Err(error) = self.disk.remove(self.source) {
            let gone = self.disk.remove(&self.note.destination);
            return Err(self.take_back(moving, error.into(), gone.map_err(ImageError::from)));
        }
        drop(file);
        moving.over();
        self.disk.sync_directory(parent(self.source))?;
        note::remove(self.disk, self.source)?;
        Ok(report)
    }

    /// After a copy that was not published: what is at the destination now is somebody else's, unless it is this pool.
    fn withdraw(&self, moving: Moving<'_>, error: ImageError) -> ImageError {
        let Note {
            destination,
            pool_id,
        } = &self.note;
        let gone = match &error {
            ImageError::File(FileError::AlreadyExists { .. }) => Ok(()),
            _ => match note::pool_at(self.disk, destination) {
                Ok(Some(found)) if found == *pool_id => {
                    self.disk.remove(destination).map_err(ImageError::from)
                }
                found => found.map(|_| ()),
            },
        };
        self.take_back(moving, error, gone)
    }

    /// Makes the source the pool again; where it cannot be known that the destination is gone, the note stays and the
    /// source serves no more (D3).
    fn take_back(
        &self,
        moving: Moving<'_>,
        error: ImageError,
        gone: Result<(), ImageError>,
    ) -> ImageError {
        let directory = parent(&self.note.destination);
        let gone = gone.and_then(|()| Ok(self.disk.sync_directory(directory)?));
        if gone.is_err() {
            moving.over();
            return error;
        }
        note::remove(self.disk, self.source).ok(); // best effort: without a destination it says nothing
        error
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
