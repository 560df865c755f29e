//! Snapshots, restoring, moving and copying of pools and regions: rows D1 to D13, and what holds beside them.

mod tools;

use std::ops::ControlFlow::{self, Break, Continue};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use everline::engine::{
    CreateOptions, Engine, FileConfig, OpenOptions, create_file, open_io_read_only,
};
use everline::media::Ram;
use everline::media::file::{FileError, FileMedia, FileOptions};
use everline::media::io::{Access, Disk, LocalDisk, LocalFile, NewLocalFile};
use everline::media::preserve::Preserved;
use everline::units::ByteLen;
use everline_crash::files::{CrashDisk, FileSystem};
use everline_region::transfer::{
    ImageError, MigrateOptions, Phase, Progress, RestoreOptions, TransferOptions, check_image,
    copy_regions, migrate, note_path, open_pool, restore, unattended,
};
use everline_region::{
    ConfigError, CopyError, RegionError, RegionId, RegionOptions, Regions, Retirement, Target,
    TargetConfig, TargetError,
};
use tools::disks::*;
use tools::*;

const MIB: u64 = 1 << 20;

fn posix() -> CrashDisk {
    crash_disk(FileSystem::Posix)
}

fn pieces(transfer_size: u64) -> TransferOptions {
    TransferOptions { transfer_size }
}

fn local() -> (tempfile::TempDir, PathBuf, LocalDisk) {
    let directory = tempfile::tempdir().expect("a directory for tests");
    let path = directory.path().to_path_buf();
    (directory, path, LocalDisk::default())
}

fn taken(path: &Path) -> ImageError {
    let path = path.to_path_buf();
    FileError::AlreadyExists { path }.into()
}

/// The names below a directory of the simulated disk.
fn names(disk: &CrashDisk, path: &str) -> Vec<String> {
    disk.read_dir(path).unwrap_or_default()
}

#[test]
fn d1_a_pool_moves_with_its_identifiers_and_the_source_then_fails() {
    let (_directory, root, disk) = local();
    let (from, to) = (root.join("from/pool"), root.join("to/new/pool"));
    let regions = pool(&disk, &from, MIB);
    let ids = put_regions(&regions, 16, 196);
    let moved = migrate(
        &regions,
        &from,
        &disk,
        &to,
        &MigrateOptions::default(),
        unattended,
    )
    .expect("room");
    assert_eq!(moved.image.path, to);
    assert_eq!(moved.image.bytes, MIB);
    let retired = RegionError::Retired {
        why: Retirement::Moved,
    };
    assert_eq!(regions.read_all(ids[0]), Err(retired.clone()));
    assert_eq!(regions.write(ids[0], 0, &[1]), Err(retired.clone()));
    assert_eq!(regions.create(1, &UNNAMED), Err(retired));
    drop(regions);
    let gone = open_pool(&disk, &from).err();
    assert_eq!(
        gone,
        Some(FileError::NotFound { path: from.clone() }.into())
    );
    assert!(!note_path(&from).exists());
    let (regions, _) = open_pool(&disk, &to).expect("a pool");
    assert_regions(&regions, &ids, 196);
    assert_eq!(regions.by_name("region 2"), Ok(ids[2]));
}

#[test]
fn d3_a_destination_that_is_taken_is_refused_and_both_stay() {
    let disk = posix();
    let (from, to) = (Path::new("/from/pool"), Path::new("/to/pool"));
    let (regions, other) = (pool(&disk, from, SMALL), pool(&disk, to, SMALL));
    let (ids, others) = (put_regions(&regions, 3, 50), put_regions(&other, 2, 70));
    let options = MigrateOptions::default();
    let migrated = migrate(&regions, from, &disk, to, &options, unattended);
    assert_eq!(migrated, Err(taken(to)));
    let into = Path::new("/to");
    let migrated = migrate(&regions, from, &disk, into, &options, unattended);
    assert_eq!(migrated, Err(taken(into)));
    let snapshot = regions.snapshot(&disk, to, pieces(0), unattended);
    assert_eq!(snapshot, Err(taken(to)));
    regions
        .snapshot(&disk, Path::new("/image"), pieces(0), unattended)
        .expect("room");
    let restored = restore(
        &disk,
        Path::new("/image"),
        to,
        &RestoreOptions::default(),
        unattended,
    );
    assert_eq!(restored, Err(taken(to)));
    assert_regions(&regions, &ids, 50);
    assert_regions(&other, &others, 70);
    assert_eq!(names(&disk, "/to"), ["pool"]);
    // A directory that is there and empty is as good as none.
    disk.create_dir("/empty").expect("room");
    let moved = migrate(
        &regions,
        from,
        &disk,
        Path::new("/empty"),
        &options,
        unattended,
    );
    assert_eq!(
        moved.expect("room").image.path,
        Path::new("/empty/pool.pmem")
    );
}

#[test]
fn d4_a_full_disk_or_a_cancel_leaves_the_source_in_use_and_nothing_at_the_destination() {
    let assert_untouched = |disk: &CrashDisk, regions: &Regions<_>, ids: &[RegionId]| {
        assert_regions(regions, ids, 300);
        assert_eq!(names(disk, "/from"), ["pool"]);
        assert_eq!(names(disk, "/to"), [""; 0]);
    };
    let (from, to) = (Path::new("/from/pool"), Path::new("/to/pool"));
    let options = MigrateOptions::default();
    for room in [0, 512, 8 << 10] {
        let disk = posix();
        let regions = pool(&disk, from, SMALL);
        let ids = put_regions(&regions, 5, 300);
        disk.limit_space(ByteLen::new(room));
        let full = migrate(&regions, from, &disk, to, &options, unattended);
        assert_eq!(full, Err(FileError::NoSpace { path: to.into() }.into()));
        assert_untouched(&disk, &regions, &ids);
        let full = regions.snapshot(&disk, to, pieces(1024), unattended);
        assert_eq!(full, Err(FileError::NoSpace { path: to.into() }.into()));
        assert_untouched(&disk, &regions, &ids);
        regions
            .write(ids[0], 0, &pattern(300, 0))
            .expect("is in use");
    }
    for steps in 0.. {
        let disk = posix();
        let regions = pool(&disk, from, SMALL);
        let ids = put_regions(&regions, 5, 300);
        let mut left = steps;
        let cancel = |_: Progress| -> ControlFlow<()> {
            if left == 0 {
                return Break(());
            }
            left -= 1;
            Continue(())
        };
        let cancelled = ImageError::Cancelled { path: to.into() };
        match migrate(&regions, from, &disk, to, &options, cancel) {
            Ok(_) => {
                assert!(steps > 1, "nothing was told");
                break;
            }
            Err(error) => assert_eq!(error, cancelled),
        }
        assert_untouched(&disk, &regions, &ids);
        let snapshot = regions.snapshot(&disk, to, pieces(1024), |_| Break(()));
        assert_eq!(snapshot, Err(cancelled));
        assert_untouched(&disk, &regions, &ids);
        // What was refused meanwhile is served again, also by a new process.
        drop(regions);
        let (regions, _) = open_pool(&disk.kill(), from).expect("a pool");
        assert_regions(&regions, &ids, 300);
    }
}

#[test]
fn d5_pieces_of_any_size_give_the_same_result() {
    let disk = posix();
    let regions = pool(&disk, Path::new("/pool"), SMALL);
    put_regions(&regions, 9, 700);
    let mut checksums = Vec::new();
    for size in [1, 1024, 0, 513, 65536, 65537, u64::MAX] {
        let path = PathBuf::from(format!("/copy {size}"));
        let report = regions
            .snapshot(&disk, &path, pieces(size), unattended)
            .expect("room");
        let bytes = disk.enter(|| everline_crash::fs::read(&path).expect("there"));
        checksums.push((report.checksum, report.written, bytes));
    }
    assert!(checksums.iter().all(|one| *one == checksums[0]));
    for size in [1, 1024, 0] {
        let from = format!("/copy {size}");
        let to = format!("/moved {size}");
        let (regions, _) = open_pool(&disk, Path::new(&from)).expect("a pool");
        let options = MigrateOptions {
            transfer: pieces(size),
            ..MigrateOptions::default()
        };
        migrate(
            &regions,
            Path::new(&from),
            &disk,
            Path::new(&to),
            &options,
            unattended,
        )
        .expect("room");
        let (regions, _) = open_pool(&disk, Path::new(&to)).expect("a pool");
        assert_eq!(regions.count(), Ok(9));
        assert_clean(&regions);
    }
}

#[test]
fn d7_regions_go_from_any_medium_to_any_other() {
    let (_directory, root, disk) = local();
    let memory = on(Ram::new(ByteLen::new(MIB)));
    let file = pool(&disk, &root.join("file"), MIB);
    let mapped = {
        let options = CreateOptions {
            len: Some(MIB),
            ..pool_options(5)
        };
        let path = root.join("mapped");
        let (engine, _) = create_file(&path, &options, &FileConfig::default()).expect("room");
        Regions::open(engine).expect("no regions yet")
    };
    let ids = put_regions(&memory, 7, 1000);
    let copied = |pairs: Vec<(RegionId, RegionId)>| -> Vec<RegionId> {
        pairs.into_iter().map(|(_, new)| new).collect()
    };
    let in_file = copied(copy_regions(&memory, &file, true).expect("room"));
    assert_regions(&file, &in_file, 1000);
    let in_map = copied(copy_regions(&file, &mapped, true).expect("room"));
    assert_regions(&mapped, &in_map, 1000);
    let back = on(Ram::new(ByteLen::new(MIB)));
    let back_ids = copied(copy_regions(&mapped, &back, true).expect("room"));
    assert_regions(&back, &back_ids, 1000);
    assert_eq!(back.by_name("region 4"), Ok(back_ids[4]));
    assert_regions(&memory, &ids, 1000);
    assert!(!memory.exists(in_file[0]), "identifiers are another pool's");
}

#[test]
fn d8_a_byte_that_changes_on_its_way_is_found_and_the_source_stays() {
    let disk = posix();
    let (from, to) = (Path::new("/from/pool"), Path::new("/to/pool"));
    let regions = pool(&disk, from, SMALL);
    let ids = put_regions(&regions, 5, 300);
    let at = regions.info(ids[2]).expect("there").at.get() + 7;
    let flip = |progress: Progress| -> ControlFlow<()> {
        if progress.phase == Phase::Copying && progress.done == progress.total {
            let hidden = Path::new("/to").join(&names(&disk, "/to")[0]);
            let mut options = everline_crash::files::OpenOptions::new();
            let file = disk
                .open_with(options.read(true).write(true), hidden)
                .expect("there");
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).expect("inside");
            file.write_all_at(&[byte[0] ^ 4], at).expect("inside");
        }
        Continue(())
    };
    let damaged = |answer: Option<ImageError>| {
        assert!(
            matches!(answer, Some(ImageError::Damaged { .. })),
            "{answer:?}"
        );
        assert_eq!(names(&disk, "/to"), [""; 0]);
        assert_eq!(names(&disk, "/from"), ["pool"]);
        assert_regions(&regions, &ids, 300);
    };
    let options = MigrateOptions::default();
    damaged(migrate(&regions, from, &disk, to, &options, flip).err());
    damaged(regions.snapshot(&disk, to, pieces(0), flip).err());
    migrate(&regions, from, &disk, to, &options, unattended).expect("nothing changes it");
}

#[test]
fn d10_options_that_cannot_be_are_named() {
    let refused = |text: &str| match MigrateOptions::from_json(text) {
        Err(error) => error.to_string(),
        Ok(options) => panic!("{text} was read as {options:?}"),
    };
    let error = refused(r#"{"transfer_size":-1}"#);
    assert!(
        error.contains("transfer_size") && error.contains("-1"),
        "{error}"
    );
    let error = refused(r#"{"remove_source":"yes"}"#);
    assert!(error.contains("remove_source"), "{error}");
    let error = refused(r#"{"merge_config":7}"#);
    assert!(error.contains("merge_config"), "{error}");
    let error = refused(r#"{"transfersize":1}"#);
    assert!(error.contains("did you mean \"transfer_size\""), "{error}");
    assert!(matches!(
        MigrateOptions::from_json("{"),
        Err(ConfigError::NotJson { .. })
    ));
    assert!(refused("[]").contains("must be a JSON object"));
    let options = MigrateOptions::from_json(
        r#"{"transfer_size":"64KiB","remove_source":false,"merge_config":{"size":1}}"#,
    )
    .expect("all three are right");
    assert_eq!(options.transfer, pieces(64 << 10));
    assert!(!options.remove_source);
    let again = serde_json::Value::from(&options);
    assert_eq!(MigrateOptions::try_from(again), Ok(options));
    assert_eq!(
        MigrateOptions::from_json("{}"),
        Ok(MigrateOptions::default())
    );
}

#[test]
fn d11_a_region_is_copied_to_another_pool_and_both_exist() {
    let one = ram(MIB);
    let other = Engine::create(Ram::new(ByteLen::new(MIB)), &pool_options(8)).expect("a pool");
    let other = Regions::open(other).expect("no regions yet");
    let bytes = pattern(5000, 9);
    let options = RegionOptions {
        attributes: Some(b"of mine"),
        ..named("mine")
    };
    let id = one.create_with(&bytes, &options).expect("room");
    let new = one.migrate_region(id, &other, true).expect("room");
    let unnamed = one.migrate_region(id, &other, false).expect("room");
    assert!(new != id && new != unnamed);
    assert_eq!(other.by_name("mine"), Ok(new));
    assert_eq!(other.info(unnamed).expect("there").name, None);
    for id in [new, unnamed] {
        assert_eq!(other.read_all(id), Ok(bytes.clone()));
        assert_eq!(other.attributes(id).expect("there"), b"of mine");
    }
    assert_eq!(one.read_all(id), Ok(bytes));
    let refused = one.migrate_region(id, &other, true);
    assert!(matches!(
        refused,
        Err(CopyError::Target(RegionError::AlreadyExists { .. }))
    ));
    let unknown = one.migrate_region(RegionId::from_bytes([7; 16]), &other, true);
    assert!(matches!(
        unknown,
        Err(CopyError::Source(RegionError::InvalidRegion { .. }))
    ));
    assert_eq!(other.count(), Ok(2), "nothing is left of what was refused");
    assert_clean(&other);
}

#[test]
fn b37_a_region_copied_to_a_full_pool_leaves_nothing_there() {
    let (one, other) = (ram(4 * MIB), ram(MIB));
    let id = one
        .create_with(&pattern(2 << 20, 1), &UNNAMED)
        .expect("room");
    let refused = one.migrate_region(id, &other, false);
    assert!(matches!(
        refused,
        Err(CopyError::Target(RegionError::NoSpace { .. }))
    ));
    assert_eq!(other.count(), Ok(0));
    assert_clean(&other);
}

#[test]
fn d2_a_source_that_is_kept_and_its_copy_are_two_pools() {
    let (_directory, root, disk) = local();
    let (from, to) = (root.join("from"), root.join("to"));
    let regions = pool(&disk, &from, MIB);
    // Every kind of thing that is sealed with a pool's identity.
    let mut ids = put_regions(&regions, 20, 300);
    let kinds = [
        RegionOptions {
            attributes: Some(b"said of it"),
            ..named("described")
        },
        RegionOptions {
            growable: true,
            ..UNNAMED
        },
        RegionOptions {
            checked: true,
            ..UNNAMED
        },
    ];
    for (number, options) in (20..).zip(kinds) {
        ids.push(
            regions
                .create_with(&pattern(300, number), &options)
                .expect("room"),
        );
    }
    let partly = regions.create(300 << 10, &UNNAMED).expect("room");
    regions
        .write(partly, 200 << 10, b"in the middle")
        .expect("inside");
    let gone = regions.create(5000, &UNNAMED).expect("room");
    regions.destroy(gone).expect("there");
    let options = MigrateOptions {
        remove_source: false,
        ..MigrateOptions::default()
    };
    let made = migrate(&regions, &from, &disk, &to, &options, unattended).expect("room");
    let (copy, _) = open_pool(&disk, &to).expect("nobody has it");
    assert_ne!(copy.engine().pool().id(), regions.engine().pool().id());
    let new_of = |id: RegionId| {
        let pair = made.renamed.iter().find(|(old, _)| *old == id);
        pair.expect("was copied").1
    };
    let new_ids: Vec<RegionId> = ids.iter().map(|id| new_of(*id)).collect();
    assert_eq!(made.renamed.len(), ids.len() + 1);
    assert!(!made.renamed.iter().any(|(_, new)| regions.exists(*new)));
    assert!(!made.renamed.iter().any(|(old, _)| copy.exists(*old)));
    let mut bytes = [1; 13];
    copy.read(new_of(partly), 200 << 10, &mut bytes)
        .expect("inside");
    assert_eq!(&bytes, b"in the middle");
    copy.read(new_of(partly), 100 << 10, &mut bytes)
        .expect("inside");
    assert_eq!(bytes, [0; 13]);
    assert_eq!(copy.attributes(new_ids[20]).expect("there"), b"said of it");
    assert_eq!(copy.by_name("described"), Ok(new_ids[20]));
    let scrubbed = copy.scrub(new_ids[22], |_, _| {}, |_| {});
    let scrubbed = scrubbed.expect("is checked");
    assert!(scrubbed.bad == 0 && scrubbed.verified > 0, "{scrubbed:?}");

    // Both are written, and neither sees the other's.
    for (number, (old, new)) in (0u8..).zip(ids.iter().zip(&new_ids)) {
        regions
            .write(*old, 0, &pattern(300, number ^ 0x55))
            .expect("inside");
        assert_eq!(copy.read_all(*new), Ok(pattern(300, number)));
        copy.write(*new, 0, &pattern(300, number ^ 0xAA))
            .expect("inside");
        assert_eq!(regions.read_all(*old), Ok(pattern(300, number ^ 0x55)));
    }
    let one = regions.put("only here", b"1").expect("room");
    assert!(copy.by_name("only here").is_err() && !copy.exists(one));
    drop((regions, copy));
    for path in [&from, &to] {
        let (regions, _) = open_pool(&disk, path).expect("nobody has it");
        assert_clean(&regions);
    }
    assert!(!note_path(&from).exists());
}

#[test]
fn a_pool_does_not_move_while_a_view_leads_into_a_region() {
    let disk = posix();
    let (from, to) = (Path::new("/pool"), Path::new("/to"));
    let regions = pool(&disk, from, SMALL);
    let ids = put_regions(&regions, 2, 100);
    let view = regions.view(ids[1]).expect("there");
    let options = MigrateOptions::default();
    let refused = migrate(&regions, from, &disk, to, &options, unattended);
    assert!(
        matches!(refused, Err(ImageError::Source { .. })),
        "{refused:?}"
    );
    assert_regions(&regions, &ids, 100);
    drop(view);
    migrate(&regions, from, &disk, to, &options, unattended).expect("nobody looks");
}

/// Each writer owns two accounts whose sum never changes, and says how many transfers are acknowledged.
fn transfer<M: everline::media::Media>(regions: &Regions<M>, writer: u8, round: u64) {
    let account = |side: &str| format!("{side} of {writer}");
    let bytes = |value: u64| [value.to_le_bytes().as_slice(), &[writer; 500]].concat();
    let mut batch = regions.batch().expect("serves");
    batch.put(&account("left"), &bytes(round)).expect("room");
    batch
        .put(&account("right"), &bytes(1_000_000 - round))
        .expect("room");
    batch.commit().expect("healthy");
}

/// The rounds that were over in a copy, after looking at all that must hold.
fn rounds<M: everline::media::Media>(regions: &Regions<M>, writers: u8) -> Vec<u64> {
    assert_clean(regions);
    let value = |name: String| {
        let id = regions.by_name(&name).expect("there");
        let bytes = regions.read_all(id).expect("there");
        u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
    };
    let sides = |writer| {
        let (left, right) = (
            value(format!("left of {writer}")),
            value(format!("right of {writer}")),
        );
        assert_eq!(left + right, 1_000_000);
        left
    };
    (0..writers).map(sides).collect()
}

fn snapshot_under_writers<M>(regions: &Regions<Preserved<M>>, root: &Path, disk: &LocalDisk)
where
    M: everline::media::Media + Sync,
{
    const WRITERS: u8 = 4;
    let acknowledged: Vec<_> = (0..WRITERS)
        .map(|_| std::sync::atomic::AtomicU64::new(0))
        .collect();
    let done = || -> Vec<u64> {
        let all = acknowledged.iter();
        all.map(|rounds| rounds.load(Ordering::SeqCst)).collect()
    };
    (0..WRITERS).for_each(|writer| transfer(regions, writer, 0));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (stop, own) = (&stop, &acknowledged[usize::from(writer)]);
            scope.spawn(move || {
                for round in 1.. {
                    transfer(regions, writer, round);
                    own.store(round, Ordering::SeqCst);
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                }
            });
        }
        for number in 0..12 {
            let (image, path) = (
                root.join(format!("image {number}")),
                root.join(format!("pool {number}")),
            );
            let before = done();
            let report = regions
                .snapshot(
                    disk,
                    &image,
                    pieces([0, 1 << 16, 1 << 20][number % 3]),
                    unattended,
                )
                .expect("room");
            let after = done();
            assert!(report.written > 0 && report.bytes == 8 * MIB);
            check_image(disk, &image).expect("sound");
            restore(disk, &image, &path, &RestoreOptions::default(), unattended).expect("room");
            let (restored, _) = open_pool(disk, &path).expect("a pool");
            for ((round, before), after) in rounds(&restored, WRITERS)
                .into_iter()
                .zip(before)
                .zip(after)
            {
                assert!(
                    before <= round && round <= after + 1,
                    "{before} {round} {after}"
                );
            }
            transfer(&restored, 0, 5); // and it is in use again
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert_clean(regions);
}

#[test]
fn d12_a_snapshot_under_writers_is_of_one_moment_in_memory_in_a_file_and_mapped() {
    let (_directory, root, disk) = local();
    let options = CreateOptions {
        len: Some(8 * MIB),
        ..pool_options(5)
    };
    for kind in ["memory", "file", "mapped"] {
        let images = root.join(kind);
        std::fs::create_dir(&images).expect("room");
        match kind {
            "memory" => {
                let ram = Ram::new(ByteLen::new(8 * MIB));
                let engine = Engine::create(ram, &options).expect("a pool");
                snapshot_under_writers(&preserved(engine.abandon()), &images, &disk);
            }
            "file" => {
                let regions = pool(&disk, &root.join("live"), 8 * MIB);
                snapshot_under_writers(&regions, &images, &disk);
            }
            _ => {
                let path = root.join("mapped live");
                let (engine, _) =
                    create_file(&path, &options, &FileConfig::default()).expect("room");
                snapshot_under_writers(&preserved(engine.abandon()), &images, &disk);
            }
        }
    }
}

#[test]
fn d12_a_damaged_snapshot_is_not_restored_and_an_existing_pool_only_on_request() {
    let disk = posix();
    let (from, image, to) = (
        Path::new("/pool"),
        Path::new("/image"),
        Path::new("/to/pool"),
    );
    let regions = pool(&disk, from, SMALL);
    let ids = put_regions(&regions, 4, 100);
    let report = regions
        .snapshot(&disk, image, pieces(0), unattended)
        .expect("room");
    assert_eq!(check_image(&disk, image).map(|check| check.regions), Ok(4));
    regions.destroy(ids[3]).expect("there");
    drop(regions);

    let over = RestoreOptions {
        overwrite: true,
        ..RestoreOptions::default()
    };
    let restored = restore(&disk, image, from, &over, unattended).expect("nobody has it");
    assert_eq!(restored.checksum, report.checksum);
    let (regions, _) = open_pool(&disk, from).expect("a pool");
    assert_regions(&regions, &ids, 100);

    let bytes = disk.enter(|| everline_crash::fs::read(image).expect("there"));
    for at in (0..bytes.len()).step_by(4096) {
        let mut damaged = bytes.clone();
        damaged[at + 20] ^= 0x10;
        disk.enter(|| everline_crash::fs::write("/damaged", &damaged).expect("room"));
        match restore(
            &disk,
            Path::new("/damaged"),
            to,
            &RestoreOptions::default(),
            unattended,
        ) {
            Err(ImageError::Unsound { .. }) => assert!(!disk.exists(to)),
            Ok(_) => {
                // A byte that nothing vouches for, or one of two copies.
                check_image(&disk, to).expect("sound");
                disk.remove_file(to).expect("there");
            }
            Err(other) => panic!("{other}"),
        }
    }
    let none = restore(
        &disk,
        Path::new("/none"),
        to,
        &RestoreOptions::default(),
        unattended,
    );
    assert!(matches!(
        none,
        Err(ImageError::File(FileError::NotFound { .. }))
    ));
}

#[test]
fn d13_a_pool_moves_after_whatever_was_done_with_it_and_no_lock_is_left() {
    let (_directory, root, disk) = local();
    type Mix =
        fn(&Regions<Preserved<everline::media::io::IoMedia<everline::media::io::LocalFile>>>);
    let mixes: [Mix; 6] = [
        |_| {},
        |regions| {
            regions.create(100, &UNNAMED).expect("room");
        },
        |regions| {
            let id = regions.create(100, &named("a")).expect("room");
            regions.destroy(id).expect("there");
        },
        |regions| {
            let id = regions.create_with(&[], &named("empty")).expect("room");
            regions.write(id, 0, &[]).expect("nothing to do");
            regions.read(id, 0, &mut []).expect("nothing to do");
        },
        |regions| {
            drop(regions.batch().expect("serves")); // never committed
            drop(regions.create(1 << 40, &UNNAMED).expect_err("no room"));
        },
        |regions| {
            let ids = put_regions(regions, 20, 3000);
            ids.iter()
                .step_by(2)
                .for_each(|id| regions.destroy(*id).expect("there"));
        },
    ];
    let mut from = root.join("pool 0");
    let mut regions = pool(&disk, &from, MIB);
    for (number, mix) in mixes.iter().enumerate() {
        mix(&regions);
        let before = regions.count();
        let to = root.join(format!("pool {}", number + 1));
        migrate(
            &regions,
            &from,
            &disk,
            &to,
            &MigrateOptions::default(),
            unattended,
        )
        .expect("room");
        drop(regions);
        // Free at once, and nothing is left of the old one.
        regions = open_pool(&disk, &to).expect("nobody has it").0;
        assert_eq!(regions.count(), before);
        assert_clean(&regions);
        from = to;
    }
    drop(regions);
    let left = disk.names_in(&root).expect("there").expect("a directory");
    assert_eq!(left, ["pool 6"]);
    drop(FileMedia::open(&from, &FileOptions::default()).expect("nobody has it"));
}

#[test]
fn b28_identifiers_are_the_same_after_a_move_and_in_a_restored_snapshot() {
    let disk = posix();
    let (from, to) = (Path::new("/pool"), Path::new("/moved"));
    let regions = pool(&disk, from, SMALL);
    let ids = put_regions(&regions, 4, 100);
    regions
        .snapshot(&disk, Path::new("/image"), pieces(0), unattended)
        .expect("room");
    migrate(
        &regions,
        from,
        &disk,
        to,
        &MigrateOptions::default(),
        unattended,
    )
    .expect("room");
    restore(
        &disk,
        Path::new("/image"),
        Path::new("/again"),
        &RestoreOptions::default(),
        unattended,
    )
    .expect("room");
    for path in ["/moved", "/again"] {
        let (regions, _) = open_pool(&disk, Path::new(path)).expect("a pool");
        assert_regions(&regions, &ids, 100);
    }
}

#[test]
fn a_copy_has_the_space_that_its_source_had_behind_zeros_too() {
    let large = disk_options(FileSystem::Posix).file_capacity(ByteLen::new(2 * MIB));
    let disk = CrashDisk::new(large.files(8));
    let (from, image, to) = (Path::new("/pool"), Path::new("/image"), Path::new("/to"));
    let regions = pool(&disk, from, MIB);
    let id = regions.create_with(&[0; 400_000], &UNNAMED).expect("room");
    let report = regions
        .snapshot(&disk, image, pieces(0), unattended)
        .expect("room");
    assert!(report.written < 400_000, "zeros are holes");
    restore(&disk, image, to, &RestoreOptions::default(), unattended).expect("room");
    disk.limit_space(ByteLen::ZERO);
    for path in [image, to] {
        let (copy, _) = open_pool(&disk, path).expect("a pool");
        copy.write(id, 0, &pattern(400_000, 1))
            .expect("its space is there");
    }
}

#[test]
fn d6_the_destination_has_the_configuration_of_the_source_but_for_what_is_said() {
    let (_directory, root, _) = local();
    let (from, to) = (root.join("from"), root.join("to"));
    let config = TargetConfig {
        lanes: Some(4),
        ..TargetConfig::pmem(&from).with_size(MIB)
    };
    let target = Target::open(config).expect("room");
    let id = target
        .create_with(&pattern(196, 1), &named("kept"))
        .expect("room");
    let refused = |merge: serde_json::Value| {
        let options = MigrateOptions {
            merge_config: merge,
            ..MigrateOptions::default()
        };
        let error = target.migrate(&to, &options, unattended).err();
        error.expect("cannot be").to_string()
    };
    let error = refused(serde_json::json!({"read_onyl": true}));
    assert!(error.contains("did you mean \"read_only\""), "{error}");
    assert!(refused(serde_json::json!({"type": "memory"})).contains("has a file"));
    assert!(refused(serde_json::json!({"workers": 0})).contains("workers"));
    assert!(!to.exists());
    assert_eq!(target.read_all(id), Ok(pattern(196, 1)));

    let elsewhere = root.join("elsewhere");
    let options = MigrateOptions {
        merge_config: serde_json::json!({"type": "file", "path": elsewhere, "workers": 2}),
        ..MigrateOptions::default()
    };
    let (moved, report) = target.migrate(&to, &options, unattended).expect("room");
    assert_eq!(report.image.path, elsewhere);
    assert!(!to.exists() && !from.exists());
    let config = moved.config_json();
    assert_eq!(config["type"], "file");
    assert_eq!(config["config"]["path"], elsewhere.display().to_string());
    assert_eq!(config["config"]["workers"], 2);
    assert_eq!(config["config"]["lanes"], 4, "is the source's");
    assert_eq!(moved.read_all(id), Ok(pattern(196, 1)));
    let retired = RegionError::Retired {
        why: Retirement::Moved,
    };
    assert_eq!(target.read_all(id), Err(retired));
    drop(moved);
    let again = Target::open(TargetConfig::try_from(config).expect("in force")).expect("there");
    assert_eq!(again.read_all(id), Ok(pattern(196, 1)));
}

#[test]
fn d2_a_target_that_is_kept_and_its_copy_are_two_targets_and_snapshots_are_taken_of_both() {
    let (_directory, root, _) = local();
    let target = Target::open(TargetConfig::pmem(root.join("from")).with_size(MIB)).expect("room");
    let id = target
        .create_with(&pattern(196, 1), &UNNAMED)
        .expect("room");
    let options = MigrateOptions {
        remove_source: false,
        ..MigrateOptions::default()
    };
    let (copy, report) = target
        .migrate(&root.join("to"), &options, unattended)
        .expect("room");
    let new = report.renamed[0].1;
    target.write(id, 0, b"source").expect("serves");
    assert_eq!(copy.read_all(new), Ok(pattern(196, 1)));
    for (target, name) in [(&target, "image of source"), (&copy, "image of copy")] {
        let image = target
            .snapshot_to(&root.join(name), pieces(0), unattended)
            .expect("room");
        check_image(&LocalDisk::default(), &image.path).expect("sound");
    }
}

#[test]
fn d9_a_target_whose_pool_was_moved_says_where_it_is() {
    let (_directory, root, disk) = local();
    let (from, to) = (root.join("from"), root.join("to"));
    let config = TargetConfig::pmem(&from);
    drop(Target::open(config.clone().with_size(MIB)).expect("room"));
    std::fs::copy(&from, &to).expect("room"); // as a cut between two steps of a move leaves it
    let open = |config: &TargetConfig| Target::open(config.clone());
    let id = open(&config)
        .expect("no note")
        .engine()
        .pool()
        .id()
        .map(|byte| format!("{byte:02x}"));
    let note = serde_json::json!({"destination": to, "pool_id": id.concat()});
    std::fs::write(note_path(&from), note.to_string()).expect("room");
    let migrated = TargetError::Image(ImageError::Migrated {
        path: from.clone(),
        to: to.clone(),
    });
    let file = TargetConfig {
        kind: everline_region::TargetKind::File,
        ..config.clone()
    };
    let reading = TargetConfig {
        read_only: true,
        ..config.clone()
    };
    for config in [&config, &file, &reading] {
        assert_eq!(open(config).err(), Some(migrated.clone()));
    }
    let there = Target::open(TargetConfig::pmem(&to)).expect("the pool is here");
    assert_eq!(
        open(&config).err(),
        Some(migrated),
        "also while it is in use there"
    );
    drop(there);
    disk.remove(&to).expect("there");
    drop(open(&reading).expect("is here again"));
    assert!(note_path(&from).exists(), "a reader changes nothing");
    drop(open(&config).expect("is here again"));
    assert!(!note_path(&from).exists());
}

#[test]
fn a_pool_that_is_open_read_only_does_not_move() {
    let disk = posix();
    drop(pool(&disk, Path::new("/pool"), SMALL));
    let (engine, _) =
        open_io_read_only(&disk, Path::new("/pool"), &OpenOptions::default()).expect("a pool");
    let regions = Regions::open(engine).expect("a directory");
    let refused = migrate(
        &regions,
        Path::new("/pool"),
        &disk,
        Path::new("/to"),
        &MigrateOptions::default(),
        unattended,
    );
    assert_eq!(refused, Err(ImageError::ReadOnly));
}

#[test]
fn others_are_refused_while_a_pool_moves_and_served_again_when_that_fails() {
    let (_directory, root, disk) = local();
    let (from, to) = (root.join("from"), root.join("to"));
    let regions = pool(&disk, &from, MIB);
    let ids = put_regions(&regions, 3, 100);
    let seen = |_: Progress| -> ControlFlow<()> {
        let moving = RegionError::Retired {
            why: Retirement::Moving,
        };
        assert_eq!(regions.write(ids[0], 0, &[9]), Err(moving.clone()));
        assert_eq!(regions.count(), Err(moving));
        Break(())
    };
    let cancelled = migrate(
        &regions,
        &from,
        &disk,
        &to,
        &MigrateOptions::default(),
        seen,
    );
    assert_eq!(cancelled, Err(ImageError::Cancelled { path: to }));
    assert_regions(&regions, &ids, 100);
}

/// The disk of this machine, with something done before a file is made and when one is to be removed.
struct Hooked {
    disk: LocalDisk,
    on_create: Box<dyn Fn()>,
    on_remove: Box<dyn Fn(&Path) -> Result<(), FileError>>,
}

impl Disk for Hooked {
    type File = LocalFile;
    type New = NewLocalFile;

    fn locate(&self, path: &Path) -> Result<PathBuf, FileError> {
        self.disk.locate(path)
    }
    fn create(&self, path: &Path) -> Result<NewLocalFile, FileError> {
        (self.on_create)();
        self.disk.create(path)
    }
    fn open(&self, path: &Path, access: Access) -> Result<LocalFile, FileError> {
        self.disk.open(path, access)
    }
    fn exists(&self, path: &Path) -> Result<bool, FileError> {
        self.disk.exists(path)
    }
    fn names_in(&self, path: &Path) -> Result<Option<Vec<std::ffi::OsString>>, FileError> {
        self.disk.names_in(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> Result<(), FileError> {
        (self.on_remove)(path)?;
        self.disk.remove(path)
    }
    fn make_directories(&self, path: &Path) -> Result<(), FileError> {
        self.disk.make_directories(path)
    }
    fn sync_directory(&self, path: &Path) -> Result<(), FileError> {
        self.disk.sync_directory(path)
    }
}

#[test]
fn a_pool_that_grows_while_a_snapshot_begins_is_copied_as_long_as_it_is() {
    let (_directory, root, disk) = local();
    let regions = std::sync::Arc::new(pool(&disk, &root.join("pool"), MIB));
    let ids = put_regions(&regions, 3, 300);
    let growing = std::sync::Arc::clone(&regions);
    let hooked = Hooked {
        disk,
        on_create: Box::new(move || growing.engine().grow(2 * MIB).expect("room")),
        on_remove: Box::new(|_| Ok(())),
    };
    let image = root.join("image");
    let report = regions
        .snapshot(&hooked, &image, pieces(0), unattended)
        .expect("room");
    assert_eq!(report.bytes, 2 * MIB);
    let (copy, _) = open_pool(&LocalDisk::default(), &image).expect("a pool");
    assert_eq!(copy.engine().pool().geometry().len(), 2 * MIB);
    assert_regions(&copy, &ids, 300);
}

#[test]
fn d3_a_file_that_takes_the_destination_during_the_move_stays_and_so_does_the_source() {
    let (_directory, root, disk) = local();
    let (from, to) = (root.join("from"), root.join("to"));
    let regions = pool(&disk, &from, MIB);
    let ids = put_regions(&regions, 3, 100);
    let intrude = |_: Progress| -> ControlFlow<()> {
        std::fs::write(&to, b"somebody's").expect("room");
        Continue(())
    };
    let options = MigrateOptions::default();
    let refused = migrate(&regions, &from, &disk, &to, &options, intrude);
    assert_eq!(refused, Err(taken(&to)));
    assert_eq!(std::fs::read(&to).expect("is still there"), b"somebody's");
    assert!(!note_path(&from).exists());
    assert_regions(&regions, &ids, 100);
}

#[test]
fn d9_nobody_opens_the_destination_before_the_source_is_gone() {
    let (_directory, root, disk) = local();
    let (from, to) = (root.join("from"), root.join("to"));
    let regions = pool(&disk, &from, MIB);
    let ids = put_regions(&regions, 3, 100);
    let (source, destination) = (from.clone(), to.clone());
    let hooked = Hooked {
        disk,
        on_create: Box::new(|| ()),
        on_remove: Box::new(move |path| {
            if path != source {
                return Ok(());
            }
            // Whoever got in here would lose what he writes when the move is taken back.
            let opened = LocalDisk::default().open(&destination, Access::Write).err();
            let path = destination.clone();
            assert_eq!(opened, Some(FileError::Busy { path }));
            Err(FileError::Permission {
                operation: "remove",
                path: source.clone(),
                errno: everline::media::Errno(1),
            })
        }),
    };
    let options = MigrateOptions::default();
    let refused = migrate(&regions, &from, &hooked, &to, &options, unattended);
    assert!(
        matches!(refused, Err(ImageError::File(FileError::Permission { .. }))),
        "{refused:?}"
    );
    assert!(!to.exists() && !note_path(&from).exists());
    assert_regions(&regions, &ids, 100);
}

#[test]
fn d9_a_pool_that_comes_back_leaves_no_note_of_its_way_out() {
    let (_directory, root, disk) = local();
    let (here, there) = (root.join("here"), root.join("there"));
    let regions = pool(&disk, &here, MIB);
    let ids = put_regions(&regions, 3, 100);
    let id = regions
        .engine()
        .pool()
        .id()
        .map(|byte| format!("{byte:02x}"));
    // It was moved from `there`, and the process was killed before the note was removed.
    let note = serde_json::json!({"destination": here, "pool_id": id.concat()});
    std::fs::write(note_path(&there), note.to_string()).expect("room");
    // A cut after the pool has its name there and before it has lost the one here: each note would name the other.
    let (source, copy) = (here.clone(), root.join("source as it was"));
    let kept = copy.clone();
    let hooked = Hooked {
        disk,
        on_create: Box::new(|| ()),
        on_remove: Box::new(move |path| {
            if path == source {
                std::fs::copy(&source, &kept).expect("room");
                std::fs::copy(note_path(&source), note_path(&kept)).expect("is noted");
            }
            Ok(())
        }),
    };
    let options = MigrateOptions::default();
    migrate(&regions, &here, &hooked, &there, &options, unattended).expect("room");
    drop(regions);
    std::fs::rename(&copy, &here).expect("as the cut leaves it");
    std::fs::rename(note_path(&copy), note_path(&here)).expect("as the cut leaves it");
    let (regions, _) = open_pool(&LocalDisk::default(), &there).expect("the pool is there");
    assert_regions(&regions, &ids, 100);
}

#[test]
fn e12_a_target_whose_file_was_replaced_does_not_take_the_new_one_away() {
    let (_directory, root, _) = local();
    let (from, to) = (root.join("from"), root.join("to"));
    for config in [TargetConfig::pmem(&from), TargetConfig::file(&from)] {
        let config = config.with_size(MIB);
        let target = Target::open(config.clone()).expect("room");
        std::fs::remove_file(&from).expect("there");
        let other = Target::open(config).expect("room");
        let id = other.create_with(b"other's", &UNNAMED).expect("room");
        let refused = target
            .migrate(&to, &MigrateOptions::default(), unattended)
            .err();
        let path = from.clone();
        assert_eq!(refused, Some(FileError::Unlinked { path }.into()));
        assert!(!to.exists());
        assert!(from.exists(), "the other's");
        assert_eq!(other.read_all(id), Ok(b"other's".to_vec()));
        other.close().expect("nothing happened to it");
        std::fs::remove_file(&from).expect("there");
    }
}

#[test]
fn a_memory_target_larger_than_memory_is_an_error() {
    let error = Target::open(TargetConfig::memory(200 << 40)).err();
    let error = error.expect("nobody has so much").to_string();
    assert!(error.contains("space"), "{error}");
}
