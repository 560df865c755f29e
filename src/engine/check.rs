//! Checks every structure below the stores; reads only.

use super::Engine;
use crate::layout::Corrupt;
use crate::media::Media;

/// One thing that cannot be right.
pub type Problem = Corrupt;

/// What a check looked at and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Live objects.
    pub objects: u64,
    /// Bytes of live objects.
    pub used_bytes: u64,
    /// Problems told.
    pub problems: u64,
}

impl<M: Media> Engine<M> {
    /// Checks slab map, slab headers and bitmaps, and tells `problem` of what is wrong. Superblock copies, slots
    /// and log were checked by the open, whose report tells of a mended copy. Cost: reads all metadata, no wait.
    pub fn check(&self, mut problem: impl FnMut(Problem)) -> CheckReport {
        let mut report = CheckReport::default();
        let mut tell = |corrupt| {
            report.problems += 1;
            problem(corrupt);
        };
        self.heap().check(self.pool(), &mut tell);
        let counted = self.for_each_live(|object| {
            report.objects += 1;
            report.used_bytes += object.range.len().get();
        });
        // A map that cannot be walked was told by the heap's own check.
        let _told = counted;
        report
    }
}
