//! A file as a medium by explicit reads, writes and syncs, without a mapping: no SIGBUS, no page tables, and bytes
//! reach the file only when a fence says so.
//!
//! ```text
//! load  ─► frame there? ─ no ─► read 64 KiB of the file
//! store ─► frame in memory, line marked dirty
//! flush ─► dirty lines marked to be written
//! fence ─► queue ─► leader: writes every marked run, one sync ─► all fences that were queued return
//! ```
//!
//! The bytes are those of a mapped pool: either kind opens what the other made. A process that dies takes with it what
//! it had not fenced.
//!
//! | file | holds |
//! |---|---|
//! | `disk.rs` | what is asked of the operating system |
//! | `frames.rs` | the bytes in memory and what is to be written of them |
//! | `fence.rs` | writing and syncing |
//! | `whole.rs` | loads and stores: the medium's face |
//!
//! Invariants (each file has its own beside these; F1 to F4 are those of the shared sync)
//! V1  a fence that answers `Ok` has written, and synced after that, everything its thread flushed.
//! V6  memory is taken for frames that were touched, and for nothing else that grows with the file.
//! V7  after the first failed write, sync or read every fence fails. What could not be read reads zero, and
//!     [`Media::intact`] says so.
//! Crash: V1 for the bytes; a length is durable when the call that changes it returns.

mod disk;
mod fence;
mod frames;
mod whole;

pub use disk::{Access, Disk, FileIo, NewFile, publish};

pub use crate::media::file::{LocalDisk, LocalFile, NewLocalFile};

use std::sync::Arc;

#[cfg(doc)]
use crate::media::Media;
use crate::media::file::back::Backing;
use crate::media::group::SyncGroup;
use crate::media::{Domain, Durability, Errno};
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::units::{ByteLen, ByteOffset};
use frames::{FRAME, Frame, Frames};

/// To what length a file may grow where the caller does not say: room in a table, 16 bytes for each 32 MiB.
const CAPACITY_DEFAULT: u64 = 64 << 30;

const PRIVATE: Durability = Durability {
    domain: Domain::Volatile,
    reason: "private copy of a read-only pool",
    flush: "nothing",
};

/// A file whose bytes are kept in frames and written at fences.
#[derive(Debug)]
pub struct IoMedia<F> {
    file: F,
    frames: Frames,
    len: AtomicU64,
    capacity: ByteLen,
    /// The shared sync; none where nothing is ever written.
    sync: Option<Arc<SyncGroup>>,
    space: Backing,
    /// Zeros stand in for bytes that could not be read (V7).
    lost: AtomicBool,
    fresh: bool,
    durability: Durability,
}

impl<F: FileIo> IoMedia<F> {
    /// The bytes of `file`, to which nobody else may write; it can grow to `capacity`, 64 GiB where that is not given.
    ///
    /// Errors: the length cannot be asked. Cost: no read; memory for what is touched.
    pub fn new(file: F, capacity: Option<ByteLen>) -> Result<Self, Errno> {
        let durability = file.durability();
        Self::assemble(file, capacity, durability, true)
    }

    /// As [`IoMedia::new`], for a file that was just made by the caller: what was never stored reads zero.
    pub fn fresh(file: F, capacity: Option<ByteLen>) -> Result<Self, Errno> {
        let media = Self::new(file, capacity)?;
        Ok(IoMedia {
            fresh: true,
            ..media
        })
    }

    /// A private copy of `file`, made frame by frame: stores stay in memory, fences are free and nothing is ever
    /// written, so recovery can run in it. The domain is [`Domain::Volatile`].
    pub fn private(file: F) -> Result<Self, Errno> {
        let len = file.len()?;
        Self::assemble(file, Some(len), PRIVATE, false)
    }

    fn assemble(
        file: F,
        capacity: Option<ByteLen>,
        durability: Durability,
        writes: bool,
    ) -> Result<Self, Errno> {
        let len = file.len()?.get();
        let capacity = capacity.map_or(CAPACITY_DEFAULT, ByteLen::get).max(len);
        let capacity = ByteLen::new(capacity);
        Ok(IoMedia {
            file,
            frames: Frames::new(capacity),
            len: AtomicU64::new(len),
            capacity,
            sync: writes.then(SyncGroup::new),
            space: Backing::new(capacity),
            lost: AtomicBool::new(false),
            fresh: false,
            durability,
        })
    }

    /// The file underneath.
    pub fn file(&self) -> &F {
        &self.file
    }

    /// Gives the file back; what was not fenced is gone.
    pub fn into_file(self) -> F {
        self.file
    }

    /// Bytes of memory that frames take. Cost: looks at every place of the table that is in use.
    pub fn resident(&self) -> ByteLen {
        self.frames.resident()
    }

    /// The frame that holds `at`, which lies in the file.
    #[inline]
    fn frame(&self, at: ByteOffset) -> &Frame {
        match self.frames.get(at) {
            Some(frame) => frame,
            None => self.frames.get_or_load(at, || self.load(at)),
        }
    }

    /// Reads the frame that holds `at`.
    fn load(&self, at: ByteOffset) -> Frame {
        let mut bytes = std::vec![0; FRAME as usize];
        self.read_file(ByteOffset::new(at.get() / FRAME * FRAME), &mut bytes);
        Frame::new(&bytes)
    }

    /// Reads the file from `at` on; zeros past its end, and where that fails (V7).
    fn read_file(&self, at: ByteOffset, into: &mut [u8]) {
        // Acquire pairs with the release in `grow_to`.
        let left = self.len.load(Ordering::Acquire).saturating_sub(at.get());
        let expected = left.min(into.len() as u64) as usize;
        let read = self.file.read_at(at, into);
        let count = *read.as_ref().unwrap_or(&0);
        if count < expected {
            into.fill(0);
            self.lose(read.err().unwrap_or(Errno(libc::EIO)));
        } else {
            into[count..].fill(0);
        }
    }

    /// Bytes could not be read: from now on nothing that is fenced can be trusted (V7).
    fn lose(&self, errno: Errno) {
        self.lost.store(true, Ordering::Release); // Release pairs with the acquire in `intact`
        if let Some(group) = &self.sync {
            group.poison(errno);
        }
    }
}

#[cfg(test)]
mod tests;
