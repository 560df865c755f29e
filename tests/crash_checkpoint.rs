//! The log before the data, and its truncation, against power loss.

mod crash_world;

use crash_world::{Op, create, explore, look, medium, tiny, transaction};
use everline::engine::{Engine, OpenOptions};
use everline_crash::{Cut, Explorer};

#[test]
fn g4_the_log_is_durable_before_the_data_so_no_crash_leaves_a_phantom() {
    let ops = [
        Op::Put {
            slot: 0,
            bytes: 90,
            fill: 3,
        },
        Op::PutFresh {
            slot: 1,
            bytes: 90,
            fill: 4,
        },
        Op::Free(0),
    ];
    explore(&Explorer::new(), &tiny(), &ops).assert_clean();
}

#[test]
fn g7_a_checkpoint_empties_the_log_and_what_it_retired_survives_a_crash() {
    let media = medium();
    let engine = create(media.clone(), &tiny());
    for value in 0..5 {
        transaction(&engine, Op::Staged(value)).expect("room");
    }
    transaction(&engine, Op::Undo(9)).expect("room");
    let before = look(&engine).expect("whole");
    assert!(engine.log().status().used_bytes > 0);
    engine.checkpoint().expect("no fault asked for");
    let status = engine.log().status();
    assert_eq!(status.used_bytes, 0);
    assert_eq!(status.cut, status.last_timestamp);
    let (recovered, report) =
        Engine::open(media.cut(Cut::AllLost), &OpenOptions::default()).expect("a pool");
    assert_eq!((report.recovery.redone, report.recovery.log_bytes), (0, 0));
    assert_eq!(look(&recovered).expect("whole"), before);
}

#[test]
fn g10_truncation_leaves_the_old_or_the_new_log_at_every_crash_point() {
    for before in [Op::Staged(1), Op::UndoBig(2), Op::Extended(3)] {
        let ops = [
            Op::OtherLane(4),
            before,
            Op::Checkpoint,
            Op::Undo(5),
            Op::Checkpoint,
        ];
        explore(&Explorer::new().nested_depth(2), &tiny(), &ops).assert_clean();
    }
}
