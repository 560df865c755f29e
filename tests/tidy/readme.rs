//! The README shows the house in the order in which a newcomer should walk through it.

use crate::source::read;

const FIRST: [&str; 8] = [
    "Cargo.toml",
    "src",
    "arch",
    "tests",
    "loom_tests",
    "benches",
    "fault_injection",
    "README.md",
];

/// Top-level names of the first fenced block that shows a tree.
fn tree(readme: &str) -> Option<Vec<String>> {
    let block = readme
        .split("```")
        .skip(1)
        .step_by(2)
        .find(|block| block.contains("Cargo.toml") && block.contains("src"))?;
    // The line of the fence names the language; what follows is one entry a line, deeper entries further right.
    let entries: Vec<(usize, String)> = block
        .lines()
        .skip(1)
        .filter_map(|line| {
            let drawn = |c: char| c.is_whitespace() || "│├└─|`+-".contains(c);
            let indent = line.chars().take_while(|&c| drawn(c)).count();
            let name = line
                .trim_start_matches(drawn)
                .split_whitespace()
                .next()?
                .trim_end_matches('/');
            Some((indent, name.to_string()))
        })
        .collect();
    let (first, rest) = entries.split_first()?;
    let is_root_line = !rest.is_empty() && rest.iter().all(|(indent, _)| *indent > first.0);
    let shown = if is_root_line { rest } else { &entries[..] };
    let top = shown.iter().map(|(indent, _)| *indent).min()?;
    Some(
        shown
            .iter()
            .filter(|(indent, _)| *indent == top)
            .map(|(_, name)| name.clone())
            .collect(),
    )
}

fn complaint(readme: &str) -> Option<String> {
    let Some(names) = tree(readme) else {
        return Some("README.md shows no tree of the repository".to_string());
    };
    let same =
        names.len() >= FIRST.len() && names.iter().zip(FIRST).all(|(name, wanted)| name == wanted);
    (!same).then(|| format!("the tree in README.md begins with {names:?}, not with {FIRST:?}"))
}

#[test]
fn the_readme_tree_begins_with_the_house_in_order() {
    let readme = read("README.md").expect("README.md exists");
    assert_eq!(complaint(&readme), None);
}

#[test]
fn a_readme_without_the_tree_or_with_another_order_is_found() {
    let plain = |names: &[&str]| {
        format!(
            "# x\n```sh\ncargo run\n```\n```text\n{}\n```\n",
            names.join("/  words\n")
        )
    };
    assert_eq!(complaint(&plain(&FIRST)), None);
    let mut more = FIRST.to_vec();
    more.push("docs");
    assert_eq!(complaint(&plain(&more)), None);
    let drawn = FIRST
        .map(|name| format!("├── {name}   # words\n│   └── inside"))
        .join("\n");
    assert_eq!(complaint(&format!("```\neverline/\n{drawn}\n```")), None);

    assert!(complaint("# x").is_some());
    let mut swapped = FIRST;
    swapped.swap(2, 3);
    assert!(complaint(&plain(&swapped)).is_some());
    assert!(complaint(&plain(&FIRST[..7])).is_some());
}
