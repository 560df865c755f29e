//! The ordered index where its callers do something unusual, and where its bytes are forged with right checksums.

mod tree_tools;

use std::sync::mpsc;
use std::time::Duration;

use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::layout::{TreeBig, TreeRecord, TreeRoot};
use everline::media::{Media, Ram};
use everline::tree::{Tree, TreeError, TreeOptions};
use everline::units::{ByteLen, ByteOffset};
use tree_tools::{Change, World, slot};
use zerocopy::{FromBytes, IntoBytes};

const OPTIONS: TreeOptions = TreeOptions {
    leaf_slots: 4,
    inner_slots: 4,
    inline_bytes: 100,
};

fn world() -> World<Ram> {
    let ram = Ram::new(ByteLen::new(1 << 20));
    let engine = Engine::create(ram, &CreateOptions::default()).expect("a common shape");
    World::create(engine, &OPTIONS)
}

fn put(key: &[u8], len: usize) -> Change {
    Change::Put(key.to_vec(), vec![7; len])
}

/// The first session leaves the number of keys, and so the root's bytes, as they were.
#[test]
fn a_transaction_that_an_edit_serves_twice_keeps_what_it_staged_first() {
    let mut world = world();
    world.apply(&[put(b"b", 20)]);
    let (edit, tree) = (&mut world.edit, &world.tree);
    let mut tx = world.engine.begin().expect("a lane");
    edit.put(&mut tx, tree, b"a", b"first").expect("space");
    assert!(edit.remove(&mut tx, tree, b"b").expect("sound"));
    edit.stage(&mut tx).expect("staged");
    edit.clear();
    let mut value = Vec::new();
    assert!(!edit.get(&mut tx, tree, b"b", &mut value).expect("sound"));
    edit.put(&mut tx, tree, b"c", b"second").expect("space");
    edit.stage(&mut tx).expect("staged");
    tx.commit_between(|_| edit.lock(&world.versions))
        .expect("committed");
    edit.clear();
    let pairs = [(&b"a"[..], &b"first"[..]), (b"c", b"second")];
    let model = pairs.map(|(key, value)| (key.to_vec(), value.to_vec()));
    world.compare(&model.into());
    assert_eq!(world.check().keys, 2);
}

#[test]
fn a_tree_that_was_dropped_is_refused_until_the_edit_is_cleared() {
    let mut world = world();
    world.apply(&[put(b"a", 20)]);
    let (edit, tree) = (&mut world.edit, &world.tree);
    let mut tx = world.engine.begin().expect("a lane");
    assert!(edit.drop_tree(&mut tx, tree, 10).expect("sound"));
    let place = tree.place();
    let refused = edit.put(&mut tx, tree, b"b", b"");
    assert_eq!(refused, Err(TreeError::Dropped { place }));
    let refused = edit.drop_tree(&mut tx, tree, 10);
    assert_eq!(refused, Err(TreeError::Dropped { place }));
    drop(tx);
    edit.clear();
    assert_eq!(world.reader().count(), Ok(1));
    world.apply(&[put(b"b", 20)]);
    assert_eq!(world.check().keys, 2);
}

#[test]
fn who_counts_waits_while_the_count_is_stored_and_never_takes_it_for_damaged() {
    let mut world = world();
    world.apply(&[put(b"a", 20)]);
    let mut tx = world.engine.begin().expect("a lane");
    world
        .edit
        .put(&mut tx, &world.tree, b"b", b"")
        .expect("space");
    world.edit.stage(&mut tx).expect("staged");
    let (reader, (sender, counted)) = (world.reader(), mpsc::channel());
    std::thread::scope(|scope| {
        tx.commit_between(|_| {
            let locked = world.edit.lock(&world.versions);
            scope.spawn(move || sender.send(reader.count()));
            let early = counted.recv_timeout(Duration::from_millis(100));
            assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout));
            locked
        })
        .expect("committed");
        assert_eq!(counted.recv(), Ok(Ok(2)));
    });
}

/// Changes to nothing keep what is known of inner nodes; what is known is right afterwards.
#[test]
fn changes_that_find_nothing_to_do_leave_the_edit_as_good_as_it_was() {
    let mut world = world();
    let all: Vec<_> = (0..60u8).map(|number| put(&[number], 20)).collect();
    world.apply(&all);
    for number in 0..60u8 {
        assert_eq!(world.apply(&[Change::Remove(vec![number, 1])]), [false]);
        let mut tx = world.engine.begin().expect("a lane");
        let key = [number, 2];
        world
            .edit
            .put(&mut tx, &world.tree, &key, b"lost")
            .expect("space");
        drop(tx);
        world.edit.clear();
        assert_eq!(world.apply(&[Change::Remove(key.to_vec())]), [false]);
        assert_eq!(world.apply(&[put(&[number, 3], 20)]), [false]);
    }
    assert_eq!(world.check().keys, 120);
}

/// Stores `bytes` at `at` of the pool's medium, and opens it anew.
fn forge(world: World<Ram>, at: ByteOffset, bytes: &[u8]) -> Engine<Ram> {
    let ram = world.engine.close().expect("memory does not fail");
    ram.write(at, bytes);
    let opened = Engine::open(ram, &OpenOptions::default());
    opened.expect("a pool").0
}

fn root_of(world: &World<Ram>) -> TreeRoot {
    let mut bytes = [0; size_of::<TreeRoot>()];
    let pool = world.engine.pool();
    pool.media().read(world.tree.place(), &mut bytes);
    TreeRoot::from_bytes(&bytes)
}

#[test]
fn a_root_of_impossible_fields_is_refused_even_with_right_checksums() {
    type Forge = fn(&mut TreeRoot);
    let forges: [Forge; 2] = [
        |root| root.root = (root.root.get() | 1 << 50).into(),
        |root| root.inline_bytes = 65_537.into(),
    ];
    for change in forges {
        let world = world();
        let (place, mut root) = (world.tree.place(), root_of(&world));
        change(&mut root);
        root.seal(place.get());
        let engine = forge(world, place, root.as_bytes());
        let refused = Tree::open(&engine, engine.root(slot()));
        assert!(matches!(refused, Err(TreeError::Corrupt(_))));
    }
}

/// A big value's record with another place or length, and a right checksum.
#[test]
fn a_big_value_at_no_possible_place_or_of_no_bytes_is_corrupt() {
    for no_bytes in [false, true] {
        let mut world = world();
        world.apply(&[put(b"a", 300)]);
        let len = size_of::<TreeRecord>() + 1 + size_of::<TreeBig>();
        let mut record = None;
        let mut see = |range: everline::units::ByteRange| {
            if range.len().get() == len as u64 {
                record = Some(range.start());
            }
        };
        world.tree.check(&world.engine, &mut see).expect("sound");
        let record = record.expect("one record");
        let mut bytes = vec![0; len];
        world.engine.pool().media().read(record, &mut bytes);
        if no_bytes {
            bytes[4..8].fill(0);
        } else {
            let at = size_of::<TreeRecord>() + 1;
            let mut big = TreeBig::read_from_bytes(&bytes[at..]).expect("so many bytes");
            big.at = (big.at.get() | 1 << 50).into();
            bytes[at..].copy_from_slice(big.as_bytes());
        }
        let crc = everline_arch::crc32c(TreeRecord::seed(record.get()), &bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        let engine = forge(world, record, &bytes);
        let world = World::open(engine);
        let refused = world.reader().get(b"a", &mut Vec::new());
        assert!(matches!(refused, Err(TreeError::Corrupt(_))), "{refused:?}");
        let refused = world.tree.check(&world.engine, &mut |_| {});
        assert!(matches!(refused, Err(TreeError::Corrupt(_))), "{refused:?}");
    }
}

#[test]
fn a_check_finds_a_value_that_lies_where_its_length_does_not_say() {
    let mut world = world();
    world.apply(&[put(b"a", 300)]);
    let (place, mut root) = (world.tree.place(), root_of(&world));
    root.inline_bytes = 4096.into();
    root.seal(place.get());
    let world = World::open(forge(world, place, root.as_bytes()));
    let refused = world.tree.check(&world.engine, &mut |_| {});
    assert!(matches!(refused, Err(TreeError::Corrupt(_))), "{refused:?}");
}
