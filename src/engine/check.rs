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
    /// Checks superblock copies, slab map, slab headers and bitmaps, and tells `problem` of what is wrong. Log
    /// and slots were checked by the open. Cost: reads all metadata, no wait.
    pub fn check(&self, mut problem: impl FnMut(Problem)) -> CheckReport {
        let mut report = CheckReport::default();
        let mut tell = |corrupt| {
            report.problems += 1;
            problem(corrupt);
        };
        if let Some(copy) = self.pool().damaged_copy() {
            let at = crate::layout::Superblock::AT[copy & 1];
            tell(Corrupt::new(at, "a superblock copy was found damaged"));
        }
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
