//! Pools in files that are written explicitly, against power loss: what was acknowledged is there, what is atomic is
//! whole, at every step of making, changing and opening them.

use std::path::Path;

use everline::alloc::{AllocError, Request};
use everline::engine::{
    CreateOptions, FileEngineError, Identity, IoConfig, IoEngine, OpenOptions, create_io, open_io,
    open_io_read_only,
};
use everline::layout::RootSlot;
use everline::media::file::FileError;
use everline::media::{Errno, Media, SpaceError};
use everline::pool::OpenError;
use everline::tx::TxError;
use everline::units::{ByteLen, ByteOffset, ByteRange};
use everline_crash::files::{CrashDisk, CrashFile, DiskOptions, FileSystem};
use everline_crash::{Explorer, Point, Report};

const LEN: u64 = 64 << 10;
const POOL: &str = "/pools/pool";
const FILE_SYSTEMS: [FileSystem; 2] = [FileSystem::Posix, FileSystem::Ext4];

type Pool = IoEngine<CrashFile>;

fn disk_options(file_system: FileSystem) -> DiskOptions {
    DiskOptions::new()
        .file_system(file_system)
        .files(96)
        .file_capacity(ByteLen::new(2 * LEN))
}

fn options() -> CreateOptions {
    CreateOptions {
        len: Some(LEN),
        lanes: Some(1),
        ring_bytes: Some(1024),
        identity: Identity {
            pool_id: [7; 16],
            key: [7; 16],
            created_s: 1,
        },
        ..CreateOptions::default()
    }
}

fn create(disk: &CrashDisk, len: u64) -> Pool {
    let options = CreateOptions {
        len: Some(len),
        capacity_max: Some(2 * len),
        ..options()
    };
    let made = create_io(disk, Path::new(POOL), &options, &IoConfig::default());
    made.expect("there is room").0
}

fn open(disk: &CrashDisk) -> Result<Pool, FileEngineError> {
    let opened = open_io(
        disk,
        Path::new(POOL),
        &OpenOptions::default(),
        &IoConfig::default(),
    );
    opened.map(|(engine, _)| engine)
}

fn sound(engine: &Pool) {
    let mut problems = String::new();
    engine.check(|problem| problems += &problem.to_string());
    assert_eq!(problems, "");
}

/// Explores `work` under both file systems; every state is looked at.
fn explore<O: Clone + Eq + std::fmt::Debug>(
    work: impl Fn(&CrashDisk),
    recover: impl Fn(&CrashDisk) -> O,
    allowed: impl Fn(&Point<'_>, &O) -> Result<(), String>,
) -> Vec<Report> {
    let explored = FILE_SYSTEMS.map(|file_system| {
        let explorer = Explorer::new().suggest(false);
        let options = disk_options(file_system);
        let report = explorer.check_files(options, &work, &recover, &allowed);
        report.assert_clean();
        assert!(report.exhaustive, "{report}");
        report
    });
    explored.into()
}

#[test]
fn a_pool_is_whole_or_absent_at_every_step_of_its_making() {
    let work = |disk: &CrashDisk| {
        drop(create(disk, LEN));
        disk.ack(1);
    };
    let recover = |disk: &CrashDisk| match open(disk) {
        Ok(engine) => {
            sound(&engine);
            true
        }
        Err(FileEngineError::File(FileError::NotFound { .. })) => false,
        Err(error) => panic!("{error}"),
    };
    explore(work, recover, |point, there| match (point.acked, there) {
        ([1], true) | ([], _) => Ok(()),
        _ => Err("a pool was promised and is not there".into()),
    });
}

/// Three words that lie apart; a transaction changes two together, a durable write changes the third.
fn words(engine: &Pool) -> [ByteOffset; 3] {
    [0, 1, 2].map(|slot| engine.root(RootSlot::user(slot).expect("one of 48")))
}

fn with_words(disk: &CrashDisk, len: u64) -> Pool {
    let engine = create(disk, len);
    for slot in 0..3 {
        let mut tx = engine.begin().expect("a lane");
        let word = tx.alloc(Request::new(1024)).expect("room");
        tx.write(word.start(), &0u64.to_le_bytes()).expect("inside");
        let slot = RootSlot::user(slot).expect("one of 48");
        tx.set_root(slot, word.start()).expect("a slot");
        tx.commit().expect("healthy");
    }
    engine
}

fn seen(engine: &Pool) -> [u64; 3] {
    words(engine).map(|at| engine.load64(at).expect("in the pool"))
}

fn range(at: ByteOffset) -> ByteRange {
    ByteRange::at(at.get(), 8).expect("small")
}

fn staged(engine: &Pool, value: u64) -> Result<(), TxError<Errno>> {
    let [a, b, _] = words(engine);
    let mut tx = engine.begin()?;
    tx.write(a, &value.to_le_bytes())?;
    tx.write(b, &value.to_le_bytes())?;
    tx.commit().map(drop)
}

fn undo(engine: &Pool, value: u64) -> Result<(), TxError<Errno>> {
    let [a, b, _] = words(engine);
    let mut tx = engine.begin()?;
    let mut homes = tx.snapshot(&[range(a), range(b)])?;
    homes.store64(a, value)?;
    homes.store64(b, value)?;
    tx.commit().map(drop)
}

fn recovered(disk: &CrashDisk) -> [u64; 3] {
    let engine = open(disk).expect("a pool");
    sound(&engine);
    seen(&engine)
}

#[test]
fn transactions_are_whole_and_what_was_acknowledged_is_there() {
    let work = |disk: &CrashDisk| {
        let engine = with_words(disk, LEN);
        disk.mark();
        staged(&engine, 1).expect("healthy");
        disk.ack(1);
        undo(&engine, 2).expect("healthy");
        disk.ack(2);
        let [_, _, c] = words(&engine);
        engine
            .write_durable(c, &3u64.to_le_bytes())
            .expect("healthy");
        disk.ack(3);
        drop(engine.close().expect("healthy"));
        disk.ack(4);
    };
    explore(work, recovered, |point, [a, b, c]| {
        let acked = |id| point.acked.contains(&id);
        let newest = if acked(2) { 2 } else { u64::from(acked(1)) };
        match a == b && *a >= newest && *a <= newest + 1 && (*c == 3 || !acked(3)) {
            true => Ok(()),
            false => Err(format!("{:?} acknowledged, {a} {b} {c} found", point.acked)),
        }
    });
}

#[test]
fn a_pool_that_grows_and_is_checkpointed_loses_nothing() {
    let work = |disk: &CrashDisk| {
        let engine = with_words(disk, LEN);
        disk.mark();
        let media = engine.pool().media();
        media.set_len(ByteLen::new(LEN + 4096)).expect("room");
        staged(&engine, 1).expect("healthy");
        disk.ack(1);
        engine.checkpoint().expect("healthy");
        staged(&engine, 2).expect("healthy");
        disk.ack(2);
    };
    let recover = |disk: &CrashDisk| {
        let len = disk.metadata(POOL).expect("there").len();
        assert!(len == LEN || len == LEN + 4096);
        (len, recovered(disk))
    };
    explore(work, recover, |point, (len, [a, b, _])| {
        let acked = point.acked.len() as u64;
        match a == b && *a >= acked && *a <= acked + 1 && (*len > LEN || *a == 0) {
            true => Ok(()),
            false => Err(format!("{acked} acknowledged, {a} {b} in {len} found")),
        }
    });
}

#[test]
fn a_pool_opened_read_only_is_recovered_in_memory_and_changes_no_byte() {
    let disk = CrashDisk::new(disk_options(FileSystem::Posix));
    let engine = with_words(&disk, LEN);
    staged(&engine, 5).expect("healthy");
    drop(engine.abandon());
    let bytes = || disk.enter(|| everline_crash::fs::read(POOL).expect("there"));
    let before = bytes();
    let (engine, _) =
        open_io_read_only(&disk, Path::new(POOL), &OpenOptions::default()).expect("a pool");
    assert_eq!(seen(&engine)[..2], [5, 5]);
    assert_eq!(engine.begin().err(), Some(TxError::ReadOnly));
    drop(engine);
    assert_eq!(bytes(), before);
}

/// After an error: every change is refused, reads go on; a new process on the disk finds the old or the new state.
fn assert_poisoned_then_recovers(disk: &CrashDisk, engine: &Pool, states: &[u64]) {
    assert!(engine.pool().health().is_poisoned());
    assert_eq!(staged(engine, 9), Err(TxError::Poisoned));
    let [_, _, c] = words(engine);
    assert_eq!(engine.write_durable(c, &[9]), Err(TxError::Poisoned));
    assert_eq!(engine.load64(c), Ok(0));
    let [a, b, c] = recovered(&disk.kill());
    assert!(a == b && c == 0 && states.contains(&a), "{a} {b} {c}");
}

#[test]
fn k3_a_failed_sync_poisons_reads_go_on_and_a_reopen_recovers() {
    for change in [staged, undo] {
        for sync in 0..4 {
            let disk = CrashDisk::new(disk_options(FileSystem::Posix));
            let engine = with_words(&disk, LEN);
            staged(&engine, 1).expect("healthy");
            disk.fail_sync_at(sync);
            let changed = change(&engine, 2);
            if changed.is_ok() {
                continue; // it has fewer syncs
            }
            assert_eq!(changed, Err(TxError::Sync(Errno(5))));
            assert_poisoned_then_recovers(&disk, &engine, &[1, 2]);
        }
    }
}

#[test]
fn k4_a_full_disk_is_an_error_that_says_so_and_harms_nothing() {
    let disk = CrashDisk::new(disk_options(FileSystem::Posix));
    disk.limit_space(ByteLen::new(LEN / 2));
    let config = IoConfig {
        reserve: true,
        ..IoConfig::default()
    };
    let made = create_io(&disk, Path::new(POOL), &options(), &config);
    let error = made.map(drop).expect_err("half the room that it takes");
    assert!(
        matches!(error, FileEngineError::File(FileError::NoSpace { .. })),
        "{error}"
    );
    assert_eq!(disk.read_dir("/pools").expect("was made"), [""; 0]);

    // A sparse pool whose disk is full by now: space is asked for before it is used.
    let large = disk_options(FileSystem::Posix).file_capacity(ByteLen::new(4 << 20));
    let disk = CrashDisk::new(large);
    disk.limit_space(ByteLen::new(2 << 20));
    let engine = with_words(&disk, 4 << 20);
    let mut tx = engine.begin().expect("a lane");
    let refused = tx.alloc(Request::new(3 << 20)).err();
    assert!(
        refused == Some(TxError::Alloc(AllocError::Device(SpaceError::NoSpace))),
        "{refused:?}"
    );
    tx.abort().expect("healthy");
    staged(&engine, 1).expect("its space is there");
    assert_eq!(seen(&engine), [1, 1, 0]);
}

#[test]
fn what_is_no_pool_is_told_from_what_is_not_there() {
    let disk = CrashDisk::new(disk_options(FileSystem::Posix));
    assert!(matches!(
        open(&disk).err(),
        Some(FileEngineError::File(FileError::NotFound { .. }))
    ));
    let bytes = vec![1; LEN as usize];
    disk.enter(|| {
        everline_crash::fs::create_dir_all("/pools").expect("room");
        everline_crash::fs::write(POOL, bytes).expect("room");
    });
    assert!(matches!(
        open(&disk).err(),
        Some(FileEngineError::Open {
            error: OpenError::NotAPool { .. },
            ..
        })
    ));
    let made = create_io(
        &disk,
        Path::new("pools/pool"),
        &options(),
        &IoConfig::default(),
    );
    assert!(matches!(
        made.err(),
        Some(FileEngineError::File(FileError::AlreadyExists { .. }))
    ));
}
