//! Power cuts in the middle of a repair: what is left is a pool that a further repair finishes, and no region is lost by it.
//! And in the middle of making a region: nothing is left that nobody leads to.

mod tools;

use std::collections::BTreeMap;

use everline::engine::{Engine, OpenOptions};
use everline::layout::{DirectoryRoot, RootSlot};
use everline::media::{Media, Ram};
use everline::units::{ByteLen, ByteOffset};
use everline_crash::{CrashMedia, Depth, Explorer, Point, Report};
use everline_region::{RegionId, RegionProblem, Regions, RepairOptions, repair};
use tools::*;

const POOL: ByteLen = ByteLen::new(64 << 10);

type Contents = BTreeMap<RegionId, (Option<String>, Vec<u8>)>;

fn explorer() -> Explorer {
    let desk = Explorer::new()
        .budget_per_point(48)
        .kill_steps(6)
        .nested_depth(0);
    let merge = Explorer::new().budget_per_point(1024).nested_depth(0);
    Depth::from_env().pick(desk, merge, Explorer::new().nested_depth(1))
}

fn contents(regions: &Regions<CrashMedia>) -> Result<Contents, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let list = regions.list().map_err(|error| told(&error))?;
    let read = |info: everline_region::RegionInfo| {
        let bytes = regions.read_all(info.id).map_err(|error| told(&error))?;
        Ok((info.id, (info.name, bytes)))
    };
    list.into_iter().map(read).collect()
}

/// Opens, repairs to the end, and answers what can be read then.
fn finish(media: &CrashMedia) -> Result<Contents, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let (engine, _) =
        Engine::open(media.clone(), &OpenOptions::default()).map_err(|error| told(&error))?;
    let report = repair(&engine, &RepairOptions::default()).map_err(|error| told(&error))?;
    if !report.is_sound() {
        return Err(format!("{:?}", report.left));
    }
    let regions = Regions::open(engine).map_err(|error| told(&error))?;
    let mut wrong = None;
    regions.check(|problem| {
        if !matches!(problem, RegionProblem::Orphan { .. }) {
            wrong = Some(problem.to_string());
        }
    });
    match wrong {
        Some(wrong) => Err(wrong),
        None => contents(&regions),
    }
}

/// Damages a pool of a few regions, repairs it, and cuts the power everywhere in between.
fn explore(damage: impl FnOnce(&Engine<Ram>)) -> Report {
    let regions = ram(POOL.get());
    for (name, len) in [("one", 100), ("two", 900), ("three", 2000)] {
        regions.put(name, &pattern(len, 9)).expect("space");
    }
    let engine = regions.into_engine();
    engine.checkpoint().expect("memory does not fail");
    damage(&engine);
    let ram = engine.close().expect("memory does not fail");
    let mut image = vec![0; POOL.get() as usize];
    ram.read(ByteOffset::ZERO, &mut image);
    let before = finish(&CrashMedia::with_base(image.clone())).expect("repairable");
    let media = CrashMedia::with_base(image);
    let (engine, _) = Engine::open(media.clone(), &OpenOptions::default()).expect("a pool");
    media.mark();
    media.invoke(0);
    repair(&engine, &RepairOptions::default()).expect("no failing fence");
    media.ack(0);
    drop(engine);
    let allowed = |_: &Point<'_>, seen: &Result<Contents, String>| match seen {
        Ok(seen) if *seen == before => Ok(()),
        Ok(seen) => Err(format!("another state: {:?}", seen.keys())),
        Err(wrong) => Err(wrong.clone()),
    };
    let report = explorer().explore(&media.recording().start_at_last_mark(), finish, allowed);
    println!("{report}");
    report.assert_clean();
    report
}

fn root(engine: &Engine<Ram>) -> (ByteOffset, u64) {
    let at = engine.root(RootSlot::REGIONS);
    let first = ByteOffset::new(at.get() + DirectoryRoot::block_word(0));
    (at, engine.load64(first).expect("in the pool"))
}

fn scribble(engine: &Engine<Ram>, at: u64, bytes: &[u8]) {
    let media = engine.pool().media();
    media.write(ByteOffset::new(at), bytes);
}

#[test]
fn e8_a_cut_while_an_entry_is_restored_or_isolated_leaves_what_a_repair_finishes() {
    explore(|engine| {
        let (_, entries) = root(engine);
        scribble(engine, entries + 16, &[0x77; 8]);
    });
    let report = explore(|engine| {
        let (_, entries) = root(engine);
        scribble(engine, entries + 48, &[0xA5; 48]);
    });
    assert!(report.crash_points > 2, "{report}");
}

#[test]
fn e8_a_cut_while_a_root_is_made_anew_leaves_what_a_repair_finishes() {
    explore(|engine| {
        let (root, _) = root(engine);
        scribble(engine, root.get(), &[0xC3; 64]);
    });
    explore(|engine| {
        let slot = RootSlot::REGIONS.at(&engine.pool().geometry());
        scribble(engine, slot.get(), &[0; 8]);
    });
}

#[test]
fn e8_a_cut_while_a_block_is_moved_or_names_are_taken_leaves_what_a_repair_finishes() {
    explore(|engine| {
        let (_, entries) = root(engine);
        let mut block = [0; 8];
        engine
            .read(ByteOffset::new(entries + 48 + 8), &mut block[..6])
            .expect("in the pool");
        let mut tx = engine.begin().expect("a lane");
        tx.free(ByteOffset::new(u64::from_le_bytes(block)))
            .expect("live");
        tx.commit().expect("room in the log");
        engine.checkpoint().expect("memory does not fail");
        // And the name of another one, with the count.
        let mut tail = [0; 8];
        engine
            .read(ByteOffset::new(entries + 32), &mut tail[..6])
            .expect("in the pool");
        scribble(engine, u64::from_le_bytes(tail), &[0x5A; 8]);
        let (root, _) = root(engine);
        scribble(engine, root.get() + 24, &[9, 0, 0, 0, 0, 0, 0, 0]);
    });
}

#[test]
fn k4_a_region_that_is_made_with_its_name_leaves_no_orphan_at_any_cut() {
    let media = CrashMedia::new(POOL);
    let regions = on(media.clone());
    regions.put("before", b"bytes").expect("space");
    media.mark();
    media.invoke(0);
    let id = regions.create(500, &named("made")).expect("space");
    regions.write(id, 0, &[7; 500]).expect("inside");
    media.ack(0);
    media.invoke(1);
    regions.put("made", &[8; 3000]).expect("space");
    media.ack(1);
    drop(regions);
    let see = |media: &CrashMedia| {
        let (engine, _) = Engine::open(media.clone(), &OpenOptions::default()).expect("a pool");
        Regions::open(engine).expect("a directory").orphans(None)
    };
    let allowed =
        |_: &Point<'_>, seen: &everline_region::OrphanReport| match seen.orphans.is_empty()
            && seen.certain
        {
            true => Ok(()),
            false => Err(format!("{seen:?}")),
        };
    let report = explorer().explore(&media.recording().start_at_last_mark(), see, allowed);
    println!("{report}");
    report.assert_clean();
}
