//! `tree`: a reader without a lock beside a writer that commits. What it answers was there before or is there after, whole
//! (Y6, Y7).
#![cfg(loom)]

use everline::engine::Engine;
use everline::layout::RootSlot;
use everline::tree::{Tree, TreeEdit, TreeOptions, Versions};
use everline::tx::{Manager, Tx};
use everline::units::ByteOffset;
use everline_loom_tests::media::LoomMedia;
use everline_loom_tests::model::{Image, explore, image, open};
use loom::sync::Arc;
use loom::thread;

/// Three keys fill a leaf.
const SHAPE: TreeOptions = TreeOptions {
    leaf_slots: 3,
    inner_slots: 3,
    inline_bytes: 64,
};

type Tx1<'t> = Tx<'t, LoomMedia>;

fn slot() -> RootSlot {
    RootSlot::user(0).expect("one of 48")
}

fn manager(engine: &Engine<LoomMedia>) -> &Manager<LoomMedia> {
    engine.begin().expect("a free lane").manager()
}

/// Commits what `work` does as whoever changes a tree must.
fn commit(
    engine: &Engine<LoomMedia>,
    versions: &Versions,
    work: impl FnOnce(&mut TreeEdit, &mut Tx1<'_>),
) {
    let mut edit = TreeEdit::new();
    let mut tx = engine.begin().expect("a free lane");
    work(&mut edit, &mut tx);
    edit.stage(&mut tx).expect("room in the log");
    tx.commit_between(|_| edit.lock(versions))
        .expect("nothing fails in a model");
}

fn put(engine: &Engine<LoomMedia>, versions: &Versions, tree: &Tree, key: &[u8], value: &[u8]) {
    commit(engine, versions, |edit, tx| {
        edit.put(tx, tree, key, value).expect("room");
    });
}

fn remove(engine: &Engine<LoomMedia>, versions: &Versions, tree: &Tree, key: &[u8]) {
    commit(engine, versions, |edit, tx| {
        assert!(edit.remove(tx, tree, key).expect("no damage"));
    });
}

/// What loom watches; whatever a change does not touch is left out, so that models end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    /// Every object of the tree.
    All,
    /// All but the root, of which these changes touch the number of keys alone.
    NodesAndRecords,
    /// Objects too small for a node.
    Records,
}

/// The aligned words of the objects of the tree.
fn words(engine: &Engine<LoomMedia>, tree: &Tree, watched: Watched) -> Vec<ByteOffset> {
    let mut words = Vec::new();
    let checked = tree.check(manager(engine), &mut |range| {
        let is_root = range.start() == tree.place();
        let is_record = range.len().get() <= 32;
        let wanted = match watched {
            Watched::All => true,
            Watched::NodesAndRecords => !is_root,
            Watched::Records => !is_root && is_record,
        };
        if !wanted {
            return;
        }
        let at = range.start().get()..range.start().get() + range.len().get();
        words.extend(at.step_by(8).map(ByteOffset::new));
    });
    checked.expect("a sound tree");
    words
}

/// A tree with `entries`, and words for loom: those of the tree, and those of what comes next in the same place.
fn with(
    entries: &'static [(&[u8], &[u8])],
    next: Option<(&'static [u8], &'static [u8])>,
    watch: Watched,
) -> (Image, Vec<ByteOffset>) {
    image(move |engine| {
        let versions = Versions::new(1);
        let mut tx = engine.begin().expect("a free lane");
        let tree = Tree::create(&mut tx, &SHAPE).expect("room");
        tx.set_root(slot(), tree.place()).expect("a root slot");
        tx.commit().expect("nothing fails in a model");
        for (key, value) in entries {
            put(engine, &versions, &tree, key, value);
        }
        let mut watched = words(engine, &tree, watch);
        if let Some((key, value)) = next {
            put(engine, &versions, &tree, key, value);
            watched.extend(words(engine, &tree, watch));
            remove(engine, &versions, &tree, key);
        }
        watched.sort_unstable();
        watched.dedup();
        watched
    })
}

fn tree(engine: &Engine<LoomMedia>) -> Tree {
    let place = engine.root(slot());
    Tree::open(manager(engine), place).expect("a sound tree")
}

/// What a reader finds at `key` while `write` runs; `fits` says what it may be.
fn beside(
    preemptions: usize,
    (image, watched): (Image, Vec<ByteOffset>),
    key: &'static [u8],
    write: fn(&Engine<LoomMedia>, &Versions, &Tree),
    fits: fn(Option<&[u8]>) -> bool,
) {
    explore(preemptions, move || {
        let engine = Arc::new(open(&image, &watched));
        let (versions, tree) = (Arc::new(Versions::new(1)), tree(&engine));
        let writer = {
            let (engine, versions) = (engine.clone(), versions.clone());
            thread::spawn(move || write(&engine, &versions, &tree))
        };
        let mut value = Vec::new();
        let manager = manager(&engine);
        let reader = tree.reader(manager, &versions);
        let found = reader.get(key, &mut value).expect("no damage");
        assert!(fits(found.then_some(&value[..])), "{found} {value:?}");
        writer.join().expect("no panic");
    });
}

const OLD: &[u8] = &[1; 16];
const NEW: &[u8] = &[2; 16];

#[test]
fn l11_a_value_that_is_overwritten_in_place_is_read_old_or_new() {
    beside(
        3,
        with(&[(b"a", OLD)], None, Watched::Records),
        b"a",
        |engine, versions, tree| put(engine, versions, tree, b"a", NEW),
        |found| found == Some(OLD) || found == Some(NEW),
    );
}

#[test]
fn l11_a_removed_key_is_never_read_with_the_value_of_one_that_took_its_place() {
    beside(
        1,
        with(&[(b"a", OLD)], None, Watched::Records),
        b"a",
        |engine, versions, tree| {
            remove(engine, versions, tree, b"a");
            put(engine, versions, tree, b"b", NEW);
        },
        |found| found.is_none() || found == Some(OLD),
    );
}

#[test]
fn l11_a_key_is_found_while_its_leaf_splits() {
    beside(
        2,
        with(
            &[(b"a", OLD), (b"c", OLD), (b"e", OLD)],
            Some((b"d", NEW)),
            Watched::All,
        ),
        b"e",
        |engine, versions, tree| put(engine, versions, tree, b"d", NEW),
        |found| found == Some(OLD),
    );
}

#[test]
fn l11_a_new_key_is_read_whole_or_not_at_all() {
    beside(
        1,
        with(&[(b"a", OLD)], Some((b"b", NEW)), Watched::NodesAndRecords),
        b"b",
        |engine, versions, tree| put(engine, versions, tree, b"b", NEW),
        |found| found.is_none() || found == Some(NEW),
    );
}

#[test]
fn l11_a_key_is_found_while_leaves_merge() {
    beside(
        2,
        with(
            &[(b"a", OLD), (b"c", OLD), (b"e", OLD), (b"g", OLD)],
            None,
            Watched::All,
        ),
        b"g",
        |engine, versions, tree| {
            commit(engine, versions, |edit, tx| {
                for key in [b"a", b"c"] {
                    assert!(edit.remove(tx, tree, key).expect("no damage"));
                }
            });
        },
        |found| found == Some(OLD),
    );
}
