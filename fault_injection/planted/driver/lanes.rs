//! Two transactions at a time, on two lanes; and blocks that are reserved before they are published.

use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::layout::RootSlot;
use everline::units::{ByteLen, ByteRange};
use everline_crash::{CrashMedia, Explorer};

use crate::crash_world::{
    E, Op, State, cell, create, judge, medium, recover, slot, tiny, transaction,
};
use crate::probe::Probe;

pub fn held(probe: &mut Probe) {
    an_open_undo_and_a_later_commit(probe);
    another_lanes_extension(probe);
    a_chained_extension(probe);
    a_reservation(probe);
    a_checkpoint_under_an_extension(probe);
    more_images_than_a_ring(probe);
}

/// A transaction dies with images in its lane; the next process commits to the same bytes on the other lane.
fn an_open_undo_and_a_later_commit(probe: &mut Probe) {
    let media = medium();
    let engine = create(media.clone(), &tiny());
    let mut tx = engine.begin().expect("a lane");
    let at = cell(&engine, 1);
    let mut in_place = tx.snapshot(&[at]).expect("room");
    in_place.store64(at.start(), 77).expect("in a snapshot");
    std::mem::forget(tx);
    let next = media.kill();
    drop(engine);
    let engine: E = Engine::open(next.clone(), &OpenOptions::default())
        .expect("a pool")
        .0;
    next.mark();
    let ops = [Op::OtherLane(5), Op::OtherLane(9)];
    let mut states = vec![State::default()];
    for (id, op) in ops.into_iter().enumerate() {
        next.invoke(id as u64);
        transaction(&engine, op).expect("room");
        next.ack(id as u64);
        states.push(states[id].after(op));
    }
    drop(engine);
    let recording = next.recording().start_at_last_mark();
    probe.explore(&Explorer::new(), &recording, recover, |point, seen| {
        judge(&states, point, seen)
    });
}

fn word_at(media: &CrashMedia, place: everline::units::ByteOffset) -> Result<u64, String> {
    let (engine, _) =
        Engine::open(media.clone(), &OpenOptions::default()).map_err(|error| error.to_string())?;
    engine.load64(place).map_err(|error| error.to_string())
}

/// Two lanes extend at the same sequence, one after the other, into the same block; the second record is longer.
fn another_lanes_extension(probe: &mut Probe) {
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
    let recording = media.recording().start_at_last_mark();
    probe.explore(
        &Explorer::new(),
        &recording,
        |media| word_at(media, data),
        |_, seen| match seen {
            Ok(0x0505_0505_0505_0505) => Ok(()),
            other => Err(format!("{other:x?}")),
        },
    );
}

/// A chained extension takes a block that another lane freed, while the record that wrote there is above the cut.
fn a_chained_extension(probe: &mut Probe) {
    let media = CrashMedia::new(ByteLen::new(64 << 10));
    let engine = create(media.clone(), &tiny());
    let block = engine.root(RootSlot::user(0).expect("one of 48"));
    let range = |at: u64, len| ByteRange::at(block.get() + at, len).expect("small");
    let mut tx = engine.begin().expect("a lane");
    tx.snapshot(&[range(0, 1500)])
        .expect("room in an extension");
    let big = Op::Put {
        slot: 0,
        bytes: 2500,
        fill: 0x77,
    };
    transaction(&engine, big).expect("room");
    transaction(&engine, Op::Free(0)).expect("room");
    media.mark();
    let mut in_place = tx
        .snapshot(&[range(1600, 2400)])
        .expect("room in a chained extension");
    in_place.fill(range(0, 1500), 0xee).expect("in a snapshot");
    in_place
        .fill(range(1600, 2400), 0xee)
        .expect("in a snapshot");
    std::mem::forget(tx);
    let recording = media.recording().start_at_last_mark();
    probe.explore(
        &Explorer::new().budget_per_point(64).kill_steps(32),
        &recording,
        |media| {
            let (engine, _) = Engine::open(media.clone(), &OpenOptions::default())
                .map_err(|error| error.to_string())?;
            let mut bytes = vec![1; 4000];
            engine
                .read(block, &mut bytes)
                .map_err(|error| error.to_string())?;
            Ok::<bool, String>(bytes.iter().all(|byte| *byte == 0))
        },
        |_, seen| match seen {
            Ok(true) => Ok(()),
            other => Err(format!("an image was not restored: {other:?}")),
        },
    );
}

fn a_reservation(probe: &mut Probe) {
    let media = medium();
    let engine = create(media.clone(), &tiny());
    media.mark();
    media.invoke(0);
    let mut reserved = engine.reserve(Request::new(216)).expect("space");
    let mut content = vec![9; 216];
    content[..8].copy_from_slice(&200u64.to_le_bytes());
    content[8..16].copy_from_slice(&9u64.to_le_bytes());
    reserved
        .write(reserved.block().start(), &content)
        .expect("inside");
    let mut tx = engine.begin().expect("a lane");
    let block = tx.publish(reserved).expect("of this pool");
    tx.set_root(slot(0), block.start()).expect("a root");
    tx.commit().expect("no fault asked for");
    media.ack(0);
    drop(engine);
    let mut after = State::default();
    after.slots[0] = Some((200, 9));
    let states = [State::default(), after];
    let recording = media.recording().start_at_last_mark();
    probe.explore(&Explorer::new(), &recording, recover, |point, seen| {
        judge(&states, point, seen)
    });
}

/// A cell of the world, as `recover` sees it, and nothing else of it.
fn cells_of(media: &CrashMedia) -> Result<[u64; 8], String> {
    recover(media).map(|seen| seen.state.cells)
}

/// While a transaction's images lie in a block of the heap, others checkpoint and allocate.
fn a_checkpoint_under_an_extension(probe: &mut Probe) {
    let media = medium();
    let engine = create(media.clone(), &tiny());
    let block = engine.root(RootSlot::user(0).expect("one of 48"));
    let mut tx = engine.begin().expect("a lane");
    let wide = ByteRange::at(block.get(), 2304).expect("small");
    let mut in_place = tx.snapshot(&[wide]).expect("room in an extension");
    in_place.fill(wide, 0xEE).expect("in a snapshot");
    transaction(&engine, Op::Tiny(0)).expect("room");
    engine.checkpoint().expect("no fault asked for");
    media.mark();
    let large = Op::PutFresh {
        slot: 0,
        bytes: 5000,
        fill: 0x44,
    };
    transaction(&engine, large).expect("room");
    std::mem::forget(tx);
    let recording = media.recording().start_at_last_mark();
    probe.explore(
        &Explorer::new(),
        &recording,
        cells_of,
        |_, seen| match seen {
            Ok(cells) if *cells == [0; 8] => Ok(()),
            other => Err(format!("the images were lost: {other:x?}")),
        },
    );
}

/// One transaction snapshots more, little by little, than its ring holds.
fn more_images_than_a_ring(probe: &mut Probe) {
    let media = medium();
    let engine = create(media.clone(), &tiny());
    let block = engine.root(RootSlot::user(0).expect("one of 48"));
    media.mark();
    let mut tx = engine.begin().expect("a lane");
    for part in 0..6 {
        let range = ByteRange::at(block.get() + part * 200, 200).expect("small");
        let mut in_place = tx.snapshot(&[range]).expect("room in an extension");
        in_place.fill(range, 0xEE).expect("in a snapshot");
    }
    std::mem::forget(tx);
    let recording = media.recording().start_at_last_mark();
    let explorer = Explorer::new().budget_per_point(512).kill_steps(32);
    probe.explore(&explorer, &recording, cells_of, |_, seen| match seen {
        Ok(cells) if *cells == [0; 8] => Ok(()),
        other => Err(format!("an image was not restored: {other:x?}")),
    });
}
