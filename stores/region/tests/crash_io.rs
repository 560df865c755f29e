//! Regions in files that are written explicitly, against power loss: the workloads of small pools, every state.

mod tools;

use std::path::Path;

use everline_crash::Explorer;
use everline_crash::files::{CrashDisk, FileSystem};
use everline_region::transfer::open_pool;
use tools::disks::*;
use tools::*;

/// Name and bytes of every region, sorted.
type Seen = Vec<(String, Vec<u8>)>;

fn see(disk: &CrashDisk) -> Seen {
    let (regions, _) = open_pool(disk, Path::new("/pool")).expect("a pool");
    assert_clean(&regions);
    let list = regions.list().expect("a directory");
    let seen = list.into_iter().map(|info| {
        let bytes = regions.read_all(info.id).expect("live");
        (info.name.unwrap_or_default(), bytes)
    });
    let mut seen: Seen = seen.collect();
    seen.sort();
    seen
}

fn state(regions: &[(&str, Vec<u8>)]) -> Seen {
    let owned = regions.iter();
    owned
        .map(|(name, bytes)| ((*name).to_owned(), bytes.clone()))
        .collect()
}

#[test]
fn every_acknowledged_operation_is_there_and_each_is_whole() {
    let (small, large) = (pattern(100, 1), pattern(3000, 2));
    let written = pattern(100, 3);
    let after = [
        state(&[]),
        state(&[("a", small.clone())]),
        state(&[("a", small.clone()), ("b", large.clone())]),
        state(&[("a", written.clone()), ("b", large.clone())]),
        state(&[("b", large.clone()), ("c", written.clone())]),
        state(&[("c", written.clone())]),
        state(&[("c", small.clone()), ("d", small.clone())]),
    ];
    for file_system in [FileSystem::Posix, FileSystem::Ext4] {
        let work = |disk: &CrashDisk| {
            let regions = pool(disk, Path::new("/pool"), SMALL);
            disk.mark();
            let a = regions.put("a", &small).expect("room");
            disk.ack(1);
            let b = regions.put("b", &large).expect("room");
            disk.ack(2);
            regions.write(a, 0, &written).expect("inside");
            disk.ack(3);
            regions.rename(a, "c").expect("free");
            disk.ack(4);
            regions.destroy(b).expect("there");
            disk.ack(5);
            let mut batch = regions.batch().expect("serves");
            batch.put("c", &small).expect("room");
            batch.put("d", &small).expect("room");
            batch.commit().expect("healthy");
            disk.ack(6);
        };
        let report = Explorer::new().suggest(false).check_files(
            disk_options(file_system),
            work,
            see,
            |point, seen| {
                let done = point.acked.len();
                let next = after.get(done + 1).unwrap_or(&after[done]);
                // A direct write of less than a sector is one too.
                match *seen == after[done] || seen == next {
                    true => Ok(()),
                    false => Err(format!("{done} acknowledged, {seen:?} found")),
                }
            },
        );
        report.assert_clean();
        assert!(report.exhaustive, "{report}");
    }
}
