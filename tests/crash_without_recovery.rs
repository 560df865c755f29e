//! After a power cut at every crash point: what an open without recovery says of the log is what a recovery then reads,
//! it stores nothing, and where it does not refuse, the homes are the committed state.

mod image_tools;

use everline::engine::{Engine, OpenOptions, Recovery};
use everline::media::{Cost, Counted, Media};
use everline::pool::OpenError;
use everline::units::{ByteLen, ByteOffset};
use everline_crash::{CrashMedia, Explorer, Point, Report};
use image_tools::{SMALLEST, bytes_at, fixed, put, range, slot};

/// What an open without recovery came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Without {
    /// So many bytes of log wait.
    Refused(u64),
    /// Nothing waits, and this is the value at home.
    Opened(u64),
}

fn value(engine: &Engine<impl Media>) -> u64 {
    match engine.root(slot(0)) {
        ByteOffset::ZERO => 0,
        at => u64::from_le_bytes(bytes_at(engine, at, 8).try_into().expect("8 bytes")),
    }
}

/// The value after a recovery, if an open without one said before what that came to.
fn see(media: &CrashMedia) -> Result<u64, String> {
    let looked = Counted::new(media.clone());
    let options = OpenOptions {
        recovery: Recovery::None { forced: false },
        ..OpenOptions::default()
    };
    let without = match Engine::open(&looked, &options) {
        Ok((engine, _)) => Without::Opened(value(&engine)),
        Err(OpenError::NotRecovered { bytes }) => Without::Refused(bytes),
        Err(error) => return Err(error.to_string()),
    };
    if looked.cost() != Cost::default() {
        return Err("an open without recovery stored something".into());
    }
    let (engine, report) =
        Engine::open(media.clone(), &OpenOptions::default()).map_err(|error| error.to_string())?;
    let (log_bytes, value) = (report.recovery.log_bytes, value(&engine));
    match without {
        Without::Refused(bytes) if bytes == log_bytes => Ok(value),
        Without::Opened(seen) if log_bytes == 0 && seen == value => Ok(value),
        _ => Err(format!(
            "{without:?}, and recovery read {log_bytes} bytes: {value}"
        )),
    }
}

fn judge(_: &Point<'_>, seen: &Result<u64, String>) -> Result<(), String> {
    seen.as_ref().map(drop).map_err(String::clone)
}

/// Commits, an undo transaction, a checkpoint and a close, cut everywhere.
fn explore() -> Report {
    let media = CrashMedia::new(ByteLen::new(SMALLEST));
    let engine = Engine::create(media.clone(), &fixed()).expect("a pool");
    let block = put(&engine, 0, 8, 1);
    media.mark();
    put(&engine, 1, 8, 2);
    let mut tx = engine.begin().expect("a lane");
    let mut place = tx.snapshot(&[range(block.start(), 8)]).expect("room");
    place.store64(block.start(), 7).expect("snapshotted");
    tx.commit().expect("no failing fence");
    engine.checkpoint().expect("no failing fence");
    put(&engine, 0, 8, 9);
    engine.close().expect("no failing fence");
    let recording = media.recording().start_at_last_mark();
    Explorer::new()
        .nested_depth(0)
        .explore(&recording, see, judge)
}

#[test]
fn g6_at_every_cut_an_open_without_recovery_tells_what_waits() {
    let report = explore();
    report.assert_clean();
    assert!(report.executions > 100, "{report}");
}
