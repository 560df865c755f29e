//! A snapshot becomes a pool again: checked before, whole or not at all.

use std::ops::ControlFlow;
use std::path::Path;

use everline::engine::{Engine, OpenOptions};
use everline::media::Media;
use everline::media::io::{Access, Disk, FileIo, IoMedia};

use super::image::{NewImage, free_place};
use super::{ImageError, ImageReport, Progress, TransferOptions, note};
use crate::{RegionCheck, Regions};

/// How a snapshot is restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// How the copy is made.
    pub transfer: TransferOptions,
    /// Whether it takes the place of a pool that is there and that nobody has open.
    pub overwrite: bool,
}

/// Makes the pool in the snapshot at `image` again at `path`; the snapshot stays.
///
/// Errors: [`ImageError::Unsound`] where the snapshot is not one, or not sound in every structure; a taken place
/// unless it may be overwritten, and one that somebody has open; nothing has changed then. Cost: one check, one copy
/// and one read. Crash: at `path` is what was there, or the whole pool.
pub fn restore<D: Disk>(
    disk: &D,
    image: &Path,
    path: &Path,
    options: &RestoreOptions,
    mut proceed: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<ImageReport, ImageError> {
    let image = disk.locate(image)?;
    let file = disk.open(&image, Access::Read)?;
    check_file(&file, &image)?;
    let path = free_place(disk, path, options.overwrite)?;
    let media = private(&file, &image)?;
    let new = NewImage::create(disk, &path, media.len().get(), options.transfer)?;
    new.fill(&media, &mut proceed)?;
    let verified = new.verify(&mut proceed)?;
    let (report, _) = verified.publish(disk, options.overwrite)?;
    // What was moved away from here has come back, by the caller's wish.
    note::remove(disk, &path)?;
    Ok(report)
}

/// Checks the pool in the file at `path` in a private copy: heap, directory, and that it recovers. Changes nothing.
///
/// Errors: [`ImageError::Unsound`] with the first problem; busy while somebody has it open for writing.
pub fn check_image<D: Disk>(disk: &D, path: &Path) -> Result<RegionCheck, ImageError> {
    let path = disk.locate(path)?;
    check_file(&disk.open(&path, Access::Read)?, &path)
}

pub(super) fn check_file<F: FileIo>(file: &F, path: &Path) -> Result<RegionCheck, ImageError> {
    let options = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let opened = Engine::open(private(file, path)?, &options);
    let (engine, _) = opened.map_err(|error| ImageError::unsound(path, error))?;
    let mut first = None;
    engine.check(|problem| {
        first.get_or_insert_with(|| problem.to_string());
    });
    let regions = Regions::open(engine).map_err(|error| ImageError::unsound(path, error))?;
    let report = regions.check(|problem| {
        first.get_or_insert_with(|| problem.to_string());
    });
    match first {
        Some(problem) => Err(ImageError::unsound(path, problem)),
        None if !regions.engine().pool().media().intact() => Err(ImageError::Unreadable),
        None => Ok(report),
    }
}

pub(super) fn private<'f, F: FileIo>(
    file: &'f F,
    path: &Path,
) -> Result<IoMedia<&'f F>, ImageError> {
    IoMedia::private(file).map_err(|errno| ImageError::errno("look up", path, errno))
}
