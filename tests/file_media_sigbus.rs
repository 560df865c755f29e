//! A page that cannot be reached is an error and not the end of the process. The handler is for a whole process,
//! so these tests have one of their own.
#![cfg(unix)]

mod file_media_tools;

use std::fs::OpenOptions;
use std::process::Command;

use everline::media::file::{FileError, FileMedia, FileOptions, sigbus};
use everline::media::{Errno, Media};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use file_media_tools::{SmallTmpfs, disk_directory, skip};

const MIB: u64 = 1 << 20;

fn make(path: &std::path::Path, options: &FileOptions) -> FileMedia {
    FileMedia::create(path, ByteLen::new(MIB), false, options)
        .expect("made")
        .publish()
        .expect("published")
}

fn lines(at: u64, len: u64) -> LineRange {
    LineRange::covering(ByteRange::at(at, len).expect("small"))
}

fn cut(media: &FileMedia) {
    let outside = OpenOptions::new().write(true).open(media.path());
    outside.and_then(|file| file.set_len(4096)).expect("cut");
}

#[test]
fn j9_a_store_to_a_page_that_was_cut_off_is_an_error_at_the_fence() {
    sigbus::install().expect("installed");
    sigbus::install().expect("twice is once");
    let directory = disk_directory();
    for assume_persistent in [false, true] {
        let options = FileOptions {
            assume_persistent,
            ..FileOptions::default()
        };
        let healthy = make(&directory.path().join("healthy"), &options);
        let media = make(&directory.path().join("pool"), &options);
        cut(&media);
        media.store64(ByteOffset::new(MIB - 8), 7);
        assert_eq!(media.load64(ByteOffset::new(MIB - 8)), 7, "a stand-in page");
        media.flush(lines(MIB - 8, 8));
        assert_eq!(media.fence(), Err(Errno(libc::EIO)));
        assert_eq!(media.fence(), Err(Errno(libc::EIO)), "for good");
        assert!(media.still_whole().is_err());

        healthy.store64(ByteOffset::ZERO, 1);
        healthy.flush(lines(0, 8));
        assert_eq!(healthy.fence(), Ok(()), "the other file is not harmed");
        assert_eq!(healthy.still_whole(), Ok(()));
        for media in [healthy, media] {
            std::fs::remove_file(media.path()).expect("removed");
        }
    }
}

#[test]
fn e12_a_load_from_a_page_that_was_cut_off_reads_zeros_and_is_reported() {
    sigbus::install().expect("installed");
    let directory = disk_directory();
    let path = directory.path().join("pool");
    drop(make(&path, &FileOptions::default()));
    let media = FileMedia::open_private(&path, &FileOptions::default()).expect("opened");
    let outside = OpenOptions::new().write(true).open(&path);
    outside.and_then(|file| file.set_len(4096)).expect("cut");
    assert_eq!(media.load64(ByteOffset::new(MIB / 2)), 0);
    assert_eq!(media.fence(), Err(Errno(libc::EIO)));
}

#[test]
fn l2_a_store_that_nobody_backed_on_a_full_device_is_a_lost_page() {
    let Some(tmpfs) = SmallTmpfs::mount("64k") else {
        return skip("mounting a tmpfs needs root");
    };
    sigbus::install().expect("installed");
    let media = make(&tmpfs.path().join("pool"), &FileOptions::default());
    for page in 0..32 {
        media.store64(ByteOffset::new(page * 4096), 1);
    }
    let lost = media.still_whole();
    assert!(matches!(lost, Err(FileError::Lost { .. })), "{lost:?}");
    assert_eq!(media.fence(), Err(Errno(libc::EIO)));
}

#[test]
fn a_lost_page_of_any_other_mapping_still_ends_the_process() {
    use std::os::unix::process::ExitStatusExt;
    const CHILD: &str = "EVERLINE_SIGBUS_CHILD";
    if std::env::var_os(CHILD).is_some() {
        sigbus::install().expect("installed");
        let file = tempfile::tempfile().expect("temporary file");
        file.set_len(MIB).expect("extended");
        // SAFETY: the page that is cut off below ends this process on purpose.
        let map = unsafe { memmap2::Mmap::map(&file) }.expect("mapped");
        file.set_len(0).expect("cut");
        unreachable!("the signal was swallowed: {}", map[0]);
    }
    let name = "a_lost_page_of_any_other_mapping_still_ends_the_process";
    let child = Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("started");
    assert_eq!(child.status.signal(), Some(libc::SIGBUS), "{child:?}");
}
