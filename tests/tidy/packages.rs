//! The packages the project was given do the work they were given for.

use crate::source::{Source, read, sources};

/// A package, where its role is filled, and words of code one of which must stand there.
struct Role {
    package: &'static str,
    folder: &'static str,
    needs: &'static [&'static str],
    role: &'static str,
}

const fn role(
    package: &'static str,
    folder: &'static str,
    needs: &'static [&'static str],
    role: &'static str,
) -> Role {
    Role {
        package,
        folder,
        needs,
        role,
    }
}

const ROLES: [Role; 11] = [
    role(
        "libc",
        "src/media/",
        &["MAP_SYNC"],
        "maps a pool so that its lines are durable without a system call",
    ),
    role(
        "libc",
        "src/media/",
        &["msync", "fdatasync"],
        "makes pages durable where lines are not",
    ),
    role(
        "memmap2",
        "src/",
        &["memmap2"],
        "read-only and private maps",
    ),
    role(
        "crc32fast",
        "src/",
        &["crc32fast"],
        "checksum of superblock, slots, slabs and directory",
    ),
    role(
        "bitflags",
        "src/layout/",
        &["bitflags"],
        "feature bits and flags on media",
    ),
    role(
        "static_assertions",
        "src/layout/",
        &["const_assert", "const_assert_eq"],
        "size and place of every field on media",
    ),
    role(
        "static_assertions",
        "src/persist/",
        &["assert_not_impl_any", "assert_not_impl_all"],
        "a flush cannot change threads",
    ),
    role(
        "loom",
        "src/sync",
        &["loom"],
        "drives the volatile shared state",
    ),
    role("loom", "loom_tests/", &["loom"], "the models"),
    role(
        "proptest",
        "tests/",
        &["proptest"],
        "laws over random inputs",
    ),
    role(
        "tempfile",
        "tests/",
        &["tempfile"],
        "pools of tests leave nothing behind",
    ),
];

fn unfilled(roles: &[Role], files: &[Source]) -> Vec<String> {
    roles
        .iter()
        .filter(|role| {
            !files
                .iter()
                .filter(|source| source.path.starts_with(role.folder))
                .any(|source| {
                    source
                        .words()
                        .iter()
                        .any(|word| role.needs.contains(&word.text))
                })
        })
        .map(|role| {
            format!(
                "{}: none of {:?} in {}: {}",
                role.package, role.needs, role.folder, role.role
            )
        })
        .collect()
}

/// criterion measures, in benches/ and nowhere else.
fn criterion_elsewhere(manifests: &[(&str, String)], files: &[Source]) -> Vec<String> {
    let declares = |text: &str| {
        text.lines()
            .any(|line| line.trim_start().starts_with("criterion"))
    };
    let mut found: Vec<String> = manifests
        .iter()
        .filter(|(path, text)| {
            !matches!(*path, "Cargo.toml" | "benches/Cargo.toml") && declares(text)
        })
        .map(|(path, _)| format!("{path}: criterion belongs to benches/"))
        .collect();
    let declared = manifests
        .iter()
        .any(|(path, text)| *path == "benches/Cargo.toml" && declares(text));
    let used = files.iter().any(|source| {
        source.path.starts_with("benches/")
            && source
                .words()
                .iter()
                .any(|word| word.text == "criterion_main")
    });
    if declared && !used {
        found.push("benches/Cargo.toml: criterion is declared and no bench uses it".to_string());
    }
    found
}

#[test]
fn l12_given_packages_have_their_stated_role() {
    // This file names them all, and is no proof of anything.
    let files: Vec<_> = sources(&["src", "loom_tests", "tests", "benches"])
        .into_iter()
        .filter(|source| !source.path.starts_with("tests/tidy"))
        .collect();
    let paths = [
        "Cargo.toml",
        "arch/Cargo.toml",
        "cli/Cargo.toml",
        "fault_injection/Cargo.toml",
        "loom_tests/Cargo.toml",
        "benches/Cargo.toml",
    ];
    let manifests = paths.map(|path| (path, read(path).expect("a manifest")));
    let mut found = unfilled(&ROLES, &files);
    found.extend(criterion_elsewhere(&manifests, &files));
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_package_that_does_not_do_its_work_is_found() {
    let roles = [role("libc", "src/media/", &["MAP_SYNC"], "maps")];
    assert_eq!(
        unfilled(
            &roles,
            &[
                Source::new("src/media/map.rs", "// MAP_SYNC"),
                Source::new("src/x.rs", "MAP_SYNC")
            ]
        )
        .len(),
        1
    );
    assert_eq!(
        unfilled(&roles, &[Source::new("src/media/map.rs", "libc::MAP_SYNC")]),
        [""; 0]
    );

    let declared = |path| [(path, "[dev-dependencies]\ncriterion = \"0.8\"".to_string())];
    assert_eq!(
        criterion_elsewhere(&declared("cli/Cargo.toml"), &[]).len(),
        1
    );
    assert_eq!(
        criterion_elsewhere(&declared("benches/Cargo.toml"), &[]).len(),
        1
    );
    let bench = [Source::new(
        "benches/benches/persist.rs",
        "criterion::criterion_main!(flush);",
    )];
    assert_eq!(
        criterion_elsewhere(&declared("benches/Cargo.toml"), &bench),
        [""; 0]
    );
}
