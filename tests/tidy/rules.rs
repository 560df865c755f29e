//! Rules that look at one file at a time.

use crate::source::{Source, read, sources};

pub const LINES_MAX: usize = 500;

/// Folders that hold our Rust, and those of them that ship.
pub const ALL: [&str; 8] = [
    "src",
    "arch",
    "stores",
    "cli",
    "fault_injection",
    "loom_tests",
    "benches",
    "tests",
];
pub const SHIPPED: [&str; 5] = ["src", "arch", "stores", "cli", "fault_injection"];

/// Each place where `needle`'s words follow one another in code.
fn places(source: &Source, needle: &[&str]) -> Vec<usize> {
    let words = source.words();
    words
        .windows(needle.len())
        .filter(|window| {
            window
                .iter()
                .zip(needle)
                .all(|(word, wanted)| word.text == *wanted)
        })
        .map(|window| window[0].line)
        .collect()
}

fn complain(source: &Source, needle: &[&str], reason: &str) -> Vec<String> {
    places(source, needle)
        .into_iter()
        .map(|line| format!("{}:{line}: {reason}", source.path))
        .collect()
}

fn media_bytes_outside_layout(source: &Source) -> Vec<String> {
    // Examples show what users write, whose structs are not ours.
    let of_users = source.path.contains("/examples/");
    if of_users || source.path.starts_with("src/layout/") || source.path == "src/layout.rs" {
        return Vec::new();
    }
    complain(
        source,
        &["repr", "(", "C"],
        "repr(C) belongs to src/layout, which owns every byte on media",
    )
}

/// `src/media` is exempt: its atomics are the words of a pool, which loom drives by a medium of its own.
fn atomics_outside_sync(source: &Source) -> Vec<String> {
    if matches!(source.module_below_src(), Some("sync" | "media")) {
        return Vec::new();
    }
    let reason = "atomics come from crate::sync, so that loom can drive them";
    let mut found = Vec::new();
    for library in ["core", "std"] {
        found.extend(complain(
            source,
            &[library, ":", ":", "sync", ":", ":", "atomic"],
            reason,
        ));
        found.extend(complain(
            source,
            &[library, ":", ":", "sync", ":", ":", "{", "atomic"],
            reason,
        ));
    }
    found
}

fn too_long(source: &Source) -> Vec<String> {
    let lines = source.raw.lines().count();
    // Suites may be long: a corpus is read case by case.
    if lines <= LINES_MAX || source.path.contains("/tests/") {
        return Vec::new();
    }
    vec![format!(
        "{}: {lines} lines, at most {LINES_MAX}: split it by operation",
        source.path
    )]
}

fn unfinished(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["todo", "unimplemented", "dbg"] {
        found.extend(complain(
            source,
            &[name, "!"],
            "unfinished or left-over code",
        ));
    }
    // Spelled in two halves, so that this file does not accuse itself.
    let mark = concat!("TO", "DO");
    for (index, line) in source.raw.lines().enumerate() {
        let mut rest = line;
        while let Some(at) = rest.find(mark) {
            rest = &rest[at + mark.len()..];
            let number = rest.trim_start_matches('(').strip_prefix('#').unwrap_or("");
            if !number.starts_with(|c: char| c.is_ascii_digit()) {
                found.push(format!(
                    "{}:{}: a note for later needs an issue number, (#12)",
                    source.path,
                    index + 1
                ));
            }
        }
    }
    found
}

fn ignored_tests(source: &Source) -> Vec<String> {
    let mut found = complain(
        source,
        &["#", "[", "ignore"],
        "a test that does not run proves nothing",
    );
    let in_cfg_attr = |line: &&str| line.contains("cfg_attr") && line.contains("ignore");
    found.extend(
        source
            .code
            .lines()
            .filter(in_cfg_attr)
            .map(|_| format!("{}: conditionally ignored test", source.path)),
    );
    found
}

/// Features that would weaken durability, or choose bytes on media, for a whole build.
fn forbidden_features(path: &str, manifest: &str) -> Vec<String> {
    let mut in_features = false;
    let mut found = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            in_features = line == "[features]";
            continue;
        }
        let Some((name, _)) = line
            .split_once('=')
            .filter(|_| in_features && !line.starts_with('#'))
        else {
            continue;
        };
        let name = name.trim().trim_matches('"').replace('-', "_");
        let weakens = [
            "no_persist",
            "no_flush",
            "no_fence",
            "no_sync",
            "volatile",
            "page_size",
            "line_size",
            "slab_size",
        ];
        if weakens.iter().any(|bad| name.starts_with(bad)) {
            found.push(format!("{path}:{}: feature `{name}`: features only add; none weakens durability or changes bytes", index + 1));
        }
    }
    found
}

/// `arch` stays at the bottom of everything: no dependency but libc.
fn dependencies_beside(manifest: &str, allowed: &[&str]) -> Vec<String> {
    let mut in_dependencies = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]") && !line.contains("dev-dependencies");
        } else if in_dependencies && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['=', '.', ' ']).next().unwrap_or(line);
            if !allowed.contains(&name) {
                found.push(format!("`{name}` is not allowed there"));
            }
        }
    }
    found
}

fn check(folders: &[&str], rule: fn(&Source) -> Vec<String>) {
    let complaints: Vec<_> = sources(folders).iter().flat_map(rule).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[track_caller]
fn finds(rule: fn(&Source) -> Vec<String>, path: &str, bad: &str, good: &str) {
    assert_ne!(rule(&Source::new(path, bad)), [""; 0], "not found: {bad}");
    assert_eq!(
        rule(&Source::new(path, good)),
        [""; 0],
        "wrongly accused: {good}"
    );
}

#[test]
fn one_folder_owns_every_byte_on_media() {
    check(&["src", "stores", "cli"], media_bytes_outside_layout);
    finds(
        media_bytes_outside_layout,
        "src/log/lane.rs",
        "#[repr(C, align(64))] struct A;",
        "#[repr(transparent)] // repr(C)",
    );
    finds(
        media_bytes_outside_layout,
        "src/tx/mod.rs",
        "#[repr(C)]",
        "",
    );
    assert_eq!(
        media_bytes_outside_layout(&Source::new("src/layout/lane.rs", "#[repr(C)]")),
        [""; 0]
    );
}

#[test]
fn atomics_come_through_the_facade_that_loom_can_replace() {
    check(&["src"], atomics_outside_sync);
    finds(
        atomics_outside_sync,
        "src/log/lane.rs",
        "use core::sync::atomic::AtomicU64;",
        "use crate::sync::AtomicU64;",
    );
    finds(
        atomics_outside_sync,
        "src/tx.rs",
        "use std::sync::atomic;",
        "// core::sync::atomic",
    );
}

#[test]
fn files_stay_short_enough_to_be_read() {
    check(&SHIPPED, too_long);
    finds(
        too_long,
        "src/x.rs",
        &"\n".repeat(LINES_MAX + 1),
        &"\n".repeat(LINES_MAX),
    );
}

#[test]
fn nothing_unfinished_is_left_in_the_code() {
    check(&ALL, unfinished);
    for bad in [
        "todo!()",
        "unimplemented! {}",
        "dbg!(x);",
        concat!("// TO", "DO: later"),
        concat!("// TO", "DO(me)"),
    ] {
        finds(
            unfinished,
            "src/x.rs",
            bad,
            concat!(
                "// TO",
                "DO(#12): later; todo!() is refused\nlet s = \"dbg!(x)\";"
            ),
        );
    }
}

#[test]
fn every_test_runs() {
    check(&ALL, ignored_tests);
    finds(
        ignored_tests,
        "tests/x.rs",
        "#[test] #[ignore = \"slow\"] fn a() {}",
        "// #[ignore]\n#[test] fn ignore() {}",
    );
    finds(
        ignored_tests,
        "tests/x.rs",
        "#[cfg_attr(miri, ignore)]",
        "#[cfg_attr(miri, allow(x))]",
    );
}

#[test]
fn no_feature_weakens_durability_or_changes_bytes() {
    let manifests = [
        "Cargo.toml",
        "arch/Cargo.toml",
        "stores/region/Cargo.toml",
        "cli/Cargo.toml",
        "fault_injection/Cargo.toml",
    ];
    for path in manifests {
        assert_eq!(
            forbidden_features(path, &read(path).expect("a manifest")),
            [""; 0]
        );
    }
    for bad in [
        "no_persist = []",
        "page-size-256 = []",
        "\"no-flush\" = [\"std\"]",
    ] {
        assert_eq!(
            forbidden_features(
                "x",
                &format!("[features]\nstd = []\n{bad}\n[dependencies]\n")
            )
            .len(),
            1,
            "{bad}"
        );
    }
}

#[test]
fn arch_depends_on_libc_alone() {
    assert_eq!(
        dependencies_beside(&read("arch/Cargo.toml").expect("a manifest"), &["libc"]),
        [""; 0]
    );
    let bad = "[dependencies]\nlibc = \"1\"\n# note\n[target.'cfg(unix)'.dependencies]\nrustix.workspace = true\n[dev-dependencies]\nproptest = \"1\"\n";
    assert_eq!(dependencies_beside(bad, &["libc"]).len(), 1);
}
