//! Readers without a lock beside a writer (Y6, Y7): keys that are always there are always found, whole, by lookups and by
//! scans, whatever splits, merges and moves meanwhile.

mod tree_tools;

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use everline::engine::{CreateOptions, Engine};
use everline::media::Ram;
use everline::tree::{TreeOptions, TreeReader, Versions};
use everline::units::ByteLen;
use tree_tools::{Change, Random, World, forwards};

/// Keys that are never removed: every third number.
const KEYS: u64 = 240;

fn key(number: u64) -> Vec<u8> {
    format!("key {number:06}").into_bytes()
}

/// The key's number, then one byte over and over: torn or misplaced bytes are seen.
fn value(random: &mut Random, number: u64) -> Vec<u8> {
    let len = [5, 30, 90, 400][random.below(4) as usize];
    let mut value = number.to_le_bytes().to_vec();
    value.resize(8 + len, random.next() as u8);
    value
}

fn is_whole(value: &[u8], number: u64) -> bool {
    let (head, rest) = value.split_at(8);
    head == number.to_le_bytes() && rest.iter().all(|byte| *byte == rest[0])
}

fn changes(random: &mut Random) -> Vec<Change> {
    let count = 1 + random.below(6);
    let change = |random: &mut Random| {
        let number = random.below(KEYS);
        match number % 3 != 0 && random.below(2) == 0 {
            true => Change::Remove(key(number)),
            false => Change::Put(key(number), value(random, number)),
        }
    };
    (0..count).map(|_| change(random)).collect()
}

fn read(reader: &TreeReader<'_, Ram>, random: &mut Random) {
    let mut bytes = Vec::new();
    for _ in 0..50 {
        let number = random.below(KEYS);
        let there = reader.get(&key(number), &mut bytes).expect("sound");
        assert!(there || number % 3 != 0, "{number} is always there");
        assert!(!there || is_whole(&bytes, number), "{number}: {bytes:?}");
    }
    let from = random.below(KEYS);
    let scanned = forwards_inline(reader, from);
    assert!(scanned.windows(2).all(|pair| pair[0] < pair[1]));
    let always: Vec<_> = (from..KEYS)
        .filter(|number| number % 3 == 0)
        .map(key)
        .collect();
    let missing = always
        .iter()
        .find(|key| scanned.binary_search(key).is_err());
    assert_eq!(missing, None);
}

/// The keys from number `from` on.
fn forwards_inline(reader: &TreeReader<'_, Ram>, from: u64) -> Vec<Vec<u8>> {
    let entries = forwards(reader, Bound::Included(&key(from)));
    entries.into_iter().map(|(key, _value)| key).collect()
}

fn run(stripes_log2: u32, slots: u8) {
    let ram = Ram::new(ByteLen::new(16 << 20));
    let engine = Engine::create(ram, &CreateOptions::default()).expect("a common shape");
    let options = TreeOptions {
        leaf_slots: slots,
        inner_slots: slots,
        inline_bytes: 4096,
    };
    let mut world = World::create(engine, &options);
    world.versions = Versions::new(stripes_log2);
    let mut random = Random::seeded(71);
    let all: Vec<_> = (0..KEYS)
        .step_by(3)
        .map(|number| Change::Put(key(number), value(&mut random, number)))
        .collect();
    world.apply(&all);
    let (ended, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    let end = Instant::now() + Duration::from_millis(700);
    let World {
        engine,
        tree,
        versions,
        edit,
    } = &mut world;
    let (engine, versions) = (&*engine, &*versions);
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (ended, rounds, tree) = (&ended, &rounds, *tree);
            scope.spawn(move || {
                let mut random = Random(seed);
                while !ended.load(Ordering::Relaxed) {
                    read(&tree.reader(engine, versions), &mut random);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while Instant::now() < end {
            let mut tx = engine.begin().expect("a lane");
            for change in changes(&mut random) {
                match change {
                    Change::Put(key, value) => edit.put(&mut tx, tree, &key, &value),
                    Change::Remove(key) => edit.remove(&mut tx, tree, &key),
                }
                .expect("sound, and space");
            }
            edit.stage(&mut tx).expect("staged");
            tx.commit_between(|_| edit.lock(versions))
                .expect("committed");
            edit.clear();
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert!(rounds.into_inner() > 20);
    world.check();
}

#[test]
fn readers_beside_a_writer_find_what_is_always_there() {
    run(8, 4);
    run(14, 28);
}

#[test]
fn readers_beside_a_writer_get_on_where_all_nodes_share_two_versions() {
    run(1, 3);
}
