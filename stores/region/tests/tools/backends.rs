//! Every kind of target, for scenarios that must end alike on each.

use std::path::{Path, PathBuf};

use everline_region::{Target, TargetConfig, TargetKind};

/// A kind of target and a place for it.
pub struct Backend {
    pub kind: TargetKind,
    home: tempfile::TempDir,
}

impl Backend {
    /// A configuration of a pool of `size` bytes that is made where it is missing.
    pub fn config(&self, size: u64) -> TargetConfig {
        TargetConfig {
            kind: self.kind,
            path: (self.kind != TargetKind::Memory).then(|| self.path()),
            ..TargetConfig::memory(size)
        }
    }

    /// A target of `size` bytes, made or opened again.
    pub fn open(&self, size: u64) -> Target {
        Target::open(self.config(size)).unwrap_or_else(|error| panic!("{}: {error}", self.name()))
    }

    /// The same target after a clean close; memory goes on as it is, since it has nothing to be opened from.
    pub fn reopen(&self, target: Target) -> Target {
        if self.kind == TargetKind::Memory {
            return target;
        }
        let size = target.report().len;
        target.close().expect("whole");
        self.open(size)
    }

    /// As after a killed process: nothing is closed.
    pub fn reopen_unclean(&self, target: Target) -> Target {
        if self.kind == TargetKind::Memory {
            return target;
        }
        let size = target.report().len;
        drop(target);
        self.open(size)
    }

    pub fn path(&self) -> PathBuf {
        self.home.path().join("pool")
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn name(&self) -> &'static str {
        self.kind.name()
    }
}

/// Runs `scenario` on every kind of target.
pub fn for_each_backend(scenario: impl Fn(&Backend)) {
    for kind in [TargetKind::Pmem, TargetKind::File, TargetKind::Memory] {
        let home = tempfile::tempdir().expect("a directory for tests");
        println!("backend {}", kind.name());
        scenario(&Backend { kind, home });
    }
}
