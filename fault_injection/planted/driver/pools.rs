//! Pools in the making, on new, dirty and used media, with one damaged superblock, and growing.

use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine, Identity, OpenOptions};
use everline::layout::{RootSlot, Superblock};
use everline::pool::OpenError;
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Explorer, Point};

use crate::crash_world::{Op, create, look, tiny, transaction};
use crate::probe::Probe;

const LEN: ByteLen = ByteLen::new(64 << 10);

fn options(id: u8) -> CreateOptions {
    CreateOptions {
        identity: Identity {
            pool_id: [id; 16],
            key: [id; 16],
            created_s: 1,
        },
        lanes: Some(1),
        ring_bytes: Some(1024),
        ..CreateOptions::default()
    }
}

fn identity(media: &CrashMedia) -> Result<Option<u8>, String> {
    match Engine::open(media.clone(), &OpenOptions::default()) {
        Ok((engine, _)) => {
            let mut problems = String::new();
            engine.check(|problem| problems += &problem.to_string());
            let objects = engine
                .stats()
                .map_err(|error| error.to_string())?
                .heap
                .objects;
            match (problems.is_empty(), objects) {
                (true, 0) if engine.pool().id()[0] == 7 => Ok(Some(7)),
                (true, 1) if engine.pool().id()[0] == 3 => Ok(Some(3)),
                _ => Err(format!(
                    "{objects} objects in pool {}; {problems}",
                    engine.pool().id()[0]
                )),
            }
        }
        Err(OpenError::NotAPool { .. } | OpenError::Corrupt(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn whole_or_absent(point: &Point<'_>, seen: &Result<Option<u8>, String>) -> Result<(), String> {
    match (point.acked, seen) {
        ([1], Ok(Some(7))) | ([], Ok(None | Some(7))) => Ok(()),
        (acked, seen) => Err(format!("{acked:?} acknowledged, {seen:?} found")),
    }
}

pub fn made(probe: &mut Probe) {
    for media in [CrashMedia::new(LEN), CrashMedia::dirty(LEN)] {
        drop(Engine::create(media.clone(), &options(7)).expect("large enough"));
        media.ack(1);
        probe.explore(
            &Explorer::new(),
            &media.recording(),
            identity,
            whole_or_absent,
        );
    }
    let media = CrashMedia::with_base(old_pool());
    drop(Engine::create(media.clone(), &options(7)).expect("large enough"));
    media.ack(1);
    probe.explore(
        &Explorer::new(),
        &media.recording(),
        identity,
        |point, seen| match (point.acked, seen) {
            ([], Ok(Some(3))) => Ok(()),
            _ => whole_or_absent(point, seen),
        },
    );
    on_dirty_media(probe);
    for copy in Superblock::AT {
        mended(probe, copy.get() as usize);
    }
    grown(probe);
}

/// A pool that grows between two transactions.
fn grown(probe: &mut Probe) {
    let options = CreateOptions {
        capacity_max: Some(2 * LEN.get()),
        ..tiny()
    };
    let media = CrashMedia::new(LEN);
    let engine = create(media.clone(), &options);
    media.mark();
    engine.grow(2 * LEN.get()).expect("no fault asked for");
    media.ack(1);
    transaction(&engine, Op::Staged(3)).expect("room");
    probe.explore(
        &Explorer::new(),
        &media.recording().start_at_last_mark(),
        |media| {
            let opened = Engine::open(media.clone(), &OpenOptions::default());
            let (engine, report) = opened.map_err(|error| error.to_string())?;
            look(&engine).map(|_seen| report.len)
        },
        |point: &Point<'_>, seen: &Result<u64, String>| match (point.acked, seen) {
            (_, Ok(len)) if *len == 2 * LEN.get() => Ok(()),
            ([], Ok(len)) if *len == LEN.get() => Ok(()),
            (acked, seen) => Err(format!("{acked:?} acknowledged, {seen:?} found")),
        },
    );
}

/// A pool of another identity, with one object.
fn old_pool() -> Vec<u8> {
    let old = CrashMedia::new(LEN);
    let engine = Engine::create(old.clone(), &options(3)).expect("large enough");
    let mut tx = engine.begin().expect("a lane");
    let object = tx.alloc(Request::new(100)).expect("room");
    tx.set_root(RootSlot::user(0).expect("one of 48"), object.start())
        .expect("a root");
    tx.commit().expect("no fault asked for");
    engine.close().expect("no fault asked for");
    old.snapshot()
}

/// A world on a medium that somebody else used.
fn on_dirty_media(probe: &mut Probe) {
    let media = CrashMedia::dirty(LEN);
    let engine = create(media.clone(), &tiny());
    transaction(&engine, Op::Staged(3)).expect("room");
    if let Err(error) = look(&engine) {
        probe.report("without a crash", &error);
    }
}

fn mended(probe: &mut Probe, copy: usize) {
    let made = CrashMedia::new(LEN);
    drop(Engine::create(made.clone(), &options(7)).expect("large enough"));
    let mut image = made.snapshot();
    image[copy + 100] ^= 0x40;
    let media = CrashMedia::with_base(image);
    drop(Engine::open(media.clone(), &OpenOptions::default()).expect("the other copy serves"));
    media.ack(1);
    probe.explore(
        &Explorer::new(),
        &media.recording(),
        identity,
        |_, seen| match seen {
            Ok(Some(7)) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
}
