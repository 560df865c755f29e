//! Giving out inode numbers, each once (F1).

use std::io;
use std::ops::Range;

use everline::media::Media;
use everline::units::{ByteRange, LineRange};

use super::disk::CrashDisk;
use super::options::TAKEN;

/// Numbers that a mount takes at a time.
const BLOCK: u32 = 16;

/// The numbers of block `taken`; the root's is not among them.
pub(super) fn block(taken: u32, inodes: u32) -> Range<u32> {
    let first = taken.saturating_mul(BLOCK).saturating_add(1);
    first.min(inodes)..first.saturating_add(BLOCK).min(inodes)
}

impl CrashDisk {
    /// A number that was never used.
    ///
    /// A mount takes its block durably before it uses it, so that no later mount takes it again, whatever else a cut
    /// leaves.
    #[track_caller]
    pub(super) fn new_inode(&self) -> io::Result<u32> {
        let mut mount = self.mount();
        if mount.free.is_empty() {
            let taken = self.media.load64(TAKEN) + 1;
            let inodes = self.layout().inodes;
            mount.free = block(u32::try_from(taken).unwrap_or(u32::MAX), inodes);
            if mount.free.is_empty() {
                let message = "no number left for a new file: raise DiskOptions::files";
                return Err(io::Error::new(io::ErrorKind::StorageFull, message));
            }
            self.media.store64(TAKEN, taken);
            let word = ByteRange::at(TAKEN.get(), 8).expect("inside the medium");
            self.media.flush(LineRange::covering(word));
            self.settle();
        }
        let inode = mount.free.next().expect("not empty");
        mount.untouched.insert(inode, 0);
        Ok(inode)
    }
}
