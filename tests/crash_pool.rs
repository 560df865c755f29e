//! Pools against power loss: made whole or not at all, on any medium; superblock copies mended.

#[path = "crash_world/sweep.rs"]
#[allow(dead_code, reason = "workloads are of no use here")]
mod sweep;

use everline::engine::{CreateOptions, Engine, Identity, OpenOptions};
use everline::layout::Superblock;
use everline::pool::OpenError;
use everline::units::ByteLen;
use everline_crash::{CrashMedia, CrashSyncError, Point};
use sweep::{MODELS, under};

const LEN: ByteLen = ByteLen::new(64 << 10);

fn options(id: u8) -> CreateOptions {
    let identity = Identity {
        pool_id: [id; 16],
        key: [id; 16],
        created_s: 1,
    };
    CreateOptions {
        identity,
        lanes: Some(1),
        ring_bytes: Some(1024),
        ..CreateOptions::default()
    }
}

/// Which pool is there, if one is.
fn identity(media: &CrashMedia) -> Result<Option<u8>, String> {
    match Engine::open(media.clone(), &OpenOptions::default()) {
        Ok((engine, _)) => {
            let mut problems = String::new();
            engine.check(|problem| problems += &problem.to_string());
            if problems.is_empty() {
                Ok(Some(engine.pool().id()[0]))
            } else {
                Err(problems)
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

#[test]
fn a_pool_is_whole_or_absent_at_every_crash_point_of_its_making() {
    for media in [CrashMedia::new(LEN), CrashMedia::dirty(LEN)] {
        drop(Engine::create(media.clone(), &options(7)).expect("large enough"));
        media.ack(1);
        for model in MODELS {
            let report = under(model).explore(&media.recording(), identity, whole_or_absent);
            report.assert_clean();
            assert!(
                report.exhaustive && report.crash_points >= 4,
                "{model}: {report}"
            );
        }
    }
}

#[test]
fn a_new_pool_over_an_old_one_leaves_either_none_or_the_new_one() {
    let old = CrashMedia::new(LEN);
    drop(Engine::create(old.clone(), &options(3)).expect("large enough"));
    let media = CrashMedia::with_base(old.snapshot());
    drop(Engine::create(media.clone(), &options(7)).expect("large enough"));
    media.ack(1);
    for model in MODELS {
        let report = under(model).explore(&media.recording(), identity, |point, seen| {
            match (point.acked, seen) {
                // Before the old superblocks are gone for certain, the old pool may still be there, whole.
                ([], Ok(Some(3))) => Ok(()),
                _ => whole_or_absent(point, seen),
            }
        });
        report.assert_clean();
        assert!(report.exhaustive, "{model}: {report}");
    }
}

#[test]
fn a_damaged_superblock_copy_is_mended_from_the_other_at_every_crash_point() {
    for copy in Superblock::AT {
        let made = CrashMedia::new(LEN);
        drop(Engine::create(made.clone(), &options(7)).expect("large enough"));
        let mut image = made.snapshot();
        image[copy.get() as usize + 100] ^= 0x40;
        let media = CrashMedia::with_base(image);
        let (engine, report) =
            Engine::open(media.clone(), &OpenOptions::default()).expect("the other copy serves");
        assert!(report.mended_copy.is_some());
        drop(engine);
        media.ack(1);
        for model in MODELS {
            under(model)
                .explore(&media.recording(), identity, |_, seen| match seen {
                    Ok(Some(7)) => Ok(()),
                    other => Err(format!("{other:?}")),
                })
                .assert_clean();
        }
        let (_, report) = Engine::open(media, &OpenOptions::default()).expect("a pool");
        assert_eq!(report.mended_copy, None, "mended once and for all");
    }
}

#[test]
fn k3_after_a_failed_sync_nothing_is_stored_until_the_pool_is_opened_anew() {
    let media = CrashMedia::new(LEN);
    let engine = Engine::create(media.clone(), &options(7)).expect("large enough");
    media.fail_next_fences(1);
    let mut tx = engine.begin().expect("a lane");
    let block = tx.alloc(everline::alloc::Request::new(64)).expect("room");
    tx.write(block.start(), &[1; 64]).expect("inside");
    let failed = tx.commit();
    assert!(
        matches!(
            failed,
            Err(everline::tx::TxError::Sync(CrashSyncError { .. }))
        ),
        "{failed:?}"
    );
    assert!(matches!(
        engine.begin(),
        Err(everline::tx::TxError::Poisoned)
    ));
    assert!(matches!(
        engine.checkpoint(),
        Err(everline::tx::TxError::Poisoned)
    ));
    assert!(
        engine.read(block.start(), &mut [0; 64]).is_ok(),
        "reads go on"
    );
    let (engine, _) = Engine::open(engine.abandon(), &OpenOptions::default()).expect("a pool");
    assert_eq!(engine.check(|_| {}).problems, 0);
    let objects = engine.stats().expect("whole").heap.objects;
    assert!(objects <= 1, "the outcome was unknown: all or nothing");
    engine
        .begin()
        .expect("usable again")
        .commit()
        .expect("nothing to do");
}
