//! A pool's file that is cut, emptied or removed, while it is open and while it is not.
#![cfg(unix)]

mod tools;

use std::cell::Cell;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use everline::media::file::FileError;
use everline::pool::OpenError;
use everline_region::{RegionError, RegionId, Target, TargetConfig, TargetError, TargetKind};
use tools::*;

const MIB: u64 = 1 << 20;

thread_local! {
    static KIND: Cell<TargetKind> = const { Cell::new(TargetKind::Pmem) };
}

/// Runs a scenario with a mapped file, and with explicit input and output.
fn on_both_kinds(scenario: impl Fn()) {
    for kind in [TargetKind::Pmem, TargetKind::File] {
        KIND.set(kind);
        scenario();
    }
}

fn at(path: impl Into<PathBuf>) -> TargetConfig {
    TargetConfig {
        kind: KIND.get(),
        path: Some(path.into()),
        ..TargetConfig::default()
    }
}

fn made(path: &Path) -> (Target, RegionId) {
    let config = TargetConfig {
        catch_sigbus: true,
        ..at(path).with_size(MIB)
    };
    let target = Target::open(config).expect("made");
    let id = target.put("a", &pattern(200_000, 3)).expect("space");
    (target, id)
}

fn cut(path: &Path, len: u64) {
    let file = OpenOptions::new().write(true).open(path).expect("there");
    file.set_len(len).expect("cut");
}

fn open(path: &Path) -> Result<Target, TargetError> {
    // A size is given on purpose: it must not put a new pool over what is left.
    Target::open(at(path).with_size(MIB))
}

#[test]
fn e12_a_file_cut_or_emptied_while_closed_is_refused_and_left_as_it_is() {
    on_both_kinds(|| {
        let home = tempfile::tempdir().expect("a directory for tests");
        let path = home.path().join("pool");
        for len in [0, 1, 4096, MIB / 2, MIB - 1] {
            let (target, _) = made(&path);
            target.close().expect("whole");
            cut(&path, len);
            let before = fs::read(&path).expect("there");
            let error = open(&path).expect_err("not whole");
            let typed = match &error {
                TargetError::File(FileError::TooShort { .. }) => len == 0,
                TargetError::Open {
                    error: OpenError::TooShort { .. },
                    ..
                } => len < 65_536,
                TargetError::Open {
                    error: OpenError::Truncated { .. },
                    ..
                } => len >= 65_536,
                _ => false,
            };
            assert!(typed, "{len}: {error}");
            assert_eq!(fs::read(&path).expect("there"), before);
            fs::remove_file(&path).expect("ours");
        }
    });
}

#[test]
fn e12_a_file_removed_while_closed_is_missing_unless_a_new_one_is_asked_for() {
    on_both_kinds(|| {
        let home = tempfile::tempdir().expect("a directory for tests");
        let path = home.path().join("pool");
        let (target, id) = made(&path);
        target.close().expect("whole");
        fs::remove_file(&path).expect("ours");
        let error = Target::open(at(&path)).expect_err("missing");
        assert!(matches!(error, TargetError::Missing { .. }), "{error}");
        assert!(!path.exists());
        let target = open(&path).expect("asked for");
        assert!(target.report().created && !target.exists(id));
    });
}

#[test]
fn e12_a_file_cut_while_open_is_an_error_and_harms_no_other_pool() {
    on_both_kinds(|| {
        let home = tempfile::tempdir().expect("a directory for tests");
        for len in [0, 4096, MIB / 2] {
            let (healthy, healthy_id) = made(&home.path().join(format!("healthy{len}")));
            let path = home.path().join(format!("cut{len}"));
            let (target, id) = made(&path);
            cut(&path, len);
            let error = target.still_whole().expect_err("cut");
            assert!(
                matches!(error, TargetError::File(FileError::Truncated { .. })),
                "{error}"
            );
            assert!(
                error.to_string().contains(&path.display().to_string()),
                "{error}"
            );
            // What cannot be read is an error, and never zeros that look like data.
            match target.read_all(id) {
                Ok(bytes) => assert_eq!(bytes, pattern(200_000, 3), "still in memory"),
                Err(error) => assert_eq!(error, RegionError::Lost),
            }
            let refused = target.write(id, 0, &pattern(200_000, 4));
            assert!(refused.is_err(), "{len}: nothing there can be durable");
            assert!(target.put("b", b"x").is_err(), "poisoned");
            assert!(target.close().is_err());
            let error = open(&path).expect_err("not whole");
            assert!(!matches!(error, TargetError::Missing { .. }), "{error}");
            assert_eq!(
                fs::metadata(&path).expect("there").len(),
                len,
                "left as it is"
            );

            assert_eq!(healthy.read_all(healthy_id), Ok(pattern(200_000, 3)));
            healthy.write(healthy_id, 0, b"still").expect("unharmed");
            healthy.close().expect("whole");
        }
    });
}

#[test]
fn e12_a_file_removed_while_open_says_so_and_no_other_takes_its_place() {
    on_both_kinds(|| {
        let home = tempfile::tempdir().expect("a directory for tests");
        let path = home.path().join("pool");
        let (target, id) = made(&path);
        fs::remove_file(&path).expect("removed behind its back");
        let error = target.still_whole().expect_err("removed");
        assert!(
            matches!(error, TargetError::File(FileError::Unlinked { .. })),
            "{error}"
        );
        assert_eq!(
            target.read_all(id),
            Ok(pattern(200_000, 3)),
            "the mapping lives on"
        );
        let error = target.close().expect_err("removed");
        assert!(error.to_string().contains("removed or replaced"), "{error}");
        assert!(!path.exists(), "nothing puts it back");
    });
}
