//! Pools in files of this machine by explicit input and output: the same files as mapped pools.

use std::path::{Path, PathBuf};

use everline::alloc::Request;
use everline::engine::{
    CreateOptions, Engine, FileConfig, FileEngineError, IoConfig, OpenOptions, create_file,
    create_io, open_file, open_io, open_io_read_only,
};
use everline::layout::RootSlot;
use everline::media::file::{FileError, FileOptions};
use everline::media::io::LocalDisk;
use everline::media::{Domain, Media};
use everline::units::ByteOffset;
use tempfile::TempDir;

const GIB: u64 = 1 << 30;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("deep/pool");
    (directory, path)
}

fn options(len: u64) -> CreateOptions {
    CreateOptions {
        len: Some(len),
        ..CreateOptions::default()
    }
}

fn slot() -> RootSlot {
    RootSlot::user(0).expect("one of 48")
}

fn put<M: Media>(engine: &Engine<M>, bytes: &[u8]) {
    let mut tx = engine.begin().expect("a lane");
    let block = tx.alloc(Request::new(bytes.len() as u64)).expect("room");
    tx.write(block.start(), bytes).expect("inside");
    tx.set_root(slot(), block.start()).expect("a slot");
    tx.commit().expect("healthy");
}

fn get<M: Media>(engine: &Engine<M>, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    engine
        .read(engine.root(slot()), &mut bytes)
        .expect("inside");
    bytes
}

fn sound<M: Media>(engine: &Engine<M>) {
    let mut problems = String::new();
    engine.check(|problem| problems += &problem.to_string());
    assert_eq!(problems, "");
}

fn is_busy<T>(answer: Result<T, FileEngineError>, path: &Path) -> bool {
    let busy = FileError::Busy {
        path: path.to_path_buf(),
    };
    answer.err() == Some(busy.into())
}

#[test]
fn either_way_opens_what_the_other_made_and_both_keep_each_other_out() {
    let (_directory, path) = place();
    let (disk, config, open) = (
        LocalDisk::default(),
        IoConfig::default(),
        OpenOptions::default(),
    );
    let file = FileOptions::default();
    let (engine, opened) = create_io(&disk, &path, &options(1 << 20), &config).expect("room");
    assert!(opened.report.durability.domain <= Domain::Device);
    assert_eq!(opened.report.durability.flush, "pwrite+fdatasync");
    put(&engine, b"written");
    assert!(is_busy(open_file(&path, &open, &file), &path));
    assert!(is_busy(open_io(&disk, &path, &open, &config), &path));
    drop(engine.abandon()); // as a killed process leaves it

    let (engine, _) = open_file(&path, &open, &file).expect("a pool");
    assert_eq!(get(&engine, 7), b"written");
    sound(&engine);
    put(&engine, b"mapped");
    assert!(is_busy(open_io(&disk, &path, &open, &config), &path));
    assert!(is_busy(open_io_read_only(&disk, &path, &open), &path));
    drop(engine);

    let (reader, _) = open_io_read_only(&disk, &path, &open).expect("a pool");
    assert_eq!(get(&reader, 6), b"mapped");
    drop(reader);
    let (engine, _) = open_io(&disk, &path, &open, &config).expect("a pool");
    assert_eq!(get(&engine, 6), b"mapped");
    sound(&engine);
}

#[test]
fn a_pool_that_is_there_is_replaced_only_on_request() {
    let (_directory, path) = place();
    let (disk, config) = (LocalDisk::default(), IoConfig::default());
    let (file_config, mut over) = (FileConfig::default(), config);
    over.overwrite = true;
    let (engine, _) = create_file(&path, &options(1 << 20), &file_config).expect("room");
    put(&engine, b"old");
    assert!(is_busy(
        create_io(&disk, &path, &options(1 << 20), &over),
        &path
    ));
    drop(engine);
    let refused = create_io(&disk, &path, &options(1 << 20), &config).err();
    assert_eq!(
        refused,
        Some(FileError::AlreadyExists { path: path.clone() }.into())
    );
    let (engine, _) = create_io(&disk, &path, &options(1 << 20), &over).expect("nobody has it");
    assert_eq!(engine.root(slot()), ByteOffset::new(0));
}

#[test]
fn a_pool_of_ten_gibibytes_costs_the_memory_that_is_touched() {
    let (_directory, path) = place();
    let (disk, config, open) = (
        LocalDisk::default(),
        IoConfig::default(),
        OpenOptions::default(),
    );
    let (engine, _) = create_io(&disk, &path, &options(10 * GIB), &config).expect("sparse");
    put(&engine, b"little");
    drop(engine);
    let (engine, _) = open_io(&disk, &path, &open, &config).expect("a pool");
    assert_eq!(get(&engine, 6), b"little");
    let resident = engine.pool().media().resident();
    assert!(resident.get() < 64 << 20, "{resident}");
}

#[test]
fn durability_that_is_not_there_is_refused() {
    let (_directory, path) = place();
    let disk = LocalDisk::new(&FileOptions {
        require: Some(Domain::MemoryController),
        ..FileOptions::default()
    });
    let refused = create_io(&disk, &path, &options(1 << 20), &IoConfig::default()).err();
    assert!(
        matches!(
            refused,
            Some(FileEngineError::File(FileError::DomainUnmet { .. }))
        ),
        "{refused:?}"
    );
    assert!(!path.exists());
}
