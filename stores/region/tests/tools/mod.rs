//! Pools for tests.
#![allow(dead_code, reason = "every test binary uses its own part")]

#[cfg(unix)]
pub mod backends;

pub mod disks;

use std::path::{Path, PathBuf};

use everline::engine::{
    CreateOptions, Engine, FileConfig, Identity, OpenOptions, OpenReport, create_file, open_file,
};
use everline::media::file::{FileMedia, FileOptions};
use everline::media::{Media, Ram};
use everline::units::ByteLen;
use everline_region::{RegionError, RegionOptions, Regions};

pub const UNNAMED: RegionOptions<'static> = RegionOptions {
    name: None,
    align: None,
    growable: false,
    checked: false,
    attributes: None,
};

pub const GROWABLE: RegionOptions<'static> = RegionOptions {
    growable: true,
    ..UNNAMED
};

pub const CHECKED: RegionOptions<'static> = RegionOptions {
    checked: true,
    ..UNNAMED
};

pub fn named(name: &str) -> RegionOptions<'_> {
    RegionOptions {
        name: Some(name),
        ..UNNAMED
    }
}

/// Options of a pool whose identity is `number`.
pub fn pool_options(number: u8) -> CreateOptions {
    CreateOptions {
        identity: Identity {
            pool_id: [number; 16],
            key: [number ^ 0x5A; 16],
            created_s: 0,
        },
        ..CreateOptions::default()
    }
}

pub fn on<M: Media>(media: M) -> Regions<M> {
    let engine = Engine::create(media, &pool_options(1)).expect("a pool");
    Regions::open(engine).expect("no regions yet")
}

pub fn ram(len: u64) -> Regions<Ram> {
    on(Ram::new(ByteLen::new(len)))
}

pub fn open<M: Media>(media: M) -> (Regions<M>, OpenReport) {
    let (engine, report) = Engine::open(media, &OpenOptions::default()).expect("a pool");
    (Regions::open(engine).expect("a directory"), report)
}

/// A pool in a file of its own, which is gone with the test.
pub struct OnFile {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl OnFile {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory for tests");
        let path = dir.path().join("pool.pmem");
        OnFile { _dir: dir, path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn create(&self, len: u64) -> Regions<FileMedia> {
        let options = CreateOptions {
            len: Some(len),
            ..pool_options(2)
        };
        let (engine, _) =
            create_file(&self.path, &options, &FileConfig::default()).expect("a pool");
        Regions::open(engine).expect("no regions yet")
    }

    pub fn open(&self) -> Regions<FileMedia> {
        let (engine, _) = open_file(&self.path, &OpenOptions::default(), &FileOptions::default())
            .expect("a pool");
        Regions::open(engine).expect("a directory")
    }
}

/// Bytes that tell where they belong and who wrote them.
pub fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len)
        .map(|at| (at as u8).wrapping_mul(31) ^ (at >> 8) as u8 ^ seed)
        .collect()
}

/// Creates regions of `len` bytes until there is no space; answers how many.
pub fn fill<M: Media>(regions: &Regions<M>, len: u64) -> Vec<everline_region::RegionId> {
    let mut made = Vec::new();
    loop {
        match regions.create(len, &UNNAMED) {
            Ok(id) => made.push(id),
            Err(RegionError::NoSpace { .. }) => return made,
            Err(other) => panic!("{other}"),
        }
    }
}

/// What is wrong with heap and directory.
pub fn problems<M: Media>(regions: &Regions<M>) -> Vec<String> {
    let mut problems = Vec::new();
    regions
        .engine()
        .check(|problem| problems.push(problem.to_string()));
    regions.check(|problem| problems.push(problem.to_string()));
    problems
}

#[track_caller]
pub fn assert_clean<M: Media>(regions: &Regions<M>) {
    let problems = problems(regions);
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Small numbers that look random.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Below a power of two that is drawn first: small ones are as likely as large ones.
    pub fn size(&mut self, bits: u64) -> u64 {
        let bits = self.below(bits);
        self.below(1 << bits)
    }
}
