//! One writer or many readers, in this process and in others; who lets go lets go at once.
#![cfg(unix)]

mod file_media_tools;

use std::fs;
use std::process::Command;

use everline::media::Media;
use everline::media::file::{self, FileError, FileMedia};
use everline::units::{ByteLen, ByteOffset};
use file_media_tools::{
    MIB, child_path, disk_directory, entries, make, options, persist, run_again,
};

fn assert_busy<T: std::fmt::Debug>(answer: Result<T, FileError>) {
    assert!(matches!(answer, Err(FileError::Busy { .. })), "{answer:?}");
}

#[test]
fn a10_destroy_removes_the_file_unless_somebody_has_it_open() {
    let directory = disk_directory();
    let path = directory.path().join("pool");
    let media = make(&path, MIB);
    assert_busy(file::destroy(&path));
    assert_eq!(media.still_whole(), Ok(()));
    drop(media);
    file::destroy(&path).expect("nobody has it");
    let again = file::destroy(&path);
    assert!(
        matches!(again, Err(FileError::NotFound { .. })),
        "{again:?}"
    );
    assert_eq!(entries(directory.path()), 0);
}

#[test]
fn a12_a_second_opener_gets_busy_in_this_process_and_in_another() {
    let directory = disk_directory();
    let path = directory.path().join("pool");
    let media = make(&path, MIB);
    persist(&media, 0, b"first");
    assert_busy(FileMedia::open(&path, &options()));
    assert_busy(FileMedia::open_private(&path, &options()));
    let name = path.to_str().expect("plain");
    assert!(run_again(directory.path(), "busy_child", name).success());
    persist(&media, 0, b"still");
    drop(media);

    let reader = FileMedia::open_private(&path, &options()).expect("free");
    drop(FileMedia::open_private(&path, &options()).expect("beside a reader"));
    assert_busy(FileMedia::open(&path, &options()));
    assert!(run_again(directory.path(), "busy_child", name).success());
    drop(reader);
    drop(FileMedia::open(&path, &options()).expect("free"));
}

#[test]
fn busy_child() {
    if let Some(path) = child_path() {
        assert_busy(FileMedia::open(&path, &options()));
    }
}

#[test]
fn a5_replacing_needs_the_old_file_to_be_free() {
    let directory = disk_directory();
    let path = directory.path().join("pool");
    let old = make(&path, MIB);
    persist(&old, 0, b"old");
    let hidden =
        || FileMedia::create(&path, ByteLen::new(2 * MIB), false, &options()).expect("made");
    assert_busy(hidden().publish_over());
    assert_eq!(old.still_whole(), Ok(()));
    drop(old);
    assert_eq!(&fs::read(&path).expect("there")[..3], b"old");
    let new = hidden().publish_over().expect("free");
    assert_eq!(new.load8(ByteOffset::ZERO), 0);
    assert_eq!(fs::metadata(&path).expect("there").len(), 2 * MIB);
    assert_eq!(entries(directory.path()), 1);
    assert_busy(FileMedia::open(&path, &options()));
}

#[test]
fn a_closed_file_is_free_at_once_even_while_processes_are_being_started() {
    let directory = disk_directory();
    let path = directory.path().join("pool");
    drop(make(&path, 65536));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let started = Command::new("true").status();
                assert!(started.is_ok_and(|status| status.success()));
            }
        });
        let failed = (0..300).find_map(|_| FileMedia::open(&path, &options()).err());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(failed, None);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_forked_child_may_not_use_what_its_parent_opened() {
    let directory = disk_directory();
    let media = make(&directory.path().join("pool"), MIB);
    // SAFETY: the child calls only what needs no lock of another thread, and ends without unwinding.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = matches!(media.still_whole(), Err(FileError::Forked { .. }));
        // SAFETY: ends the child without running the parent's destructors.
        unsafe { libc::_exit(i32::from(!refused)) };
    }
    let mut status = -1;
    // SAFETY: waits for the child made above; the status is a live integer.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "the child could use its parent's file");
    assert_eq!(media.still_whole(), Ok(()));
}
