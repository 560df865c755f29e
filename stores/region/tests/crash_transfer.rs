//! Power cuts, kills and failed syncs at every step of snapshots, restores and moves, on files.

mod tools;

use std::path::Path;

use everline::media::file::FileError;
use everline_crash::files::{CrashDisk, FileSystem};
use everline_crash::{Explorer, Point, Report};
use everline_region::RegionId;
use everline_region::transfer::{
    ImageError, MigrateOptions, RestoreOptions, TransferOptions, check_image, migrate, open_pool,
    restore, unattended,
};
use tools::disks::*;
use tools::*;

const FROM: &str = "/from/pool";
const TO: &str = "/to/pool";
const FILE_SYSTEMS: [FileSystem; 2] = [FileSystem::Posix, FileSystem::Ext4];

/// What is found at a place: a pool and what its regions hold, nothing, or word of where the pool is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Serves(Vec<(String, Vec<u8>)>),
    Absent,
    Moved,
}

fn look(disk: &CrashDisk, path: &str) -> Place {
    let regions = match open_pool(disk, Path::new(path)) {
        Ok((regions, _)) => regions,
        Err(ImageError::File(FileError::NotFound { .. })) => return Place::Absent,
        Err(ImageError::Migrated { to, .. }) => {
            assert_eq!(to, Path::new(TO));
            return Place::Moved;
        }
        Err(error) => panic!("{path}: {error}"),
    };
    assert_clean(&regions);
    let list = regions.list().expect("a directory");
    let seen = list.into_iter().map(|info| {
        let bytes = regions.read_all(info.id).expect("live");
        (info.name.unwrap_or_default(), bytes)
    });
    let mut seen: Vec<_> = seen.collect();
    seen.sort();
    Place::Serves(seen)
}

/// What [`look`] finds in a pool of [`set_up`].
fn first() -> Place {
    Place::Serves(vec![
        ("one".into(), pattern(300, 1)),
        ("two".into(), pattern(90, 2)),
    ])
}

fn set_up(disk: &CrashDisk, path: &str) -> (OnCrashDisk, RegionId) {
    let regions = pool(disk, Path::new(path), SMALL);
    let id = regions.put("one", &pattern(300, 1)).expect("room");
    regions.put("two", &pattern(90, 2)).expect("room");
    (regions, id)
}

/// `explorer` as every test here has it: all states, no advice.
fn explorer() -> Explorer {
    Explorer::new().suggest(false).budget_per_point(1 << 20)
}

fn explore(
    explorer: Explorer,
    file_system: FileSystem,
    work: impl FnOnce(&CrashDisk),
    recover: impl Fn(&CrashDisk) -> (Place, Place),
    allowed: impl Fn(&Point<'_>, &Place, &Place) -> bool,
) -> Report {
    let report = explorer.check_files(
        disk_options(file_system),
        work,
        recover,
        |point, (one, other)| match allowed(point, one, other) {
            true => Ok(()),
            false => Err(format!(
                "{:?} acknowledged; {one:?} and {other:?} found",
                point.acked
            )),
        },
    );
    report.assert_clean();
    assert!(report.exhaustive, "{report}");
    report
}

/// A source that is not there, with the pool at the destination, is as good as one that says so.
fn both(disk: &CrashDisk) -> (Place, Place) {
    match (look(disk, FROM), look(disk, TO)) {
        (Place::Absent, to @ Place::Serves(_)) => (Place::Moved, to),
        found => found,
    }
}

/// Exactly one of both is the pool, and it holds `what`.
fn one_serves(from: &Place, to: &Place, what: &Place) -> bool {
    match (from, to) {
        (from, Place::Absent) => from == what,
        (Place::Moved, to) => to == what,
        _ => false,
    }
}

#[test]
fn d9_a_cut_at_any_step_of_a_move_leaves_the_pool_whole_at_exactly_one_place() {
    for file_system in FILE_SYSTEMS {
        let work = |disk: &CrashDisk| {
            let (regions, _) = set_up(disk, FROM);
            disk.create_dir("/to").expect("room");
            disk.mark();
            let (from, to) = (Path::new(FROM), Path::new(TO));
            migrate(
                &regions,
                from,
                disk,
                to,
                &MigrateOptions::default(),
                unattended,
            )
            .expect("room");
            disk.ack(1);
        };
        let report = explore(explorer(), file_system, work, both, |point, from, to| {
            let moved = point.acked == [1];
            one_serves(from, to, &first()) && (!moved || (*from == Place::Moved && *to == first()))
        });
        assert!(report.crash_points > 8, "{report}");
    }
}

#[test]
fn d9_a_failed_sync_at_any_step_of_a_move_leaves_the_pool_whole_at_exactly_one_place() {
    for file_system in FILE_SYSTEMS {
        for sync in 0.. {
            let failed = std::cell::Cell::new(false);
            let work = |disk: &CrashDisk| {
                let (regions, id) = set_up(disk, FROM);
                disk.create_dir("/to").expect("room");
                disk.mark();
                disk.fail_sync_at(sync);
                let (from, to) = (Path::new(FROM), Path::new(TO));
                let options = MigrateOptions::default();
                let moved = migrate(&regions, from, disk, to, &options, unattended);
                failed.set(moved.is_err());
                if moved.is_ok() {
                    return;
                }
                // What the source acknowledges from now on counts, if it still serves.
                if regions.write(id, 0, &pattern(300, 7)).is_ok() {
                    disk.ack(1);
                }
            };
            let later = Place::Serves(vec![
                ("one".into(), pattern(300, 7)),
                ("two".into(), pattern(90, 2)),
            ]);
            // A name whose sync has failed is clean and not durable: should the process die before it could say so, the
            // next one takes it for durable. It may go at the next cut, and the source serves again.
            let explorer = explorer().idempotent(false);
            explore(explorer, file_system, work, both, |point, from, to| {
                match point.acked {
                    [1] => *from == later && *to == Place::Absent,
                    // A write under way: old or new.
                    _ => one_serves(from, to, &first()) || one_serves(from, to, &later),
                }
            });
            if !failed.get() {
                assert!(sync > 5, "nothing was to fail");
                break;
            }
        }
    }
}

#[test]
fn d12_a_snapshot_is_whole_or_absent_at_every_step_and_the_pool_is_unharmed() {
    for file_system in FILE_SYSTEMS {
        let work = |disk: &CrashDisk| {
            let (regions, id) = set_up(disk, FROM);
            disk.create_dir("/to").expect("room");
            disk.mark();
            let options = TransferOptions { transfer_size: 0 };
            let wrote = std::cell::Cell::new(false);
            let writing = |progress| {
                if !wrote.replace(true) {
                    regions.write(id, 0, &pattern(300, 7)).expect("serves");
                    disk.ack(1);
                }
                unattended(progress)
            };
            regions
                .snapshot(disk, Path::new(TO), options, writing)
                .expect("room");
            disk.ack(2);
        };
        let later = Place::Serves(vec![
            ("one".into(), pattern(300, 7)),
            ("two".into(), pattern(90, 2)),
        ]);
        let recover = |disk: &CrashDisk| {
            match check_image(disk, Path::new(TO)) {
                Ok(check) => assert_eq!(check.regions, 2),
                Err(ImageError::File(FileError::NotFound { .. })) => {}
                Err(error) => panic!("{error}"),
            }
            both(disk)
        };
        explore(explorer(), file_system, work, recover, |point, from, to| {
            let wrote = point.acked.contains(&1);
            let image = match point.acked.contains(&2) {
                true => *to == first(),
                false => *to == first() || *to == Place::Absent,
            };
            image && (*from == later || (!wrote && *from == first()))
        });
    }
}

#[test]
fn d12_a_restored_pool_is_whole_or_absent_and_one_that_it_replaces_is_there_until_then() {
    for file_system in FILE_SYSTEMS {
        for replaces in [false, true] {
            let work = |disk: &CrashDisk| {
                drop(set_up(disk, FROM));
                match replaces {
                    true => drop(pool(disk, Path::new(TO), SMALL)),
                    false => disk.create_dir("/to").expect("room"),
                }
                disk.mark();
                let options = RestoreOptions {
                    overwrite: replaces,
                    ..RestoreOptions::default()
                };
                restore(disk, Path::new(FROM), Path::new(TO), &options, unattended).expect("room");
                disk.ack(1);
            };
            let before = match replaces {
                true => Place::Serves(Vec::new()),
                false => Place::Absent,
            };
            explore(explorer(), file_system, work, both, |point, from, to| {
                let old = point.acked.is_empty() && *to == before;
                *from == first() && (old || *to == first())
            });
        }
    }
}

#[test]
fn a_note_that_is_out_of_date_is_removed_and_one_that_is_none_is_an_error() {
    let disk = crash_disk(FileSystem::Posix);
    drop(set_up(&disk, FROM));
    let note = |text: &str| {
        disk.enter(|| everline_crash::fs::write("/from/pool.migrating", text).expect("room"));
    };
    let there = || disk.exists("/from/pool.migrating");
    let ours = "03".repeat(16);
    // Nothing is at the destination; another pool is; the note is about another pool.
    note(&format!(
        r#"{{"destination": "/to/pool", "pool_id": "{ours}"}}"#
    ));
    assert_eq!(look(&disk, FROM), first());
    assert!(!there());
    disk.create_dir("/to").expect("room");
    disk.enter(|| everline_crash::fs::write(TO, [1; 70000]).expect_err("larger than any file"));
    disk.enter(|| everline_crash::fs::write(TO, [1; 7000]).expect("room"));
    note(&format!(
        r#"{{"destination": "/to/pool", "pool_id": "{ours}"}}"#
    ));
    assert_eq!(look(&disk, FROM), first());
    assert!(!there());
    disk.remove_file(TO).expect("there");
    drop(set_up(&disk, TO));
    note(&format!(
        r#"{{"destination": "/to/pool", "pool_id": "{ours}"}}"#
    ));
    assert_eq!(look(&disk, FROM), Place::Moved);
    assert!(there());
    note(&format!(
        r#"{{"destination": "/to/pool", "pool_id": "{}"}}"#,
        "04".repeat(16)
    ));
    assert_eq!(look(&disk, FROM), first());
    assert!(!there());
    for text in ["{}", "not json", r#"{"destination": 7, "pool_id": "00"}"#] {
        note(text);
        let refused = open_pool(&disk, Path::new(FROM)).err();
        assert!(
            matches!(refused, Some(ImageError::Note { .. })),
            "{refused:?}"
        );
    }
}
