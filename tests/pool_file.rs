//! Pools in files as the engine makes, opens and refuses them: sizes, places, garbage, capacity.

mod image_tools;

use std::fs;
use std::path::Path;

use everline::alloc::{AllocError, Request};
use everline::engine::{
    CreateOptions, FileConfig, FileEngine, FileEngineError, OpenOptions, create_file, open_file,
    open_file_read_only,
};
use everline::layout::LayoutName;
use everline::media::file::FileOptions;
use everline::pool::{CreateError, OpenError};
use everline::tx::TxError;
use image_tools::{
    MIB, Random, SMALLEST, assert_sound, bytes_at, create, fixed, image_of, put, slot,
};

fn of_len(len: u64) -> CreateOptions {
    CreateOptions {
        len: Some(len),
        ..fixed()
    }
}

fn make(path: &Path, len: u64) -> FileEngine {
    let made = create_file(path, &of_len(len), &FileConfig::default());
    made.unwrap_or_else(|error| panic!("{error}")).0
}

fn open(path: &Path) -> Result<FileEngine, FileEngineError> {
    open_file(path, &OpenOptions::default(), &FileOptions::default()).map(|(engine, _)| engine)
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

#[test]
fn a2_a_path_is_a_directory_or_a_file_and_both_give_a_working_pool() {
    let directory = directory();
    let file = directory.path().join("own.name");
    for (path, expected) in [
        (directory.path(), directory.path().join("pool.pmem")),
        (file.as_path(), file.clone()),
    ] {
        let engine = make(path, SMALLEST);
        put(&engine, 0, 64, 7);
        engine.close().expect("synced");
        assert!(expected.is_file(), "{}", expected.display());
        let engine = open(path).expect("a pool");
        assert_eq!(bytes_at(&engine, engine.root(slot(0)), 64), [7; 64]);
    }
    assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 2);
}

#[test]
fn a3_a_pool_below_the_least_size_is_refused_and_no_file_is_left() {
    let directory = directory();
    for len in [0, 1, 4096, SMALLEST - 1] {
        let path = directory.path().join("too-small");
        let refused = create_file(&path, &of_len(len), &FileConfig::default()).map(drop);
        match refused {
            Err(FileEngineError::Create { error, path: named }) => {
                assert!(matches!(error, CreateError::Geometry(_)), "{error}");
                assert!(named.ends_with("too-small"), "{named}");
            }
            other => panic!("{len}: {other:?}"),
        }
        assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 0);
    }
    drop(make(&directory.path().join("just-right"), SMALLEST));
}

#[test]
fn a13_a14_foreign_short_garbage_and_strange_files_are_refused_and_not_modified() {
    let directory = directory();
    let path = directory.path().join("victim");
    let mut random = Random::seeded(14);
    let engine = create(MIB, &fixed());
    put(&engine, 0, 64, 1);
    let pool = image_of(&engine.close().expect("memory does not fail"));
    let garbage: Vec<u8> = (0..MIB).map(|_| random.next() as u8).collect();
    let mut newer = pool.clone();
    for at in [8, 4104] {
        newer[at] = 2;
    }
    let mut torn = pool.clone();
    for at in [100, 4196] {
        torn[at] ^= 1;
    }
    let cases: [(&str, Vec<u8>); 8] = [
        ("nothing", Vec::new()),
        ("one byte", vec![b'E']),
        ("a text", b"this is not a pool\n".repeat(5000)),
        ("zeros", vec![0; 1 << 20]),
        ("garbage", garbage),
        ("half a pool", pool[..1 << 19].to_vec()),
        ("a newer format", newer),
        ("both superblocks flipped", torn),
    ];
    for (what, bytes) in cases {
        fs::write(&path, &bytes).expect("writable");
        let error = open(&path).map(drop).expect_err(what);
        let text = error.to_string();
        assert!(text.contains("victim"), "{what}: no path in {text:?}");
        let read_only =
            open_file_read_only(&path, &OpenOptions::default(), &FileOptions::default());
        assert!(read_only.is_err(), "{what}");
        assert!(
            fs::read(&path).expect("readable") == bytes,
            "{what}: changed"
        );
    }
    fs::write(&path, &pool).expect("writable");
    let stranger = OpenOptions {
        layout: LayoutName::new("other"),
        ..OpenOptions::default()
    };
    match open_file(&path, &stranger, &FileOptions::default()).map(drop) {
        Err(FileEngineError::Open { error, .. }) => {
            assert!(matches!(error, OpenError::LayoutMismatch { .. }), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert!(fs::read(&path).expect("readable") == pool);
    let engine = open(&path).expect("itself");
    assert_eq!(bytes_at(&engine, engine.root(slot(0)), 64), [1; 64]);
}

#[test]
fn e5_a_full_pool_is_no_space_and_its_file_keeps_its_size() {
    let directory = directory();
    let path = directory.path().join("full");
    let engine = make(&path, MIB);
    let mut kept = Vec::new();
    let mut refused = 0;
    for number in 0..5u8 {
        let mut tx = engine.begin().expect("a lane");
        match tx.alloc(Request::new(400_000)) {
            Ok(block) => {
                tx.write_fresh(block.start(), &vec![number; 400_000])
                    .expect("inside");
                tx.commit().expect("committed");
                kept.push((block, number));
            }
            Err(TxError::Alloc(AllocError::NoSpace { .. })) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((kept.len(), refused), (2, 3));
    assert_sound(&engine);
    engine.close().expect("synced");
    assert_eq!(fs::metadata(&path).expect("there").len(), MIB);
    let engine = open(&path).expect("a pool");
    for (block, number) in kept {
        let found = bytes_at(&engine, block.start(), 400_000);
        assert!(found.iter().all(|byte| *byte == number));
    }
}
