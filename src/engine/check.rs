//! Checks every structure below the stores; reads only.

use super::Engine;
use crate::layout::Corrupt;
use crate::media::Media;
use crate::pool;
use crate::units::{ByteOffset, ByteRange};

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
    /// Checks superblock copies, checkpoint slots, unused bytes, slab map, slab headers and bitmaps, and tells `problem` of
    /// what is wrong. What the open has mended it tells in its report. A pool in use must be paused.
    ///
    /// Left to the stores: what root slots lead to, and which objects are reached. Of the log there is nothing to check:
    /// what the open believed has been replayed. Cost: reads all metadata, no wait.
    pub fn check(&self, mut problem: impl FnMut(Problem)) -> CheckReport {
        let mut report = CheckReport::default();
        let mut tell = |corrupt| {
            report.problems += 1;
            problem(corrupt);
        };
        // After a failed fence copies and slots may be half stored, which the next open settles.
        if !self.pool().health().is_poisoned() {
            pool::check(self.pool(), &mut tell);
            self.log().check(self.pool(), &mut tell);
        }
        for gap in self.pool().geometry().gaps() {
            if let Some(at) = first_set(self.pool().media(), gap) {
                tell(Corrupt::new(at, "bytes that nothing uses are not zero"));
            }
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

/// The first byte of `range` that is not zero.
pub(super) fn first_set<M: Media>(media: &M, range: ByteRange) -> Option<ByteOffset> {
    let mut piece = [0u8; 256];
    let mut at = range.start().get();
    while at < range.end().get() {
        let step = (range.end().get() - at).min(piece.len() as u64);
        let piece = &mut piece[..step as usize];
        media.read(ByteOffset::new(at), piece);
        if let Some(index) = piece.iter().position(|byte| *byte != 0) {
            return Some(ByteOffset::new(at + index as u64));
        }
        at += step;
    }
    None
}
