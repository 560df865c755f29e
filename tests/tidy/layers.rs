//! Data flows one way: a layer may name the layers above it in this list and the helpers, and nothing else of the crate.

use crate::source::{Source, Word, sources};

/// From the medium outwards. DESIGN order; docs/ARCHITECTURE.md tells what each does.
pub const LAYERS: [&str; 11] = [
    "units", "layout", "media", "persist", "pool", "log", "alloc", "tx", "engine", "tree", "object",
];

/// Modules that every layer may use and that use no layer.
pub const HELPERS: [&str; 4] = ["arch", "error", "mem", "sync"];

/// Complaints about one file: names of the crate that its layer may not know.
pub fn imports_that_run_back_up(source: &Source) -> Vec<String> {
    let Some(module) = source.module_below_src() else {
        return Vec::new();
    };
    if module == "lib" {
        return Vec::new();
    }
    let rank = LAYERS.iter().position(|layer| *layer == module);
    if rank.is_none() && !HELPERS.contains(&module) {
        return vec![format!(
            "{}: `{module}` is neither a layer nor a helper; see tests/tidy/layers.rs",
            source.path
        )];
    }
    crate_names(source)
        .into_iter()
        .filter_map(|name| {
            let complaint = match LAYERS.iter().position(|layer| *layer == name.text) {
                Some(other) if rank.is_some_and(|own| other <= own) => return None,
                Some(_) => format!("`{module}` may not know `{}`", name.text),
                None if HELPERS.contains(&name.text) => return None,
                None => format!(
                    "`crate::{}` hides which layer is meant: name the layer",
                    name.text
                ),
            };
            Some(format!("{}:{}: {complaint}", source.path, name.line))
        })
        .collect()
}

/// The first name after each path that starts at the crate root: `crate::x`, `crate::{x, y}`, `super::super::x`.
/// Macros exported from the root are left out.
fn crate_names(source: &Source) -> Vec<Word<'_>> {
    let words = source.words();
    let mut depth = ModuleDepth::of_file(&source.path);
    let mut names = Vec::new();
    let mut at = 0;
    while at < words.len() {
        depth.see(&words, at);
        let text = words[at].text;
        let starts_path = at == 0 || words[at - 1].text != ":";
        if text == "crate" && starts_path {
            names_after(&words, at + 1, &mut names);
        } else if text == "super" && starts_path {
            let mut ups = 1;
            while is_path_step(&words, at + 1)
                && words.get(at + 3).is_some_and(|word| word.text == "super")
            {
                (ups, at) = (ups + 1, at + 3);
            }
            if ups >= depth.now() {
                names_after(&words, at + 1, &mut names);
            }
        }
        at += 1;
    }
    names
}

fn is_path_step(words: &[Word<'_>], at: usize) -> bool {
    words.get(at).is_some_and(|word| word.text == ":")
        && words.get(at + 1).is_some_and(|word| word.text == ":")
}

/// Collects `x` of `::x`, and the first name of each branch of `::{x::y, z}`.
fn names_after<'a>(words: &[Word<'a>], at: usize, names: &mut Vec<Word<'a>>) {
    if !is_path_step(words, at) {
        return; // `pub(crate)`, or `crate` as a word of a macro
    }
    let Some(first) = words.get(at + 2) else {
        return;
    };
    if first.text != "{" {
        let is_macro = words.get(at + 3).is_some_and(|word| word.text == "!");
        if !is_macro {
            names.push(*first);
        }
        return;
    }
    let (mut braces, mut expects_name) = (1, true);
    for word in &words[at + 3..] {
        match word.text {
            "{" => braces += 1,
            "}" => braces -= 1,
            "," => expects_name = braces == 1,
            _ if expects_name && braces == 1 => {
                names.push(*word);
                expects_name = false;
            }
            _ => {}
        }
        if braces == 0 {
            return;
        }
    }
}

/// How many `super` lead from here to the crate root: the file's own depth plus the inline modules that are open.
struct ModuleDepth {
    file: usize,
    braces: usize,
    inline: Vec<usize>,
}

impl ModuleDepth {
    fn of_file(path: &str) -> Self {
        let steps: Vec<&str> = path
            .trim_start_matches("src/")
            .trim_end_matches(".rs")
            .split('/')
            .collect();
        let folder_module = steps.last() == Some(&"mod");
        Self {
            file: steps.len() - usize::from(folder_module),
            braces: 0,
            inline: Vec::new(),
        }
    }

    fn see(&mut self, words: &[Word<'_>], at: usize) {
        match words[at].text {
            "{" => {
                self.braces += 1;
                if at >= 2 && words[at - 2].text == "mod" {
                    self.inline.push(self.braces);
                }
            }
            "}" => {
                if self.inline.last() == Some(&self.braces) {
                    self.inline.pop();
                }
                self.braces = self.braces.saturating_sub(1);
            }
            _ => {}
        }
    }

    fn now(&self) -> usize {
        self.file + self.inline.len()
    }
}

#[test]
fn no_layer_imports_from_a_layer_after_it() {
    let complaints: Vec<_> = sources(&["src"])
        .iter()
        .flat_map(imports_that_run_back_up)
        .collect();
    assert!(
        complaints.is_empty(),
        "data flows one way, {LAYERS:?}:\n{}",
        complaints.join("\n")
    );
}

#[test]
fn an_import_that_runs_back_up_is_found_however_it_is_written() {
    let bad = [
        ("src/units/line.rs", "use crate::pool::Pool;"),
        (
            "src/log/scan.rs",
            "use crate::{units::ByteOffset, tx::{Tx, commit}};",
        ),
        ("src/media/mod.rs", "fn f() { crate::engine::open() }"),
        ("src/media.rs", "use super::log::Lane;"),
        ("src/media/ram.rs", "use super::super::log::Lane;"),
        (
            "src/layout/slab.rs",
            "#[cfg(test)] mod tests { use crate::media::Ram; }",
        ),
        (
            "src/layout/slab.rs",
            "#[cfg(test)] mod tests { use super::super::super::media::Ram; }",
        ),
        ("src/sync/lock.rs", "use crate::units::Line;"),
        ("src/pool/open.rs", "use crate::Tx;"),
        ("src/stray.rs", ""),
    ];
    for (path, text) in bad {
        assert_eq!(
            imports_that_run_back_up(&Source::new(path, text)).len(),
            1,
            "{path}: {text}"
        );
    }
    let good = [
        ("src/lib.rs", "pub use crate::object::Ptr;"),
        (
            "src/tx/commit.rs",
            "use crate::{alloc::Heap, log, sync::Lock, arch::Flush, error::Bug};",
        ),
        (
            "src/tx/undo/mod.rs",
            "// use crate::engine;\nuse super::commit; pub(crate) fn f() { crate::debug_check!(\"crate::tree\") }",
        ),
        (
            "src/pool/open.rs",
            "mod tests { use super::*; use super::super::lock; }",
        ),
    ];
    for (path, text) in good {
        assert_eq!(
            imports_that_run_back_up(&Source::new(path, text)),
            [""; 0],
            "{path}: {text}"
        );
    }
}
