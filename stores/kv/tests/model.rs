//! A million random operations against a BTreeMap, with the store closed, killed and cut in between.

mod world;

use std::collections::BTreeMap;
use std::ops::Bound;

use everline::units::ByteLen;
use everline_crash::{CrashMedia, Cut};
use everline_kv::{Condition, Direction, Store, StoreOptions};
use world::{Random, depth, small};

const POOL: ByteLen = ByteLen::new(32 << 20);

type On = Store<CrashMedia>;
type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keys of few letters and any length, so that some are prefixes of others and many share their first eight bytes.
fn key(random: &mut Random) -> Vec<u8> {
    let mut key = match random.below(4) {
        0 => Vec::new(),
        1 => b"a common prefix of many keys/".to_vec(),
        _ => vec![b'k'; random.below(9) as usize],
    };
    let len = random.below(5);
    key.extend((0..len).map(|_| [0, 1, b'a', b'b', 0xfe, 0xff][random.below(6) as usize]));
    key
}

fn value(random: &mut Random) -> Vec<u8> {
    let len = match random.below(12) {
        0 => 0,
        1 => 65 + random.below(3000),
        _ => random.below(60),
    };
    let fill = random.next() as u8;
    vec![fill; len as usize]
}

fn bounds(random: &mut Random) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let mut bound = || match random.below(3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(key(random)),
        _ => Bound::Excluded(key(random)),
    };
    (bound(), bound())
}

/// What a BTreeMap would panic on is an empty range here.
fn is_range(from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from <= to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Excluded(to) | Bound::Included(to),
        ) => from < to,
        _ => true,
    }
}

fn scan(store: &On, model: &Model, random: &mut Random) {
    let (from, to) = bounds(random);
    let backward = random.below(2) == 0;
    let take = 1 + random.below(40) as usize;
    let direction = if backward {
        Direction::Backward
    } else {
        Direction::Forward
    };
    let range = (
        from.as_ref().map(Vec::as_slice),
        to.as_ref().map(Vec::as_slice),
    );
    let seen = store.scan::<&[u8]>(range, direction);
    let seen: Vec<_> = seen
        .take(take)
        .map(|entry| entry.expect("no damage"))
        .collect();
    let owned = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
    let expected: Vec<_> = match is_range(&from, &to) {
        false => Vec::new(),
        true if backward => model
            .range((from.clone(), to.clone()))
            .rev()
            .take(take)
            .map(owned)
            .collect(),
        true => model
            .range((from.clone(), to.clone()))
            .take(take)
            .map(owned)
            .collect(),
    };
    assert_eq!(seen, expected, "{from:?} to {to:?}, {direction:?}");
}

/// A few changes in one transaction, given up every fourth time.
fn transaction(store: &On, model: &mut Model, random: &mut Random) {
    let tx = store.begin().expect("open");
    let mut next = model.clone();
    let (mut kept, mut saved) = (None, Model::new());
    for _ in 0..1 + random.below(6) {
        let key = key(random);
        match random.below(5) {
            0 => {
                let there = tx.delete(&key).expect("open");
                assert_eq!(there, next.remove(&key).is_some());
            }
            1 => assert_eq!(tx.get(&key).expect("open"), next.get(&key).cloned()),
            2 if kept.is_none() => {
                kept = Some(tx.savepoint().expect("open"));
                saved = next.clone();
            }
            _ => {
                let value = value(random);
                tx.put(&key, &value).expect("open");
                next.insert(key, value);
            }
        }
    }
    if let (Some(kept), true) = (kept, random.below(2) == 0) {
        tx.rollback_to(&kept).expect("made by it");
        next = saved;
    }
    if random.below(4) == 0 {
        return tx.abort().expect("open");
    }
    tx.commit().expect("nobody else writes");
    *model = next;
}

fn step(store: &On, model: &mut Model, random: &mut Random) {
    let key = key(random);
    match random.below(20) {
        0..7 => {
            let value = value(random);
            store.put(&key, &value).expect("room");
            model.insert(key, value);
        }
        7..10 => {
            let there = store.delete(&key).expect("room");
            assert_eq!(there, model.remove(&key).is_some());
        }
        10..14 => {
            let mut into = vec![0xEE];
            let there = store.get_into(&key, &mut into).expect("no damage");
            assert_eq!(there.then_some(&into), model.get(&key));
            assert_eq!(store.exists(&key).expect("no damage"), there);
            let len = store.value_len(&key).expect("no damage");
            assert_eq!(len, model.get(&key).map(|value| value.len() as u64));
        }
        14 => {
            let more = value(random);
            store.append(&key, &more).expect("room");
            model.entry(key).or_default().extend(more);
        }
        15 => {
            let value = value(random);
            let put = store.put_if(&key, Condition::Absent, &value).expect("room");
            assert_eq!(put, !model.contains_key(&key));
            model.entry(key).or_insert(value);
        }
        16 => {
            let (old, new) = (value(random), value(random));
            let old = model
                .get(&key)
                .filter(|_| random.below(2) == 0)
                .cloned()
                .unwrap_or(old);
            let put = store
                .put_if(&key, Condition::Equals(&old), &new)
                .expect("room");
            assert_eq!(put, model.get(&key) == Some(&old));
            if put {
                model.insert(key, new);
            }
        }
        17 => scan(store, model, random),
        _ if model.len() > 1000 => {
            // So that the tree shrinks as well as it grows.
            let gone: Vec<_> = model
                .keys()
                .skip(random.below(500) as usize)
                .take(300)
                .cloned()
                .collect();
            for key in gone {
                assert!(store.delete(&key).expect("room"));
                model.remove(&key);
            }
        }
        _ => transaction(store, model, random),
    }
}

fn agree(store: &On, model: &Model) {
    let seen = world::see(store).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(seen[""] == *model, "not what the model has");
}

fn run(options: &StoreOptions, operations: u64, seed: u64) {
    println!("seed {seed:#x}");
    const LIFE: u64 = 5_000;
    let mut random = Random(seed);
    let mut model = Model::new();
    let mut media = CrashMedia::new(POOL);
    let mut store = world::create(media.clone(), options);
    for life in 0..operations.div_ceil(LIFE) {
        for _ in 0..LIFE {
            step(&store, &mut model, &mut random);
        }
        agree(&store, &model);
        if life % 3 == 0 {
            store.checkpoint().expect("no failing fence");
        }
        drop(store);
        // Each of these starts a new recording, so that none grows without end.
        media = match life % 3 {
            0 => media.cut(Cut::AllLost),
            1 => media.cut(Cut::Seeded(random.next())),
            _ => media.cut(Cut::AllKept),
        };
        store = world::open(media.clone(), options).expect("a store");
        agree(&store, &model);
    }
    println!("{} keys at the end", model.len());
}

#[test]
fn a_million_operations_with_reopening_agree_with_a_map_on_small_nodes() {
    run(&small(), depth(60_000, 120_000, 1_000_000), 0xA1);
}

#[test]
fn a_million_operations_with_reopening_agree_with_a_map() {
    let options = StoreOptions {
        tree: StoreOptions::default().tree,
        ..small()
    };
    run(&options, depth(60_000, 120_000, 1_000_000), 0xB2);
}
