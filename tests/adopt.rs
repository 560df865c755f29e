//! A copy of a pool under an identity of its own: whole or no pool at every crash point, its contents as they were, and
//! nothing of the old log believed.

mod crash_world;

use crash_world::sweep::{MODELS, under};
use crash_world::{E, Op, create, look, tiny, transaction};
use everline::alloc::Request;
use everline::engine::{AdoptError, CreateOptions, Engine, Identity, OpenOptions, adopt};
use everline::layout::LayoutName;
use everline::media::Ram;
use everline::pool::OpenError;
use everline::units::{ByteLen, ByteOffset};
use everline_crash::{CrashMedia, Point};

const LEN: ByteLen = ByteLen::new(64 << 10);

fn identity(id: u8) -> Identity {
    Identity {
        pool_id: [id; 16],
        key: [id + 1; 16],
        created_s: u64::from(id),
    }
}

fn options() -> CreateOptions {
    CreateOptions {
        identity: identity(3),
        layout: LayoutName::new("copied").expect("short"),
        ..tiny()
    }
}

fn put(slot: usize, bytes: u64) -> Op {
    Op::Put {
        slot,
        bytes,
        fill: slot as u8 + 1,
    }
}

/// A pool with objects of several classes and one freed, closed.
fn original() -> Vec<u8> {
    let engine = create(CrashMedia::new(LEN), &options());
    let fresh = Op::PutFresh {
        slot: 2,
        bytes: 9000,
        fill: 3,
    };
    for op in [
        put(0, 40),
        put(1, 600),
        fresh,
        put(3, 100),
        Op::Free(3),
        Op::Undo(7),
    ] {
        transaction(&engine, op).expect("room");
    }
    engine.close().expect("no fault asked for").snapshot()
}

fn open(media: CrashMedia) -> Result<E, OpenError<everline_crash::CrashSyncError>> {
    Engine::open(media, &OpenOptions::default()).map(|(engine, _)| engine)
}

#[test]
fn a_copy_is_no_pool_or_the_whole_one_under_its_new_identity_at_every_crash_point() {
    let image = original();
    let before = look(&open(CrashMedia::with_base(image.clone())).expect("a pool")).expect("whole");
    let media = CrashMedia::with_base(image);
    adopt(&media, &identity(9)).expect("closed and whole");
    media.ack(1);
    let recover = |media: &CrashMedia| match open(media.clone()) {
        Ok(engine) => Ok(Some((engine.pool().id()[0], look(&engine)?))),
        Err(OpenError::NotAPool { .. } | OpenError::Corrupt(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    for model in MODELS {
        let report = under(model).explore(
            &media.recording(),
            recover,
            |point: &Point<'_>, seen: &Result<_, String>| match (point.acked, seen) {
                // Before the old superblocks are gone for certain, the old pool may still be there, whole.
                ([], Ok(None)) => Ok(()),
                ([], Ok(Some((3 | 9, seen)))) if *seen == before => Ok(()),
                ([1], Ok(Some((9, seen)))) if *seen == before => Ok(()),
                (acked, seen) => Err(format!("{acked:?} acknowledged, {seen:?} found")),
            },
        );
        report.assert_clean();
        assert!(report.crash_points >= 3, "{model}: {report}");
    }
}

#[test]
fn a_copy_has_its_own_identity_and_works_as_the_original_did() {
    let media = CrashMedia::with_base(original());
    let timestamp = open(media.clone())
        .expect("a pool")
        .log()
        .status()
        .last_timestamp;
    drop(
        open(media.clone())
            .expect("a pool")
            .close()
            .expect("no fault asked for"),
    );
    adopt(&media, &identity(9)).expect("closed and whole");
    let engine = open(media).expect("a pool");
    let pool = engine.pool();
    assert_eq!(
        (pool.id(), pool.key(), pool.created_s()),
        (&[9; 16], &[10; 16], 9)
    );
    assert_eq!(pool.layout_name().as_str(), "copied");
    assert_eq!(pool.damaged_copy(), None);
    assert!(
        engine.log().status().last_timestamp >= timestamp,
        "positions go on"
    );
    let mut model = look(&engine).expect("whole").state;
    for op in [
        put(3, 40),
        Op::Free(1),
        put(0, 3000),
        Op::Undo(90),
        Op::Free(2),
        put(1, 600),
    ] {
        transaction(&engine, op).expect("room");
        model = model.after(op);
        assert_eq!(look(&engine).expect("whole").state, model);
    }
    let engine = open(engine.abandon()).expect("a pool");
    assert_eq!(look(&engine).expect("whole").state, model);
    assert_eq!(engine.check(|problem| panic!("{problem}")).problems, 0);
}

#[test]
fn records_of_the_original_are_never_believed_in_the_copy() {
    let engine = create(CrashMedia::new(LEN), &options());
    let geometry = engine.pool().geometry();
    let closed = engine.close().expect("no fault asked for").snapshot();
    // What the original's log holds after it went on.
    let on = CrashMedia::with_base(closed.clone());
    let engine = open(on.clone()).expect("a pool");
    (1..9).for_each(|value| transaction(&engine, Op::Staged(value)).expect("room"));
    drop(engine);
    let logged = on.snapshot();
    let copy = CrashMedia::with_base(closed);
    adopt(&copy, &identity(9)).expect("closed and whole");
    let mut image = copy.snapshot();
    let slots = geometry.slot_at(0).get() as usize..geometry.shared_at().get() as usize;
    let rings = geometry.ring_at(0).get() as usize..geometry.slab_map().start().get() as usize;
    image[rings.clone()].copy_from_slice(&logged[rings]);
    let (engine, report) = Engine::open(
        CrashMedia::with_base(image.clone()),
        &OpenOptions::default(),
    )
    .expect("a pool");
    assert_eq!((report.recovery.redone, report.recovery.undone), (0, 0));
    assert_eq!(look(&engine).expect("whole").state.cells[0], 0);
    // Nor does one of its checkpoint slots stand in for the copy's own.
    image[slots.clone()].copy_from_slice(&logged[slots]);
    assert!(matches!(
        open(CrashMedia::with_base(image)),
        Err(OpenError::Corrupt(_))
    ));
}

#[test]
fn what_was_not_closed_or_is_damaged_is_refused_and_unchanged() {
    let engine = create(CrashMedia::new(LEN), &options());
    let geometry = engine.pool().geometry();
    transaction(&engine, put(0, 40)).expect("room");
    let unclosed = CrashMedia::with_base(engine.abandon().snapshot());
    let before = unclosed.snapshot();
    assert_eq!(adopt(&unclosed, &identity(9)), Err(AdoptError::NotClosed));
    assert_eq!(unclosed.snapshot(), before);

    let mut damaged = original();
    let mut slabs = (0..geometry.slab_count()).map(|slab| geometry.slab_at(slab).get() as usize);
    let header = slabs.find(|at| damaged[*at..].starts_with(b"SLAB"));
    damaged[header.expect("a slab of small objects") + 20] ^= 1;
    let media = CrashMedia::with_base(damaged.clone());
    assert!(matches!(
        adopt(&media, &identity(9)),
        Err(AdoptError::Corrupt(_))
    ));
    assert_eq!(media.snapshot(), damaged);

    let garbage = CrashMedia::with_base(vec![0xa5; 64 << 10]);
    assert!(matches!(
        adopt(&garbage, &identity(9)),
        Err(AdoptError::Open(OpenError::NotAPool { .. }))
    ));
}

#[test]
fn a_failed_fence_leaves_no_pool_or_a_whole_one() {
    for failing in 0..3 {
        let media = CrashMedia::with_base(original());
        media.fail_fence_at(failing);
        assert!(matches!(
            adopt(&media, &identity(9)),
            Err(AdoptError::Sync(_))
        ));
        let whole = match open(media.kill()) {
            Ok(engine) => look(&engine).is_ok() && engine.pool().id() == &[9; 16],
            Err(OpenError::NotAPool { .. }) => true,
            Err(_) => false,
        };
        assert!(whole, "fence {failing}");
    }
}

#[test]
fn a_pool_of_many_lanes_and_slabs_is_adopted_too() {
    let options = CreateOptions {
        identity: identity(3),
        ..CreateOptions::default()
    };
    let engine = Engine::create(Ram::new(ByteLen::new(16 << 20)), &options).expect("large enough");
    let mut places = Vec::new();
    for size in (16..30_000).step_by(97) {
        let mut tx = engine.begin().expect("a lane");
        let block = tx.alloc(Request::new(size)).expect("room");
        tx.write(block.start(), &size.to_le_bytes())
            .expect("inside");
        tx.commit().expect("memory does not fail");
        places.push((block.start(), size));
    }
    let ram = engine.close().expect("memory does not fail");
    adopt(&ram, &identity(9)).expect("closed and whole");
    let (engine, _) = Engine::open(ram, &OpenOptions::default()).expect("a pool");
    assert_eq!(engine.check(|problem| panic!("{problem}")).problems, 0);
    let mut tx = engine.begin().expect("a lane");
    for (place, size) in places {
        assert_eq!(engine.load64(ByteOffset::new(place.get())), Ok(size));
        tx.free(place).expect("live");
    }
    tx.commit().expect("memory does not fail");
    assert_eq!(engine.stats().expect("whole").heap.objects, 0);
}
