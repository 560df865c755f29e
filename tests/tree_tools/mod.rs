//! What tests of trees share: a tree in an engine, its model, and the comparison of both.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use everline::engine::Engine;
use everline::layout::RootSlot;
use everline::media::Media;
use everline::tree::{Chunk, Tree, TreeCheck, TreeEdit, TreeOptions, TreeReader, Value, Versions};
use everline::units::ByteRange;

pub type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Put(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
}

pub fn slot() -> RootSlot {
    RootSlot::user(0).expect("one of 48")
}

/// A tree, and what a writer keeps.
pub struct World<M: Media> {
    pub engine: Engine<M>,
    pub tree: Tree,
    pub versions: Versions,
    pub edit: TreeEdit,
}

impl<M: Media> World<M> {
    pub fn create(engine: Engine<M>, options: &TreeOptions) -> Self {
        let mut tx = engine.begin().expect("a lane");
        let tree = Tree::create(&mut tx, options).expect("space");
        tx.set_root(slot(), tree.place()).expect("a slot");
        tx.commit().expect("committed");
        Self::open(engine)
    }

    pub fn open(engine: Engine<M>) -> Self {
        let place = engine.root(slot());
        let tree = Tree::open(&engine, place).expect("a tree");
        World {
            engine,
            tree,
            versions: Versions::new(6),
            edit: TreeEdit::new(),
        }
    }

    pub fn reader(&self) -> TreeReader<'_, M> {
        self.tree.reader(&self.engine, &self.versions)
    }

    /// Applies changes in one transaction; answers for each whether the key was there.
    pub fn apply(&mut self, changes: &[Change]) -> Vec<bool> {
        let mut tx = self.engine.begin().expect("a lane");
        let (edit, tree) = (&mut self.edit, &self.tree);
        let outcome = changes
            .iter()
            .map(|change| match change {
                Change::Put(key, value) => edit.put(&mut tx, tree, key, value),
                Change::Remove(key) => edit.remove(&mut tx, tree, key),
            })
            .collect::<Result<_, _>>()
            .expect("a sound tree, and space");
        edit.stage(&mut tx).expect("staged");
        let versions = &self.versions;
        tx.commit_between(|_| edit.lock(versions))
            .expect("committed");
        edit.clear();
        outcome
    }

    /// Checks the tree and the heap, and that every live object is the tree's.
    pub fn check(&self) -> TreeCheck {
        let mut owned = BTreeSet::new();
        let mut visit = |range: ByteRange| {
            assert!(owned.insert(range.start()), "{range} has two owners");
        };
        let seen = self
            .tree
            .check(&self.engine, &mut visit)
            .expect("a sound tree");
        let mut problems = Vec::new();
        let report = self
            .engine
            .check(|problem| problems.push(problem.to_string()));
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            report.objects,
            owned.len() as u64,
            "objects without an owner"
        );
        seen
    }

    /// Compares everything that can be read with the model.
    pub fn compare(&self, model: &Model) {
        let reader = self.reader();
        assert_eq!(reader.count().expect("sound"), model.len() as u64);
        assert_eq!(forwards(&reader, Bound::Unbounded), entries(model));
        let mut backwards = backwards(&reader, Bound::Unbounded);
        backwards.reverse();
        assert_eq!(backwards, entries(model));
        let mut value = Vec::new();
        for (key, expected) in model {
            assert!(reader.get(key, &mut value).expect("sound"), "{key:?}");
            assert_eq!(&value, expected);
            let found = reader.find(key).expect("sound").expect("there");
            assert_eq!(found.len, expected.len());
        }
    }
}

pub fn entries(model: &Model) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = model.iter();
    pairs
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn entry<M: Media>(reader: &TreeReader<'_, M>, chunk: &Chunk, index: usize) -> (Vec<u8>, Vec<u8>) {
    let (key, value) = chunk.entry(index);
    let value = match value {
        Value::Inline(bytes) => bytes.to_vec(),
        Value::Big(value) => {
            let mut bytes = Vec::new();
            assert!(reader.read_big(&value, &mut bytes).expect("sound"));
            bytes
        }
    };
    (key.to_vec(), value)
}

/// Everything from `from` on.
pub fn forwards<M: Media>(
    reader: &TreeReader<'_, M>,
    from: Bound<&[u8]>,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut chunk, mut all) = (Chunk::default(), Vec::new());
    reader.chunk_from(from, &mut chunk).expect("sound");
    loop {
        all.extend((0..chunk.len()).map(|index| entry(reader, &chunk, index)));
        let Some(next) = chunk.upper().map(<[u8]>::to_vec) else {
            return all;
        };
        reader
            .chunk_from(Bound::Included(&next), &mut chunk)
            .expect("sound");
    }
}

/// Everything up to `to`, the last first.
pub fn backwards<M: Media>(
    reader: &TreeReader<'_, M>,
    to: Bound<&[u8]>,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut chunk, mut all) = (Chunk::default(), Vec::new());
    reader.chunk_before(to, &mut chunk).expect("sound");
    loop {
        all.extend(
            (0..chunk.len())
                .rev()
                .map(|index| entry(reader, &chunk, index)),
        );
        let Some(next) = chunk.lower().map(<[u8]>::to_vec) else {
            return all;
        };
        reader
            .chunk_before(Bound::Excluded(&next), &mut chunk)
            .expect("sound");
    }
}

/// What the model answers to the same changes.
pub fn change(model: &mut Model, changes: &[Change]) -> Vec<bool> {
    changes
        .iter()
        .map(|change| match change.clone() {
            Change::Put(key, value) => model.insert(key, value).is_some(),
            Change::Remove(key) => model.remove(&key).is_some(),
        })
        .collect()
}

/// SplitMix64: small, seeded, the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Seeded by `EVERLINE_SEED`, or by a number of the test's own; printed, so that a failure can be run again.
    pub fn seeded(own: u64) -> Self {
        let seed = std::env::var("EVERLINE_SEED").ok();
        let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or(own);
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
