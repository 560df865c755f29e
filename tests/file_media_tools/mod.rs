//! What the tests of files share: a directory on a device, a tmpfs that is soon full, a child process.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use everline::media::Media;
use everline::media::file::{FileMedia, FileOptions};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};

pub const MIB: u64 = 1 << 20;

/// Says loudly that a test did not run; a failure where the tools are required.
pub fn skip(why: &str) {
    assert!(
        std::env::var("EVERLINE_REQUIRE_TOOLS").as_deref() != Ok("1"),
        "required, and skipped: {why}"
    );
    eprintln!("SKIPPED: {why}");
}

/// A new directory beside the build's own files, which lie on a device more often than /tmp does.
pub fn disk_directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("temporary directory")
}

/// A tmpfs of its own, unmounted when dropped.
pub struct SmallTmpfs {
    point: tempfile::TempDir,
}

impl SmallTmpfs {
    /// `None` where this process may not mount.
    pub fn mount(size: &str) -> Option<Self> {
        let point = disk_directory();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "everline"])
            .arg(point.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(SmallTmpfs { point })
    }

    pub fn path(&self) -> &Path {
        self.point.path()
    }
}

impl Drop for SmallTmpfs {
    fn drop(&mut self) {
        // Lazily, so that a failing test that still has a file open does not leave the mount behind.
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()),
            "{:?} stays mounted",
            PathBuf::from(self.path())
        );
    }
}

pub fn options() -> FileOptions {
    FileOptions::default()
}

pub fn make(path: &Path, len: u64) -> FileMedia {
    FileMedia::create(path, ByteLen::new(len), false, &options())
        .expect("made")
        .publish()
        .expect("published")
}

pub fn range(at: u64, len: u64) -> ByteRange {
    ByteRange::at(at, len).expect("small")
}

pub fn persist(media: &FileMedia, at: u64, bytes: &[u8]) {
    media.write(ByteOffset::new(at), bytes);
    media.flush(LineRange::covering(range(at, bytes.len() as u64)));
    media.fence().expect("synced");
}

pub fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).expect("readable").count()
}

/// Runs one of the child tests below in another process, in `directory`, on `path`.
pub fn run_again(directory: &Path, test: &str, path: &str) -> std::process::ExitStatus {
    Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", test, "--nocapture"])
        .current_dir(directory)
        .env("EVERLINE_CHILD_PATH", path)
        .status()
        .expect("started")
}

pub fn child_path() -> Option<std::path::PathBuf> {
    std::env::var_os("EVERLINE_CHILD_PATH").map(Into::into)
}
