//! The invariants of the log and of transactions, one by one (`docs/CRASH_MODEL.md`).

mod crash_world;

use std::sync::{Arc, Mutex};

use crash_world::{E, Op, State, cell, create, explore, explore_worked, look, tiny, transaction};
use everline::alloc::{AllocError, Request};
use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::media::Media;
use everline::tx::TxError;
use everline::units::{ByteLen, ByteOffset, ByteRange};
use everline_crash::{CrashMedia, Cut, Explorer};

fn new_world(options: &CreateOptions) -> (CrashMedia, E) {
    let media = CrashMedia::new(ByteLen::new(64 << 10));
    let engine = create(media.clone(), options);
    (media, engine)
}

fn one_lane() -> CreateOptions {
    CreateOptions {
        lanes: Some(1),
        ..tiny()
    }
}

/// A torn PAD may hide a whole COMMIT behind it, which then stands at the very place that the next open's log
/// reaches: only the epoch in its checksum tells them apart.
#[test]
fn keeps_i1_and_i5_a_record_of_an_earlier_open_is_never_believed() {
    for filled in 0..18 {
        let ops: Vec<Op> = (0..filled).map(Op::Tiny).chain([Op::Staged(500)]).collect();
        explore_worked(&Explorer::new().kill_steps(4), &one_lane(), &ops).assert_clean();
    }
}

#[test]
fn keeps_i2_nothing_is_at_home_before_its_record_is_durable() {
    let (media, engine) = new_world(&tiny());
    let home = cell(&engine, 1);
    let mut tx = engine.begin().expect("a lane");
    tx.set(home.start(), &9u64).expect("inside");
    assert_eq!(
        media.load64(home.start()),
        0,
        "staged bytes are not at home"
    );
    media.fail_next_fences(1);
    assert!(matches!(tx.commit(), Err(TxError::Sync(_))));
    assert_eq!(
        media.load64(home.start()),
        0,
        "and stay away where the record is not known to be durable"
    );

    let (media, engine) = new_world(&tiny());
    media.fail_next_fences(1);
    let mut tx = engine.begin().expect("a lane");
    assert!(
        matches!(tx.snapshot(&[home]), Err(TxError::Sync(_))),
        "no guard without a durable before-image"
    );
}

#[test]
fn keeps_i3_log_space_is_reused_only_behind_a_durable_head() {
    let ops: Vec<Op> = (0..24)
        .map(|step| {
            if step % 5 == 4 {
                Op::Undo(step)
            } else {
                Op::Staged(step)
            }
        })
        .collect();
    explore(&Explorer::new().kill_steps(12), &one_lane(), &ops).assert_clean();
}

#[test]
fn keeps_i4_replay_merges_lanes_by_timestamp() {
    let mut ops = Vec::new();
    for step in 0..7u64 {
        ops.push(if step % 2 == 0 {
            Op::Staged(step * 10)
        } else {
            Op::OtherLane(step * 10)
        });
        if step == 3 {
            ops.push(Op::Checkpoint);
        }
    }
    explore(&Explorer::new(), &tiny(), &ops).assert_clean();
}

#[test]
fn keeps_i5_timestamps_and_epochs_grow_over_every_open() {
    let (_, mut engine) = new_world(&tiny());
    let (mut epoch, mut timestamp) = (0, 0);
    for round in 0..6 {
        let mut tx = engine.begin().expect("a lane");
        tx.set(cell(&engine, 0).start(), &round).expect("inside");
        let receipt = tx.commit().expect("no fault asked for");
        assert!(receipt.timestamp > timestamp);
        timestamp = receipt.timestamp;
        let media = if round % 2 == 0 {
            engine.abandon()
        } else {
            engine.close().expect("no fault asked for")
        };
        let (next, report) = Engine::open(media, &OpenOptions::default()).expect("a pool");
        assert!(report.recovery.epoch > epoch && report.recovery.last_timestamp >= timestamp);
        epoch = report.recovery.epoch;
        engine = next;
    }
}

/// The same block is written through the log, freed, and written straight to its home: replay of the older
/// records must leave the newer bytes alone.
#[test]
fn keeps_i6_direct_data_is_masked_from_older_records() {
    let put = |fill| Op::Put {
        slot: 0,
        bytes: 600,
        fill,
    };
    let fresh = |fill| Op::PutFresh {
        slot: 0,
        bytes: 600,
        fill,
    };
    let options = CreateOptions {
        lanes: Some(2),
        ..CreateOptions::default()
    };
    let (media, engine) = new_world(&options);
    transaction(&engine, put(1)).expect("room");
    let logged = engine.root(crash_world::slot(0));
    transaction(&engine, Op::Free(0)).expect("room");
    // The first lane keeps the rest of the slab for itself, so the other one meets just the freed block.
    let first_lane = engine.begin().expect("a lane");
    transaction(&engine, fresh(2)).expect("room");
    first_lane.abort().expect("nothing to restore");
    assert_eq!(
        engine.root(crash_world::slot(0)),
        logged,
        "the same block again"
    );
    let (recovered, report) =
        Engine::open(media.cut(Cut::AllLost), &OpenOptions::default()).expect("a pool");
    assert_eq!(report.recovery.redone, 3, "the older records are replayed");
    let seen = look(&recovered).expect("a whole object");
    assert_eq!(seen.state.slots[0], Some((600, 2)));

    explore(
        &Explorer::new(),
        &one_lane(),
        &[put(1), Op::Free(0), fresh(2), Op::Free(0), put(3)],
    )
    .assert_clean();
}

#[test]
fn keeps_i7_nobody_sees_a_transaction_whose_wait_failed() {
    let (media, engine) = new_world(&tiny());
    media.fail_next_fences(1);
    assert!(matches!(
        transaction(&engine, Op::Staged(7)),
        Err(TxError::Sync(_))
    ));
    assert_eq!(look(&engine).expect("reads go on").state, State::default());
}

#[test]
fn keeps_i8_timestamps_follow_the_callers_locks() {
    let engine = Arc::new(
        new_world(&CreateOptions {
            lanes: Some(4),
            ..tiny()
        })
        .1,
    );
    let order = Arc::new(Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let mut order = order.lock().expect("no panic holds it");
                    let mut tx = engine.begin().expect("a lane");
                    tx.update(cell(&engine, 0).start(), |value: &mut u64| *value += 1)
                        .expect("inside");
                    order.push(tx.commit().expect("no fault asked for").timestamp);
                }
            });
        }
    });
    let order = order.lock().expect("no panic holds it");
    assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(engine.load64(cell(&engine, 0).start()), Ok(100));
}

#[test]
fn keeps_i9_a_block_is_reusable_only_once_its_free_is_durable_at_home() {
    let (_, engine) = new_world(&tiny());
    transaction(
        &engine,
        Op::Put {
            slot: 0,
            bytes: 100,
            fill: 1,
        },
    )
    .expect("room");
    let object = engine.root(crash_world::slot(0));
    let mut freeing = engine.begin().expect("a lane");
    freeing.free(object).expect("a live object");
    let mut other = engine.begin().expect("a second lane");
    for _ in 0..100 {
        assert_ne!(
            other.alloc(Request::new(116)).expect("room").start(),
            object
        );
    }
    assert!(
        matches!(other.free(object), Err(TxError::Free(_))),
        "and nobody else can free it meanwhile"
    );
    other.abort().expect("nothing to restore");
    freeing.abort().expect("nothing to restore");

    let ops = [0, 1, 2]
        .map(|round| {
            [
                Op::Put {
                    slot: 0,
                    bytes: 100,
                    fill: round + 1,
                },
                Op::Free(0),
            ]
        })
        .concat();
    explore(&Explorer::new(), &tiny(), &ops).assert_clean();
}

/// Fills the heap until nothing of 16 bytes fits; answers the objects.
fn fill(engine: &E) -> Vec<ByteOffset> {
    let mut objects = Vec::new();
    for bytes in [3000, 500, 64, 16] {
        loop {
            let mut tx = engine.begin().expect("a lane");
            match tx.alloc(Request::new(bytes).with_align(16)) {
                Ok(block) => objects.push(block.start()),
                Err(TxError::Alloc(AllocError::NoSpace { .. })) => break,
                Err(error) => panic!("{error}"),
            }
            tx.commit().expect("a free needs no space in the heap");
        }
    }
    objects
}

#[test]
fn keeps_i10_a_commit_without_room_leaves_the_old_state_and_a_usable_pool() {
    let (_, engine) = new_world(&one_lane());
    let objects = fill(&engine);
    let before = look(&engine).expect("whole");
    let stats = engine.stats().expect("whole").heap;
    // More than the ring and the emergency slab together.
    let mut tx = engine.begin().expect("a lane");
    tx.set(cell(&engine, 0).start(), &1u64).expect("inside");
    let block = engine.root(everline::layout::RootSlot::user(0).expect("one of 48"));
    for _ in 0..4 {
        tx.write(ByteOffset::new(block.get() + 1024), &[7; 2000])
            .expect("inside");
        tx.write(ByteOffset::new(block.get() + 1025), &[8; 2000])
            .expect("inside");
    }
    assert!(matches!(tx.commit(), Err(TxError::LogFull { .. })));
    assert_eq!(look(&engine).expect("whole"), before);
    assert_eq!(engine.stats().expect("whole").heap, stats);
    transaction(&engine, Op::Staged(3)).expect("the pool is usable");
    assert!(!objects.is_empty());
}

#[test]
fn keeps_i11_k13_free_and_abort_need_no_space() {
    let (media, engine) = new_world(&one_lane());
    let objects = fill(&engine);
    transaction(&engine, Op::AbortUndo(5)).expect("an abort cannot fail for lack of space");
    transaction(&engine, Op::AbortBig(6)).expect("an abort cannot fail for lack of space");
    let mut tx = engine.begin().expect("a lane");
    for object in &objects {
        tx.free(*object).expect("a live object");
    }
    tx.commit()
        .expect("frees go into the emergency reserve if need be");
    assert_eq!(look(&engine).expect("whole").live, 1);
    let refilled = fill(&engine);
    assert_eq!(refilled.len(), objects.len(), "as much fits as before");
    drop(engine);
    let (engine, _) =
        Engine::open(media.cut(Cut::AllLost), &OpenOptions::default()).expect("a pool");
    assert_eq!(look(&engine).expect("whole").live, 1 + objects.len() as u64);
}

/// Many of this kind are in `tests/bad_input.rs`; here the law is that a torn log is no error and a forged one is.
#[test]
fn keeps_i12_a_log_that_cannot_be_right_is_an_error_with_a_place() {
    let (media, engine) = new_world(&one_lane());
    transaction(&engine, Op::Tiny(1)).expect("room");
    let slots = [0, 1].map(|index| engine.pool().geometry().slot_at(index));
    drop(engine);
    let torn = media.cut(Cut::AllKept);
    for slot in slots {
        torn.store64(slot, u64::MAX);
    }
    match Engine::open(torn, &OpenOptions::default()) {
        Err(everline::pool::OpenError::Corrupt(corrupt)) => assert_eq!(corrupt.at, slots[0]),
        other => panic!("{other:?}"),
    }
}

/// A killed process leaves stores visible that no fence has settled; recovery believes them, so it must settle
/// them before it builds on them.
#[test]
fn keeps_i13_what_recovery_believes_it_first_makes_durable() {
    for ops in [
        vec![Op::Staged(1), Op::Kill, Op::Staged(2)],
        vec![Op::Undo(1), Op::Kill, Op::Kill, Op::Undo(2)],
        vec![
            Op::UndoBig(1),
            Op::Kill,
            Op::PutFresh {
                slot: 2,
                bytes: 900,
                fill: 4,
            },
            Op::Kill,
        ],
        vec![Op::Extended(1), Op::Kill, Op::Checkpoint, Op::Kill],
    ] {
        explore(&Explorer::new().kill_steps(usize::MAX), &tiny(), &ops).assert_clean();
    }
}

/// An extension lies in the heap where an object lay whose records are still live: replay must not write there.
#[test]
fn extensions_mask_their_block_against_replay() {
    let big = |fill| Op::Put {
        slot: 0,
        bytes: 2500,
        fill,
    };
    let ops = [
        big(1),
        Op::Free(0),
        Op::Extended(2),
        Op::Extended(3),
        big(4),
        Op::Extended(5),
    ];
    explore(&Explorer::new().nested_depth(2), &tiny(), &ops).assert_clean();
    explore_worked(&Explorer::new(), &one_lane(), &ops).assert_clean();
}

/// A chained extension takes a block that another lane freed after the last checkpoint, while the record that
/// wrote an object there is still above the cut.
#[test]
fn a_chained_extension_masks_its_block_against_records_above_the_cut() {
    let big = Op::Put {
        slot: 0,
        bytes: 2500,
        fill: 0x77,
    };
    for seed in 0..24 {
        let (media, engine) = new_world(&tiny());
        let block = engine.root(everline::layout::RootSlot::user(0).expect("one of 48"));
        let range = |at: u64, len| ByteRange::at(block.get() + at, len).expect("small");
        let mut tx = engine.begin().expect("a lane");
        tx.snapshot(&[range(0, 1500)])
            .expect("room in an extension");
        transaction(&engine, big).expect("room");
        transaction(&engine, Op::Free(0)).expect("room");
        let mut in_place = tx
            .snapshot(&[range(1600, 2400)])
            .expect("room in a chained extension");
        in_place.fill(range(0, 1500), 0xee).expect("in a snapshot");
        in_place
            .fill(range(1600, 2400), 0xee)
            .expect("in a snapshot");
        let crashed = match seed {
            0 => media.cut(Cut::AllKept),
            1 => media.cut(Cut::AllLost),
            seed => media.cut(Cut::Seeded(seed)),
        };
        std::mem::forget(tx);
        let (recovered, report) = Engine::open(crashed, &OpenOptions::default()).expect("a pool");
        assert_eq!((report.recovery.redone, report.recovery.undone), (2, 1));
        assert_eq!(look(&recovered).expect("whole").state, State::default());
        let mut bytes = [1; 4000];
        recovered.read(block, &mut bytes).expect("inside");
        assert_eq!(bytes, [0; 4000], "seed {seed}");
    }
}

/// Two lanes extend at the same sequence, one after the other, into the same block: what the first left there
/// has the right place and epoch for the second, and the wrong lane. The second record is longer, so that it can
/// tear just where the first one's COMMIT stood.
#[test]
fn keeps_i1_a_record_of_another_lane_is_never_believed() {
    let media = CrashMedia::new(ByteLen::new(64 << 10));
    let options = CreateOptions {
        capacity_max: Some(64 << 10),
        ring_bytes: Some(1024),
        ..CreateOptions::default()
    };
    let engine: E = Engine::create(media.clone(), &options).expect("large enough");
    let data = engine.pool().geometry().slab_at(5);
    let range = |at: u64, len| ByteRange::at(data.get() + at, len).expect("small");
    let mut first = engine.begin().expect("a lane");
    let mut in_place = first
        .snapshot(&[range(0, 1200)])
        .expect("room in an extension");
    in_place.fill(range(0, 1200), 5).expect("in a snapshot");
    first.commit().expect("no fault asked for");
    engine.checkpoint().expect("no fault asked for");
    media.mark();
    let first_lane = engine.begin().expect("the same lane again");
    let mut second = engine.begin().expect("the other lane");
    second
        .snapshot(&[range(2048, 1900)])
        .expect("room in the same block");
    std::mem::forget((second, first_lane));
    let report = Explorer::new().explore(
        &media.recording().start_at_last_mark(),
        |media| {
            let (engine, _) = Engine::open(media.clone(), &OpenOptions::default())
                .map_err(|error| error.to_string())?;
            engine.load64(data).map_err(|error| error.to_string())
        },
        |_, seen| match seen {
            Ok(0x0505_0505_0505_0505) => Ok(()),
            other => Err(format!("{other:x?}")),
        },
    );
    report.assert_clean();
}
