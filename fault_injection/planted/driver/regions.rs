//! Regions: names, bytes and count appear, change and go together.

use everline::engine::{CreateOptions, Engine, Identity, OpenOptions};
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Explorer, Point, Recording};
use everline_region::{RegionOptions, Regions};

use crate::probe::Probe;

/// Name and bytes of every region, or what is wrong.
pub type Seen = Result<Vec<(String, Vec<u8>)>, String>;

pub fn see(media: &CrashMedia) -> Seen {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let (engine, _) =
        Engine::open(media.clone(), &OpenOptions::default()).map_err(|error| told(&error))?;
    let mut problems = String::new();
    engine.check(|problem| problems += &problem.to_string());
    let regions = Regions::open(engine).map_err(|error| told(&error))?;
    regions.check(|problem| problems += &problem.to_string());
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut seen = Vec::new();
    let list = regions.list().map_err(|error| told(&error))?;
    let scrubbed = regions.scrub_all(|_, _| (), |bad| problems += &format!("{bad:?}"));
    scrubbed.map_err(|error| told(&error))?;
    if !problems.is_empty() {
        return Err(problems);
    }
    if regions.count() != Ok(list.len() as u64) {
        return Err("the count is not the number of regions".into());
    }
    for info in list {
        let bytes = regions.read_all(info.id).map_err(|error| told(&error))?;
        seen.push((info.name.unwrap_or_default(), bytes));
    }
    seen.sort();
    Ok(seen)
}

pub type On = Regions<CrashMedia>;

pub fn new(media: CrashMedia) -> On {
    let options = CreateOptions {
        identity: Identity {
            pool_id: [1; 16],
            key: [2; 16],
            created_s: 0,
        },
        ..CreateOptions::default()
    };
    let engine = Engine::create(media, &options).expect("a pool");
    Regions::open(engine).expect("no regions yet")
}

/// Runs `changes`, and answers what was recorded and what is there after each.
pub fn recorded(len: u64, changes: &[&dyn Fn(&On)]) -> (Recording, Vec<Seen>) {
    let media = CrashMedia::new(ByteLen::new(len));
    let regions = new(media.clone());
    regions.put("kept", b"kept").expect("space");
    media.mark();
    let mut states = vec![see(&CrashMedia::with_base(media.snapshot()))];
    for (number, change) in changes.iter().enumerate() {
        media.invoke(number as u64);
        change(&regions);
        media.ack(number as u64);
        states.push(see(&CrashMedia::with_base(media.snapshot())));
    }
    (media.recording().start_at_last_mark(), states)
}

fn named(name: &str) -> RegionOptions<'_> {
    RegionOptions {
        name: Some(name),
        ..RegionOptions::default()
    }
}

pub fn changed(probe: &mut Probe) {
    let id = |r: &On, name: &str| r.by_name(name).expect("there");
    let changes: [&dyn Fn(&On); 9] = [
        &|r| {
            r.create_with(&[7; 300], &named("first")).expect("space");
        },
        &|r| r.rename(id(r, "first"), "second").expect("free"),
        &|r| {
            r.put("kept", &[3; 900]).expect("space");
        },
        &|r| {
            r.engine().checkpoint().expect("no failing fence");
        },
        &|r| r.destroy(id(r, "second")).expect("there"),
        &|r| {
            r.put("third", &[4; 300]).expect("space");
        },
        &|r| {
            let mut batch = r.batch().expect("a lane");
            batch.put("kept", b"changed").expect("space");
            batch.put("fourth", b"made").expect("space");
            batch.commit().expect("room in the log");
        },
        &|r| r.write(id(r, "fourth"), 0, b"MADE").expect("inside"),
        &|r| r.destroy(id(r, "kept")).expect("there"),
    ];
    let (recording, states) = recorded(64 << 10, &changes);
    if let Some(Err(error)) = states.iter().find(|state| state.is_err()) {
        probe.report("without a crash", error);
    }
    let explorer = Explorer::new().kill_steps(16);
    probe.explore(&explorer, &recording, see, |point, seen| {
        judge(&states, point, seen)
    });
    written(probe);
}

/// Chunks, lengths and sums of regions that are written to.
fn written(probe: &mut Probe) {
    const WORD: [u8; 8] = [0xAB; 8];
    const LONG: usize = 17 << 10;
    let id = |r: &On, name: &str| r.by_name(name).expect("there");
    let checked = RegionOptions {
        checked: true,
        ..named("checked")
    };
    grown(probe);
    let changes: [&dyn Fn(&On); 10] = [
        &|r| {
            r.create(5000, &named("plain")).expect("space");
        },
        &|r| r.write(id(r, "plain"), 256, &WORD).expect("inside"),
        // so that no later one comes between the atomic write and what is written behind it
        &|r| {
            r.engine().checkpoint().expect("no failing fence");
        },
        &|r| r.write_atomic(id(r, "plain"), 0, &[6; 600]).expect("inside"),
        &|r| r.write(id(r, "plain"), 64, &WORD).expect("inside"),
        &|r| r.destroy(id(r, "plain")).expect("there"),
        // in the place of which the log holds bytes
        &|r| {
            r.create(5000, &named("again")).expect("space");
        },
        &|r| r.write(id(r, "again"), 128, &WORD).expect("inside"),
        &|r| {
            r.create_with(&[1; LONG], &checked).expect("space");
        },
        // too long for the log; one word of it is new
        &|r| {
            let mut bytes = [1; LONG];
            bytes[4096..4104].copy_from_slice(&WORD);
            r.write(id(r, "checked"), 0, &bytes).expect("inside");
        },
    ];
    let (recording, states) = recorded(128 << 10, &changes);
    if let Some(Err(error)) = states.iter().find(|state| state.is_err()) {
        probe.report("without a crash", error);
    }
    let explorer = Explorer::new().kill_steps(16);
    probe.explore(&explorer, &recording, see, |point, seen| {
        judge(&states, point, seen)
    });
}

/// What a region gets when it grows is zero, whatever it had there before.
fn grown(probe: &mut Probe) {
    let regions = new(CrashMedia::new(ByteLen::new(64 << 10)));
    let id = regions.put("grown", &[6; 500]).expect("space");
    regions.resize(id, 100).expect("shorter");
    regions.resize(id, 500).expect("space");
    let bytes = regions.read_all(id).expect("there");
    if bytes[..100] != [6; 100] || bytes[100..] != [0; 400] {
        probe.report("without a crash", "new bytes of a region do not read zero");
    }
}

/// The state after every acknowledged change, or with the one in flight on top.
pub fn judge(states: &[Seen], point: &Point<'_>, seen: &Seen) -> Result<(), String> {
    let done = point.acked.len();
    let may = done..=done + point.in_flight.len();
    match (seen, states[may.clone()].contains(seen)) {
        (_, true) => Ok(()),
        (Err(error), _) => Err(error.clone()),
        _ => Err(format!("none of the states {may:?}")),
    }
}
