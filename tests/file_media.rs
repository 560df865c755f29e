//! A file as a medium: how it is made, opened, grown, filled and lost.
#![cfg(unix)]

mod file_media_tools;

use std::fs::{self, OpenOptions};
use std::path::Path;

use everline::media::file::{self, FileError, FileMedia, FileOptions};
use everline::media::{Domain, Media, SpaceError};
use everline::units::{ByteLen, ByteOffset, LineRange};
use file_media_tools::{
    MIB, SmallTmpfs, child_path, disk_directory, entries, make, options, persist, range, run_again,
    skip,
};

#[test]
fn what_was_fenced_is_in_the_file_after_reopen() {
    let directory = disk_directory();
    let path = directory.path().join("pool");
    let media = make(&path, MIB);
    assert!(media.reads_zero_when_fresh());
    persist(&media, 70_000, b"durable");
    drop(media);
    assert_eq!(&fs::read(&path).expect("there")[70_000..][..7], b"durable");
    let media = FileMedia::open(&path, &options()).expect("opened");
    assert!(!media.reads_zero_when_fresh());
    let mut found = [0; 7];
    media.read(ByteOffset::new(70_000), &mut found);
    assert_eq!(&found, b"durable");
    assert_eq!(media.len(), ByteLen::new(MIB));
}

#[test]
fn a2_a_directory_stands_for_pool_pmem_in_it_and_a_file_for_itself() {
    let directory = disk_directory();
    let inside = directory.path().join("pool.pmem");
    assert_eq!(file::resolve(directory.path()), inside);
    assert_eq!(file::resolve(&inside), inside);
    let made = make(directory.path(), MIB);
    assert_eq!(made.path(), fs::canonicalize(&inside).expect("there"));
    drop(made);
    drop(FileMedia::open(directory.path(), &options()).expect("opened"));
    drop(FileMedia::open(&inside, &options()).expect("opened"));
}

#[test]
fn a11_missing_directories_are_made_and_bare_names_work() {
    let directory = disk_directory();
    drop(make(&directory.path().join("a/b/c.pm"), MIB));
    assert_eq!(
        fs::metadata(directory.path().join("a/b/c.pm"))
            .expect("there")
            .len(),
        MIB
    );
    // The working directory belongs to the whole process: another one tries the bare name.
    let child = run_again(directory.path(), "bare_name_child", "c.pm");
    assert!(child.success());
    assert!(directory.path().join("c.pm").is_file());
}

#[test]
fn bare_name_child() {
    if let Some(path) = child_path() {
        drop(make(&path, MIB));
        drop(FileMedia::open(&path, &options()).expect("opened"));
    }
}

#[test]
fn a_file_is_invisible_until_published_and_dropped_it_leaves_nothing() {
    let directory = disk_directory();
    let path = directory.path().join("pool");
    let hidden = FileMedia::create(&path, ByteLen::new(MIB), false, &options()).expect("made");
    persist(hidden.media(), 0, b"first");
    assert_eq!(hidden.media().still_whole(), Ok(()));
    assert!(!path.exists());
    drop(hidden);
    assert_eq!(entries(directory.path()), 0);
    let empty = FileMedia::create(&path, ByteLen::ZERO, false, &options());
    assert!(
        matches!(empty, Err(FileError::TooShort { .. })),
        "{empty:?}"
    );
    assert_eq!(entries(directory.path()), 0);
}

#[test]
fn a_taken_name_is_refused_and_what_has_it_stays() {
    let directory = disk_directory();
    let path = directory.path().join("pool");
    fs::write(&path, "somebody's").expect("written");
    let refused = FileMedia::create(&path, ByteLen::new(MIB), false, &options())
        .expect("made")
        .publish();
    assert!(
        matches!(refused, Err(FileError::AlreadyExists { .. })),
        "{refused:?}"
    );
    assert_eq!(fs::read(&path).expect("there"), b"somebody's");
    assert_eq!(entries(directory.path()), 1);
}

#[test]
fn a13_what_is_no_medium_is_refused_and_not_touched() {
    let directory = disk_directory();
    let path = directory.path().join("empty");
    fs::write(&path, "").expect("written");
    let empty = FileMedia::open(&path, &options());
    assert!(
        matches!(empty, Err(FileError::TooShort { .. })),
        "{empty:?}"
    );
    assert_eq!(fs::metadata(&path).expect("there").len(), 0);
    let missing = FileMedia::open(&directory.path().join("none"), &options());
    assert!(
        matches!(missing, Err(FileError::NotFound { .. })),
        "{missing:?}"
    );
    let device = FileMedia::open(Path::new("/dev/null"), &options());
    assert!(
        matches!(device, Err(FileError::NotAFile { .. })),
        "{device:?}"
    );
    let below_file = FileMedia::create(&path.join("x"), ByteLen::new(MIB), false, &options());
    assert!(matches!(
        below_file,
        Err(FileError::Io { .. } | FileError::AlreadyExists { .. })
    ));
}

#[test]
fn a20_a_private_open_changes_no_byte_of_the_file() {
    let directory = disk_directory();
    let path = directory.path().join("pool");
    persist(&make(&path, MIB), 5000, b"mine");
    let before = fs::read(&path).expect("there");
    let mut read_only = fs::metadata(&path).expect("there").permissions();
    read_only.set_readonly(true);
    fs::set_permissions(&path, read_only).expect("changed");
    let media = FileMedia::open_private(&path, &options()).expect("opened");
    assert_eq!(media.durability().domain, Domain::Volatile);
    media.store64(ByteOffset::new(5000), 1);
    media.write_nt(ByteOffset::new(9000), b"scratch");
    media.fill(range(20_000, 5000), 9);
    media.flush(LineRange::covering(range(0, MIB)));
    media.back(range(0, MIB)).expect("memory");
    media.reaffirm(range(0, MIB));
    media.fence().expect("free");
    assert_eq!(media.load64(ByteOffset::new(5000)), 1);
    assert_eq!(
        media.set_len(ByteLen::new(2 * MIB)),
        Err(SpaceError::Unsupported)
    );
    drop(media);
    assert_eq!(fs::read(&path).expect("there"), before);
}

#[test]
fn growth_keeps_the_base_and_the_bytes_and_is_in_the_file_at_once() {
    let directory = disk_directory();
    let path = directory.path().join("pool");
    drop(make(&path, MIB));
    let room = FileOptions {
        reserve_len: Some(ByteLen::new(16 * MIB)),
        ..options()
    };
    let media = FileMedia::open(&path, &room).expect("opened");
    persist(&media, MIB - 8, b"the end.");
    media.back(range(0, MIB)).expect("room");
    media.set_len(ByteLen::new(MIB)).expect("nothing to do");
    media.set_len(ByteLen::new(8 * MIB + 10)).expect("grown");
    assert_eq!(fs::metadata(&path).expect("there").len(), 8 * MIB + 10);
    media.back(range(0, 8 * MIB + 10)).expect("room");
    persist(&media, 8 * MIB, b"new");
    assert_eq!(media.load8(ByteOffset::new(MIB - 8)), b't');
    assert_eq!(media.load8(ByteOffset::new(MIB)), 0);
    for refused in [MIB, 17 * MIB] {
        assert_eq!(
            media.set_len(ByteLen::new(refused)),
            Err(SpaceError::Unsupported)
        );
    }
    assert_eq!(media.len(), ByteLen::new(8 * MIB + 10));
    drop(media);
    assert_eq!(
        &fs::read(&path).expect("there")[8 * MIB as usize..][..3],
        b"new"
    );
}

#[test]
fn threads_store_and_sync_while_the_file_grows() {
    let directory = disk_directory();
    let media = make(&directory.path().join("pool"), MIB);
    std::thread::scope(|scope| {
        let media = &media;
        for thread in 0..4 {
            scope.spawn(move || {
                for turn in 0..50u64 {
                    persist(media, thread * 8192 + turn * 64, &turn.to_le_bytes());
                }
            });
        }
        scope.spawn(move || {
            for turn in 2..20 {
                media.set_len(ByteLen::new(turn * MIB)).expect("grown");
                media.back(range((turn - 1) * MIB, MIB)).expect("room");
                persist(media, turn * MIB - 8, b"the end.");
            }
        });
    });
    assert_eq!(media.still_whole(), Ok(()));
}

#[test]
fn e5_backing_never_makes_the_file_longer() {
    let directory = disk_directory();
    let path = directory.path().join("pool");
    let media = make(&path, MIB + 4096);
    media.back(range(0, MIB + 4096)).expect("room");
    assert_eq!(fs::metadata(&path).expect("there").len(), MIB + 4096);
}

#[test]
fn e12_a_file_cut_or_removed_while_open_is_a_typed_error() {
    let directory = disk_directory();
    let path = directory.path().join("pool");
    let media = make(&path, 2 * MIB);
    assert_eq!(media.still_whole(), Ok(()));
    let outside = OpenOptions::new().write(true).open(&path).expect("there");
    outside.set_len(MIB).expect("cut");
    let cut = media.still_whole();
    assert!(matches!(cut, Err(FileError::Truncated { .. })), "{cut:?}");
    assert!(media.back(range(0, 2 * MIB)).is_err());
    assert!(media.set_len(ByteLen::new(4 * MIB)).is_err());
    assert_eq!(
        fs::metadata(&path).expect("there").len(),
        MIB,
        "nobody makes it longer again"
    );
    drop(media);

    let media = FileMedia::open(&path, &options()).expect("opened");
    fs::remove_file(&path).expect("removed");
    let removed = media.still_whole();
    assert!(
        matches!(removed, Err(FileError::Unlinked { .. })),
        "{removed:?}"
    );
}

#[test]
fn l2_a_full_device_is_no_space_and_never_a_signal() {
    let Some(tmpfs) = SmallTmpfs::mount("1m") else {
        return skip("mounting a tmpfs needs root");
    };
    let path = tmpfs.path().join("pool");
    let reserved = FileMedia::create(&path, ByteLen::new(64 * MIB), true, &options());
    assert!(
        matches!(reserved, Err(FileError::NoSpace { .. })),
        "{reserved:?}"
    );
    assert_eq!(
        entries(tmpfs.path()),
        0,
        "nothing is left of what could not be made"
    );

    let media = make(&path, 64 * MIB);
    let mut full = None;
    for page in 0..1024u64 {
        let place = range(page * 4096, 4096);
        if let Err(error) = media.back(place) {
            full = Some((page, error));
            break;
        }
        media.fill(place, page as u8 | 1);
    }
    let (pages, error) = full.expect("1 MiB does not hold 4 MiB");
    assert_eq!(error, SpaceError::NoSpace);
    assert!(
        (200..=256).contains(&pages),
        "{pages} pages of 256 were usable"
    );
    for page in 0..pages {
        assert_eq!(
            media.load8(ByteOffset::new(page * 4096 + 4095)),
            page as u8 | 1
        );
    }
    assert_eq!(media.len(), ByteLen::new(64 * MIB));
    assert_eq!(media.still_whole(), Ok(()));
}

#[test]
fn k1_a_device_and_a_tmpfs_are_told_apart_with_reason_and_advice() {
    let directory = disk_directory();
    let report = file::durability_of(directory.path()).expect("readable");
    if report.durability.domain == Domain::Volatile {
        return skip("the target directory is in memory");
    }
    assert!(report.durability.domain >= Domain::Device, "{report:?}");
    assert!(
        !report.file_system.is_empty() && !report.advice.is_empty(),
        "{report:?}"
    );
    assert_eq!(
        entries(directory.path()),
        0,
        "the question leaves nothing behind"
    );
    let path = directory.path().join("pool");
    let media = make(&path, MIB);
    assert_eq!(
        media.durability(),
        report.durability,
        "the report is what an open gets"
    );
    let of_file = file::durability_of(&path).expect("readable while open");
    assert_eq!(of_file.durability, report.durability);
    let of_missing = file::durability_of(&directory.path().join("x/y")).expect("readable");
    assert_eq!(of_missing.durability, report.durability);

    let Some(tmpfs) = SmallTmpfs::mount("1m") else {
        return skip("mounting a tmpfs needs root");
    };
    let report = file::durability_of(tmpfs.path()).expect("readable");
    assert_eq!(report.durability.domain, Domain::Volatile);
    assert_eq!(report.file_system, "tmpfs");
    assert!(report.mount_options.contains("size=1024k"), "{report:?}");
    assert!(!report.map_sync);
}

#[test]
fn k2_less_durability_than_required_is_refused_and_leaves_no_file() {
    let Some(tmpfs) = SmallTmpfs::mount("1m") else {
        return skip("mounting a tmpfs needs root");
    };
    let path = tmpfs.path().join("pool");
    let strict = FileOptions {
        require: Some(Domain::Device),
        ..options()
    };
    let refused = FileMedia::create(&path, ByteLen::new(65536), false, &strict);
    assert!(
        matches!(refused, Err(FileError::DomainUnmet { .. })),
        "{refused:?}"
    );
    assert_eq!(entries(tmpfs.path()), 0);
    drop(make(&path, 65536));
    let refused = FileMedia::open(&path, &strict);
    assert!(
        matches!(refused, Err(FileError::DomainUnmet { .. })),
        "{refused:?}"
    );

    let assumed = FileOptions {
        assume_persistent: true,
        require: Some(Domain::MemoryController),
        ..options()
    };
    let media = FileMedia::open(&path, &assumed).expect("accepted on request");
    assert_eq!(media.durability().reason, "assumed persistent on request");
    persist(&media, 0, b"by instruction");
    media.write_nt(ByteOffset::new(100), &[3; 500]);
    media.fence().expect("an instruction");
    drop(media);
    assert_eq!(&fs::read(&path).expect("there")[100..600], [3; 500]);
}

#[test]
fn a16_a_directory_without_rights_is_an_error_at_once() {
    let missing = FileMedia::create(
        Path::new("/proc/everline/pool"),
        ByteLen::new(MIB),
        false,
        &options(),
    );
    assert!(missing.is_err(), "{missing:?}");
}
