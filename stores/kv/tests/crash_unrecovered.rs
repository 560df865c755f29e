//! A store that is looked at without recovery, forced, at every crash point: homes may be half stored there. What is told
//! may be old, new or a typed error; it is never a panic, a hang or a store to the medium.

mod tools;

use std::sync::Arc;

use everline::engine::{Engine, OpenOptions, Recovery};
use everline::media::{Cost, Counted};
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Explorer, Point};
use everline_kv::{Direction, Store, check_pool};
use everline_region::Regions;
use tools::{create_on, small};

/// Looks at everything. Errors: something was stored.
fn look(media: &CrashMedia) -> Result<(), String> {
    let options = OpenOptions {
        recovery: Recovery::None { forced: true },
        ..OpenOptions::default()
    };
    let Ok((engine, _)) = Engine::open(Counted::new(media.clone()), &options) else {
        return Ok(());
    };
    let Ok(regions) = Regions::open(engine) else {
        return Ok(());
    };
    let regions = Arc::new(regions);
    drop(check_pool(&regions, &mut |_| {}));
    if let Ok(store) = Store::open(Arc::clone(&regions), &small()) {
        for direction in [Direction::Forward, Direction::Backward] {
            let scan = store.scan::<&[u8]>(.., direction);
            // A circle would have no end; the pool does not hold ten thousand entries.
            assert!(scan.take(10_000).count() < 10_000, "no end");
        }
        for key in 0..KEYS {
            drop(store.get([key]));
        }
        assert!(store.put("k", "v").is_err(), "read-only");
    }
    match regions.engine().pool().media().cost() {
        cost if cost == Cost::default() => Ok(()),
        cost => Err(format!("stored: {cost:?}")),
    }
}

const KEYS: u8 = 24;

#[test]
fn g6_a_forced_look_at_any_cut_neither_panics_nor_stores() {
    let media = CrashMedia::new(ByteLen::new(256 << 10));
    let store = create_on(media.clone(), &small());
    for key in 0..KEYS - 4 {
        store.put([key], [key; 40]).expect("space");
    }
    media.mark();
    for key in KEYS - 4..KEYS {
        store.put([key], [key; 40]).expect("space");
    }
    for key in (0..KEYS).step_by(2) {
        store.delete([key]).expect("there");
    }
    let recording = media.recording().start_at_last_mark();
    let judge = |_: &Point<'_>, seen: &Result<(), String>| seen.clone();
    let explorer = Explorer::new()
        .budget_per_point(32)
        .kill_steps(6)
        .nested_depth(0);
    let report = explorer.explore(&recording, look, judge);
    report.assert_clean();
    assert!(report.executions > 500, "{report}");
}
