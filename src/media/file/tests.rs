//! Files whose syncs the test watches or breaks.

use std::fs;
use std::string::String;
use std::sync::{Mutex, PoisonError};
use std::vec::Vec;

use super::*;

const LEN: u64 = 1 << 20;

fn range(at: u64, len: u64) -> ByteRange {
    ByteRange::at(at, len).expect("small")
}

fn flush(media: &FileMedia, at: u64, len: u64) {
    media.flush(LineRange::covering(range(at, len)));
}

fn store_and_flush(media: &FileMedia, at: u64, value: u64) {
    media.store64(ByteOffset::new(at), value);
    flush(media, at, 8);
}

/// A file of 1 MiB whose syncs are listed, and fail while `broken` says so.
struct Watched {
    directory: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Batch>>>,
    broken: Arc<AtomicBool>,
}

impl Watched {
    fn new() -> (Self, FileMedia) {
        let watched = Watched {
            directory: tempfile::tempdir().expect("temporary directory"),
            asked: Arc::default(),
            broken: Arc::new(AtomicBool::new(false)),
        };
        let options = FileOptions::default();
        let made = FileMedia::create(&watched.path(), ByteLen::new(LEN), false, &options);
        drop(made.expect("made").publish().expect("published"));
        let media = watched.open();
        (watched, media)
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("pool")
    }

    fn open(&self) -> FileMedia {
        let (asked, broken) = (Arc::clone(&self.asked), Arc::clone(&self.broken));
        let hook: SyncHook = Box::new(move |batch| {
            asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(batch);
            if broken.load(Ordering::SeqCst) {
                return Err(Errno(libc::EIO));
            }
            Ok(())
        });
        FileMedia::open_hooked(&self.path(), &FileOptions::default(), Some(hook)).expect("opened")
    }

    fn asked(&self) -> Vec<Batch> {
        core::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn pages(first: u64, end: u64) -> Batch {
    let page = sys::page_bytes();
    Batch::One(PageRun {
        start: first * page,
        end: end * page,
    })
}

#[test]
fn flushes_of_neighbouring_pages_are_one_msync_and_scattered_ones_one_fdatasync() {
    let (watched, media) = Watched::new();
    let page = sys::page_bytes();
    for at in [page * 3, page, page * 2 + 64, page + 640] {
        store_and_flush(&media, at, 1);
    }
    media.fence().expect("healthy");
    media.write_nt(ByteOffset::new(page * 5 - 4), &[7; 8]);
    media.fence().expect("healthy");
    store_and_flush(&media, 0, 1);
    store_and_flush(&media, page * 9, 1);
    media.fence().expect("healthy");
    assert_eq!(watched.asked(), [pages(1, 4), pages(4, 6), Batch::Many]);
    media.flush(LineRange::covering(range(0, 0)));
    media.write_nt(ByteOffset::new(0), &[]);
    media.fence().expect("healthy");
    assert_eq!(watched.asked(), [], "nothing was pending");
}

#[test]
fn k3_a_failed_sync_fails_every_later_fence_reads_go_on_and_a_reopen_recovers() {
    let (watched, media) = Watched::new();
    store_and_flush(&media, 4096, 7);
    watched.broken.store(true, Ordering::SeqCst);
    assert_eq!(media.fence(), Err(Errno(libc::EIO)));
    watched.broken.store(false, Ordering::SeqCst);
    assert_eq!(media.fence(), Err(Errno(libc::EIO)));
    store_and_flush(&media, 0, 1);
    assert_eq!(media.fence(), Err(Errno(libc::EIO)));
    assert_eq!(watched.asked().len(), 1, "a failed sync was tried again");
    assert_eq!(media.load64(ByteOffset::new(4096)), 7);
    assert_eq!(media.still_whole(), Ok(()));
    drop(media);

    let media = watched.open();
    media.reaffirm(range(4096, 8));
    assert_eq!(media.fence(), Ok(()));
    assert_eq!(media.load64(ByteOffset::new(4096)), 7);
}

/// Bytes of the mapping at `base` that the kernel counts as dirty.
#[cfg(target_os = "linux")]
fn dirty_bytes(base: *mut u8) -> u64 {
    let smaps = fs::read_to_string("/proc/self/smaps").expect("Linux tells");
    let head = std::format!("{:x}-", base as usize);
    let of_mapping = smaps.lines().skip_while(|line| !line.starts_with(&head));
    let dirty = of_mapping
        .skip(1)
        .take_while(|line| !line.starts_with("VmFlags"))
        .filter(|line| line.contains("_Dirty:"));
    let kib = |line: &str| -> u64 {
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    };
    dirty.map(kib).sum::<u64>() * 1024
}

#[cfg(target_os = "linux")]
#[test]
fn reaffirmed_pages_are_dirty_again_and_keep_their_bytes() {
    let (watched, media) = Watched::new();
    let page = sys::page_bytes();
    let bytes = std::vec![0xA5; 3 * page as usize];
    media.write(ByteOffset::new(page - 1), &bytes);
    flush(&media, page - 1, 3 * page);
    media.fence().expect("healthy");
    if dirty_bytes(media.mapping.base()) != 0 {
        // tmpfs has nothing to clean; what is tested here needs a device.
        let directory = watched.directory.path().display();
        assert!(
            std::env::var_os("EVERLINE_REQUIRE_TOOLS").is_none(),
            "{directory} is not on a device"
        );
        std::eprintln!("SKIPPED: {directory} is not on a device");
        return;
    }
    media.reaffirm(range(page - 1, 3 * page));
    // More where the kernel keeps several pages in one folio.
    assert!(dirty_bytes(media.mapping.base()) >= 4 * page);
    watched.asked();
    media.fence().expect("healthy");
    assert_eq!(watched.asked(), [pages(0, 4)]);
    assert_eq!(dirty_bytes(media.mapping.base()), 0);
    let mut found = std::vec![0; bytes.len()];
    media.read(ByteOffset::new(page - 1), &mut found);
    assert_eq!(found, bytes);
}

#[test]
fn the_last_bytes_of_an_odd_length_are_reaffirmed_too() {
    let (_watched, media) = Watched::new();
    media.set_len(ByteLen::new(LEN + 3)).expect("grown");
    media.write(ByteOffset::new(LEN), &[1, 2, 3]);
    media.reaffirm(range(LEN - 1, 4));
    media.fence().expect("healthy");
    let mut found = [0; 3];
    media.read(ByteOffset::new(LEN), &mut found);
    assert_eq!(found, [1, 2, 3]);
}

#[test]
fn a_file_that_was_cut_fails_the_fence_that_comes_after() {
    let (watched, media) = Watched::new();
    store_and_flush(&media, 0, 1);
    let file = fs::OpenOptions::new().write(true).open(watched.path());
    file.and_then(|file| file.set_len(8192)).expect("cut");
    assert_eq!(media.fence(), Err(Errno(libc::EIO)));
}

#[test]
fn eight_threads_share_syncs_and_every_byte_is_in_the_file() {
    const THREADS: u64 = 8;
    const FENCES: u64 = 40;
    let (watched, media) = Watched::new();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let media = &media;
            scope.spawn(move || {
                for fence in 0..FENCES {
                    let at = thread * 128 * 1024 + fence * 512;
                    store_and_flush(media, at, at + 1);
                    media.fence().expect("healthy");
                }
            });
        }
    });
    assert!((watched.asked().len() as u64) <= THREADS * FENCES);
    drop(media);
    let bytes = fs::read(watched.path()).expect("readable");
    for at in (0..THREADS)
        .flat_map(|thread| (0..FENCES).map(move |fence| thread * 128 * 1024 + fence * 512))
    {
        let word = bytes[at as usize..][..8].try_into().expect("8 bytes");
        assert_eq!(u64::from_le_bytes(word), at + 1);
    }
}

#[test]
#[should_panic(expected = "leaves a medium")]
fn a_flush_outside_the_file_is_the_callers_mistake() {
    let (_watched, media) = Watched::new();
    flush(&media, LEN, 8);
}
