//! Files as media: on persistent memory by CPU instructions, elsewhere by msync, with one type for both.
//!
//! ```text
//! open ─ lock ─ survey ─┬─ MAP_SYNC granted (or assumed) ─► flush = clwb …, fence = sfence
//!                       └─ refused ───────────────────────► flush = note the pages, fence = one msync or fdatasync
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `open.rs`, `create.rs`, `private.rs` | the ways to a medium; `lock.rs`, `names.rs`, `temporary.rs` serve them |
//! | `local.rs` | files and their directory for explicit input and output, [`crate::media::io`] |
//! | `map.rs`, `grow.rs`, `back.rs` | addresses, length, space |
//! //! | `probe.rs`, `place.rs`, `plan.rs` | what a place gives: gathered, parsed, decided |
//! | `sigbus.rs` | optional: errors instead of SIGBUS |
//! | `sys.rs` | system calls |
//!
//! Invariants (each file has its own beside these)
//! V1  a fence that answers `Ok` has reached what [`Media::durability`] says, for everything its thread flushed.
//! V4  no store raises SIGBUS where [`Media::back`] has answered `Ok`, short of a failing device or a file cut
//!     by somebody else. On a file system that copies on write, snapshots and clones can take that away again.
//! V5  a file is whole or absent after `create`, and unchanged by an `open` that fails.
//! Crash: V1 for the bytes; lengths and names are durable when the call that makes them returns.

pub(in crate::media) mod back;
mod create;
mod error;
mod grow;
mod local;
mod lock;
mod map;
mod names;
mod open;
mod place;
mod plan;
mod private;
mod probe;
pub mod sigbus;
mod sys;
mod temporary;

pub use create::Unpublished;
pub use error::{FileError, errno_of, space_error};
pub use local::{LocalDisk, LocalFile, NewLocalFile};
pub use names::resolve;
pub use open::destroy;
pub use private::PrivateMedia;
pub use probe::{PathReport, durability_of};

use std::boxed::Box;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::media::forward::forward_accesses;
use crate::media::group::{Batch, PageRun, SyncGroup};
use crate::media::{Checksum, Domain, Errno, Mapped, Media, SpaceError};
use crate::sync::{AtomicBool, Ordering};
use crate::units::{ByteLen, ByteOffset, ByteRange, FAIL_ATOMIC, LineRange, round_down, round_up};
use back::Backing;
use lock::Locked;
use map::Mapping;
use sigbus::Watch;

/// How a file is opened or made. The default is a durable local file with room to grow.
#[derive(Clone, Debug, Default)]
pub struct FileOptions {
    /// Addresses to reserve, for growth up to that length; by default 64 GiB where addresses are plenty.
    pub reserve_len: Option<ByteLen>,
    /// Treat the place as persistent memory, whatever it is: battery-backed RAM, measurements. Reported everywhere.
    pub assume_persistent: bool,
    /// Accept network and FUSE file systems.
    pub allow_foreign_fs: bool,
    /// Refuse a place that gives less.
    pub require: Option<Domain>,
    /// Read all pages in at open.
    pub prefault: bool,
}

/// Called in front of each sync with what it will write; its error takes the sync's place.
type SyncHook = Box<dyn Fn(Batch) -> Result<(), Errno> + Send + Sync>;

/// A file that this process alone may store to.
///
/// The lock and the mapping end when it is dropped; nothing is stored or synced then.
pub struct FileMedia {
    // Dropped in this order: nothing is watched any more when the mapping goes, and the lock goes last.
    watch: Watch,
    mapping: Mapping,
    /// The shared sync, where a fence is a system call.
    sync: Option<Arc<SyncGroup>>,
    hook: Option<SyncHook>,
    space: Backing,
    file: Locked,
    path: PathBuf,
    fresh: bool,
    /// Whether the file has its name yet.
    named: AtomicBool,
    opener: u32,
}

impl FileMedia {
    /// The file's path, from the root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is still what was opened: not cut, not removed, no page lost, not a child's copy.
    /// Cost: one fstat.
    ///
    /// Errors: what happened to it. Nothing stored from now on can be trusted to last.
    pub fn still_whole(&self) -> Result<(), FileError> {
        let path = || self.path.clone();
        if self.is_forked() {
            return Err(FileError::Forked { path: path() });
        }
        let metadata = self
            .file
            .metadata()
            .map_err(FileError::io("look up", &self.path))?;
        let (mapped, found) = (self.len(), ByteLen::new(metadata.len()));
        if found < mapped {
            return Err(FileError::Truncated {
                path: path(),
                mapped,
                found,
            });
        }
        // Relaxed: set before the medium is handed out.
        if metadata.nlink() == 0 && self.named.load(Ordering::Relaxed) {
            return Err(FileError::Unlinked { path: path() });
        }
        if self.watch.is_lost() {
            return Err(FileError::Lost { path: path() });
        }
        Ok(())
    }

    #[inline(always)]
    fn mapped(&self) -> &Mapped {
        &self.mapping.mapped
    }

    fn is_forked(&self) -> bool {
        self.opener != std::process::id()
    }

    /// Makes every later fence fail, where fences can.
    fn poison(&self, errno: Errno) {
        if let Some(group) = &self.sync {
            group.poison(errno);
        }
    }

    /// Notes that the pages of `lines`, which are not empty, are to be synced; nothing where no sync is needed.
    #[cold]
    #[inline(never)]
    fn note(&self, lines: LineRange) {
        if let Some(group) = &self.sync {
            let start = lines.start().get();
            let end = start + lines.count().get() * crate::units::FLUSH_LINE;
            let page = sys::page_bytes();
            group.record(PageRun {
                start: round_down(start, page),
                end: round_up(end, page).unwrap_or(end),
            });
        }
    }

    /// The part of a fence that is not an instruction.
    #[cold]
    #[inline(never)]
    fn fence_slowly(&self) -> Result<(), Errno> {
        if self.watch.is_lost() {
            return Err(Errno(libc::EIO));
        }
        let Some(group) = &self.sync else {
            return Ok(());
        };
        if self.is_forked() {
            return Err(Errno(libc::EPERM));
        }
        group.fence(|batch| self.sync_now(batch))
    }

    fn sync_now(&self, batch: Batch) -> Result<(), Errno> {
        if let Some(hook) = &self.hook {
            hook(batch)?;
        }
        match batch {
            Batch::One(run) => self.mapping.sync(run.start, run.end - run.start)?,
            Batch::Many => self.sync_file()?,
        }
        // A file that was cut takes a sync of its last page and keeps nothing of it.
        self.check_uncut().map_err(|_| Errno(libc::EIO))?;
        if self.watch.is_lost() {
            return Err(Errno(libc::EIO)); // another thread lost a page that this sync may have covered
        }
        Ok(())
    }

    /// Writes every dirty page. Only Linux is known to count pages dirtied through a mapping as the file's.
    fn sync_file(&self) -> Result<(), Errno> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            use std::os::fd::AsRawFd;
            everline_arch::msync::fdatasync(self.file.as_raw_fd()).map_err(Errno)
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        {
            self.mapping.sync(0, map::whole_pages(self.len())?)
        }
    }

    /// Stores one word of the page of `at` again with its own value, so that the page counts as dirty.
    fn dirty_page_of(&self, at: ByteOffset) {
        let word = ByteOffset::new(round_down(at.get(), FAIL_ATOMIC));
        if word.get() + FAIL_ATOMIC > self.len().get() {
            self.store8(at, self.load8(at)); // the last bytes of a file whose length is no multiple of a word
            return;
        }
        let mut current = self.load64(word);
        while let Err(found) = self.compare_exchange64(word, current, current) {
            current = found; // somebody stored to it; that dirtied it, and the next turn is cheap
        }
    }
}

impl Media for FileMedia {
    /// `EIO` and the like from a sync; in effect none where a fence is an instruction.
    type SyncError = Errno;

    forward_accesses!(|this| this.mapped());

    #[inline]
    fn loads_from(&self) -> Option<&Mapped> {
        Some(self.mapped())
    }

    /// True for a file that this value made and nobody had before.
    fn reads_zero_when_fresh(&self) -> bool {
        self.fresh
    }

    #[inline]
    #[track_caller]
    fn write_nt(&self, at: ByteOffset, bytes: &[u8]) {
        self.mapped().write_nt(at, bytes);
        if !self.mapping.flushes_by_instruction() {
            let written = ByteRange::new(at, ByteLen::of(bytes)).map(LineRange::covering);
            if let Some(lines) = written.filter(|lines| !lines.is_empty()) {
                self.note(lines);
            }
        }
    }

    #[inline]
    #[track_caller]
    fn flush(&self, lines: LineRange) {
        if lines.is_empty() {
            return;
        }
        self.mapping.flush(lines, |lines| {
            if self.sync.is_some() {
                self.note(lines);
            }
        });
    }

    /// Errors: `EIO` and the like where a sync failed, now or earlier (F4), where a page was lost or the file was
    /// cut; `EPERM` in a forked child.
    #[inline]
    fn fence(&self) -> Result<(), Errno> {
        self.mapping.fence();
        if self.watch.is_slow() {
            return self.fence_slowly();
        }
        Ok(())
    }

    #[track_caller]
    fn back(&self, range: ByteRange) -> Result<(), SpaceError> {
        if self.space.is_backed(range) {
            return Ok(());
        }
        let _held = self.space.hold();
        let len = self.len();
        assert!(
            range.end().get() <= len.get(),
            "backing of {range} leaves a medium of {len}"
        );
        self.check_uncut()?; // or the allocation would make the file longer again
        let allocate = |range| back::allocate_or_fill(&self.file, range);
        self.space.allocate(range, len, allocate)
    }

    fn intact(&self) -> bool {
        !self.watch.is_lost()
    }

    /// Growth up to the reserved addresses; beyond them and downwards it is [`SpaceError::Unsupported`].
    fn set_len(&self, len: ByteLen) -> Result<(), SpaceError> {
        self.grow_to(len)
    }

    /// Where a fence is a sync, one word of each page is stored again, since a failed sync leaves the page clean
    /// and a clean page is never written; the page as a whole is the unit that a sync writes.
    #[track_caller]
    fn reaffirm(&self, range: ByteRange) {
        if self.sync.is_some() {
            let page = sys::page_bytes();
            let mut at = range.start().get();
            while at < range.end().get() {
                self.dirty_page_of(ByteOffset::new(at));
                at = round_down(at, page) + page;
            }
        }
        self.flush(LineRange::covering(range));
    }

    fn verify<C: Checksum>(&self, range: ByteRange, check: &mut C) -> bool {
        self.mapped().verify(range, check)
    }
}

impl core::fmt::Debug for FileMedia {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FileMedia")
            .field("path", &self.path)
            .field("len", &self.len())
            .field("durability", &self.durability())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
