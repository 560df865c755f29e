//! Runs the built command and looks at what it did.
#![allow(dead_code, reason = "every test file uses its part")]

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// How the command ended and what it said.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; none where a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    /// Ends the test unless the exit code is `code`.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.text(), self.stderr);
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The one object on stdout.
    #[track_caller]
    pub fn object(&self) -> Value {
        let text = self.text();
        let value: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}\n{}", self.stderr));
        assert!(value.is_object(), "{text}");
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        value
    }

    /// The object is an error with this code, and stderr says this.
    #[track_caller]
    pub fn fails(self, code: i32, words: &str) -> Self {
        let ran = self.ends(code);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        assert!(
            ran.stderr.contains(words),
            "{words:?} is not in: {}",
            ran.stderr
        );
        if !ran.stdout.is_empty() {
            let object = ran.object();
            assert_eq!(object["error"]["code"], code, "{object}");
            let message = object["error"]["message"].as_str().unwrap_or("");
            assert!(message.contains(words), "{object}");
        }
        ran
    }
}

pub fn everline<S: AsRef<std::ffi::OsStr>>(words: &[S]) -> Ran {
    everline_with(words, b"")
}

pub fn everline_with<S: AsRef<std::ffi::OsStr>>(words: &[S], input: &[u8]) -> Ran {
    run(
        Command::new(env!("CARGO_BIN_EXE_everline")).args(words),
        input,
    )
}

pub fn run(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut pipe = child.stdin.take().expect("piped");
    // A verb that reads no input may be gone already.
    drop(pipe.write_all(input));
    drop(pipe);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("the command ends");
    Ran {
        code: status.code(),
        stdout,
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// A directory of the test's own, on a device where the system's temporary directory is.
pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// `name` in `directory`, as a word of a command line.
pub fn at(directory: &tempfile::TempDir, name: &str) -> String {
    directory.path().join(name).display().to_string()
}

/// A new pool of `size` in `directory`.
pub fn pool(directory: &tempfile::TempDir, size: &str) -> String {
    let path = at(directory, "pool");
    everline(&["create", &path, "--size", size]).ends(0);
    path
}

pub fn put(pool: &str, name: &str, bytes: &[u8]) {
    everline_with(&["region", "put", pool, name], bytes).ends(0);
}

pub fn hash(path: impl AsRef<Path>) -> u64 {
    let mut hasher = DefaultHasher::new();
    fs::read(path).expect("readable").hash(&mut hasher);
    hasher.finish()
}

/// Overwrites bytes of a file.
pub fn patch(path: &str, at: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new()
        .write(true)
        .open(path)
        .expect("writable");
    file.write_all_at(bytes, at).expect("patched");
}

/// A tmpfs of the test's own, unmounted when dropped.
pub struct Tmpfs {
    pub path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Tmpfs {
    /// None, loudly, where this user may not mount; a failure where `EVERLINE_REQUIRE_TOOLS=1`.
    pub fn new(size: &str) -> Option<Self> {
        let directory = directory();
        let path = directory.path().join("tmpfs");
        fs::create_dir(&path).expect("made");
        let options = format!("size={size}");
        let mounted = run(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", &options, "none"])
                .arg(&path),
            b"",
        );
        if mounted.code == Some(0) {
            return Some(Tmpfs {
                path,
                _directory: directory,
            });
        }
        skip(&format!("cannot mount a tmpfs: {}", mounted.stderr.trim()));
        None
    }

    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        run(
            Command::new("mount").args(["-o", &options]).arg(&self.path),
            b"",
        )
        .ends(0);
    }

    pub fn at(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    pub fn is_empty(&self) -> bool {
        fs::read_dir(&self.path).expect("listed").count() == 0
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        run(Command::new("umount").arg(&self.path), b"");
    }
}

/// Says that a scenario was not run, or fails where everything must run.
#[track_caller]
pub fn skip(reason: &str) {
    assert!(
        std::env::var_os("EVERLINE_REQUIRE_TOOLS").is_none_or(|value| value != "1"),
        "not run although EVERLINE_REQUIRE_TOOLS=1: {reason}"
    );
    eprintln!("SKIPPED: {reason}");
}
