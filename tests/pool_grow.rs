//! Growth of a pool in a file, while it is in use.
#![cfg(unix)]

use std::path::Path;

use everline::alloc::{AllocError, Request};
use everline::engine::{
    CreateOptions, Engine, FileConfig, FileEngine, OpenOptions, PoolStats, create_file, open_file,
};
use everline::layout::RootSlot;
use everline::media::file::FileOptions;
use everline::media::{Ram, SpaceError};
use everline::pool::GrowError;
use everline::tx::TxError;
use everline::units::{ByteLen, ByteOffset, ByteRange};

const MIB: u64 = 1 << 20;

fn create(path: &Path, len: u64) -> FileEngine {
    let options = CreateOptions {
        len: Some(len),
        ..CreateOptions::default()
    };
    create_file(path, &options, &FileConfig::default())
        .expect("a writable place")
        .0
}

fn open(path: &Path) -> FileEngine {
    open_file(path, &OpenOptions::default(), &FileOptions::default())
        .expect("a pool")
        .0
}

fn stats(engine: &FileEngine) -> PoolStats {
    let stats = engine.stats().expect("whole");
    let heap = stats.heap;
    assert_eq!(
        heap.used_bytes + heap.free_bytes + heap.overhead_bytes,
        stats.size_bytes
    );
    assert_eq!(engine.check(|problem| panic!("{problem}")).problems, 0);
    stats
}

/// Puts a block that holds `number` in front of a list; answers whether there was room.
fn push(engine: &FileEngine, root: RootSlot, number: u64, bytes: u64) -> bool {
    let mut tx = engine.begin().expect("a lane");
    let block = match tx.alloc(Request::new(bytes)) {
        Ok(block) => block,
        Err(TxError::Alloc(AllocError::NoSpace { .. })) => return false,
        Err(error) => panic!("{error}"),
    };
    let last = tx.root(root).expect("inside");
    tx.set(block.start(), &[last.get(), number])
        .expect("inside");
    tx.set_root(root, block.start()).expect("inside");
    tx.commit().expect("the file works");
    true
}

/// The numbers of a list, newest first.
fn numbers(engine: &FileEngine, root: RootSlot) -> Vec<u64> {
    let mut at = engine.root(root);
    let mut found = Vec::new();
    while at != ByteOffset::ZERO {
        found.push(
            engine
                .load64(ByteOffset::new(at.get() + 8))
                .expect("inside"),
        );
        at = ByteOffset::new(engine.load64(at).expect("inside"));
    }
    found
}

#[test]
fn e6_a_pool_of_16_mib_grows_to_32_with_16_more_free_and_the_same_data() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("pool.pmem");
    let engine = create(&path, 16 * MIB);
    let root = RootSlot::user(0).expect("one of 48");
    (0..100).for_each(|number| assert!(push(&engine, root, number, 50_000)));
    let (before, list) = (stats(&engine), numbers(&engine, root));
    engine.grow(32 * MIB).expect("there is room");
    let after = stats(&engine);
    assert_eq!(after.size_bytes, 32 * MIB);
    assert_eq!(after.heap.free_bytes, before.heap.free_bytes + 16 * MIB);
    assert_eq!(after.heap.used_bytes, before.heap.used_bytes);
    assert_eq!(numbers(&engine, root), list);
    assert_eq!(
        std::fs::metadata(&path).expect("there").len(),
        32 * MIB,
        "the file as well"
    );
    drop(engine.close().expect("the file works"));

    let engine = open(&path);
    assert_eq!(stats(&engine).heap, after.heap);
    assert_eq!(numbers(&engine, root), list);
    let mut tx = engine.begin().expect("a lane");
    let large = tx
        .alloc(Request::new(16 * MIB))
        .expect("only the new part has room");
    tx.zero_fresh(large).expect("inside");
    tx.commit().expect("the file works");
    stats(&engine);
}

#[test]
fn e6_two_threads_commit_while_the_pool_grows() {
    const EACH: u64 = 400;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("pool.pmem");
    let engine = create(&path, 16 * MIB);
    let roots = [0, 1].map(|index| RootSlot::user(index).expect("one of 48"));
    std::thread::scope(|scope| {
        let writers = roots.map(|root| {
            let engine = &engine;
            scope.spawn(move || {
                for number in 0..EACH {
                    // Objects of many classes, and every tenth a run of slabs: 20 MB in all for each thread.
                    let bytes = if number % 10 == 0 {
                        500_000
                    } else {
                        16 << (number % 11)
                    };
                    while !push(engine, root, number, bytes) {
                        std::thread::yield_now();
                    }
                }
            })
        });
        for step in 1..=96 {
            engine
                .grow(16 * MIB + step * (MIB / 2) + step % 3)
                .expect("there is room");
        }
        writers
            .into_iter()
            .for_each(|writer| writer.join().expect("no panic"));
    });
    assert_eq!(stats(&engine).size_bytes, 64 * MIB);
    let all: Vec<u64> = (0..EACH).rev().collect();
    roots
        .iter()
        .for_each(|root| assert_eq!(numbers(&engine, *root), all));
    let path_again = engine.close().expect("the file works").path().to_path_buf();
    let engine = open(&path_again);
    roots
        .iter()
        .for_each(|root| assert_eq!(numbers(&engine, *root), all));
    stats(&engine);
}

#[test]
fn e6_a_file_that_a_killed_growth_left_longer_opens_and_grows_to_the_same_length() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("pool.pmem");
    drop(create(&path, MIB).close().expect("the file works"));
    let file = std::fs::OpenOptions::new().write(true).open(&path);
    file.and_then(|file| file.set_len(4 * MIB)).expect("longer");
    let engine = open(&path);
    let before = stats(&engine);
    assert_eq!(before.size_bytes, MIB);
    engine.grow(2 * MIB).expect("a part of what is there");
    engine.grow(4 * MIB).expect("all of it");
    assert_eq!(
        stats(&engine).heap.free_bytes,
        before.heap.free_bytes + 3 * MIB
    );
    drop(engine);
    assert_eq!(open(&path).pool().geometry().len(), 4 * MIB);
    assert_eq!(std::fs::metadata(&path).expect("there").len(), 4 * MIB);
}

#[test]
fn e6_a_medium_of_fixed_length_lets_a_pool_grow_up_to_its_end_and_no_further() {
    let options = CreateOptions {
        len: Some(MIB),
        ..CreateOptions::default()
    };
    let engine = Engine::create(Ram::new(ByteLen::new(2 * MIB)), &options).expect("large enough");
    engine.grow(2 * MIB).expect("the medium has it");
    let beyond = engine.grow(2 * MIB + 1);
    assert_eq!(beyond, Err(GrowError::Space(SpaceError::Unsupported)));
    assert_eq!(engine.pool().geometry().len(), 2 * MIB);
    assert!(!engine.pool().health().is_poisoned());
    let mut tx = engine.begin().expect("goes on");
    let block = tx.alloc(Request::new(MIB)).expect("the new part");
    let last = ByteRange::at(block.end().get() - 8, 8).expect("inside");
    tx.set(last.start(), &7u64).expect("inside");
    tx.commit().expect("memory does not fail");
    assert_eq!(engine.load64(last.start()), Ok(7));
}
