//! What happens at the limits: a full pool, a full log, too large, too much at once. The old state stands, and the pool
//! goes on working.

mod image_tools;

use everline::alloc::{AllocError, Request};
use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::layout::GeometryError;
use everline::media::{Domain, Media, Ram};
use everline::pool::{CreateError, OpenError};
use everline::tx::{Tx, TxError};
use everline::units::{ByteLen, ByteOffset, ByteRange};
use everline_crash::CrashMedia;
use image_tools::{
    KIB, MIB, SMALLEST, assert_sound, bytes_at, create, fixed, image_of, put, ram, range, reopen,
    slot,
};

/// A pool with the smallest rings: 16 records of a line each.
fn tiny_rings(len: u64) -> Engine<Ram> {
    let options = CreateOptions {
        ring_bytes: Some(1024),
        slab_bytes: Some(4096),
        ..fixed()
    };
    create(len, &options)
}

/// Objects of `bytes`, each filled with its own number, until there is no space.
fn fill<M: Media>(engine: &Engine<M>, bytes: usize) -> Vec<(ByteRange, u8)> {
    let mut blocks = Vec::new();
    loop {
        let number = blocks.len() as u8;
        let mut tx = engine.begin().expect("a lane");
        match tx.alloc(Request::new(bytes as u64)) {
            Ok(block) => {
                tx.write_fresh(block.start(), &vec![number; bytes])
                    .expect("inside");
                tx.commit().expect("committed");
                blocks.push((block, number));
            }
            Err(TxError::Alloc(AllocError::NoSpace { .. })) => return blocks,
            Err(other) => panic!("{other}"),
        }
    }
}

fn verify<M: Media>(engine: &Engine<M>, blocks: &[(ByteRange, u8)], bytes: usize) {
    for (block, number) in blocks {
        assert_eq!(
            bytes_at(engine, block.start(), bytes),
            vec![*number; bytes],
            "{block}"
        );
    }
}

/// Every byte of the heap's homes and of the roots: what a user can see, wherever the log may be.
fn state<M: Media>(engine: &Engine<M>) -> Vec<u8> {
    let geometry = &engine.pool().geometry();
    let mut bytes = bytes_at(engine, geometry.shared_at(), 512);
    let mut live = Vec::new();
    engine
        .for_each_live(|object| live.push(object.range))
        .expect("sound");
    for block in live {
        bytes.extend(block.start().get().to_le_bytes());
        bytes.extend(bytes_at(engine, block.start(), block.len().get() as usize));
    }
    bytes
}

#[test]
fn e3_a_full_pool_says_so_keeps_what_it_has_and_works_again_after_a_free() {
    for (len, bytes) in [(SMALLEST, 64), (SMALLEST, 1000), (MIB, 5000), (MIB, 70_000)] {
        let engine = create(len, &fixed());
        let mut blocks = fill(&engine, bytes);
        assert!(!blocks.is_empty());
        verify(&engine, &blocks, bytes);
        let full = engine.stats().expect("sound").heap;
        let before = state(&engine);
        let mut tx = engine.begin().expect("a lane");
        assert!(matches!(
            tx.alloc(Request::new(bytes as u64)),
            Err(TxError::Alloc(AllocError::NoSpace { .. }))
        ));
        tx.abort().expect("memory does not fail");
        assert_eq!(engine.stats().expect("sound").heap, full);
        assert!(state(&engine) == before);

        let (gone, number) = blocks.remove(blocks.len() / 2);
        let mut tx = engine.begin().expect("a lane");
        tx.free(gone.start()).expect("live");
        tx.commit().expect("committed");
        let mut tx = engine.begin().expect("a lane");
        assert_eq!(tx.alloc(Request::new(bytes as u64)), Ok(gone));
        tx.write_fresh(gone.start(), &vec![number; bytes])
            .expect("inside");
        tx.commit().expect("committed");
        blocks.push((gone, number));
        assert_eq!(engine.stats().expect("sound").heap, full);
        assert_sound(&engine);
        let engine = reopen(engine);
        verify(&engine, &blocks, bytes);
        assert_eq!(engine.stats().expect("sound").heap, full);
    }
}

#[test]
fn e5_a_pool_never_grows_beyond_its_size_unasked() {
    let engine = create(MIB, &fixed());
    let blocks = fill(&engine, 400_000);
    assert_eq!(blocks.len(), 2, "of five");
    verify(&engine, &blocks, 400_000);
    let ram = engine.close().expect("memory does not fail");
    assert_eq!(ram.len(), ByteLen::new(MIB));
}

#[test]
fn what_the_log_borrowed_from_the_heap_is_there_for_an_object_that_needs_it() {
    let engine = tiny_rings(256 * KIB);
    let whole = engine.pool().geometry().object_bytes_max();
    let block = put(&engine, 0, 40_000, 1);
    let mut tx = engine.begin().expect("a lane");
    tx.free(block.start()).expect("live");
    tx.commit().expect("committed");
    let mut tx = engine.begin().expect("a lane");
    let all = tx
        .alloc(Request::new(whole))
        .expect("the log needs its block no more");
    assert_eq!(all.len().get(), whole);
    tx.commit().expect("committed");
    assert_sound(&reopen(engine));
}

#[test]
fn sizes_that_no_object_can_have_are_refused_by_name() {
    let engine = create(SMALLEST, &fixed());
    let most = engine.pool().geometry().object_bytes_max();
    let before = engine.stats().expect("sound");
    let mut tx = engine.begin().expect("a lane");
    let ask = |tx: &mut Tx<'_, Ram>, bytes| tx.alloc(Request::new(bytes));
    assert_eq!(ask(&mut tx, 0), Err(AllocError::ZeroSize.into()));
    for bytes in [most + 1, SMALLEST, u64::MAX - 63, u64::MAX] {
        let refused = Err(AllocError::TooLarge { bytes, most }.into());
        assert_eq!(ask(&mut tx, bytes), refused);
    }
    let largest = ask(&mut tx, most).expect("the whole heap but its reserve");
    assert_eq!(largest.len().get(), most);
    assert!(matches!(
        ask(&mut tx, 1),
        Err(TxError::Alloc(AllocError::NoSpace { bytes: 1 }))
    ));
    tx.abort().expect("memory does not fail");
    assert_eq!(engine.stats().expect("sound").heap, before.heap);
}

#[test]
fn a3_pools_below_the_least_size_are_refused_and_nothing_is_stored() {
    for len in [0, 1, 4096, SMALLEST - 1] {
        let media = CrashMedia::dirty(ByteLen::new(len));
        let before = media.snapshot();
        let refused = Engine::create(media.clone(), &fixed()).map(|_engine| ());
        assert!(
            matches!(
                refused,
                Err(CreateError::Geometry(GeometryError::TooSmall { .. }))
            ),
            "{len}: {refused:?}"
        );
        assert!(media.snapshot() == before);
    }
    create(SMALLEST, &fixed());
}

#[test]
fn shapes_that_no_pool_can_have_are_refused_by_name() {
    let shapes = [
        CreateOptions {
            lanes: Some(0),
            ..fixed()
        },
        CreateOptions {
            lanes: Some(1025),
            ..fixed()
        },
        CreateOptions {
            ring_bytes: Some(1000),
            ..fixed()
        },
        CreateOptions {
            ring_bytes: Some(512),
            ..fixed()
        },
        CreateOptions {
            slab_bytes: Some(2048),
            ..fixed()
        },
        CreateOptions {
            slab_bytes: Some(5000),
            ..fixed()
        },
        CreateOptions {
            capacity_max: Some(SMALLEST - 1),
            ..fixed()
        },
        CreateOptions {
            capacity_max: Some(1 << 49),
            ..fixed()
        },
        CreateOptions {
            lanes: Some(64),
            ..fixed()
        },
        CreateOptions {
            len: Some(u64::MAX),
            ..fixed()
        },
    ];
    for options in shapes {
        let refused = Engine::create(ram(SMALLEST), &options).map(|_engine| ());
        assert!(
            matches!(refused, Err(CreateError::Geometry(_))),
            "{options:?}: {refused:?}"
        );
    }
    let longer = CreateOptions {
        len: Some(2 * SMALLEST),
        ..fixed()
    };
    let refused = Engine::create(ram(SMALLEST), &longer).map(|_engine| ());
    assert!(matches!(refused, Err(CreateError::MediumTooShort { .. })));
}

#[test]
fn f15_a_staged_transaction_of_ten_rings_commits_or_leaves_the_old_state() {
    let engine = tiny_rings(256 * KIB);
    let block = put(&engine, 0, 20_000, 1);
    // With space in the heap the log goes on there.
    let mut tx = engine.begin().expect("a lane");
    for piece in 0..20u64 {
        let at = ByteOffset::new(block.start().get() + piece * 1000);
        tx.write(at, &[2; 1000]).expect("inside");
    }
    tx.commit().expect("extended");
    assert_eq!(bytes_at(&engine, block.start(), 20_000), [2; 20_000]);
    engine.checkpoint().expect("memory does not fail");
    assert_sound(&engine);

    // Without any it does not, and says so.
    let rest = fill(&engine, 1000);
    let before = state(&engine);
    let mut tx = engine.begin().expect("a lane");
    tx.write(block.start(), &[3; 20_000]).expect("inside");
    assert!(matches!(tx.commit(), Err(TxError::LogFull { .. })));
    assert!(state(&engine) == before);
    let mut tx = engine.begin().expect("a lane");
    tx.write(block.start(), &[4; 100]).expect("inside");
    tx.commit().expect("a small one still goes");
    verify(&engine, &rest, 1000);
    let engine = reopen(engine);
    assert_eq!(bytes_at(&engine, block.start(), 101)[99..], [4, 2]);
    assert_sound(&engine);
}

#[test]
fn f15_an_undo_transaction_of_ten_rings_commits_or_leaves_the_old_state() {
    for end in ["commit", "abort", "drop", "crash"] {
        let engine = tiny_rings(256 * KIB);
        let block = put(&engine, 0, 20_000, 1);
        let mut tx = engine.begin().expect("a lane");
        for piece in 0..4 {
            let part = range(ByteOffset::new(block.start().get() + piece * 5000), 5000);
            tx.snapshot(&[part])
                .expect("the log goes on in the heap")
                .fill(part, 2)
                .expect("covered");
        }
        let (engine, expected) = match end {
            "commit" => {
                tx.commit().expect("committed");
                (reopen(engine), 2)
            }
            "abort" => {
                tx.abort().expect("memory does not fail");
                (reopen(engine), 1)
            }
            "drop" => {
                drop(tx);
                (engine, 1)
            }
            _ => {
                std::mem::forget(tx);
                let (engine, report) =
                    Engine::open(engine.abandon(), &OpenOptions::default()).expect("recoverable");
                assert_eq!(report.recovery.undone, 1);
                (engine, 1)
            }
        };
        assert_eq!(bytes_at(&engine, block.start(), 20_000), [expected; 20_000]);
        assert_sound(&engine);
        put(&engine, 1, 100, 9);
    }
}

#[test]
fn k13_free_and_abort_succeed_in_a_full_pool_with_a_full_log() {
    let engine = tiny_rings(SMALLEST);
    let blocks = fill(&engine, 1000);
    let before = state(&engine);
    // Snapshots until there is no log space at all; what was granted can still be aborted.
    let mut tx = engine.begin().expect("a lane");
    let mut refused = None;
    for (block, _number) in &blocks {
        match tx.snapshot(&[*block]) {
            Ok(mut homes) => homes.fill(*block, 0xee).expect("covered"),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    assert!(
        matches!(refused, Some(TxError::LogFull { .. })),
        "{refused:?}"
    );
    tx.abort().expect("space for it was kept back");
    assert!(state(&engine) == before);
    assert_sound(&engine);
    for (block, _number) in &blocks {
        let mut tx = engine.begin().expect("a lane");
        tx.free(block.start()).expect("live");
        tx.commit().expect("a free needs no space");
    }
    assert_eq!(engine.stats().expect("sound").heap.objects, 0);
    assert_eq!(fill(&engine, 1000).len(), blocks.len());
    assert_sound(&reopen(engine));
}

/// A full pool whose large object has just been refused a snapshot that was logged in part; the transaction then
/// ended by a commit of nothing.
fn after_a_refused_snapshot() -> (Engine<Ram>, ByteRange) {
    let engine = tiny_rings(SMALLEST);
    let mut tx = engine.begin().expect("a lane");
    let large = tx.alloc(Request::new(20_000)).expect("space");
    tx.write_fresh(large.start(), &[1; 20_000]).expect("inside");
    tx.commit().expect("committed");
    fill(&engine, 1000);
    // Little memory makes many small records of one snapshot.
    let mut memory = [0; 2048];
    let mut tx = engine.begin_in(&mut memory).expect("a lane");
    assert!(matches!(
        tx.snapshot(&[large]),
        Err(TxError::LogFull { .. })
    ));
    tx.commit().expect("nothing in it");
    (engine, large)
}

#[test]
fn a_refused_snapshot_is_never_taken_for_one_of_an_open_transaction() {
    let (engine, large) = after_a_refused_snapshot();
    // Somebody else changes what was almost snapshotted; no recovery may take that back.
    let same_lane = engine.begin().expect("the lane of the refusal");
    let mut tx = engine.begin().expect("another lane");
    tx.write(large.start(), &[7; 100]).expect("inside");
    tx.commit().expect("committed");
    std::mem::forget(same_lane);
    let (engine, report) =
        Engine::open(engine.abandon(), &OpenOptions::default()).expect("recoverable");
    assert_eq!(report.recovery.undone, 0);
    assert_eq!(bytes_at(&engine, large.start(), 101)[99..], [7, 1]);
    assert_sound(&engine);
}

#[test]
fn an_open_transaction_behind_a_refused_snapshot_is_undone() {
    let (engine, large) = after_a_refused_snapshot();
    let part = range(large.start(), 100);
    let mut tx = engine.begin().expect("the lane of the refusal");
    tx.snapshot(&[part])
        .expect("room")
        .fill(part, 9)
        .expect("covered");
    std::mem::forget(tx);
    let (engine, report) =
        Engine::open(engine.abandon(), &OpenOptions::default()).expect("recoverable");
    assert_eq!(report.recovery.undone, 1);
    assert_eq!(bytes_at(&engine, large.start(), 101), [1; 101]);
    assert_sound(&engine);
}

#[test]
fn f13_a_dropped_transaction_and_one_in_a_panic_are_aborted_and_later_commits_stay() {
    let engine = create(SMALLEST, &fixed());
    let block = put(&engine, 0, 256, 1);
    let before = image_of(engine.pool().media());
    let work = |tx: &mut Tx<'_, Ram>| {
        tx.snapshot(&[block])
            .expect("room")
            .fill(block, 2)
            .expect("covered");
        tx.alloc(Request::new(64)).expect("space");
        tx.set_root(slot(1), block.start()).expect("a slot");
    };
    let heap = |image: &[u8]| image[engine.pool().geometry().heap_at().get() as usize..].to_vec();
    let mut tx = engine.begin().expect("a lane");
    work(&mut tx);
    drop(tx);
    assert!(heap(&image_of(engine.pool().media())) == heap(&before));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut tx = engine.begin().expect("a lane");
        work(&mut tx);
        panic!("in the middle of a transaction");
    }));
    assert!(panicked.is_err());
    assert!(heap(&image_of(engine.pool().media())) == heap(&before));
    assert_eq!(engine.root(slot(1)).get(), 0);
    let later = put(&engine, 1, 64, 3);
    let engine = reopen(engine);
    assert_eq!(bytes_at(&engine, block.start(), 256), [1; 256]);
    assert_eq!(bytes_at(&engine, later.start(), 64), [3; 64]);
    assert_eq!(engine.stats().expect("sound").heap.objects, 2);
}

#[test]
fn f4_an_abort_leaves_every_home_as_it_was() {
    let engine = create(SMALLEST, &fixed());
    let block = put(&engine, 0, 3000, 1);
    let other = put(&engine, 1, 3000, 2);
    // Free slabs may hold anything: the log goes on there.
    let homes = |engine: &Engine<Ram>| {
        let map = engine.pool().geometry().slab_map();
        let map = bytes_at(engine, map.start(), map.len().get() as usize);
        (state(engine), map, engine.stats().expect("sound").heap)
    };
    let before = homes(&engine);
    for bytes in [8, 100, 2048, 3000] {
        let mut tx = engine.begin().expect("a lane");
        let part = range(block.start(), bytes);
        tx.write(other.start(), &[5; 77]).expect("inside");
        tx.snapshot(&[part])
            .expect("room")
            .fill(part, 6)
            .expect("covered");
        tx.write(block.start(), &[7; 8]).expect("inside");
        tx.free(other.start()).expect("live");
        tx.alloc(Request::new(500)).expect("space");
        tx.set_root(slot(2), block.start()).expect("a slot");
        tx.abort().expect("memory does not fail");
        assert!(homes(&engine) == before, "{bytes}");
    }
    // Fresh stores are the exception: they go to blocks that nobody has.
    let mut tx = engine.begin().expect("a lane");
    let fresh = tx.alloc(Request::new(500)).expect("space");
    tx.write_fresh(fresh.start(), &[8; 500]).expect("inside");
    tx.abort().expect("memory does not fail");
    assert!(homes(&engine) == before);
    assert_sound(&engine);
}

#[test]
fn f19_a_range_logged_twice_gets_its_oldest_image_back() {
    for overlap in [0, 3, 8, 60, 64, 100] {
        for crash in [false, true] {
            let engine = create(SMALLEST, &fixed());
            let block = put(&engine, 0, 512, 1);
            let first = range(block.start(), 128);
            let second = range(ByteOffset::new(block.start().get() + overlap), 128);
            let mut tx = engine.begin().expect("a lane");
            for (part, fill) in [(first, 0xa), (second, 0xb), (first, 0xc)] {
                tx.snapshot(&[part])
                    .expect("room")
                    .fill(part, fill)
                    .expect("covered");
            }
            let engine = if crash {
                std::mem::forget(tx);
                let opened = Engine::open(engine.abandon(), &OpenOptions::default());
                opened.expect("recoverable").0
            } else {
                tx.abort().expect("memory does not fail");
                engine
            };
            assert_eq!(bytes_at(&engine, block.start(), 512), [1; 512], "{overlap}");
        }
    }
}

#[test]
fn g1_timestamps_only_grow_across_checkpoint_and_reopen() {
    let mut engine = create(SMALLEST, &fixed());
    let block = put(&engine, 0, 64, 0);
    let mut last = 0;
    for round in 0..12u8 {
        for _ in 0..5 {
            let mut tx = engine.begin().expect("a lane");
            tx.write(block.start(), &[round; 8]).expect("inside");
            let timestamp = tx.commit().expect("committed").timestamp;
            assert!(timestamp > last, "{timestamp} after {last}");
            last = timestamp;
        }
        assert_eq!(engine.log().status().last_timestamp, last);
        engine = match round % 3 {
            0 => {
                engine.checkpoint().expect("memory does not fail");
                assert_eq!(engine.log().status().used_bytes, 0);
                engine
            }
            1 => reopen(engine),
            _ => {
                let opened = Engine::open(engine.abandon(), &OpenOptions::default());
                let (engine, report) = opened.expect("recoverable");
                assert_eq!(report.recovery.last_timestamp, last);
                engine
            }
        };
    }
}

#[test]
fn g9_a_checkpoint_in_the_middle_of_a_transaction_leaves_it_undoable() {
    for end in ["abort", "commit", "crash"] {
        let engine = create(SMALLEST, &fixed());
        let block = put(&engine, 0, 256, 1);
        let mut tx = engine.begin().expect("a lane");
        tx.snapshot(&[block])
            .expect("room")
            .fill(block, 2)
            .expect("covered");
        tx.write(block.start(), &[3; 8]).expect("inside");
        let other = put(&engine, 1, 64, 5);
        for _ in 0..3 {
            engine.checkpoint().expect("memory does not fail");
        }
        let expected = match end {
            "abort" => {
                tx.abort().expect("memory does not fail");
                [1; 256]
            }
            "commit" => {
                tx.commit().expect("committed");
                let mut bytes = [2; 256];
                bytes[..8].fill(3);
                bytes
            }
            _ => {
                std::mem::forget(tx);
                [1; 256]
            }
        };
        let (engine, report) =
            Engine::open(engine.abandon(), &OpenOptions::default()).expect("recoverable");
        assert_eq!(report.recovery.undone, u64::from(end == "crash"));
        assert_eq!(bytes_at(&engine, block.start(), 256), expected, "{end}");
        assert_eq!(bytes_at(&engine, other.start(), 64), [5; 64]);
    }
}

#[test]
fn g15_the_open_after_a_recovery_replays_nothing() {
    let engine = create(SMALLEST, &fixed());
    let block = put(&engine, 0, 64, 1);
    put(&engine, 1, 64, 2);
    let mut tx = engine.begin().expect("a lane");
    tx.snapshot(&[block])
        .expect("room")
        .fill(block, 9)
        .expect("covered");
    std::mem::forget(tx);
    let (engine, first) =
        Engine::open(engine.abandon(), &OpenOptions::default()).expect("recoverable");
    assert_eq!((first.recovery.redone, first.recovery.undone), (2, 1));
    assert!(first.recovery.log_bytes > 0);
    let (engine, second) =
        Engine::open(engine.abandon(), &OpenOptions::default()).expect("recovered");
    let seen = second.recovery;
    assert_eq!((seen.redone, seen.undone, seen.log_bytes), (0, 0, 0));
    assert_eq!(seen.epoch, first.recovery.epoch + 1);
    assert_eq!(bytes_at(&engine, block.start(), 64), [1; 64]);
}

#[test]
fn a_read_only_engine_refuses_every_change_and_reads_on() {
    let engine = create(SMALLEST, &fixed());
    let block = put(&engine, 0, 64, 1);
    let options = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let media = engine.close().expect("memory does not fail");
    let (engine, _report) = Engine::open(media, &options).expect("a closed pool");
    let image = image_of(engine.pool().media());
    assert_eq!(engine.begin().map(|_tx| ()), Err(TxError::ReadOnly));
    let mut memory = [0; 4096];
    assert!(matches!(
        engine.begin_in(&mut memory),
        Err(TxError::ReadOnly)
    ));
    assert!(matches!(
        engine.reserve(Request::new(8)),
        Err(TxError::ReadOnly)
    ));
    assert_eq!(
        engine.write_durable(block.start(), &[2]),
        Err(TxError::ReadOnly)
    );
    assert_eq!(
        engine.write_volatile(block.start(), &[2]),
        Err(TxError::ReadOnly)
    );
    assert_eq!(engine.persist(block), Err(TxError::ReadOnly));
    assert!(matches!(engine.checkpoint(), Err(TxError::ReadOnly)));
    assert_eq!(bytes_at(&engine, block.start(), 64), [1; 64]);
    assert!(image_of(engine.pool().media()) == image);
    engine.close().expect("nothing to store");
}

#[test]
fn a_required_domain_that_the_medium_does_not_reach_is_refused_and_nothing_is_stored() {
    let ram = create(SMALLEST, &fixed())
        .close()
        .expect("memory does not fail");
    let before = image_of(&ram);
    for required in [Domain::Device, Domain::MemoryController, Domain::CpuCache] {
        let options = OpenOptions {
            require: Some(required),
            ..OpenOptions::default()
        };
        let refused = Engine::open(&ram, &options).map(|_opened| ());
        assert!(matches!(refused, Err(OpenError::DomainUnmet { .. })));
        assert!(image_of(&ram) == before);
    }
}

#[test]
fn a_member_that_fails_leaves_no_trace_and_the_others_go_on() {
    for crash_before_commit in [false, true] {
        let engine = create(SMALLEST, &fixed());
        let block = put(&engine, 0, 256, 1);
        let word = range(block.start(), 8);
        let other = range(ByteOffset::new(block.start().get() + 64), 64);
        let mut tx = engine.begin().expect("a lane");
        let keeps: Result<ByteRange, TxError<_>> = tx.member(|tx| {
            tx.write(word.start(), &[2; 8])?;
            tx.snapshot(&[other])?.fill(other, 3)?;
            tx.alloc(Request::new(64))
        });
        let kept = keeps.expect("a member that goes well");
        let sees = |tx: &Tx<'_, Ram>| {
            let mut bytes = [0; 128];
            tx.read(block.start(), &mut bytes).expect("inside");
            (bytes[0], bytes[8], bytes[64], bytes[127])
        };
        assert_eq!(sees(&tx), (2, 1, 3, 3));
        // The next one touches all that the first did, in both ways, and more; then it fails.
        let fails: Result<(), TxError<_>> = tx.member(|tx| {
            tx.write(word.start(), &[4; 8])?;
            tx.snapshot(&[word, other])?.fill(word, 5)?;
            tx.snapshot(&[])?.fill(other, 6)?;
            tx.write(other.start(), &[7; 64])?;
            tx.free(kept.start())?;
            tx.alloc(Request::new(2000))?;
            tx.alloc(Request::new(0)).map(|_block| ())
        });
        assert_eq!(fails, Err(AllocError::ZeroSize.into()));
        assert_eq!(sees(&tx), (2, 1, 3, 3));
        let again: Result<(), TxError<_>> =
            tx.member(|tx| tx.write(ByteOffset::new(block.start().get() + 127), &[8]));
        again.expect("later members go on");
        assert_eq!(sees(&tx), (2, 1, 3, 8));
        let expected = if crash_before_commit {
            std::mem::forget(tx);
            (1, 1, 1, 1)
        } else {
            tx.commit().expect("committed");
            (2, 1, 3, 8)
        };
        let (engine, _report) =
            Engine::open(engine.abandon(), &OpenOptions::default()).expect("recoverable");
        let bytes = bytes_at(&engine, block.start(), 128);
        assert_eq!((bytes[0], bytes[8], bytes[64], bytes[127]), expected);
        let objects = 1 + u64::from(!crash_before_commit);
        assert_eq!(engine.stats().expect("sound").heap.objects, objects);
        assert_sound(&engine);
    }
}

/// keeps I9: what a member has stored past the cache has landed before others may take the block that it gives back.
#[test]
fn a_member_that_fails_fences_what_it_stored_past_the_cache_before_its_blocks_are_free() {
    let media = CrashMedia::new(ByteLen::new(SMALLEST));
    let engine = Engine::create(media.clone(), &fixed()).expect("a pool");
    let mut tx = engine.begin().expect("a lane");
    let (fails, cost) = media.cost_of(|| {
        tx.member(|tx| -> Result<(), TxError<_>> {
            let block = tx.alloc(Request::new(2000))?;
            tx.write_fresh(block.start(), &[7; 2000])?;
            tx.alloc(Request::new(0)).map(|_block| ())
        })
    });
    assert_eq!(fails, Err(AllocError::ZeroSize.into()));
    assert_eq!(cost.fences, 1);
    let (staged, cost) = media.cost_of(|| {
        tx.member(|tx| -> Result<(), TxError<_>> {
            tx.alloc(Request::new(2000))?;
            tx.alloc(Request::new(0)).map(|_block| ())
        })
    });
    assert_eq!(staged, Err(AllocError::ZeroSize.into()));
    assert_eq!(cost.fences, 0, "nothing was stored past the cache");
}

#[test]
fn an_abort_takes_back_a_whole_group_failed_members_included() {
    let engine = create(SMALLEST, &fixed());
    let block = put(&engine, 0, 256, 1);
    let mut tx = engine.begin().expect("a lane");
    for fill in 2..6 {
        let outcome: Result<(), TxError<_>> = tx.member(|tx| {
            tx.snapshot(&[block])?.fill(block, fill)?;
            if fill % 2 == 0 {
                return Ok(());
            }
            Err(TxError::NoLane)
        });
        assert_eq!(outcome.is_ok(), fill % 2 == 0);
        assert_eq!(bytes_at(&engine, block.start(), 1), [fill & !1]);
    }
    tx.abort().expect("memory does not fail");
    assert_eq!(bytes_at(&engine, block.start(), 256), [1; 256]);
    assert_eq!(bytes_at(&reopen(engine), block.start(), 256), [1; 256]);
}

#[test]
fn a_transaction_whose_lent_memory_is_full_says_so_and_goes_on() {
    let engine = create(SMALLEST, &fixed());
    let block = put(&engine, 0, 3000, 1);
    let mut too_small = [0; 511];
    assert_eq!(
        engine.begin_in(&mut too_small).map(drop),
        Err(TxError::StageFull { capacity: 511 })
    );
    for len in [512, 1000, 2048, 8192] {
        let mut memory = vec![0; len];
        let mut tx = engine.begin_in(&mut memory).expect("a lane");
        let capacity = len / 4 * 3;
        let full = Err(TxError::StageFull { capacity });
        // What does not fit is refused whole; what was staged before stays.
        tx.write(block.start(), &[2; 100]).expect("fits");
        let mut pieces = 0;
        let mut outcome = Ok(());
        while outcome.is_ok() && pieces < 200 {
            let at = ByteOffset::new(block.start().get() + 104 + 8 * pieces);
            outcome = tx.write(at, &[3; 8]);
            pieces += 1;
        }
        if outcome.is_err() {
            assert_eq!(outcome, full, "{len}");
        }
        let written = pieces - u64::from(outcome.is_err());
        let before = tx.alloc(Request::new(5000)).map(drop);
        if outcome.is_err() {
            assert_eq!(before, full, "an allocation needs memory too");
        }
        tx.commit().expect("what was staged fits");
        let bytes = bytes_at(&engine, block.start(), 3000);
        assert_eq!(bytes[..100], [2; 100]);
        assert!(
            bytes[104..104 + 8 * written as usize]
                .iter()
                .all(|b| *b == 3)
        );
        assert_eq!(bytes[104 + 8 * written as usize], 1);

        // Snapshots need memory for the record that ends the transaction, and get it or are refused.
        let mut tx = engine.begin_in(&mut memory).expect("a lane");
        let mut refused = false;
        for part in 0..29 {
            let part = range(ByteOffset::new(block.start().get() + 100 * part), 100);
            match tx.snapshot(&[part]) {
                Ok(mut homes) => homes.fill(part, 9).expect("covered"),
                Err(error) => {
                    assert_eq!(error, TxError::StageFull { capacity });
                    refused = true;
                }
            }
        }
        assert_eq!(refused, len < 8192, "{len}");
        tx.abort().expect("memory for it was kept back");
        assert!(bytes_at(&engine, block.start(), 3000) == bytes, "{len}");
        let mut tx = engine.begin().expect("a lane");
        tx.write(block.start(), &[1; 3000]).expect("inside");
        tx.commit().expect("committed");
        assert_sound(&engine);
    }
}

#[test]
fn a_commit_with_nothing_to_say_makes_durable_what_went_straight_home() {
    let media = CrashMedia::new(ByteLen::new(SMALLEST));
    let engine = Engine::create(media.clone(), &fixed()).expect("a pool");
    let mut tx = engine.begin().expect("a lane");
    let block = tx.alloc(Request::new(64)).expect("space");
    tx.zero_fresh(block).expect("inside");
    tx.commit().expect("committed");
    let mut tx = engine.begin().expect("a lane");
    tx.write_fresh(block.start(), &[]).expect("inside");
    assert_eq!(tx.commit().expect("nothing to do").timestamp, 0);
    let mut tx = engine.begin().expect("a lane");
    tx.write_beside(block.start(), &[7; 64]).expect("inside");
    assert_eq!(tx.commit().expect("one wait").timestamp, 0);
    let (after, _) = Engine::open(
        media.cut(everline_crash::Cut::AllLost),
        &OpenOptions::default(),
    )
    .expect("a pool");
    assert_eq!(bytes_at(&after, block.start(), 64), [7; 64]);
}
