//! Pools in files of any disk, for tests of transfers.

use std::path::Path;

use everline::engine::{CreateOptions, Engine, IoConfig, OpenOptions, create_io};
use everline::media::Media;
use everline::media::io::Disk;
use everline::media::preserve::Preserved;
use everline::units::ByteLen;
use everline_crash::files::{CrashDisk, CrashFile, DiskOptions, FileSystem};
use everline_region::transfer::PoolInFile;
use everline_region::{RegionId, Regions};

use super::{named, pattern, pool_options};

/// Bytes of the smallest pool.
pub const SMALL: u64 = 64 << 10;

/// A pool on a simulated disk.
pub type OnCrashDisk = PoolInFile<CrashFile>;

/// A simulated disk that has room for small pools.
pub fn crash_disk(file_system: FileSystem) -> CrashDisk {
    CrashDisk::new(disk_options(file_system))
}

pub fn disk_options(file_system: FileSystem) -> DiskOptions {
    DiskOptions::new()
        .file_system(file_system)
        .files(160)
        .file_capacity(ByteLen::new(SMALL))
}

/// An empty pool in a new file.
pub fn pool<D: Disk>(disk: &D, path: &Path, len: u64) -> PoolInFile<D::File> {
    let small = len <= SMALL;
    let options = CreateOptions {
        len: Some(len),
        lanes: Some(if small { 1 } else { 8 }),
        ring_bytes: small.then_some(1024),
        ..pool_options(3)
    };
    let made = create_io(disk, path, &options, &IoConfig::default());
    preserved(made.expect("room").0.abandon())
}

/// The regions on a medium that holds a pool.
pub fn preserved<M: Media>(media: M) -> Regions<Preserved<M>> {
    let opened = Engine::open(Preserved::new(media), &OpenOptions::default());
    Regions::open(opened.expect("a pool").0).expect("a directory")
}

/// `count` regions of `len` bytes, every other with a name.
pub fn put_regions<M: Media>(regions: &Regions<M>, count: u8, len: usize) -> Vec<RegionId> {
    let made = (0..count).map(|number| {
        let name = format!("region {number}");
        let options = match number % 2 {
            0 => named(&name),
            _ => super::UNNAMED,
        };
        regions
            .create_with(&pattern(len, number), &options)
            .expect("room")
    });
    made.collect()
}

/// That they are there, under these identifiers.
#[track_caller]
pub fn assert_regions<M: Media>(regions: &Regions<M>, ids: &[RegionId], len: usize) {
    for (number, id) in (0..).zip(ids) {
        let bytes = regions.read_all(*id).expect("there");
        assert!(bytes == pattern(len, number), "region {number}");
    }
    assert_eq!(regions.count().expect("serves"), ids.len() as u64);
    super::assert_clean(regions);
}
