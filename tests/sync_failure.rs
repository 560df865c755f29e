//! A failed sync, a full device: errors that say so, reads that go on, and a reopen that finds the old or the new state
//! and never a mixture.

mod image_tools;

use everline::alloc::{AllocError, Request};
use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::media::{Media, SpaceError};
use everline::pool::{CreateError, OpenError};
use everline::tx::{Tx, TxError};
use everline::units::{ByteLen, ByteRange};
use everline_crash::{CrashMedia, Cut};
use image_tools::{MIB, SMALLEST, assert_sound, bytes_at, fixed, put, range, slot};

type Crash = Engine<CrashMedia>;
type Failed = TxError<<CrashMedia as Media>::SyncError>;

fn on_crash_media(len: u64) -> (CrashMedia, Crash) {
    let media = CrashMedia::new(ByteLen::new(len));
    let options = CreateOptions {
        ring_bytes: Some(16 << 10),
        slab_bytes: Some(4096),
        ..fixed()
    };
    let engine = Engine::create(media.clone(), &options).expect("a common shape");
    (media, engine)
}

/// Two objects that every transaction below changes together.
fn two(engine: &Crash) -> [ByteRange; 2] {
    [put(engine, 0, 64, 1), put(engine, 1, 3000, 1)]
}

fn both(engine: &Crash, blocks: [ByteRange; 2]) -> Vec<u8> {
    let mut seen: Vec<u8> = blocks
        .iter()
        .flat_map(|block| bytes_at(engine, block.start(), block.len().get().min(3000) as usize))
        .collect();
    seen.dedup();
    seen
}

fn staged(tx: &mut Tx<'_, CrashMedia>, blocks: [ByteRange; 2]) -> Result<(), Failed> {
    for block in blocks {
        let len = block.len().get().min(3000) as usize;
        tx.write(block.start(), &vec![2; len])?;
    }
    Ok(())
}

fn undo(tx: &mut Tx<'_, CrashMedia>, blocks: [ByteRange; 2]) -> Result<(), Failed> {
    let ranges = blocks.map(|block| range(block.start(), block.len().get().min(3000)));
    let mut homes = tx.snapshot(&ranges)?;
    for part in ranges {
        homes.fill(part, 2)?;
    }
    Ok(())
}

/// Every later change is refused, and stores nothing; reads go on.
fn assert_poisoned(media: &CrashMedia, engine: &Crash, blocks: [ByteRange; 2]) {
    let before = media.snapshot();
    let at = blocks[0].start();
    assert!(engine.pool().health().is_poisoned());
    assert_eq!(engine.begin().map(|_tx| ()), Err(TxError::Poisoned));
    assert_eq!(
        engine.begin_in(&mut [0; 4096]).map(|_tx| ()),
        Err(TxError::Poisoned)
    );
    assert_eq!(engine.write_durable(at, &[9]), Err(TxError::Poisoned));
    assert_eq!(engine.write_volatile(at, &[9]), Err(TxError::Poisoned));
    assert_eq!(engine.persist(blocks[0]), Err(TxError::Poisoned));
    assert_eq!(
        engine.checkpoint().map(|_report| ()),
        Err(TxError::Poisoned)
    );
    assert_eq!(
        engine.reserve(Request::new(64)).map(|_block| ()),
        Err(TxError::Poisoned)
    );
    assert_eq!(both(engine, blocks).len(), 1);
    engine.stats().expect("reads go on");
    assert!(media.snapshot() == before);
}

/// What a reopen finds after every kind of loss: one of the two states, whole.
fn reopened_states(media: &CrashMedia, blocks: [ByteRange; 2]) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut look = |media: CrashMedia| {
        let opened = Engine::open(media, &OpenOptions::default());
        let (engine, _report) = opened.expect("recoverable");
        let state = both(&engine, blocks);
        assert_eq!(state.len(), 1, "mixed: {state:?}");
        assert_sound(&engine);
        put(&engine, 2, 100, 7);
        seen.extend(state);
    };
    look(media.kill());
    look(media.cut(Cut::AllKept));
    look(media.cut(Cut::AllLost));
    for seed in 0..40 {
        look(media.cut(Cut::Seeded(seed)));
    }
    seen.sort_unstable();
    seen.dedup();
    seen
}

#[test]
fn k3_a_failed_sync_fails_the_commit_poisons_the_pool_and_reopen_finds_old_or_new() {
    type Work = fn(&mut Tx<'_, CrashMedia>, [ByteRange; 2]) -> Result<(), Failed>;
    let works: [Work; 2] = [staged, undo];
    for (path, work) in works.into_iter().enumerate() {
        let mut failed_at = 0;
        // Each fence of the transaction in turn, until there is none left to fail.
        for fence in 0.. {
            let (media, engine) = on_crash_media(2 * SMALLEST);
            let blocks = two(&engine);
            media.fail_fence_at(fence);
            let mut tx = engine.begin().expect("a lane");
            let outcome = work(&mut tx, blocks).and_then(|()| tx.commit().map(|_receipt| ()));
            match outcome {
                Ok(()) => break,
                Err(error) => assert!(matches!(error, TxError::Sync(_)), "{error}"),
            }
            failed_at += 1;
            assert!(engine.pool().health().is_poisoned());
            let states = reopened_states(&media, blocks);
            assert!(!states.is_empty() && states.iter().all(|state| [1, 2].contains(state)));
            // In place, bytes may stand as the caller stored them: nothing restores them before the reopen.
            if path == 0 {
                assert_poisoned(&media, &engine, blocks);
                assert_eq!(
                    both(&engine, blocks),
                    [1],
                    "homes follow a durable commit only"
                );
            }
        }
        assert_eq!(failed_at, [1, 3][path], "waits of a transaction of 3 KiB");
    }
}

#[test]
fn k3_a_transaction_that_was_open_when_another_failed_stores_nothing_more() {
    let (media, engine) = on_crash_media(2 * SMALLEST);
    let blocks = two(&engine);
    let mut open = engine.begin().expect("a lane");
    let small = range(blocks[0].start(), 8);
    open.snapshot(&[small])
        .expect("room")
        .fill(small, 5)
        .expect("covered");
    let fresh = open.alloc(Request::new(64)).expect("space");
    media.fail_next_fences(1);
    let mut tx = engine.begin().expect("another lane");
    staged(&mut tx, [blocks[1]; 2]).expect("staged");
    assert!(matches!(tx.commit(), Err(TxError::Sync(_))));

    let before = media.snapshot();
    assert_eq!(
        open.snapshot(&[blocks[1]]).map(|_guard| ()),
        Err(TxError::Poisoned)
    );
    assert_eq!(open.snapshot(&[]).map(|_guard| ()), Err(TxError::Poisoned));
    assert_eq!(
        open.write_fresh(fresh.start(), &[1; 64]),
        Err(TxError::Poisoned)
    );
    assert_eq!(open.zero_fresh(fresh), Err(TxError::Poisoned));
    assert_eq!(open.commit().map(|_receipt| ()), Err(TxError::Poisoned));
    assert!(media.snapshot() == before);
    drop(engine);
    for fate in [
        media.kill(),
        media.cut(Cut::AllLost),
        media.cut(Cut::AllKept),
    ] {
        let (engine, _report) = Engine::open(fate, &OpenOptions::default()).expect("recoverable");
        assert_eq!(bytes_at(&engine, small.start(), 8), [1; 8]);
    }
}

#[test]
fn k3_a_guard_that_was_open_when_another_failed_stores_nothing_more() {
    let (media, engine) = on_crash_media(2 * SMALLEST);
    let blocks = two(&engine);
    let mut open = engine.begin().expect("a lane");
    let mut guard = open.snapshot(&[blocks[0]]).expect("room");
    media.fail_next_fences(1);
    assert!(matches!(
        engine.write_durable(blocks[1].start(), &[3; 8]),
        Err(TxError::Sync(_))
    ));
    let before = media.snapshot();
    let at = blocks[0].start();
    assert_eq!(guard.store(at, &[9; 3]), Err(TxError::Poisoned));
    assert_eq!(guard.store64(at, 9), Err(TxError::Poisoned));
    assert_eq!(guard.fill(blocks[0], 9), Err(TxError::Poisoned));
    assert!(media.snapshot() == before);
}

#[test]
fn a_failed_sync_in_an_abort_is_told_and_reopen_finds_the_old_state() {
    let (media, engine) = on_crash_media(2 * SMALLEST);
    let blocks = two(&engine);
    let mut tx = engine.begin().expect("a lane");
    undo(&mut tx, blocks).expect("room");
    media.fail_next_fences(1);
    assert!(matches!(tx.abort(), Err(TxError::Sync(_))));
    assert!(engine.pool().health().is_poisoned());
    assert_eq!(reopened_states(&media, blocks), [1]);
}

#[test]
fn a_failed_sync_in_a_checkpoint_loses_nothing() {
    for fence in 0..2 {
        let (media, engine) = on_crash_media(2 * SMALLEST);
        let blocks = two(&engine);
        let mut tx = engine.begin().expect("a lane");
        staged(&mut tx, blocks).expect("staged");
        tx.commit().expect("committed");
        media.fail_fence_at(fence);
        assert!(matches!(engine.checkpoint(), Err(TxError::Sync(_))));
        assert_poisoned(&media, &engine, blocks);
        assert_eq!(reopened_states(&media, blocks), [2]);
    }
}

#[test]
fn a_failed_sync_at_open_is_told_and_the_next_open_recovers() {
    let (media, engine) = on_crash_media(2 * SMALLEST);
    let blocks = two(&engine);
    let mut tx = engine.begin().expect("a lane");
    undo(&mut tx, blocks).expect("room");
    std::mem::forget(tx);
    drop(engine);
    let mut failures = 0;
    for fence in 0.. {
        let killed = media.kill();
        killed.fail_fence_at(fence);
        match Engine::open(killed.clone(), &OpenOptions::default()) {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, OpenError::Sync(_)), "{error}"),
        }
        failures += 1;
        assert_eq!(reopened_states(&killed, blocks), [1]);
    }
    assert_eq!(failures, 3, "waits of a recovery with work");
}

#[test]
fn a_failed_sync_at_create_leaves_no_pool_or_the_whole_one() {
    let mut failures = 0;
    for fence in 0.. {
        let media = CrashMedia::new(ByteLen::new(SMALLEST));
        media.fail_fence_at(fence);
        match Engine::create(media.clone(), &fixed()) {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, CreateError::Sync(_)), "{error}"),
        }
        failures += 1;
        let fates = (0..20).map(|seed| media.cut(Cut::Seeded(seed)));
        for fate in fates.chain([media.cut(Cut::AllLost), media.kill()]) {
            match Engine::open(fate, &OpenOptions::default()) {
                Ok((engine, _report)) => {
                    assert_sound(&engine);
                    put(&engine, 0, 64, 1);
                }
                Err(error) => assert!(
                    matches!(error, OpenError::NotAPool { .. } | OpenError::Corrupt(_)),
                    "{error}"
                ),
            }
        }
    }
    assert_eq!(failures, 4, "waits of a create, its first open included");
}

#[test]
fn a_full_device_under_the_pool_is_no_space_and_changes_nothing() {
    let (media, engine) = on_crash_media(MIB);
    let first = put(&engine, 0, 100, 1);
    let before = engine.stats().expect("sound").heap;
    media.fail_back_after(ByteLen::ZERO);
    let device = TxError::Alloc(AllocError::Device(SpaceError::NoSpace));
    let mut tx = engine.begin().expect("a lane");
    assert_eq!(tx.alloc(Request::new(200_000)), Err(device));
    assert_eq!(tx.alloc(Request::new(5000)), Err(device));
    // What is there already can be used: another object of the same slab.
    tx.alloc(Request::new(100)).expect("backed");
    tx.write(first.start(), &[2; 100]).expect("inside");
    tx.commit().expect("a log that is there");
    let mut tx = engine.begin().expect("a lane");
    tx.free(first.start()).expect("live");
    tx.commit().expect("a free needs no space");
    assert_eq!(
        engine.reserve(Request::new(200_000)).map(|_block| ()),
        Err(device)
    );
    assert_eq!(engine.stats().expect("sound").heap, before);
    media.fail_back_after(ByteLen::new(MIB));
    put(&engine, 1, 200_000, 3);
    assert_sound(&engine);
    assert_eq!(engine.root(slot(0)), first.start());
}

#[test]
fn a_full_device_at_create_is_told_and_there_is_no_pool() {
    let media = CrashMedia::new(ByteLen::new(MIB));
    media.fail_back_after(ByteLen::new(8192));
    let refused = Engine::create(media.clone(), &fixed()).map(|_engine| ());
    assert_eq!(refused, Err(CreateError::Space(SpaceError::NoSpace)));
    let opened = Engine::open(media, &OpenOptions::default()).map(|_opened| ());
    assert!(matches!(opened, Err(OpenError::NotAPool { .. })));
}
