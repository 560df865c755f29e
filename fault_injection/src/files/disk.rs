//! [`CrashDisk`]: one mount of a simulated disk.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset};

use super::contents::Contents;
use super::explore::DiskRecording;
use super::options::{BARRIER, DiskOptions, FileSystem, Layout};
use crate::media::CrashMedia;
use crate::record::Cut;

/// What all mounts of one disk share.
pub(super) struct Shared {
    pub layout: Layout,
    pub file_system: FileSystem,
    contents: Mutex<Contents>,
}

impl Shared {
    pub(super) fn contents(&self) -> MutexGuard<'_, Contents> {
        // Contents are whole whenever the lock is released, also by a panic.
        self.contents
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }
}

/// What a mount remembers by itself (F4).
#[derive(Default)]
pub(super) struct Mount {
    /// The inode numbers it may still give out.
    pub free: std::ops::Range<u32>,
    /// For each file made in this mount: sectors from here on were never stored.
    pub untouched: HashMap<u32, u64>,
    /// How many sectors may still be taken into use.
    pub space: Option<u64>,
    /// Sectors in use, by their words.
    pub used: HashSet<u64>,
}

/// A simulated disk with a file system, as one process sees it.
///
/// Clones are handles of one mount. Made by [`CrashDisk::new`] it records what is done to its files; the one that
/// [`Explorer::check_files`](crate::Explorer::check_files) hands to recovery shows one crashed state, chosen as recovery
/// reads it. Paths are taken from the root, whether they begin with `/` or not.
#[derive(Clone)]
pub struct CrashDisk {
    pub(super) media: CrashMedia,
    pub(super) shared: Arc<Shared>,
    mount: Arc<Mutex<Mount>>,
    /// Whether its own names for files are those that reports use.
    pub(super) records: bool,
}

impl std::fmt::Debug for CrashDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrashDisk").finish_non_exhaustive()
    }
}

thread_local! {
    static ENTERED: RefCell<Vec<CrashDisk>> = const { RefCell::new(Vec::new()) };
}

impl CrashDisk {
    /// An empty disk. Panics: a geometry that does not fit memory.
    pub fn new(options: DiskOptions) -> Self {
        let layout = Layout::of(&options);
        let shared = Shared {
            layout,
            file_system: options.file_system,
            contents: Mutex::default(),
        };
        let mount = Mount {
            // The first mount has the first block, so that most recordings never take one.
            free: super::inode::block(0, layout.inodes),
            ..Mount::default()
        };
        CrashDisk {
            media: CrashMedia::new(layout.media_len()),
            shared: Arc::new(shared),
            mount: Arc::new(Mutex::new(mount)),
            records: true,
        }
    }

    /// A new process on the same disk.
    pub(super) fn mounted(media: CrashMedia, shared: &Arc<Shared>, records: bool) -> Self {
        CrashDisk {
            media,
            shared: shared.clone(),
            mount: Arc::default(),
            records,
        }
    }

    pub(super) fn mount(&self) -> MutexGuard<'_, Mount> {
        self.mount
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }

    pub(super) fn layout(&self) -> Layout {
        self.shared.layout
    }

    pub(super) fn is_ext4(&self) -> bool {
        self.shared.file_system == FileSystem::Ext4
    }

    /// Waits for what this thread has flushed; cannot fail and is not counted as a sync.
    #[track_caller]
    pub(super) fn settle(&self) {
        let unchanged = self.media.compare_exchange64(BARRIER, u64::MAX, 0);
        debug_assert!(unchanged.is_err(), "the barrier is never stored");
    }

    /// Stores `words` from `at` on.
    #[track_caller]
    pub(super) fn store_words(&self, at: ByteOffset, words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.media.write(at, &bytes);
    }

    /// Runs `work` with this disk as the one that [`crate::fs`] uses on this thread. Nests; ends also when `work`
    /// panics. Another thread enters by itself, on a clone.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                ENTERED.with(|disks| disks.borrow_mut().pop());
            }
        }
        ENTERED.with(|disks| disks.borrow_mut().push(self.clone()));
        let _leave = Leave;
        work()
    }

    /// The disk entered on this thread. Panics where there is none.
    #[track_caller]
    pub fn current() -> CrashDisk {
        let innermost = ENTERED.with(|disks| disks.borrow().last().cloned());
        innermost.expect("no disk was entered on this thread: see CrashDisk::enter")
    }

    /// Operation `id` begins: it may or may not survive a crash from here on.
    #[track_caller]
    pub fn invoke(&self, id: u64) {
        self.media.invoke(id);
    }

    /// Operation `id` is acknowledged: it must survive every crash from here on.
    #[track_caller]
    pub fn ack(&self, id: u64) {
        self.media.ack(id);
    }

    /// Makes everything durable, as an orderly shutdown does, and lets exploration begin here: see
    /// [`DiskRecording::start_at_last_mark`].
    #[track_caller]
    pub fn mark(&self) {
        for inode in 0..self.layout().inodes {
            self.media.flush(self.layout().lines(inode, None));
        }
        self.settle();
        self.media.mark();
    }

    /// Makes the `n`-th sync (of a file or directory) from now fail with an I/O error; 0 is the next. What it covered
    /// is clean and not durable: a later sync covers only what was stored again.
    pub fn fail_sync_at(&self, n: u64) {
        self.media.fail_fence_at(n);
    }

    /// Makes the next `count` syncs fail.
    pub fn fail_next_syncs(&self, count: u64) {
        self.media.fail_next_fences(count);
    }

    /// There is room for `bytes` more, in whole sectors taken into use: a write beyond is cut short, and one that
    /// has no room at all answers `StorageFull`. Holds for this mount only.
    pub fn limit_space(&self, bytes: ByteLen) {
        self.mount().space = Some(bytes.get() / self.layout().sector);
    }

    /// What was recorded so far.
    pub fn recording(&self) -> DiskRecording {
        DiskRecording::of(self)
    }

    /// The process dies and a new one mounts the disk: everything stored is visible, and what was not synced still
    /// is not durable. This handle keeps its own history.
    #[track_caller]
    pub fn kill(&self) -> CrashDisk {
        Self::mounted(self.media.kill(), &self.shared, true)
    }

    /// The power goes now: a new recording disk that holds one of the possible states. This one goes on.
    /// [`Cut::Keep`] speaks of lines of eight words and fits no file.
    pub fn cut(&self, cut: Cut<'_>) -> CrashDisk {
        Self::mounted(self.media.cut(cut), &self.shared, true)
    }
}
