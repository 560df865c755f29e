//! The ordered index against `BTreeMap`: random changes on trees of small and of ordinary nodes, keys of several kinds.

mod tree_tools;

use std::ops::Bound;

use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::media::Ram;
use everline::tree::{TreeError, TreeOptions};
use everline::units::ByteLen;
use tree_tools::{Change, Model, Random, World, backwards, change, entries, forwards};

const MIB: u64 = 1 << 20;

fn world(options: &TreeOptions) -> World<Ram> {
    let ram = Ram::new(ByteLen::new(64 * MIB));
    let engine = Engine::create(ram, &CreateOptions::default()).expect("a common shape");
    World::create(engine, options)
}

fn options(leaf_slots: u8, inner_slots: u8, inline_bytes: u32) -> TreeOptions {
    TreeOptions {
        leaf_slots,
        inner_slots,
        inline_bytes,
    }
}

/// How keys look: each kind meets another part of the search.
#[derive(Clone, Copy, Debug)]
enum Keys {
    /// 8 to 16 random bytes.
    Random,
    /// Numbers as 16 digits: long common beginnings.
    Digits,
    /// Bytes 0 and 1 only, 0 to 12 of them: ties of heads, keys that begin others, zeros at the end.
    Zeros,
    /// A common beginning longer than a node can hold, then a number.
    Deep,
}

impl Keys {
    fn key(self, random: &mut Random, range: u64) -> Vec<u8> {
        let number = random.below(range);
        match self {
            Keys::Random => {
                let mut bytes = Random(number).next().to_be_bytes().to_vec();
                bytes.resize(8 + number as usize % 9, 7);
                bytes
            }
            Keys::Digits => format!("{number:016}").into_bytes(),
            Keys::Zeros => {
                let len = random.below(13);
                (0..len).map(|_| u8::from(random.below(4) == 0)).collect()
            }
            Keys::Deep => {
                let group = number % 3;
                format!("a beginning that all keys of a group share/{group}/{number:09}")
                    .into_bytes()
            }
        }
    }
}

fn value(random: &mut Random) -> Vec<u8> {
    let len = match random.below(12) {
        0 => 0,
        1..=7 => random.below(60),
        8..=9 => random.below(300),
        10 => random.below(3_000),
        _ => random.below(9_000),
    };
    vec![random.next() as u8; len as usize]
}

/// Phases of growth and of decline, so that nodes split and merge.
fn run(options: &TreeOptions, keys: Keys, range: u64, transactions: u64, seed: u64) {
    let mut random = Random::seeded(seed);
    let (mut world, mut model) = (world(options), Model::new());
    for number in 0..transactions {
        let declines = number / (transactions / 6).max(1) % 2 == 1;
        let count = 1 + random.below(if number % 7 == 0 { 40 } else { 4 });
        let changes: Vec<_> = (0..count)
            .map(|_| {
                let key = keys.key(&mut random, range);
                match random.below(10) < if declines { 8 } else { 2 } {
                    true => Change::Remove(key),
                    false => Change::Put(key, value(&mut random)),
                }
            })
            .collect();
        let expected = change(&mut model, &changes);
        assert_eq!(world.apply(&changes), expected, "{keys:?} {number}");
        if number % (transactions / 24).max(1) == 0 {
            assert_eq!(world.check().keys, model.len() as u64);
            world.compare(&model);
            ranges(&world, &model, keys, &mut random, range);
        }
    }
    let engine = Engine::open(
        world.engine.close().expect("memory does not fail"),
        &OpenOptions::default(),
    );
    let mut world = World::open(engine.expect("a closed pool").0);
    world.check();
    world.compare(&model);
    let all: Vec<_> = model.keys().cloned().map(Change::Remove).collect();
    for some in all.chunks(50) {
        world.apply(some);
    }
    let empty = world.check();
    assert_eq!((empty.keys, empty.height, empty.leaves), (0, 1, 1));
}

/// Scans from and to keys that are there and that are not.
fn ranges(world: &World<Ram>, model: &Model, keys: Keys, random: &mut Random, range: u64) {
    let reader = world.reader();
    for _ in 0..8 {
        let key = keys.key(random, range);
        for from in [Bound::Included(&key[..]), Bound::Excluded(&key[..])] {
            let expected: Vec<_> = entries(
                &model
                    .range::<[u8], _>((from, Bound::Unbounded))
                    .map(own)
                    .collect(),
            );
            assert_eq!(forwards(&reader, from), expected, "from {from:?}");
            let mut expected = entries(
                &model
                    .range::<[u8], _>((Bound::Unbounded, from))
                    .map(own)
                    .collect(),
            );
            expected.reverse();
            assert_eq!(backwards(&reader, from), expected, "to {from:?}");
        }
        let mut value = Vec::new();
        let there = reader.get(&key, &mut value).expect("sound");
        assert_eq!(there.then_some(&value), model.get(&key));
        assert_eq!(reader.contains(&key).expect("sound"), there);
    }
}

fn own(pair: (&Vec<u8>, &Vec<u8>)) -> (Vec<u8>, Vec<u8>) {
    (pair.0.clone(), pair.1.clone())
}

#[test]
fn a_tree_of_the_smallest_nodes_is_a_map_whatever_its_keys_are() {
    for (number, keys) in [Keys::Random, Keys::Digits, Keys::Zeros, Keys::Deep]
        .into_iter()
        .enumerate()
    {
        run(&options(3, 3, 200), keys, 300, 600, 11 + number as u64);
        run(&options(4, 4, 4096), keys, 500, 600, 21 + number as u64);
    }
}

#[test]
fn a_tree_of_ordinary_nodes_is_a_map_whatever_its_keys_are() {
    for (number, keys) in [Keys::Random, Keys::Digits, Keys::Zeros, Keys::Deep]
        .into_iter()
        .enumerate()
    {
        run(
            &TreeOptions::default(),
            keys,
            6_000,
            2_000,
            31 + number as u64,
        );
        run(&options(7, 9, 0), keys, 2_000, 1_000, 41 + number as u64);
    }
}

#[test]
fn keys_in_ascending_order_fill_their_leaves() {
    let (mut world, mut model) = (world(&TreeOptions::default()), Model::new());
    for start in (0..20_000u32).step_by(100) {
        let changes: Vec<_> = (start..start + 100)
            .map(|number| Change::Put(format!("{number:016}").into_bytes(), vec![1; 20]))
            .collect();
        change(&mut model, &changes);
        world.apply(&changes);
    }
    let seen = world.check();
    assert!(seen.leaf_fill_permille > 950, "{seen:?}");
    world.compare(&model);
}

#[test]
fn a_tree_is_dropped_in_several_transactions_and_is_a_tree_in_between() {
    let (mut world, mut model) = (world(&options(4, 4, 64)), Model::new());
    let changes: Vec<_> = (0..500u32)
        .map(|number| {
            let len = if number % 10 == 0 { 200 } else { 20 };
            Change::Put(number.to_be_bytes().to_vec(), vec![3; len])
        })
        .collect();
    change(&mut model, &changes);
    world.apply(&changes);
    let mut rounds = 0;
    loop {
        let mut tx = world.engine.begin().expect("a lane");
        let done = world
            .edit
            .drop_tree(&mut tx, &world.tree, 60)
            .expect("sound");
        if done {
            tx.set_root(tree_tools::slot(), Default::default())
                .expect("a slot");
        }
        world.edit.stage(&mut tx).expect("staged");
        tx.commit_between(|_| world.edit.lock(&world.versions))
            .expect("committed");
        world.edit.clear();
        if done {
            break;
        }
        rounds += 1;
        let left = world.check().keys as usize;
        assert!(left < model.len());
        model = model.into_iter().take(left).collect();
        world.compare(&model);
    }
    assert!(rounds >= 7, "{rounds}");
    assert_eq!(world.engine.check(|_| {}).objects, 0);
}

#[test]
fn a_tree_is_used_in_the_transaction_that_creates_it() {
    use everline::tree::{Tree, TreeEdit};
    let ram = Ram::new(ByteLen::new(4 * MIB));
    let engine = Engine::create(ram, &CreateOptions::default()).expect("a common shape");
    let mut edit = TreeEdit::new();
    let mut tx = engine.begin().expect("a lane");
    let tree = Tree::create(&mut tx, &options(3, 3, 100)).expect("space");
    for number in 0..50u8 {
        edit.put(&mut tx, &tree, &[number], &[number; 20])
            .expect("space");
    }
    let mut value = Vec::new();
    assert!(edit.get(&mut tx, &tree, &[7], &mut value).expect("sound"));
    assert_eq!(value, [7; 20]);
    assert_eq!(edit.count(&mut tx, &tree).expect("sound"), 50);
    edit.stage(&mut tx).expect("staged");
    tx.set_root(tree_tools::slot(), tree.place())
        .expect("a slot");
    tx.commit().expect("committed");
    edit.clear();
    let world = World::open(engine);
    assert_eq!(world.check().keys, 50);
}

#[test]
fn what_is_too_long_or_of_no_possible_shape_is_refused() {
    let mut world = world(&TreeOptions::default());
    let key = vec![1; everline::tree::KEY_BYTES_MAX + 1];
    let mut tx = world.engine.begin().expect("a lane");
    let refused = world.edit.put(&mut tx, &world.tree, &key, b"");
    assert_eq!(refused, Err(TreeError::KeyTooLong { len: key.len() }));
    for (leaf, inner, inline) in [
        (2, 80, 0),
        (61, 80, 0),
        (28, 2, 0),
        (28, 97, 0),
        (28, 80, 65_537),
    ] {
        let refused = everline::tree::Tree::create(&mut tx, &options(leaf, inner, inline));
        assert!(matches!(refused, Err(TreeError::Options { .. })));
    }
    drop(tx);
    let refused = world.reader().get(&key, &mut Vec::new());
    assert_eq!(refused, Err(TreeError::KeyTooLong { len: key.len() }));
    let longest = Change::Put(key[1..].to_vec(), vec![5; 100]);
    world.apply(std::slice::from_ref(&longest));
    let mut model = Model::new();
    change(&mut model, &[longest]);
    world.compare(&model);
}

#[test]
fn what_did_not_commit_is_not_believed_afterwards() {
    let (mut world, mut model) = (world(&options(3, 3, 200)), Model::new());
    let mut random = Random::seeded(77);
    for number in 0..1_500u64 {
        let changes: Vec<_> = (0..1 + random.below(5))
            .map(|_| {
                let key = Keys::Digits.key(&mut random, 200);
                match random.below(2) {
                    0 => Change::Remove(key),
                    _ => Change::Put(key, value(&mut random)),
                }
            })
            .collect();
        if number % 3 == 0 {
            assert_eq!(world.apply(&changes), change(&mut model, &changes));
            continue;
        }
        let mut tx = world.engine.begin().expect("a lane");
        for change in &changes {
            match change {
                Change::Put(key, value) => world.edit.put(&mut tx, &world.tree, key, value),
                Change::Remove(key) => world.edit.remove(&mut tx, &world.tree, key),
            }
            .expect("sound, and space");
        }
        if number % 3 == 1 {
            world.edit.stage(&mut tx).expect("staged");
        }
        drop(tx);
        world.edit.clear();
    }
    world.check();
    world.compare(&model);
}
