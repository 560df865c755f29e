//! How large a simulated disk is and what its file system promises.

use everline::units::{ByteLen, ByteOffset, ByteRange, FLUSH_LINE, LineRange, round_up};

/// What is durable beyond what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum FileSystem {
    /// What POSIX and `fsync(2)` promise, and nothing else: a name is durable once its directory was synced; lengths,
    /// sectors and directories reach the disk in any order until then.
    #[default]
    Posix,
    /// ext4 as Linux mounts it (`data=ordered,auto_da_alloc`), on the side of the engine where in doubt. Names are in
    /// one journal, in order, and every sync of a file commits it; `set_len` is durable at once; a length that grows by
    /// a write does not reach the disk before the newly allocated 4 KiB blocks it covers; a file is written out before
    /// it replaces another by rename. What fails here can fail on a default Linux machine, but for one thing: a length
    /// that grew within its last block and a name that changed later keep no order here.
    Ext4,
}

impl FileSystem {
    /// What a report says of it; a word of the medium stands for a sector, a length or a directory.
    pub(super) fn promise(self) -> &'static str {
        match self {
            FileSystem::Posix => {
                "sectors, lengths and directories of files reach the disk independently until synced, and sectors do not tear"
            }
            FileSystem::Ext4 => {
                "the file system is ext4 as Linux mounts it, and sectors do not tear"
            }
        }
    }
}

/// Size and promises of a [`CrashDisk`](super::CrashDisk).
#[derive(Clone, Copy, Debug)]
pub struct DiskOptions {
    pub(crate) sector: u64,
    pub(crate) files: u32,
    pub(crate) file_capacity: u64,
    pub(crate) file_system: FileSystem,
}

impl Default for DiskOptions {
    fn default() -> Self {
        DiskOptions {
            sector: 512,
            files: 64,
            file_capacity: 1 << 20,
            file_system: FileSystem::Posix,
        }
    }
}

impl DiskOptions {
    /// Sectors of 512 bytes, 64 files of at most 1 MiB, POSIX.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that reach the disk together: a power of two from 512 to 65,536. Panics otherwise.
    #[must_use]
    #[track_caller]
    pub fn sector(mut self, bytes: u64) -> Self {
        assert!(
            bytes.is_power_of_two() && (512..=65536).contains(&bytes),
            "a sector is a power of two from 512 to 65,536 bytes, not {bytes}"
        );
        self.sector = bytes;
        self
    }

    /// How many files and directories may be made, those of recoveries included; numbers are not used again. Each
    /// mount that makes one takes sixteen.
    #[must_use]
    pub fn files(mut self, count: u32) -> Self {
        self.files = count;
        self
    }

    /// How long a file may become; a write beyond answers `FileTooLarge`. A disk takes 30 bytes of memory for each
    /// sector of `files` times this.
    #[must_use]
    pub fn file_capacity(mut self, bytes: ByteLen) -> Self {
        self.file_capacity = bytes.get();
        self
    }

    /// What is durable beyond what was asked for.
    #[must_use]
    pub fn file_system(mut self, promises: FileSystem) -> Self {
        self.file_system = promises;
        self
    }
}

/// Where the words of inodes lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub sector: u64,
    pub capacity: u64,
    pub inodes: u32,
    stretch: u64,
}

/// Holds how many blocks of inode numbers later mounts have taken.
pub(super) const TAKEN: ByteOffset = ByteOffset::new(0);
/// Never stored: a locked step on it is a fence that touches nothing.
pub(super) const BARRIER: ByteOffset = ByteOffset::new(8);

impl Layout {
    pub(super) fn of(options: &DiskOptions) -> Self {
        let words = 1 + options.file_capacity.div_ceil(options.sector);
        Layout {
            sector: options.sector,
            capacity: options.file_capacity,
            // The root is an inode too.
            inodes: options.files + 1,
            stretch: round_up(8 * words, FLUSH_LINE).expect("a capacity that fits memory"),
        }
    }

    pub(super) fn media_len(&self) -> ByteLen {
        ByteLen::new(FLUSH_LINE + u64::from(self.inodes) * self.stretch)
    }

    /// The word of a length or a listing.
    pub(super) fn head(&self, inode: u32) -> ByteOffset {
        ByteOffset::new(FLUSH_LINE + u64::from(inode) * self.stretch)
    }

    pub(super) fn sector_word(&self, inode: u32, sector: u64) -> ByteOffset {
        ByteOffset::new(self.head(inode).get() + 8 * (1 + sector))
    }

    /// The lines of an inode's head and its first `sectors`; all where none are given.
    pub(super) fn lines(&self, inode: u32, sectors: Option<u64>) -> LineRange {
        let len = sectors.map_or(self.stretch, |sectors| 8 * (1 + sectors));
        let range = ByteRange::at(self.head(inode).get(), len.min(self.stretch));
        LineRange::covering(range.expect("inside the medium"))
    }

    /// The inode of a word, and which sector of it: none for its head.
    pub(super) fn owner(&self, at: u64) -> Option<(u32, Option<u64>)> {
        let within = at.checked_sub(FLUSH_LINE)?;
        let word = within % self.stretch / 8;
        Some(((within / self.stretch) as u32, word.checked_sub(1)))
    }
}
