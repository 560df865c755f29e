//! Files: small shapes, each with the exact set of what a cut at its end may leave; engines that are right, and the
//! same engines with a line missing. Numbers are those of the project's list of planted bugs.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};

use everline::units::ByteLen;
use everline_crash::files::{CrashDisk, DiskOptions, FileSystem, OpenOptions};
use everline_crash::{Cut, Explorer, Point, PointKind, Report, fs};

type Outcomes = BTreeSet<String>;

/// Bytes of one sector of the disks here.
const SECTOR: usize = 512;

fn set(outcomes: &[&str]) -> Outcomes {
    outcomes.iter().map(|outcome| (*outcome).into()).collect()
}

/// A file in short: `-` where there is none, else each run of equal bytes once, zeros as `0`.
fn seen(path: &str) -> String {
    let Ok(bytes) = fs::read(path) else {
        return "-".into();
    };
    let mut runs: Vec<u8> = bytes
        .iter()
        .map(|byte| if *byte == 0 { b'0' } else { *byte })
        .collect();
    runs.dedup();
    String::from_utf8(runs).expect("tests write text")
}

fn on(options: DiskOptions, work: impl FnOnce(&CrashDisk)) -> CrashDisk {
    let disk = CrashDisk::new(options);
    disk.enter(|| work(&disk));
    disk
}

fn explored(
    disk: &CrashDisk,
    recover: impl Fn(&CrashDisk) -> String,
    counts: impl Fn(&Point<'_>) -> bool,
) -> Outcomes {
    let found = RefCell::new(Outcomes::new());
    let report = Explorer::new().idempotent(false).explore_files(
        &disk.recording().start_at_last_mark(),
        recover,
        |point, outcome| {
            if counts(point) {
                found.borrow_mut().insert(outcome.clone());
            }
            Ok(())
        },
    );
    report.assert_clean();
    assert!(report.exhaustive, "{report}");
    found.into_inner()
}

fn at_the_end(point: &Point<'_>) -> bool {
    point.kind == PointKind::End && point.depth == 0
}

/// What may be left of `paths` after a cut at the end of `work`.
fn reach_with(options: DiskOptions, work: impl FnOnce(&CrashDisk), paths: &[&str]) -> Outcomes {
    let disk = on(options, work);
    let look = |_: &CrashDisk| {
        let all: Vec<String> = paths.iter().map(|path| seen(path)).collect();
        all.join(" ")
    };
    explored(&disk, look, at_the_end)
}

fn reach(work: impl FnOnce(&CrashDisk), paths: &[&str]) -> Outcomes {
    reach_with(DiskOptions::new(), work, paths)
}

fn reach_ext4(work: impl FnOnce(&CrashDisk), paths: &[&str]) -> Outcomes {
    reach_with(
        DiskOptions::new().file_system(FileSystem::Ext4),
        work,
        paths,
    )
}

/// A durable file `f` of `a`s, open to read and write.
fn durable(disk: &CrashDisk, len: usize) -> fs::File {
    fs::write("f", vec![b'a'; len]).expect("room");
    disk.mark();
    opened("f")
}

fn opened(path: &str) -> fs::File {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(path);
    file.expect("is there")
}

fn put(file: &fs::File, at: u64, bytes: &[u8]) {
    file.write_all_at(bytes, at).expect("room");
}

fn sync(file: &fs::File) {
    file.sync_all().expect("no fault asked for");
}

fn sync_root(disk: &CrashDisk) {
    disk.sync_dir("/").expect("no fault asked for");
}

fn made(path: &str, bytes: &[u8]) -> fs::File {
    let mut file = fs::File::create(path).expect("room");
    file.write_all(bytes).expect("room");
    file
}

// Data and lengths.

#[test]
fn a_write_alone_may_or_may_not_be_there() {
    let seen = reach(|disk| put(&durable(disk, 4), 0, b"bbbb"), &["f"]);
    assert_eq!(seen, set(&["a", "b"]));
}

#[test]
fn a_synced_write_is_there() {
    let seen = reach(
        |disk| {
            let file = durable(disk, 4);
            put(&file, 0, b"bbbb");
            sync(&file);
        },
        &["f"],
    );
    assert_eq!(seen, set(&["b"]));
}

#[test]
fn flush_is_not_sync() {
    let seen = reach(
        |disk| {
            let mut file = durable(disk, 4);
            file.write_all(b"bbbb").expect("room");
            file.flush().expect("does nothing");
        },
        &["f"],
    );
    assert_eq!(seen, set(&["a", "b"]));
}

#[test]
fn a_sync_before_the_write_does_not_count() {
    let seen = reach(
        |disk| {
            let file = durable(disk, 4);
            sync(&file);
            put(&file, 0, b"bbbb");
        },
        &["f"],
    );
    assert_eq!(seen, set(&["a", "b"]));
}

#[test]
fn a_write_within_one_sector_does_not_tear() {
    let seen = reach(|disk| put(&durable(disk, SECTOR), 100, b"bb"), &["f"]);
    assert_eq!(seen, set(&["a", "aba"]));
}

#[test]
fn two_sectors_of_one_write_are_independent() {
    let seen = reach(
        |disk| put(&durable(disk, 2 * SECTOR), 0, &[b'b'; 2 * SECTOR]),
        &["f"],
    );
    assert_eq!(seen, set(&["a", "b", "ab", "ba"]));
}

#[test]
fn a_write_across_a_boundary_tears_there() {
    let seen = reach(
        |disk| put(&durable(disk, 2 * SECTOR), SECTOR as u64 - 1, b"bb"),
        &["f"],
    );
    assert_eq!(seen, set(&["a", "aba"]));
    let disk = on(DiskOptions::new(), |disk| {
        put(&durable(disk, 2 * SECTOR), SECTOR as u64 - 1, b"bb");
    });
    let count = |_: &CrashDisk| {
        let bytes = fs::read("f").expect("durable");
        bytes
            .iter()
            .filter(|byte| **byte == b'b')
            .count()
            .to_string()
    };
    assert_eq!(explored(&disk, count, at_the_end), set(&["0", "1", "2"]));
}

#[test]
fn a_larger_sector_holds_together() {
    let seen = reach_with(
        DiskOptions::new().sector(4096),
        |disk| put(&durable(disk, 4096), 0, &[b'b'; 4096]),
        &["f"],
    );
    assert_eq!(seen, set(&["a", "b"]));
}

#[test]
fn each_version_since_the_last_sync_is_possible() {
    let seen = reach(
        |disk| {
            let file = durable(disk, 1);
            put(&file, 0, b"b");
            sync(&file);
            put(&file, 0, b"c");
            put(&file, 0, b"d");
        },
        &["f"],
    );
    assert_eq!(seen, set(&["b", "c", "d"]));
}

#[test]
fn the_length_leads_or_lags_the_data() {
    let seen = reach(
        |disk| put(&durable(disk, SECTOR), SECTOR as u64, &[b'b'; SECTOR]),
        &["f"],
    );
    assert_eq!(seen, set(&["a", "ab", "a0"]));
}

#[test]
fn an_append_within_a_sector_may_leave_zeros() {
    let seen = reach(
        |disk| {
            durable(disk, 4);
            let mut log = fs::File::options()
                .append(true)
                .open("f")
                .expect("is there");
            log.write_all(b"bb").expect("room");
        },
        &["f"],
    );
    assert_eq!(seen, set(&["a", "ab", "a0"]));
}

#[test]
fn a_synced_append_is_whole() {
    let seen = reach(
        |disk| {
            durable(disk, 4);
            let mut log = fs::File::options()
                .append(true)
                .open("f")
                .expect("is there");
            log.write_all(&[b'b'; 2 * SECTOR]).expect("room");
            log.sync_data().expect("no fault asked for");
        },
        &["f"],
    );
    assert_eq!(seen, set(&["ab"]));
}

#[test]
fn what_lay_past_the_end_after_a_cut_is_zero_when_the_file_grows_over_it() {
    let disk = on(DiskOptions::new(), |disk| {
        put(&durable(disk, 4), 4, &[b'b'; 2 * SECTOR]);
    });
    let grow = |_: &CrashDisk| {
        let file = opened("f");
        let had = file.metadata().expect("open").len();
        file.set_len(3000).expect("room");
        let after = &fs::read("f").expect("is there")[had as usize..];
        format!("{}", after.iter().all(|byte| *byte == 0))
    };
    assert_eq!(explored(&disk, grow, |_| true), set(&["true"]));
}

#[test]
fn a_hole_reads_zero_and_past_the_end_there_is_nothing() {
    let seen = reach(
        |disk| {
            let file = durable(disk, 4);
            put(&file, 3 * SECTOR as u64, b"b");
            sync(&file);
            let mut rest = [9; 4];
            assert_eq!(file.read_at(&mut rest, 4000).expect("may read"), 0);
            assert_eq!(file.read_at(&mut rest, 3 * SECTOR as u64).expect("may"), 1);
        },
        &["f"],
    );
    assert_eq!(seen, set(&["a0b"]));
}

#[test]
fn a_file_cut_short_may_be_longer_or_zeroed_until_synced() {
    let cut = |disk: &CrashDisk| {
        let file = durable(disk, 2 * SECTOR);
        file.set_len(SECTOR as u64).expect("shorter");
        file
    };
    let unsynced = reach(|disk| drop(cut(disk)), &["f"]);
    assert_eq!(unsynced, set(&["a", "a0"]));
    let synced = reach(|disk| sync(&cut(disk)), &["f"]);
    assert_eq!(synced, set(&["a"]));
}

#[test]
fn a_file_made_over_another_may_keep_its_length_or_its_data() {
    let seen = reach(
        |disk| {
            durable(disk, 4);
            made("f", b"");
        },
        &["f"],
    );
    assert_eq!(seen, set(&["a", "0", ""]));
}

#[test]
fn what_was_cut_off_does_not_come_back() {
    let disk = on(DiskOptions::new(), |disk| {
        let file = durable(disk, 2 * SECTOR);
        file.set_len(10).expect("shorter");
        file.set_len(2 * SECTOR as u64).expect("room");
        sync(&file);
    });
    let count = |_: &CrashDisk| {
        let bytes = fs::read("f").expect("durable");
        let old = bytes.iter().filter(|byte| **byte == b'a').count();
        format!("{old} of {}", bytes.len())
    };
    assert_eq!(explored(&disk, count, at_the_end), set(&["10 of 1024"]));
}

#[test]
fn a_sync_covers_every_sector_of_a_new_file() {
    for sectors in [1, 7, 8, 15, 16] {
        let disk = on(DiskOptions::new(), |disk| {
            sync(&made("f", &vec![b'a'; sectors * SECTOR]));
            sync_root(disk);
        });
        let left = disk.cut(Cut::AllLost);
        assert_eq!(left.enter(|| seen("f")), "a", "{sectors} sectors");
    }
}

// Failed syncs and full disks.

#[test]
fn m39_what_a_failed_sync_covered_stays_lost_for_later_syncs() {
    let seen = reach(
        |disk| {
            let file = durable(disk, 2 * SECTOR);
            put(&file, 0, &[b'b'; SECTOR]);
            disk.fail_sync_at(0);
            assert!(file.sync_all().is_err());
            sync(&file);
        },
        &["f"],
    );
    assert_eq!(seen, set(&["a", "ba"]));
}

#[test]
fn what_is_written_again_after_a_failed_sync_counts_again() {
    let seen = reach(
        |disk| {
            let file = durable(disk, 4);
            put(&file, 0, b"bbbb");
            disk.fail_next_syncs(1);
            assert!(file.sync_all().is_err());
            put(&file, 0, b"bbbb");
            sync(&file);
        },
        &["f"],
    );
    assert_eq!(seen, set(&["b"]));
}

#[test]
fn a_full_disk_cuts_a_write_short_and_then_refuses() {
    let disk = CrashDisk::new(DiskOptions::new());
    disk.limit_space(ByteLen::new(2 * SECTOR as u64));
    let file = disk.create("f").expect("room");
    assert_eq!(file.write_at(&[b'a'; 2000], 0).expect("some room"), 1024);
    let refused = file.write_at(b"a", 1024).expect_err("full");
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    assert_eq!(file.write_at(b"b", 0).expect("in use already"), 1);
    let far = file.write_at(b"a", 1 << 30).expect_err("too far");
    assert_eq!(far.kind(), ErrorKind::FileTooLarge);
}

// Names.

#[test]
fn a_new_file_needs_a_sync_of_its_directory() {
    let seen = reach(|_| sync(&made("f", b"a")), &["f"]);
    assert_eq!(seen, set(&["-", "a"]));
    let seen = reach(
        |disk| {
            sync(&made("f", b"a"));
            sync_root(disk);
        },
        &["f"],
    );
    assert_eq!(seen, set(&["a"]));
}

#[test]
fn a_directory_opened_as_a_file_can_be_synced() {
    let seen = reach(
        |_| {
            sync(&made("f", b"a"));
            sync(&fs::File::open(".").expect("the root"));
        },
        &["f"],
    );
    assert_eq!(seen, set(&["a"]));
}

#[test]
fn a_name_without_its_data_is_an_empty_file_or_zeros() {
    let seen = reach(
        |disk| {
            made("f", b"a");
            sync_root(disk);
        },
        &["f"],
    );
    assert_eq!(seen, set(&["", "0", "a"]));
}

#[test]
fn names_of_one_directory_are_there_in_their_order() {
    let seen = reach(
        |_| {
            sync(&made("f", b"a"));
            sync(&made("g", b"b"));
        },
        &["f", "g"],
    );
    assert_eq!(seen, set(&["- -", "a -", "a b"]));
}

#[test]
fn names_of_two_directories_are_independent() {
    let seen = reach(
        |disk| {
            fs::create_dir("d").expect("new");
            fs::create_dir_all("e/deep").expect("new");
            disk.mark();
            sync(&made("d/f", b"a"));
            sync(&made("e/deep/g", b"b"));
        },
        &["d/f", "e/deep/g"],
    );
    assert_eq!(seen, set(&["- -", "a -", "- b", "a b"]));
}

#[test]
fn a_file_in_a_directory_whose_name_is_lost_is_lost() {
    let seen = reach(
        |disk| {
            fs::create_dir("d").expect("new");
            sync(&made("d/f", b"a"));
            disk.sync_dir("d").expect("no fault asked for");
        },
        &["d/f"],
    );
    assert_eq!(seen, set(&["-", "a"]));
}

fn replaced(disk: &CrashDisk, sync_file: bool, sync_name: bool) {
    durable(disk, 1);
    let new = made("new", b"b");
    if sync_file {
        sync(&new);
    }
    fs::rename("new", "f").expect("is there");
    if sync_name {
        sync_root(disk);
    }
}

#[test]
fn a_rename_is_all_or_nothing_and_may_be_undone_until_the_directory_is_synced() {
    let seen = reach(|disk| replaced(disk, true, false), &["f", "new"]);
    assert_eq!(seen, set(&["a -", "a b", "b -"]));
    let seen = reach(|disk| replaced(disk, true, true), &["f", "new"]);
    assert_eq!(seen, set(&["b -"]));
}

#[test]
fn a_rename_before_the_data_leaves_an_empty_file() {
    let seen = reach(|disk| replaced(disk, false, true), &["f"]);
    assert_eq!(seen, set(&["", "0", "b"]));
}

#[test]
fn a_removed_name_comes_back_until_the_directory_is_synced() {
    let remove = |disk: &CrashDisk| {
        durable(disk, 1);
        fs::remove_file("f").expect("is there");
    };
    assert_eq!(reach(remove, &["f"]), set(&["-", "a"]));
    let seen = reach(
        |disk| {
            remove(disk);
            sync_root(disk);
        },
        &["f"],
    );
    assert_eq!(seen, set(&["-"]));
}

#[test]
fn a_name_that_comes_back_never_shows_another_files_data() {
    let seen = reach(
        |disk| {
            durable(disk, 1);
            fs::remove_file("f").expect("is there");
            sync(&made("g", b"b"));
        },
        &["f", "g"],
    );
    assert_eq!(seen, set(&["a -", "- -", "- b"]));
}

fn moved_to_another(disk: &CrashDisk, synced: &[&str]) {
    fs::create_dir("d").expect("new");
    durable(disk, 1);
    fs::rename("f", "d/f").expect("is there");
    for path in synced {
        disk.sync_dir(path).expect("no fault asked for");
    }
}

#[test]
fn a_move_to_another_directory_is_at_either_or_both_and_never_in_neither() {
    let paths = ["f", "d/f"];
    let seen = reach(|disk| moved_to_another(disk, &[]), &paths);
    assert_eq!(seen, set(&["a -", "a a", "- a"]));
    let seen = reach(|disk| moved_to_another(disk, &["/"]), &paths);
    assert_eq!(seen, set(&["a -", "- a"]));
    let seen = reach(|disk| moved_to_another(disk, &["d"]), &paths);
    assert_eq!(seen, set(&["a a", "- a"]));
    let seen = reach(|disk| moved_to_another(disk, &["d", "/"]), &paths);
    assert_eq!(seen, set(&["- a"]));
}

#[test]
fn a_file_whose_move_was_lost_stays_when_another_is_moved_there() {
    let disk = on(DiskOptions::new(), |disk| {
        made("g", b"g");
        moved_to_another(disk, &["/"]);
    });
    let recover = |disk: &CrashDisk| {
        // Not there where an earlier recovery has moved it.
        if disk.exists("g") {
            fs::rename("g", "d/g").expect("is there");
        }
        let places = ["f", "d/f"].map(|path| disk.exists(path));
        format!("{}", places.contains(&true))
    };
    let first = |point: &Point<'_>| point.depth == 0 && point.kind == PointKind::End;
    assert_eq!(explored(&disk, recover, first), set(&["true"]));
}

#[test]
fn a_link_is_a_second_name_of_the_same_data() {
    let seen = reach(
        |disk| {
            let file = durable(disk, 1);
            fs::hard_link("f", "g").expect("new");
            put(&file, 0, b"b");
            sync(&file);
        },
        &["f", "g"],
    );
    assert_eq!(seen, set(&["b -", "b b"]));
}

#[test]
fn an_open_file_goes_on_after_its_name_was_removed() {
    let disk = CrashDisk::new(DiskOptions::new());
    let mut file = disk.enter(|| durable(&disk, 4));
    disk.remove_file("f").expect("is there");
    file.write_all(b"bb").expect("still open");
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).expect("small");
    file.read_to_string(&mut text).expect("still open");
    assert_eq!(text, "bbaa");
    assert!(!disk.exists("f"));
}

#[test]
fn errors_are_those_of_std() {
    let disk = CrashDisk::new(DiskOptions::new());
    disk.create_dir("d").expect("new");
    disk.create("d/f").expect("new");
    let kinds = [
        disk.open("none").expect_err("refused").kind(),
        disk.create("none/f").expect_err("refused").kind(),
        disk.create("d").expect_err("refused").kind(),
        disk.create_dir("d").expect_err("refused").kind(),
        disk.remove_dir("d").expect_err("refused").kind(),
        disk.remove_file("d").expect_err("refused").kind(),
        disk.open("d/f/deeper").expect_err("refused").kind(),
        disk.rename("d", "d/inside").expect_err("refused").kind(),
        disk.open("d/f")
            .expect("is there")
            .write_at(b"a", 0)
            .expect_err("refused")
            .kind(),
    ];
    use ErrorKind::*;
    let wanted = [
        NotFound,
        NotFound,
        IsADirectory,
        AlreadyExists,
        DirectoryNotEmpty,
        IsADirectory,
        NotADirectory,
        InvalidInput,
        PermissionDenied,
    ];
    assert_eq!(kinds, wanted);
}

// What ext4 adds.

#[test]
fn on_ext4_a_synced_file_has_its_name() {
    assert_eq!(reach_ext4(|_| sync(&made("f", b"a")), &["f"]), set(&["a"]));
    let seen = reach_ext4(|disk| moved_to_another(disk, &[]), &["f", "d/f"]);
    assert_eq!(seen, set(&["a -", "- a"]));
}

#[test]
fn on_ext4_the_length_does_not_lead_new_blocks() {
    let seen = reach_ext4(
        |disk| put(&durable(disk, 4096), 4096, &[b'b'; 2 * SECTOR]),
        &["f"],
    );
    assert_eq!(seen, set(&["a", "ab"]));
    // Within a block it does.
    let seen = reach_ext4(|disk| put(&durable(disk, 4), 4, b"b"), &["f"]);
    assert_eq!(seen, set(&["a", "ab", "a0"]));
}

#[test]
fn on_ext4_a_length_that_was_set_is_there_with_any_later_name() {
    let work = |_: &CrashDisk| {
        let file = made("new", b"");
        file.set_len(512).expect("room");
        fs::rename("new", "f").expect("is there");
    };
    assert_eq!(reach_ext4(work, &["f"]), set(&["-", "0"]));
    assert_eq!(reach(work, &["f"]), set(&["-", "", "0"]));
    let cut = |disk: &CrashDisk| durable(disk, 2 * SECTOR).set_len(10).expect("shorter");
    assert_eq!(reach_ext4(cut, &["f"]), set(&["a"]));
}

#[test]
fn on_ext4_a_file_that_replaces_another_is_written_first() {
    let seen = reach_ext4(|disk| replaced(disk, false, false), &["f"]);
    assert_eq!(seen, set(&["a", "b"]));
}

#[test]
fn on_ext4_an_overwrite_still_tears() {
    let seen = reach_ext4(
        |disk| put(&durable(disk, 2 * SECTOR), 0, &[b'b'; 2 * SECTOR]),
        &["f"],
    );
    assert_eq!(seen, set(&["a", "b", "ab", "ba"]));
}

// Kills, cuts and recoveries that write.

#[test]
fn a_killed_process_leaves_its_writes_visible_and_not_durable() {
    let disk = on(DiskOptions::new(), |disk| {
        put(&durable(disk, 1), 0, b"b");
    });
    let after = disk.kill();
    assert_eq!(after.enter(|| seen("f")), "b");
    assert_eq!(after.cut(Cut::AllLost).enter(|| seen("f")), "a");
    after.enter(|| sync(&opened("f")));
    assert_eq!(after.cut(Cut::AllLost).enter(|| seen("f")), "b");
}

#[test]
fn a_cut_inside_recovery_leaves_what_recovery_wrote_in_part() {
    let disk = on(DiskOptions::new(), |disk| {
        durable(disk, 1);
    });
    let recover = |disk: &CrashDisk| {
        let before = format!("{} {}", seen("f"), seen("g"));
        let new = made("g", b"b");
        if disk.exists("f") {
            fs::remove_file("f").expect("is there");
        }
        sync(&new);
        before
    };
    let nested = |point: &Point<'_>| point.kind == PointKind::End && point.depth == 1;
    let seen = explored(&disk, recover, nested);
    assert_eq!(seen, set(&["a -", "a ", "a 0", "a b", "- ", "- 0", "- b"]));
}

#[test]
fn a_file_made_by_a_nested_recovery_never_shows_what_an_earlier_one_wrote() {
    let disk = on(DiskOptions::new(), |disk| disk.mark());
    let recover = |disk: &CrashDisk| {
        let name = if disk.exists("f") { "g" } else { "f" };
        let file = fs::File::create(name).expect("room");
        let fresh = file.metadata().expect("open").len() == 0;
        file.write_all_at(name.as_bytes(), 0).expect("room");
        format!("{fresh} {}", seen(name))
    };
    let all = explored(&disk, recover, |_| true);
    assert_eq!(all, set(&["true f", "true g"]));
}

#[test]
fn a_report_names_the_file_and_the_line_of_the_lost_write() {
    let mut line = 0;
    let report = Explorer::new().check_files(
        DiskOptions::new(),
        |disk| {
            let mut file = durable(disk, 2 * SECTOR);
            file.seek(SeekFrom::Start(SECTOR as u64)).expect("small");
            line = line!() + 1;
            file.write_all(&[b'b'; SECTOR]).expect("room");
            disk.ack(1);
        },
        |_| seen("f"),
        |point, seen| match (point.acked, seen.as_str()) {
            ([], _) | (_, "ab") => Ok(()),
            _ => Err("the write is gone".into()),
        },
    );
    let told = report.violations.last().expect("not synced").to_string();
    assert!(told.contains("f, bytes 512 to 1024, held \"aaaa"), "{told}");
    assert!(
        told.contains(&format!("lost, stored at {}:{line}:", file!())),
        "{told}"
    );
}

#[test]
fn a_replay_line_leads_to_the_same_state_on_a_new_recording() {
    let work = |disk: &CrashDisk| {
        let file = durable(disk, 2 * SECTOR);
        put(&file, 0, &[b'b'; 2 * SECTOR]);
        file.set_len(100).expect("shorter");
    };
    let recover = |_: &CrashDisk| seen("f");
    let torn = |_: &Point<'_>, seen: &String| match seen.as_str() {
        "ab" => Err("torn".to_owned()),
        _ => Ok(()),
    };
    let report = Explorer::new().check_files(DiskOptions::new(), work, recover, torn);
    let line = report.violations[0].replay.to_string();
    let again = on(DiskOptions::new(), work)
        .recording()
        .start_at_last_mark();
    let replay = line.parse().expect("well formed");
    let seen = Explorer::new().replay_files(&again, &replay, recover);
    assert_eq!(seen.as_deref(), Ok("ab"));
}

// Engines.

fn checksum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811C_9DC5, step)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    Clean,
    NoSync,
    NoDirectorySync,
    NoSyncBeforeRename,
    NoChecksum,
    /// m27: the header tells of space that is not durable yet.
    GrownTooLate,
    /// m39: an error of a sync is ignored.
    ErrorIgnored,
    /// What follows a torn record is not cut off before new records are written.
    TornTailKept,
}
use Bug::*;

/// How many of operations 1, 2, … must have survived, and how many may have.
fn is_prefix(point: &Point<'_>, seen: &[u64]) -> Result<(), String> {
    let acked = point.acked.len() as u64;
    let possible = acked..=acked + point.in_flight.len() as u64;
    let whole: Vec<u64> = (1..=seen.len() as u64).collect();
    match seen == whole && possible.contains(&(seen.len() as u64)) {
        true => Ok(()),
        false => Err(format!(
            "{:?} were acknowledged, {seen:?} are left",
            point.acked
        )),
    }
}

/// A log of records {length, checksum, payload of 600 bytes}.
mod log {
    use super::*;

    const PAYLOAD: usize = 600;

    fn record(number: u64) -> Vec<u8> {
        let mut payload = number.to_le_bytes().repeat(PAYLOAD / 8);
        let mut record = (payload.len() as u32).to_le_bytes().to_vec();
        record.extend(checksum(&payload).to_le_bytes());
        record.append(&mut payload);
        record
    }

    /// What it holds, and where its last whole record ends.
    fn scan(bug: Bug) -> (Vec<u64>, u64) {
        let bytes = fs::read("log").unwrap_or_default();
        let (mut found, mut at) = (Vec::new(), 0);
        while let Some(head) = bytes.get(at..at + 8) {
            let len = u32::from_le_bytes(head[..4].try_into().expect("four")) as usize;
            let sum = u32::from_le_bytes(head[4..].try_into().expect("four"));
            let Some(payload) = bytes.get(at + 8..at + 8 + len).filter(|p| p.len() >= 8) else {
                break;
            };
            if bug != NoChecksum && checksum(payload) != sum {
                break;
            }
            found.push(u64::from_le_bytes(
                payload[len - 8..].try_into().expect("eight"),
            ));
            at += 8 + len;
        }
        (found, at as u64)
    }

    pub fn recover(bug: Bug) -> Vec<u64> {
        let (found, end) = scan(bug);
        if bug != TornTailKept && fs::exists("log").expect("always") {
            let file = opened("log");
            if file.metadata().expect("open").len() > end {
                file.set_len(end).expect("shorter");
                sync(&file);
            }
        }
        found
    }

    pub fn append(disk: &CrashDisk, number: u64, bug: Bug) {
        disk.invoke(number);
        let new = !disk.exists("log");
        let mut options = fs::File::options();
        let mut file = options.append(true).create(true).open("log").expect("room");
        file.write_all(&record(number)).expect("room");
        let synced = if bug == NoSync {
            Ok(())
        } else {
            file.sync_data()
        };
        if bug != ErrorIgnored && synced.is_err() {
            return;
        }
        if new && bug != NoDirectorySync {
            sync_root(disk);
        }
        disk.ack(number);
    }
}

fn log_report(bug: Bug) -> Report {
    let work = |disk: &CrashDisk| {
        if bug == ErrorIgnored {
            disk.fail_sync_at(2);
        }
        for number in 1..=3 {
            log::append(disk, number, bug);
        }
    };
    let recover = |_: &CrashDisk| log::recover(bug);
    Explorer::new().check_files(DiskOptions::new(), work, recover, |point, seen| {
        is_prefix(point, seen)
    })
}

#[test]
fn a_log_with_checksums_that_syncs_is_clean() {
    let report = log_report(Clean);
    report.assert_clean();
    assert!(report.exhaustive && report.nested_points > 0, "{report}");
}

#[test]
fn a_log_that_does_not_sync_is_caught() {
    assert!(!log_report(NoSync).is_clean());
}

#[test]
fn a_log_whose_directory_is_not_synced_is_caught() {
    let report = log_report(NoDirectorySync);
    let told = report.violations[0].to_string();
    assert!(told.contains("directory / held no names"), "{told}");
}

#[test]
fn a_log_without_checksums_is_caught() {
    assert!(!log_report(NoChecksum).is_clean());
}

#[test]
fn m39_a_log_that_ignores_a_failed_sync_is_caught() {
    assert!(!log_report(ErrorIgnored).is_clean());
}

/// Operation 1, a cut, then operation 2 on what recovery left.
fn log_after_a_cut(bug: Bug) -> bool {
    (0..64).all(|seed| {
        let disk = on(DiskOptions::new(), |disk| {
            log::append(disk, 1, Clean);
            disk.invoke(2);
            let mut file = fs::File::options()
                .append(true)
                .open("log")
                .expect("is there");
            file.write_all(&[7; 700]).expect("room");
        });
        let next = disk.cut(Cut::Seeded(seed));
        next.enter(|| {
            log::recover(bug);
            log::append(&next, 2, bug);
        });
        next.cut(Cut::AllLost).enter(|| log::recover(bug)) == [1, 2]
    })
}

#[test]
fn a_log_that_keeps_a_torn_tail_loses_what_comes_after() {
    assert!(log_after_a_cut(Clean));
    assert!(!log_after_a_cut(TornTailKept));
}

/// One file, replaced whole: write aside, sync, rename, sync the directory.
fn settings_report(bug: Bug, options: DiskOptions) -> Report {
    let save = |disk: &CrashDisk, number: u64| {
        let mut new = fs::File::create("settings.new").expect("room");
        write!(new, "{number:0700}").expect("room");
        if bug != NoSyncBeforeRename {
            sync(&new);
        }
        fs::rename("settings.new", "settings").expect("is there");
        if bug != NoDirectorySync {
            sync_root(disk);
        }
    };
    let work = |disk: &CrashDisk| {
        for number in 1..=3 {
            disk.invoke(number);
            save(disk, number);
            disk.ack(number);
        }
    };
    let recover = |_: &CrashDisk| match fs::read_to_string("settings") {
        Ok(text) => text
            .parse::<u64>()
            .map_err(|_| format!("{} bytes", text.len())),
        Err(_) => Ok(0),
    };
    Explorer::new().check_files(options, work, recover, |point, seen| {
        let acked = point.acked.len() as u64;
        let possible = acked..=acked + point.in_flight.len() as u64;
        match seen {
            Ok(number) if possible.contains(number) => Ok(()),
            other => Err(format!("{possible:?} may be there, not {other:?}")),
        }
    })
}

#[test]
fn a_file_replaced_by_the_book_is_clean() {
    for options in [
        DiskOptions::new(),
        DiskOptions::new().file_system(FileSystem::Ext4),
    ] {
        let report = settings_report(Clean, options);
        report.assert_clean();
        assert!(report.exhaustive && report.executions >= 5, "{report}");
    }
}

#[test]
fn a_file_renamed_before_it_is_synced_is_caught() {
    assert!(!settings_report(NoSyncBeforeRename, DiskOptions::new()).is_clean());
}

#[test]
fn a_file_renamed_without_a_sync_of_its_directory_is_caught() {
    assert!(!settings_report(NoDirectorySync, DiskOptions::new()).is_clean());
}

/// A file of a header {records} and records of 512 bytes; it grows by two records at a time.
fn grown_report(bug: Bug) -> Report {
    let append = |disk: &CrashDisk, file: &fs::File, number: u64| {
        disk.invoke(number);
        let (at, len) = (number * SECTOR as u64, file.metadata().expect("open").len());
        if at + SECTOR as u64 > len {
            file.set_len(len + 2 * SECTOR as u64).expect("room");
            if bug != GrownTooLate {
                sync(file);
            }
        }
        put(file, at, &[number as u8; SECTOR]);
        // The number of records goes out with the last of them where the space is there already.
        let header = opened("f");
        if bug != GrownTooLate {
            sync(file);
        }
        put(&header, 0, &number.to_le_bytes());
        sync(&header);
        disk.ack(number);
    };
    let work = |disk: &CrashDisk| {
        let file = made("f", &[0; SECTOR]);
        disk.mark();
        for number in 1..=3 {
            append(disk, &file, number);
        }
    };
    let recover = |_: &CrashDisk| {
        let bytes = fs::read("f").expect("durable");
        let count = u64::from_le_bytes(bytes[..8].try_into().expect("eight")) as usize;
        let records = (1..=count).map(|number| {
            let record = bytes.get(number * SECTOR..(number + 1) * SECTOR);
            record.map_or(u64::MAX, |record| u64::from(record[0]))
        });
        records.collect::<Vec<u64>>()
    };
    Explorer::new().check_files(DiskOptions::new(), work, recover, |point, seen| {
        is_prefix(point, seen)
    })
}

#[test]
fn m27_a_header_ahead_of_the_length_is_caught() {
    grown_report(Clean).assert_clean();
    let report = grown_report(GrownTooLate);
    let reasons: Vec<&str> = report
        .violations
        .iter()
        .map(|v| v.reason.as_str())
        .collect();
    let ahead = u64::MAX.to_string();
    assert!(
        reasons.iter().any(|reason| reason.contains(&ahead)),
        "{report}"
    );
}
