//! A damaged tree: each byte of every object it owns, flipped one at a time, gives a typed error or the right answer to
//! every lookup, scan and change; never a panic, and never a wrong answer (Y5, I12).

mod tree_tools;

use std::ops::Bound;

use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::media::{Media, Ram};
use everline::tree::{Chunk, Tree, TreeEdit, TreeError, TreeOptions, Value, Versions};
use everline::units::{ByteLen, ByteOffset, ByteRange};
use tree_tools::{Change, Model, World, change, slot};

/// Keys with a long common beginning, and separators with blocks of their own; values of every kind; keys removed.
fn world() -> (World<Ram>, Model) {
    let ram = Ram::new(ByteLen::new(256 << 10));
    let engine = Engine::create(ram, &CreateOptions::default()).expect("a common shape");
    let options = TreeOptions {
        leaf_slots: 4,
        inner_slots: 3,
        inline_bytes: 100,
    };
    let mut world = World::create(engine, &options);
    let mut model = Model::new();
    for number in 0..24u8 {
        let len = if number % 8 == 3 {
            300
        } else {
            5 + usize::from(number)
        };
        let changes = [Change::Put(key(number), vec![number; len])];
        world.apply(&changes);
        change(&mut model, &changes);
    }
    for number in [4, 5, 13, 22] {
        let changes = [
            Change::Remove(key(number)),
            Change::Put(key(number / 2 * 2 + 1), vec![9; 60]),
        ];
        world.apply(&changes);
        change(&mut model, &changes);
    }
    (world, model)
}

fn key(number: u8) -> Vec<u8> {
    match number % 2 {
        0 => [b"a beginning that many keys share/".to_vec(), vec![number]].concat(),
        _ => vec![b'z', number],
    }
}

/// `None` where the medium was found to lie.
fn believed<T>(answer: Result<T, TreeError<core::convert::Infallible>>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(TreeError::Corrupt(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

/// Asks everything; answers whether the damage was noticed.
fn ask(engine: &Engine<Ram>, model: &Model) -> bool {
    let versions = Versions::new(4);
    let Some(tree) = believed(Tree::open(engine, engine.root(slot()))) else {
        return true;
    };
    let reader = tree.reader(engine, &versions);
    let mut noticed = believed(reader.count()).is_none_or(|count| {
        assert_eq!(count, model.len() as u64);
        false
    });
    let mut value = Vec::new();
    for number in 0..26 {
        match believed(reader.get(&key(number), &mut value)) {
            Some(there) => assert_eq!(there.then_some(&value), model.get(&key(number)), "{number}"),
            None => noticed = true,
        }
        match believed(reader.find(&key(number))) {
            Some(found) => {
                let expected = model.get(&key(number)).map(Vec::len);
                assert_eq!(found.map(|found| found.len), expected, "{number}");
            }
            None => noticed = true,
        }
    }
    noticed | scan(&tree, engine, model)
}

fn scan(tree: &Tree, engine: &Engine<Ram>, model: &Model) -> bool {
    let versions = Versions::new(4);
    let reader = tree.reader(engine, &versions);
    let (mut chunk, mut next) = (Chunk::default(), Some(Vec::new()));
    let mut expected = model.iter();
    while let Some(from) = next {
        if believed(reader.chunk_from(Bound::Included(&from), &mut chunk)).is_none() {
            return true;
        }
        for index in 0..chunk.len() {
            let (key, value) = chunk.entry(index);
            let (expected_key, expected_value) = expected.next().expect("no key too many");
            assert_eq!(key, expected_key);
            match value {
                Value::Inline(value) => assert_eq!(value, expected_value),
                Value::Big(value) => assert_eq!(value.len(), expected_value.len()),
            }
        }
        next = chunk.upper().map(<[u8]>::to_vec);
    }
    assert_eq!(expected.next(), None, "no key is missing");
    false
}

/// Changes a damaged tree; what was refused left it as it was, and what went through is right.
fn alter(engine: &Engine<Ram>, model: &Model) {
    let Some(tree) = believed(Tree::open(engine, engine.root(slot()))) else {
        return;
    };
    let mut model = model.clone();
    let mut edit = TreeEdit::new();
    let versions = Versions::new(4);
    for (number, round) in (0..26).step_by(3).zip(0..) {
        let mut tx = engine.begin().expect("a lane");
        let outcome = match round % 3 {
            0 => edit.remove(&mut tx, &tree, &key(number)),
            _ => edit.put(&mut tx, &tree, &key(number), &[number; 30]),
        };
        let staged = outcome.and_then(|_| edit.stage(&mut tx));
        match staged {
            Ok(()) => {
                tx.commit_between(|_| edit.lock(&versions))
                    .expect("committed");
                match round % 3 {
                    0 => model.remove(&key(number)),
                    _ => model.insert(key(number), vec![number; 30]),
                };
            }
            Err(TreeError::Corrupt(_) | TreeError::Tx(_)) => drop(tx),
            Err(other) => panic!("{other}"),
        }
        edit.clear();
    }
    ask(engine, &model);
}

fn image_of(media: &impl Media) -> Vec<u8> {
    let mut image = vec![0; media.len().get() as usize];
    media.read(ByteOffset::ZERO, &mut image);
    image
}

fn open(image: &[u8]) -> Engine<Ram> {
    let ram = Ram::new(ByteLen::of(image));
    ram.write(ByteOffset::ZERO, image);
    Engine::open(ram, &OpenOptions::default())
        .expect("a pool")
        .0
}

#[test]
fn a_flipped_byte_in_a_tree_gives_an_error_or_the_right_answer() {
    let (world, model) = world();
    let mut objects = Vec::new();
    let tree_check = world
        .tree
        .check(&world.engine, &mut |range: ByteRange| objects.push(range));
    let seen = tree_check.expect("a sound tree");
    assert!(seen.height >= 3 && seen.big_values >= 2, "{seen:?}");
    let mut image = image_of(&world.engine.close().expect("memory does not fail"));
    assert!(!ask(&open(&image), &model));
    let (mut flips, mut noticed, mut found) = (0u64, 0u64, 0u64);
    for object in objects {
        for at in object.start().get()..object.end().get() {
            for mask in [0x01, 0x80, 0xff] {
                image[at as usize] ^= mask;
                let engine = open(&image);
                let is_noticed = ask(&engine, &model);
                let tree = believed(Tree::open(&engine, engine.root(slot())));
                let is_found =
                    tree.is_none_or(|tree| believed(tree.check(&engine, &mut |_| {})).is_none());
                assert!(
                    is_found || !is_noticed,
                    "a check finds what a reader meets: {at:#x}"
                );
                alter(&engine, &model);
                (flips, noticed, found) = (
                    flips + 1,
                    noticed + u64::from(is_noticed),
                    found + u64::from(is_found),
                );
                image[at as usize] ^= mask;
            }
        }
    }
    println!(
        "{flips} flips, {noticed} noticed by reading, {found} found by a check; the others are in free slots"
    );
    assert!(found * 10 > flips * 6, "{found} of {flips}");
}

/// Whole lines and words of other objects in the place of the right ones.
#[test]
fn lines_of_other_objects_in_a_tree_give_an_error_or_the_right_answer() {
    let (world, model) = world();
    let mut objects = Vec::new();
    world
        .tree
        .check(&world.engine, &mut |range| objects.push(range))
        .expect("a sound tree");
    let image = image_of(&world.engine.close().expect("memory does not fail"));
    let mut random = tree_tools::Random::seeded(5);
    for _ in 0..1_500 {
        let mut damaged = image.clone();
        let pick = |random: &mut tree_tools::Random| {
            let object = objects[random.below(objects.len() as u64) as usize];
            let words = object.len().get() / 8;
            (object.start().get() + 8 * random.below(words.max(1))) as usize
        };
        let len = [8, 16, 64][random.below(3) as usize];
        let (from, to) = (pick(&mut random), pick(&mut random));
        let zeros = random.below(4) == 0;
        for index in 0..len {
            damaged[to + index] = if zeros { 0 } else { image[from + index] };
        }
        let engine = open(&damaged);
        ask(&engine, &model);
        alter(&engine, &model);
    }
}
