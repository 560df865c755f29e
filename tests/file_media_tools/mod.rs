//! Places for the tests of files: a directory on a device, a tmpfs that is soon full.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;

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
