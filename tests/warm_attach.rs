//! Attaching to a pool that a killed process left: the log is read, nothing is fixed up, at any address.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine, FileConfig, OpenOptions, create_file, open_file};
use everline::layout::RootSlot;
use everline::media::file::FileOptions;
use everline::media::{Media, Ram};
use everline::units::{ByteLen, ByteOffset};

const CHILD: &str = "EVERLINE_WARM_ATTACH_CHILD";
const OBJECTS: u64 = 1_000_000;

/// A list of a million objects, then a transaction that is never committed.
fn child(path: &Path) {
    let (engine, _) =
        open_file(path, &OpenOptions::default(), &FileOptions::default()).expect("a pool");
    let root = RootSlot::user(0).expect("one of 48");
    let mut done = 0;
    while done < OBJECTS {
        let mut tx = engine.begin().expect("a lane");
        let mut last = tx.root(root).expect("inside");
        for _ in 0..1_000 {
            let block = tx.alloc(Request::new(16)).expect("room");
            tx.set(block.start(), &[last.get(), done]).expect("inside");
            last = block.start();
            done += 1;
        }
        tx.set_root(root, last).expect("inside");
        tx.commit().expect("the file works");
    }
    let last = engine.root(root);
    let mut tx = engine.begin().expect("a lane");
    let word = everline::units::ByteRange::new(last, ByteLen::new(8)).expect("small");
    tx.snapshot(&[word])
        .expect("room")
        .store64(last, 1)
        .expect("in a snapshot");
    println!("ready");
    std::thread::sleep(std::time::Duration::from_secs(60));
}

/// Walks the list; answers how many objects it holds.
fn walk<M: Media>(engine: &Engine<M>) -> u64 {
    let mut at = engine.root(RootSlot::user(0).expect("one of 48"));
    let mut expected = OBJECTS;
    while at != ByteOffset::ZERO {
        expected -= 1;
        let number = engine
            .load64(ByteOffset::new(at.get() + 8))
            .expect("inside");
        assert_eq!(number, expected);
        at = ByteOffset::new(engine.load64(at).expect("inside"));
    }
    OBJECTS - expected
}

#[test]
fn k7_a_pool_killed_in_mid_transaction_attaches_by_its_log_alone_at_another_address() {
    if let Some(path) = std::env::var_os(CHILD) {
        return child(Path::new(&path));
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("warm.pmem");
    let options = CreateOptions {
        len: Some(64 << 20),
        ..CreateOptions::default()
    };
    let (engine, _) =
        create_file(&path, &options, &FileConfig::default()).expect("room on the disk");
    engine.close().expect("the file works");

    let mut killed = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "--nocapture",
            "k7_a_pool_killed_in_mid_transaction_attaches_by_its_log_alone_at_another_address",
        ])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test again");
    let lines = BufReader::new(killed.stdout.take().expect("piped")).lines();
    assert!(
        lines
            .map_while(Result::ok)
            .any(|line| line.ends_with("ready")),
        "the child came to its end"
    );
    killed.kill().expect("alive");
    killed.wait().expect("killed");

    // The same bytes at another address, recovered there.
    let bytes = std::fs::read(&path).expect("the pool's file");
    let ram = Ram::new(ByteLen::of(&bytes));
    ram.write(ByteOffset::ZERO, &bytes);
    let (elsewhere, report) = Engine::open(ram, &OpenOptions::default()).expect("a pool");
    assert_eq!(report.recovery.undone, 1);
    assert_eq!(walk(&elsewhere), OBJECTS);

    let (engine, opened) =
        open_file(&path, &OpenOptions::default(), &FileOptions::default()).expect("a pool");
    let recovery = opened.report.recovery;
    assert_eq!(recovery.undone, 1);
    assert_eq!(walk(&engine), OBJECTS);
    let rings = engine.log().status().capacity_bytes;
    assert!(
        recovery.log_bytes <= rings,
        "bounded by the rings, whatever the pool holds"
    );
    engine.close().expect("the file works");

    let (engine, clean) =
        open_file(&path, &OpenOptions::default(), &FileOptions::default()).expect("a pool");
    assert_eq!(
        clean.report.recovery.log_bytes, 0,
        "a clean attach reads no log"
    );
    assert_eq!(engine.check(|problem| panic!("{problem}")).objects, OBJECTS);
    eprintln!(
        "attach after the kill {:?} with {} bytes of log, clean {:?}",
        opened.elapsed, recovery.log_bytes, clean.elapsed
    );
}
