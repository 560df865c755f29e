//! A copy of the real layers with every planted bug in it, each off until its number is planted; and its driver.
//!
//! One copy carries all bugs, so that it is built once. Cargo builds it again only where an input has changed, since a
//! file is written only where its text has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::edits::{self, Bug};

/// The stores, which are copied and may have bugs.
const STORES: [&str; 2] = ["stores/region", "stores/kv"];
/// What else is copied.
const CRATES: [&str; 3] = ["arch", "fault_injection", "."];
/// The suites' world, which the driver shares with them.
const WORLD: &str = "tests/crash_world";
const PLANTED: &str = "fault_injection/planted";

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct Copy {
    root: PathBuf,
    at: PathBuf,
    target: PathBuf,
    pub bugs: Vec<Bug>,
    /// What belongs to the copy.
    written: BTreeSet<PathBuf>,
}

impl Copy {
    /// The copy that belongs to the source tree beside this program.
    ///
    /// Errors: there is no source tree, as in a published crate; an edit that no longer applies.
    pub fn prepare() -> Result<Copy, String> {
        let root = root();
        if !Self::has_source() {
            return Err(format!("no source tree at {}", root.display()));
        }
        let target = target_folder(&root);
        let bugs = edits::load(&root.join(PLANTED).join("edits"))?;
        let mut copy = Copy {
            at: target.join("planted"),
            root,
            target,
            bugs,
            written: BTreeSet::new(),
        };
        copy.write()?;
        Ok(copy)
    }

    /// Whether the source tree is beside this program.
    pub fn has_source() -> bool {
        root().join("src/log").is_dir() && root().join(WORLD).is_dir()
    }

    fn write(&mut self) -> Result<(), String> {
        for name in CRATES.into_iter().chain(STORES) {
            self.copy_folder(&format!("{name}/src"))?;
            self.copy_file(&format!("{name}/README.md"))?;
        }
        for name in ["arch", "fault_injection"].into_iter().chain(STORES) {
            self.copy_file(&format!("{name}/Cargo.toml"))?;
        }
        self.copy_file("Cargo.lock")?;
        let manifest = self.read("Cargo.toml")?;
        self.put("Cargo.toml", &workspace(&manifest)?)?;
        for name in ["."].into_iter().chain(STORES) {
            let library = format!("{name}/src/lib.rs");
            let library = library.trim_start_matches("./");
            let text =
                fs::read_to_string(self.at.join(library)).map_err(|error| error.to_string())?;
            self.put(library, &with_module(&text))?;
        }
        self.put(
            "src/planted.rs",
            &self.read(&format!("{PLANTED}/planted.rs"))?,
        )?;
        for name in STORES {
            let here = format!("{name}/src/planted.rs");
            self.put(&here, "pub use everline::planted::on;\n")?;
        }
        let driver = format!("{PLANTED}/driver");
        for entry in self.list(&driver)? {
            let name = entry.trim_end_matches(".in");
            self.put(
                &format!("driver/{name}"),
                &self.read(&format!("{driver}/{entry}"))?,
            )?;
        }
        let clock = self.read("fault_injection/src/bin/gauntlet/clock.rs")?;
        self.put("driver/clock.rs", &clock)?;
        for name in self.list(WORLD)? {
            self.put(
                &format!("driver/crash_world/{name}"),
                &self.read(&format!("{WORLD}/{name}"))?,
            )?;
        }
        self.every_edit_has_its_file()?;
        self.prune(&self.at)
    }

    /// Removes Rust files that an earlier copy had.
    fn prune(&self, folder: &Path) -> Result<(), String> {
        let told = |error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(folder).map_err(told)? {
            let path = entry.map_err(told)?.path();
            if path.is_dir() {
                self.prune(&path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !self.written.contains(&path)
            {
                fs::remove_file(&path).map_err(told)?;
            }
        }
        Ok(())
    }

    fn every_edit_has_its_file(&self) -> Result<(), String> {
        for bug in &self.bugs {
            for edit in &bug.edits {
                if !self.at.join(&edit.file).is_file() {
                    return Err(format!(
                        "{} edits {}, which is not there",
                        bug.name, edit.file
                    ));
                }
            }
        }
        Ok(())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let told = |error| format!("{folder}: {error}");
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(folder)).map_err(told)? {
            names.push(
                entry
                    .map_err(told)?
                    .file_name()
                    .to_string_lossy()
                    .into_owned(),
            );
        }
        Ok(names)
    }

    /// Copies Rust files with their edits; `src/bin` needs no copy.
    fn copy_folder(&mut self, folder: &str) -> Result<(), String> {
        for name in self.list(folder)? {
            let path = format!("{folder}/{name}");
            if self.root.join(&path).is_dir() {
                if name != "bin" {
                    self.copy_folder(&path)?;
                }
            } else {
                self.copy_file(&path)?;
            }
        }
        Ok(())
    }

    fn copy_file(&mut self, path: &str) -> Result<(), String> {
        let path = path.trim_start_matches("./");
        if !self.root.join(path).is_file() {
            return Ok(());
        }
        let text = edits::apply(path, &self.read(path)?, &self.bugs)?;
        self.put(path, &text)
    }

    fn read(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(self.root.join(path)).map_err(|error| format!("{path}: {error}"))
    }

    fn put(&mut self, path: &str, text: &str) -> Result<(), String> {
        let to = self.at.join(path);
        self.written.insert(to.clone());
        if fs::read_to_string(&to).is_ok_and(|there| there == text) {
            return Ok(());
        }
        let told = |error| format!("{}: {error}", to.display());
        fs::create_dir_all(to.parent().unwrap_or(&self.at)).map_err(told)?;
        fs::write(&to, text).map_err(told)
    }

    /// Starts building the driver. Errors: no cargo.
    pub fn build(&self) -> Result<Child, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build
            .current_dir(&self.at)
            .args([
                "build",
                "--release",
                "--offline",
                "--quiet",
                "--package",
                "everline-planted",
            ])
            .arg("--target-dir")
            .arg(&self.target)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(self.log()?);
        build
            .spawn()
            .map_err(|error| format!("cargo does not start: {error}"))
    }

    /// What the last build said goes here.
    fn log(&self) -> Result<fs::File, String> {
        fs::File::create(self.log_path()).map_err(|error| error.to_string())
    }

    fn log_path(&self) -> PathBuf {
        self.at.join("build.log")
    }

    /// What the last build said.
    pub fn build_log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The driver, once it is built.
    pub fn driver(&self) -> Command {
        Command::new(self.target.join("release").join("everline-planted"))
    }
}

/// The source tree that this program was built from.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// The root manifest for the copied crates and the driver alone.
fn workspace(manifest: &str) -> Result<String, String> {
    let mut lines: Vec<String> = manifest.lines().map(str::to_owned).collect();
    for (key, value) in [
        (
            "members",
            "[\"arch\", \"stores/region\", \"stores/kv\", \"fault_injection\", \"driver\"]",
        ),
        ("default-members", "[\"driver\"]"),
    ] {
        let begin = format!("{key} = [");
        let mut found = lines
            .iter_mut()
            .filter(|line| line.starts_with(&begin) && line.ends_with(']'));
        let line = found
            .next()
            .ok_or(format!("Cargo.toml: no line {begin}…]"))?;
        *line = format!("{key} = {value}");
    }
    Ok(lines.join("\n") + "\n")
}

/// A crate's root file with the module that says which bug is on.
fn with_module(library: &str) -> String {
    format!("{library}\n#[doc(hidden)]\npub mod planted;\n")
}

/// The target folder that this program was built into, so that what both share is built once.
fn target_folder(root: &Path) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let profile = own.ancestors().find(|folder| {
        let name = folder.file_name().unwrap_or_default();
        name == "release" || name == "debug"
    });
    let target = profile.and_then(Path::parent).map(Path::to_owned);
    target.unwrap_or_else(|| root.join("target"))
}
