//! Pools worth damaging: what they hold, and where their metadata lies.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::collections::BTreeMap;
use std::ops::Range;

use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::layout::{DirectoryEntry, DirectoryRoot, RegionTail, RootSlot, SlabHeader};
use everline::media::{Media, Ram};
use everline::units::{ByteLen, ByteOffset};
use everline_region::{RegionId, RegionOptions, Regions};

use crate::tools::*;

/// What a region is known to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub name: Option<String>,
    pub bytes: Vec<u8>,
    pub checked: bool,
    /// Where its bytes lie; those of chunks that were never written lie nowhere.
    pub at: u64,
}

/// A closed pool.
pub struct Victim {
    pub image: Vec<u8>,
    pub regions: BTreeMap<RegionId, Known>,
    /// Root, entries, names, maps: what the store's own checksums cover.
    pub directory: Vec<Range<u64>>,
    /// The bitmaps of the slabs that hold those, and the slab map.
    pub heap: Vec<Range<u64>>,
    /// The regions' own bytes.
    pub data: Vec<Range<u64>>,
    /// Superblocks, slots, root slots, rings.
    pub core: Vec<Range<u64>>,
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

/// Regions of every kind that fit into a pool of `len` bytes; from 512 KiB on also one with a map.
pub fn victim(len: u64) -> Victim {
    let options = CreateOptions {
        capacity_max: Some(2 * len),
        ..pool_options(7)
    };
    let engine = Engine::create(Ram::new(ByteLen::new(len)), &options).expect("a pool");
    let regions = Regions::open(engine).expect("no regions yet");
    let mut known = BTreeMap::new();
    let mut add = |name: Option<&str>, bytes: Vec<u8>, options: RegionOptions<'_>| {
        let options = RegionOptions { name, ..options };
        let id = regions.create_with(&bytes, &options).expect("space");
        let name = name.map(str::to_owned);
        let checked = options.checked;
        known.insert(
            id,
            Known {
                name,
                bytes,
                checked,
                at: 0,
            },
        );
        id
    };
    add(Some("plain"), pattern(700, 1), UNNAMED);
    add(None, pattern(90, 2), UNNAMED);
    let gone = add(Some("gone"), pattern(300, 3), UNNAMED);
    let with = RegionOptions {
        attributes: Some(b"what it is"),
        ..GROWABLE
    };
    add(Some("with attributes"), pattern(1000, 4), with);
    add(Some("checked"), pattern(9000, 5), CHECKED);
    if len >= 512 << 10 {
        let id = add(Some("mapped"), Vec::new(), GROWABLE);
        let bytes = pattern(150_000, 6);
        regions.resize(id, 250_000).expect("space");
        regions.write(id, 70_000, &bytes[..60_000]).expect("inside");
        let mut whole = vec![0; 250_000];
        whole[70_000..130_000].copy_from_slice(&bytes[..60_000]);
        known.get_mut(&id).expect("just made").bytes = whole;
    }
    let empty = regions.create(400, &named("never written")).expect("space");
    let nothing = Known {
        name: Some("never written".into()),
        bytes: vec![0; 400],
        checked: false,
        at: 0,
    };
    known.insert(empty, nothing);
    regions.destroy(gone).expect("there");
    known.remove(&gone);
    for (id, known) in &mut known {
        let info = regions.info(*id).expect("there");
        known.at = info.at.get();
        assert_eq!(regions.read_all(*id).as_ref(), Ok(&known.bytes));
    }
    assert_clean(&regions);
    let mut victim = Victim {
        image: Vec::new(),
        regions: known,
        directory: Vec::new(),
        heap: Vec::new(),
        data: Vec::new(),
        core: Vec::new(),
    };
    let ram = regions.into_engine().close().expect("memory does not fail");
    victim.image = image_of(&ram);
    victim.survey(ram);
    victim
}

impl Victim {
    fn survey(&mut self, ram: Ram) {
        let (engine, _) = Engine::open(ram, &OpenOptions::default()).expect("a pool");
        let read = |at: u64, len: usize| {
            let mut bytes = vec![0; len];
            engine
                .read(ByteOffset::new(at), &mut bytes)
                .expect("in the pool");
            bytes
        };
        let root_at = engine.root(RootSlot::REGIONS).get();
        let bytes = read(root_at, 1640);
        let root = DirectoryRoot::from_bytes(bytes.first_chunk().expect("a root"));
        self.directory.push(root_at..root_at + 1640);
        let mut slot = 0u32;
        for block in 0..root.block_count.get() as usize {
            let (at, count) = (
                root.blocks[block].get(),
                DirectoryRoot::block_entries(block),
            );
            self.directory.push(at..at + 48 * count);
            for index in 0..count {
                let bytes = read(at + 48 * index, 48);
                let entry = DirectoryEntry::from_bytes(bytes.first_chunk().expect("an entry"));
                assert_eq!(entry.fault(engine.pool().id(), slot), None);
                slot += 1;
                if !entry.is_live() {
                    continue;
                }
                let (at, len) = (entry.block().0, entry.len.get());
                self.data.push(at..at + len);
                if entry.tail() != 0 {
                    let head = read(entry.tail(), 8);
                    let len = RegionTail::bytes_of(head.first_chunk().expect("a head"));
                    self.directory.push(entry.tail()..entry.tail() + len as u64);
                }
                if let (map @ 1.., shift) = entry.map() {
                    let chunks = entry.block().1.div_ceil(1 << shift);
                    let words = if entry.has(2) {
                        chunks
                    } else {
                        chunks.div_ceil(32)
                    };
                    self.directory.push(map..map + 8 * words);
                }
            }
        }
        let geometry = engine.pool().geometry();
        let byte = |at: ByteOffset| at.get();
        self.core = vec![
            0..512,
            4096..4608,
            byte(geometry.slot_at(0))..byte(geometry.slot_at(0)) + 96,
            byte(geometry.slot_at(1))..byte(geometry.slot_at(1)) + 96,
            byte(geometry.shared_at())..byte(geometry.shared_at()) + 512,
            byte(geometry.ring_at(0))..byte(geometry.ring_at(0)) + 1024,
        ];
        // An entry of the slab map means something only where a run begins.
        self.heap = vec![
            byte(geometry.used_word_at(0))..byte(geometry.used_word_at(0)) + 8,
            byte(geometry.head_word_at(0))..byte(geometry.head_word_at(0)) + 8,
        ];
        engine
            .for_each_extent(|extent| {
                let at = extent.range.start();
                if extent.kind != everline::alloc::ExtentKind::Free {
                    let slab = geometry.slab_of(at).expect("in the heap");
                    let entry = byte(geometry.entry_at(slab));
                    self.heap.push(entry..entry + 8);
                }
                if let everline::alloc::ExtentKind::Slab { objects, .. } = extent.kind {
                    let words = u64::from(objects.div_ceil(64));
                    let end = SlabHeader::bitmap_word_at(at, 0).get() + 8 * words;
                    self.heap.push(at.get()..end);
                }
            })
            .expect("a whole heap");
    }
}

/// What can be read of a pool that is open: identifiers, names and bytes, refusals left out.
pub fn readable<M: Media>(regions: &Regions<M>) -> BTreeMap<RegionId, (Option<String>, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    for info in regions.list().unwrap_or_default() {
        if let Ok(bytes) = regions.read_all(info.id) {
            seen.insert(info.id, (info.name, bytes));
        }
    }
    seen
}

/// What of these regions can be read by identifier, whatever else is damaged: bytes, and the name where it is told.
pub fn readable_of<M: Media>(
    regions: &Regions<M>,
    ids: impl Iterator<Item = RegionId>,
) -> BTreeMap<RegionId, Vec<u8>> {
    ids.filter_map(|id| Some((id, regions.read_all(id).ok()?)))
        .collect()
}
