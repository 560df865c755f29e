//! Undo-log transactions against power loss: before-images first, stores in place after, rollback by recovery.

mod crash_world;

use crash_world::{E, Op, State, cell, create, explore, look, tiny, transaction};
use everline::engine::{Engine, OpenOptions, OpenReport};
use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, Cut, Explorer};

fn new_world() -> (CrashMedia, E) {
    let media = CrashMedia::new(ByteLen::new(64 << 10));
    let engine = create(media.clone(), &tiny());
    (media, engine)
}

/// The power goes; the lines of `kept` reach the medium, and nothing else that is pending does.
fn cut_keeping(media: &CrashMedia, kept: &[ByteRange]) -> CrashMedia {
    let lines: Vec<ByteOffset> = kept
        .iter()
        .flat_map(|range| LineRange::covering(*range).iter())
        .collect();
    media.cut(Cut::Keep(&|word| {
        lines.iter().any(|line| word.get() & !63 == line.get())
    }))
}

fn open(media: CrashMedia) -> (E, OpenReport) {
    Engine::open(media, &OpenOptions::default()).expect("a pool")
}

#[test]
fn l1_recovery_restores_before_images_that_stores_in_place_overwrote_on_the_medium() {
    let (media, engine) = new_world();
    transaction(&engine, Op::Staged(5)).expect("room");
    engine.checkpoint().expect("no fault asked for");
    let ranges = [cell(&engine, 0), cell(&engine, 4)];
    let mut tx = engine.begin().expect("a lane");
    let mut in_place = tx.snapshot(&ranges).expect("room");
    in_place
        .store64(ranges[0].start(), 777)
        .expect("in a snapshot");
    in_place
        .store64(ranges[1].start(), 888)
        .expect("in a snapshot");

    let crashed = cut_keeping(&media, &ranges);
    assert_eq!(
        crashed.load64(ranges[0].start()),
        777,
        "the medium held the new bytes"
    );
    assert_eq!(
        crashed.load64(ranges[1].start()),
        888,
        "the medium held the new bytes"
    );
    std::mem::forget(tx);

    let (recovered, report) = open(crashed);
    assert_eq!((report.recovery.undone, report.recovery.redone), (1, 0));
    let state = look(&recovered).expect("a whole world").state;
    assert_eq!(state, State::default().after(Op::Staged(5)));
}

#[test]
fn l1_undo_transactions_survive_a_cut_at_every_crash_point() {
    for op in [
        Op::Undo(3),
        Op::UndoBig(4),
        Op::AbortUndo(5),
        Op::AbortBig(6),
        Op::Mixed(7),
    ] {
        let ops = [Op::Staged(1), op, Op::Undo(9)];
        explore(&Explorer::new().nested_depth(2), &tiny(), &ops).assert_clean();
    }
}

#[test]
fn l1_abort_restores_in_place_stores_and_recovery_leaves_them_restored() {
    let (media, engine) = new_world();
    transaction(&engine, Op::Staged(5)).expect("room");
    transaction(&engine, Op::AbortUndo(9)).expect("room");
    assert_eq!(
        look(&engine).expect("whole").state,
        State::default().after(Op::Staged(5))
    );
    for cut in [Cut::AllLost, Cut::AllKept, Cut::Seeded(1), Cut::Seeded(2)] {
        let (recovered, report) = open(media.cut(cut));
        assert_eq!(
            report.recovery.undone, 0,
            "an abort commits what it restored"
        );
        assert_eq!(
            look(&recovered).expect("whole").state,
            State::default().after(Op::Staged(5))
        );
    }
}

#[test]
fn g5_recovery_redoes_what_committed_and_undoes_what_did_not() {
    let (media, engine) = new_world();
    let (redo, undo) = (cell(&engine, 0), cell(&engine, 5));
    let mut first = engine.begin().expect("a lane");
    first.set(redo.start(), &41u64).expect("inside");
    first.commit().expect("no fault asked for");
    let mut second = engine.begin().expect("a lane");
    second
        .snapshot(&[undo])
        .expect("room")
        .store64(undo.start(), 66)
        .expect("in a snapshot");

    let crashed = cut_keeping(&media, &[undo]);
    std::mem::forget(second);
    assert_eq!(
        crashed.load64(redo.start()),
        0,
        "the homes of the first were dropped"
    );
    assert_eq!(
        crashed.load64(undo.start()),
        66,
        "the lines of the second were forced out"
    );

    let (recovered, report) = open(crashed.clone());
    assert_eq!((report.recovery.redone, report.recovery.undone), (1, 1));
    assert_eq!(recovered.load64(redo.start()), Ok(41));
    assert_eq!(recovered.load64(undo.start()), Ok(0));
    let durable = crashed.durable_image();
    let word = |at: ByteOffset| durable[at.get() as usize];
    assert_eq!(
        (word(redo.start()), word(undo.start())),
        (41, 0),
        "recovered homes are durable"
    );
}

#[test]
fn g15_a_second_open_replays_nothing() {
    let (media, engine) = new_world();
    transaction(&engine, Op::Staged(5)).expect("room");
    transaction(&engine, Op::Undo(6)).expect("room");
    drop(engine);
    let crashed = media.cut(Cut::AllLost);
    let (engine, first) = open(crashed);
    assert_eq!(first.recovery.redone, 2);
    let (_, second) = open(engine.abandon());
    assert_eq!((second.recovery.redone, second.recovery.undone), (0, 0));
}

#[test]
fn f17_recovery_is_recoverable_at_each_of_its_own_crash_points() {
    let ops = [
        Op::UndoBig(1),
        Op::Put {
            slot: 0,
            bytes: 100,
            fill: 3,
        },
        Op::Extended(2),
        Op::Undo(3),
    ];
    let report = explore(&Explorer::new().nested_depth(2), &tiny(), &ops);
    report.assert_clean();
    assert!(report.nested_points > 100, "{}", report.nested_points);
}

#[test]
fn g9_a_transaction_stays_undoable_over_a_checkpoint_in_its_middle() {
    let (media, engine) = new_world();
    let held = cell(&engine, 3);
    let mut tx = engine.begin().expect("a lane");
    tx.snapshot(&[held])
        .expect("room")
        .store64(held.start(), 99)
        .expect("in a snapshot");
    for value in 0..40 {
        transaction(&engine, Op::Staged(value)).expect("room");
    }
    engine.checkpoint().expect("no fault asked for");
    let crashed = cut_keeping(&media, &[held]);
    assert_eq!(crashed.load64(held.start()), 99);
    std::mem::forget(tx);
    let (recovered, report) = open(crashed);
    assert_eq!(report.recovery.undone, 1);
    let state = look(&recovered).expect("whole").state;
    assert_eq!(state, State::default().after(Op::Staged(39)));
}

#[test]
fn f3_a_transfer_keeps_the_sum_at_every_crash_point() {
    let media = CrashMedia::new(ByteLen::new(64 << 10));
    let engine = create(media.clone(), &tiny());
    let (from, to) = (cell(&engine, 0), cell(&engine, 6));
    let mut tx = engine.begin().expect("a lane");
    tx.set(from.start(), &100u64).expect("inside");
    tx.commit().expect("no fault asked for");
    media.mark();
    for round in 0..6u64 {
        let mut tx = engine.begin().expect("a lane");
        let (a, b): (u64, u64) = (
            tx.get(from.start()).expect("inside"),
            tx.get(to.start()).expect("inside"),
        );
        if round % 2 == 0 {
            tx.set(from.start(), &(a - 10)).expect("inside");
            tx.set(to.start(), &(b + 10)).expect("inside");
        } else {
            let mut in_place = tx.snapshot(&[from, to]).expect("room");
            in_place
                .store64(from.start(), a - 10)
                .expect("in a snapshot");
            in_place.store64(to.start(), b + 10).expect("in a snapshot");
        }
        tx.commit().expect("no fault asked for");
    }
    drop(engine);
    let report = Explorer::new().explore(
        &media.recording().start_at_last_mark(),
        |media| open_sum(media, from, to),
        |_point, sum| {
            if *sum == Ok(100) {
                Ok(())
            } else {
                Err("money appeared or vanished".into())
            }
        },
    );
    report.assert_clean();
}

fn open_sum(media: &CrashMedia, from: ByteRange, to: ByteRange) -> Result<u64, String> {
    let (engine, _) =
        Engine::open(media.clone(), &OpenOptions::default()).map_err(|error| error.to_string())?;
    let load = |range: ByteRange| {
        engine
            .load64(range.start())
            .map_err(|error| error.to_string())
    };
    Ok(load(from)? + load(to)?)
}
