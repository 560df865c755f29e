//! Unsafe code has an address: the table of docs/UNSAFE.md.

use crate::source::{Source, read, sources};

/// First column of the table: paths in backquotes; `*` stands for one name, a path that ends in `/` for a folder.
fn addresses(document: &str) -> Vec<String> {
    document
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .split_once('`')
                .map(|(path, _)| path.to_string())
        })
        .collect()
}

fn covers(address: &str, path: &str) -> bool {
    if address.ends_with('/') {
        return path.starts_with(address);
    }
    match address.split_once('*') {
        None => address == path,
        Some((before, after)) => path
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|name| !name.contains('/')),
    }
}

fn has_unsafe(source: &Source) -> bool {
    source.words().iter().any(|word| word.text == "unsafe")
}

/// Unsafe code without an address, and addresses without unsafe code.
fn disagreements(document: &str, files: &[Source]) -> Vec<String> {
    let addresses = addresses(document);
    let mut found = Vec::new();
    for source in files.iter().filter(|source| has_unsafe(source)) {
        if !addresses
            .iter()
            .any(|address| covers(address, &source.path))
        {
            found.push(format!(
                "{}: has unsafe code and no row in docs/UNSAFE.md",
                source.path
            ));
        }
    }
    for address in &addresses {
        let here: Vec<_> = files
            .iter()
            .filter(|source| covers(address, &source.path))
            .collect();
        if here.is_empty() {
            found.push(format!("docs/UNSAFE.md: `{address}` does not exist"));
        } else if !here.iter().any(|source| has_unsafe(source)) {
            found.push(format!(
                "docs/UNSAFE.md: `{address}` has no unsafe code any more"
            ));
        }
    }
    found
}

fn forbids_unsafe(root_file: &Source) -> bool {
    let words: Vec<_> = root_file.words().iter().map(|word| word.text).collect();
    words
        .windows(6)
        .any(|window| window == ["#", "!", "[", "forbid", "(", "unsafe_code"])
}

#[test]
fn unsafe_code_lives_only_where_the_document_says() {
    let document = read("docs/UNSAFE.md").expect("docs/UNSAFE.md exists");
    assert!(
        !addresses(&document).is_empty(),
        "docs/UNSAFE.md has no table"
    );
    let found = disagreements(
        &document,
        &sources(&["src", "arch", "stores", "cli", "fault_injection"]),
    );
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn stores_and_command_forbid_unsafe_code() {
    let roots: Vec<_> = sources(&["stores", "cli"])
        .into_iter()
        .filter(|source| {
            source.path.ends_with("/src/lib.rs") || source.path.ends_with("/src/main.rs")
        })
        .collect();
    assert!(
        roots.len() >= 2,
        "the stores and the command have crate roots"
    );
    for root in roots {
        assert!(
            forbids_unsafe(&root),
            "{}: says #![forbid(unsafe_code)]",
            root.path
        );
    }
    assert!(!forbids_unsafe(&Source::new(
        "cli/src/main.rs",
        "// #![forbid(unsafe_code)]\n#![deny(unsafe_code)]"
    )));
    assert!(forbids_unsafe(&Source::new(
        "cli/src/main.rs",
        "#![forbid(unsafe_code)]"
    )));
}

#[test]
fn a_wrong_table_of_unsafe_code_is_found() {
    let document = "| file | why |\n|---|---|\n| `src/media/file/*.rs` | x |\n| `arch/` | x |\n| `src/gone.rs` | x |\n| `src/tame.rs` | x |\n";
    let files = [
        Source::new("src/media/file/map.rs", "unsafe {}"),
        Source::new("arch/src/lib.rs", "unsafe fn f() {}"),
        Source::new("src/tame.rs", "// unsafe\n#![deny(unsafe_code)]"),
        Source::new("src/media/file/deep/x.rs", "unsafe {}"),
        Source::new("src/tx/mod.rs", "unsafe impl Send for T {}"),
    ];
    let found = disagreements(document, &files);
    assert_eq!(found.len(), 4, "{found:?}");
    for name in [
        "src/gone.rs",
        "src/tame.rs",
        "src/media/file/deep/x.rs",
        "src/tx/mod.rs",
    ] {
        assert!(
            found.iter().any(|complaint| complaint.contains(name)),
            "{name}"
        );
    }
}
