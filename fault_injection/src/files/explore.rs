//! Exploring what a cut leaves of files.

use std::fmt::Debug;
use std::sync::Arc;

use super::disk::{CrashDisk, Shared};
use super::options::DiskOptions;
use crate::explore::Explorer;
use crate::media::CrashMedia;
use crate::model::CrashModel;
use crate::record::Recording;
use crate::replay::{Replay, ReplayError};
use crate::report::{Point, Report};

/// What was done to a disk, frozen.
#[derive(Clone)]
pub struct DiskRecording {
    recording: Recording,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for DiskRecording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskRecording")
            .field("events", &self.recording.events())
            .finish_non_exhaustive()
    }
}

impl DiskRecording {
    pub(super) fn of(disk: &CrashDisk) -> Self {
        let mut recording = disk.media.recording();
        recording.names = Some(disk.names());
        DiskRecording {
            recording,
            shared: disk.shared.clone(),
        }
    }

    /// How many events it holds.
    pub fn events(&self) -> usize {
        self.recording.events()
    }

    /// Crash points are taken only after the last [`mark`](CrashDisk::mark). Without a mark nothing changes.
    #[must_use]
    pub fn start_at_last_mark(self) -> Self {
        DiskRecording {
            recording: self.recording.start_at_last_mark(),
            ..self
        }
    }
}

impl Explorer {
    /// Records `work` on the files of a new disk and explores it; `work` and `recover` run with the disk entered, so
    /// that code written against [`crate::fs`] runs as it is. Where `work` calls [`CrashDisk::mark`], exploration
    /// begins there.
    ///
    /// Sectors, lengths and directories are independent of each other ([`crate::files`]); [`Explorer::model`] has no
    /// say here.
    pub fn check_files<O: Clone + Eq + Debug>(
        &self,
        options: DiskOptions,
        work: impl FnOnce(&CrashDisk),
        recover: impl Fn(&CrashDisk) -> O,
        allowed: impl Fn(&Point<'_>, &O) -> Result<(), String>,
    ) -> Report {
        let disk = CrashDisk::new(options);
        disk.enter(|| work(&disk));
        let recording = disk.recording().start_at_last_mark();
        self.explore_files(&recording, recover, allowed)
    }

    /// Explores every crash point of `recording`: see [`Explorer::explore`].
    pub fn explore_files<O: Clone + Eq + Debug>(
        &self,
        recording: &DiskRecording,
        recover: impl Fn(&CrashDisk) -> O,
        allowed: impl Fn(&Point<'_>, &O) -> Result<(), String>,
    ) -> Report {
        let explorer = self.clone().model(CrashModel::WordSubset);
        let shared = &recording.shared;
        let recover = |media: &CrashMedia| {
            let disk = CrashDisk::mounted(media.clone(), shared, false);
            disk.enter(|| recover(&disk))
        };
        let mut report = explorer.explore(&recording.recording, recover, allowed);
        report.assumptions.push(shared.file_system.promise());
        report
    }

    /// Runs one crash state of files again: see [`Explorer::replay`].
    pub fn replay_files<O>(
        &self,
        recording: &DiskRecording,
        replay: &Replay,
        recover: impl Fn(&CrashDisk) -> O,
    ) -> Result<O, ReplayError> {
        let explorer = self.clone().model(CrashModel::WordSubset);
        explorer.replay(&recording.recording, replay, |media| {
            let disk = CrashDisk::mounted(media.clone(), &recording.shared, false);
            disk.enter(|| recover(&disk))
        })
    }
}
