//! Programs as users build them: the library by cargo, with the profile that ships and in a folder of its own, so that
//! nothing of a test's build shows; then one file by rustc against it.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A built library and where its dependencies lie.
pub struct Library {
    rlib: PathBuf,
    dependencies: PathBuf,
    pub scratch: PathBuf,
}

fn tool(variable: &str, name: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| name.into())
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Says loudly that a test did not run; a failure where the tools are required.
pub fn skip(why: &str) {
    assert!(
        std::env::var("EVERLINE_REQUIRE_TOOLS").as_deref() != Ok("1"),
        "required, and skipped: {why}"
    );
    eprintln!("SKIPPED: {why}");
}

fn succeeded(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{what} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Library {
    /// Builds `everline` with `arguments` to cargo. `name` keeps builds with different arguments apart.
    pub fn build(name: &str, arguments: &[&str]) -> Library {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("user-program")
            .join(name);
        let output = Command::new(tool("CARGO", "cargo"))
            .current_dir(root())
            .args([
                "build",
                "--quiet",
                "--release",
                "--offline",
                "--lib",
                "-p",
                "everline",
            ])
            .args(arguments)
            .arg("--target-dir")
            .arg(&target)
            .env_remove("CARGO_BUILD_TARGET")
            .output()
            .expect("cargo starts");
        succeeded("building the library", &output);
        let release = target.join("release");
        Library {
            rlib: release.join("libeverline.rlib"),
            dependencies: release.join("deps"),
            scratch: release,
        }
    }

    /// rustc on one file, ready for more arguments.
    pub fn rustc(&self, source: &Path) -> Command {
        let mut with_name = OsString::from("everline=");
        with_name.push(&self.rlib);
        let mut dependencies = OsString::from("dependency=");
        dependencies.push(&self.dependencies);
        let mut command = Command::new(tool("RUSTC", "rustc"));
        command
            .current_dir(root())
            .args(["--edition", "2024"])
            .arg("--extern")
            .arg(with_name)
            .arg("-L")
            .arg(dependencies)
            .arg(source);
        command
    }

    /// A program as `cargo build --release` makes it.
    pub fn program(&self, source: &str, arguments: &[&str]) -> PathBuf {
        let stem = Path::new(source).file_stem().expect("a file");
        let program = self.scratch.join(stem);
        let output = self
            .rustc(Path::new(source))
            .args(["-C", "opt-level=3"])
            .args(arguments)
            .arg("-o")
            .arg(&program)
            .output()
            .expect("rustc starts");
        succeeded(&format!("compiling {source}"), &output);
        program
    }
}
