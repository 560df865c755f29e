//! A copy of a pool in use, as it was at one moment.
//!
//! All transactions are over at that moment, and those that begin afterwards save what they change ([`Preserved`]).
//! The image is what a process that was killed then would have left: opening it recovers.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use everline::media::Media;
use everline::media::io::Disk;
use everline::media::preserve::{CopyError, Preserved};
use everline::tx::Paused;

use super::image::{NewImage, free_place};
use super::{ImageError, ImageReport, Phase, Progress, TransferOptions};
use crate::{RegionError, Regions};

impl<M: Media> Regions<Preserved<M>> {
    /// Copies the pool as it is at one moment of this call to a new file at `path` (a directory that is empty means
    /// `pool.pmem` in it), while others go on. Identity and identifiers are the pool's own: it is the same pool at an
    /// earlier time. What was acknowledged before the call is in the copy; a direct write that is under way meanwhile
    /// may be in it in part.
    ///
    /// `proceed` is told how far it is after each piece, and may end it. Waits for the transactions under way, so a
    /// thread that has one open waits for ever.
    ///
    /// Errors: [`ImageError`]; nothing is there then. Cost: one copy and one read of what is not zero; others wait
    /// for the longest transaction under way, and then save each 64 KiB that they change first. Crash: the whole copy
    /// or nothing.
    pub fn snapshot<D: Disk + 'static>(
        &self,
        disk: &D,
        path: &Path,
        options: TransferOptions,
        mut proceed: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<ImageReport, ImageError> {
        self.in_service().map_err(|error| refused(&error))?;
        let path = free_place(disk, path, false)?;
        let media = self.engine().pool().media();
        // Files are made while others go on: where the pool grew meanwhile, once more.
        let (quiet, image) = loop {
            let len = media.len();
            let image = NewImage::<D>::create(disk, &path, len.get(), options)?;
            let quiet = self.engine().pause();
            if media.len() == len {
                break (quiet, Arc::new(image));
            }
        };
        self.copy_moment(quiet, &image, &path, &mut proceed)?;
        let image = Arc::into_inner(image).expect("a copy that is over has no sink");
        let (report, _) = image.verify(&mut proceed)?.publish(disk, false)?;
        Ok(report)
    }

    /// Fixes the moment, which is a quiet one, and copies it.
    fn copy_moment<D: Disk + 'static>(
        &self,
        quiet: Paused<'_>,
        image: &Arc<NewImage<D>>,
        path: &Path,
        proceed: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), ImageError> {
        let failed = |error: CopyError| ImageError::copy(error, path);
        let media = self.engine().pool().media();
        let copy = media.begin_copy(image.clone()).map_err(failed)?;
        drop(quiet);
        let total = copy.len().get();
        copy.run(image.buffer_len(), |done| {
            let done = done.get();
            proceed(Progress {
                phase: Phase::Copying,
                done,
                total,
            })
        })
        .map_err(failed)
    }
}

/// Why a source does not serve.
pub(super) fn refused<E: std::error::Error + 'static>(error: &RegionError<E>) -> ImageError {
    match error {
        RegionError::Retired { why } => ImageError::Retired { why: *why },
        other => ImageError::Source {
            reason: other.to_string(),
        },
    }
}
