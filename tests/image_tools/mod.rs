//! What tests of whole images share: pools of a fixed identity, images in and out of memory, and a second, independent
//! reading of the log's records (by the offsets of docs/FORMAT.md), so that a test can forge them.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::convert::Infallible;

use everline::alloc::Request;
use everline::arch::crc32c;
use everline::engine::{CreateOptions, Engine, Identity, OpenOptions, OpenReport};
use everline::layout::{Geometry, RootSlot, Superblock};
use everline::media::{Media, Ram};
use everline::pool::OpenError;
use everline::units::{ByteLen, ByteOffset, ByteRange};

pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;

/// The smallest pool, on which everything is tried that tries every byte.
pub const SMALLEST: u64 = 64 * KIB;

pub fn identity() -> Identity {
    Identity {
        pool_id: *b"a pool for tests",
        key: *b"and a fixed key.",
        created_s: 1_700_000_000,
    }
}

pub fn fixed() -> CreateOptions {
    CreateOptions {
        identity: identity(),
        ..CreateOptions::default()
    }
}

pub fn ram(len: u64) -> Ram {
    Ram::new(ByteLen::new(len))
}

pub fn create(len: u64, options: &CreateOptions) -> Engine<Ram> {
    Engine::create(ram(len), options).expect("a common shape")
}

pub fn ram_of(image: &[u8]) -> Ram {
    let ram = Ram::new(ByteLen::of(image));
    ram.write(ByteOffset::ZERO, image);
    ram
}

pub fn image_of(media: &impl Media) -> Vec<u8> {
    let mut image = vec![0; media.len().get() as usize];
    media.read(ByteOffset::ZERO, &mut image);
    image
}

pub fn open(image: &[u8]) -> Result<(Engine<Ram>, OpenReport), OpenError<Infallible>> {
    Engine::open(ram_of(image), &OpenOptions::default())
}

pub fn reopen(engine: Engine<Ram>) -> Engine<Ram> {
    let ram = engine.close().expect("memory does not fail");
    Engine::open(ram, &OpenOptions::default())
        .expect("a closed pool")
        .0
}

pub fn range(at: ByteOffset, len: u64) -> ByteRange {
    ByteRange::new(at, ByteLen::new(len)).expect("small")
}

pub fn slot(index: u8) -> RootSlot {
    RootSlot::user(index).expect("one of 48")
}

/// Asserts that a check finds nothing, and that space adds up exactly.
#[track_caller]
pub fn assert_sound<M: Media>(engine: &Engine<M>) {
    let mut problems = Vec::new();
    engine.check(|problem| problems.push(problem.to_string()));
    assert!(problems.is_empty(), "{problems:?}");
    let stats = engine.stats().expect("a sound pool");
    let heap = stats.heap;
    assert_eq!(
        heap.used_bytes + heap.free_bytes + heap.overhead_bytes,
        stats.size_bytes
    );
}

/// An object of `len` bytes of `fill`, committed and put into root slot `index`.
pub fn put<M: Media>(engine: &Engine<M>, index: u8, len: usize, fill: u8) -> ByteRange {
    let mut tx = engine.begin().expect("a lane");
    let block = tx.alloc(Request::new(len as u64)).expect("space");
    tx.write(block.start(), &vec![fill; len]).expect("inside");
    tx.set_root(slot(index), block.start()).expect("a slot");
    tx.commit().expect("committed");
    block
}

pub fn bytes_at<M: Media>(engine: &Engine<M>, at: ByteOffset, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    engine.read(at, &mut bytes).expect("inside");
    bytes
}

/// SplitMix64: small, seeded, the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Seeded by `EVERLINE_SEED`, or by a number of the test's own; printed, so that a failure can be run again.
    pub fn seeded(own: u64) -> Self {
        let seed = std::env::var("EVERLINE_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or(own);
        println!("EVERLINE_SEED={seed}");
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A record that lies in a lane's ring, found by the document's offsets alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundRecord {
    pub lane: u32,
    pub at: usize,
    pub len: usize,
    /// 1 COMMIT, 2 UNDO, 3 EXTEND, 4 PAD.
    pub kind: u16,
}

pub fn u64_at(image: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(image[at..at + 8].try_into().expect("8 bytes"))
}

pub fn u32_at(image: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(image[at..at + 4].try_into().expect("4 bytes"))
}

pub fn geometry_of(image: &[u8]) -> Geometry {
    let bytes: &[u8; 512] = image[..512].try_into().expect("a superblock");
    let superblock = Superblock::parse(bytes, ByteOffset::ZERO).expect("a whole superblock");
    Geometry::of(&superblock).expect("a possible geometry")
}

/// Where the slot of the greater generation lies, of two whole ones.
pub fn newest_slot(image: &[u8], geometry: &Geometry) -> usize {
    let at = |index| geometry.slot_at(index).get() as usize;
    if u64_at(image, at(0)) > u64_at(image, at(1)) {
        at(0)
    } else {
        at(1)
    }
}

/// Where a lane's checksums begin: pool id, the newest slot's epoch, lane.
pub fn record_seed(image: &[u8], geometry: &Geometry, lane: u32) -> u32 {
    let epoch = u64_at(image, newest_slot(image, geometry) + 8);
    let sum = crc32c(0, &image[24..40]);
    crc32c(crc32c(sum, &epoch.to_le_bytes()), &lane.to_le_bytes())
}

/// The records of every lane between its head and its tail, as far as they lie in the ring.
pub fn records(image: &[u8]) -> Vec<FoundRecord> {
    let geometry = geometry_of(image);
    let mut found = Vec::new();
    for lane in 0..geometry.lane_count() {
        let seed = record_seed(image, &geometry, lane);
        let slot = newest_slot(image, &geometry);
        let head = u64_at(image, slot + 64 + 8 * lane as usize);
        let ring = geometry.ring_units();
        let mut sequence = head;
        while sequence < head + ring {
            let at = (geometry.ring_at(lane).get() + sequence % ring * 64) as usize;
            let len = u32_at(image, at + 4) as usize;
            let units = (len as u64).div_ceil(64);
            let fits = len >= 40 && units <= ring - sequence % ring;
            if !fits || crc32c(seed, &image[at + 4..at + len]) != u32_at(image, at) {
                break;
            }
            if u64_at(image, at + 8) != sequence {
                break;
            }
            let kind = u16::from_le_bytes([image[at + 32], image[at + 33]]);
            found.push(FoundRecord {
                lane,
                at,
                len,
                kind,
            });
            sequence += match kind {
                4 => ring - sequence % ring,
                _ => units,
            };
        }
    }
    found
}

/// Gives a record the checksum that belongs to its bytes, so that a reader believes it.
pub fn reseal_record(image: &mut [u8], seed: u32, at: usize, len: usize) {
    if let Some(bytes) = image.get(at + 4..at + len) {
        let sum = crc32c(seed, bytes);
        image[at..at + 4].copy_from_slice(&sum.to_le_bytes());
    }
}
