//! docs/FEATURES.md and the tests agree: a row is done when a test that bears its number runs its scenario.

use std::collections::BTreeMap;

use crate::rules::ALL;
use crate::source::{Source, Word, read, sources};

/// Rows per group. L10 was given up and its number is not used again.
const GROUPS: [(char, u32); 12] = [
    ('A', 21),
    ('B', 37),
    ('C', 10),
    ('D', 13),
    ('E', 12),
    ('F', 19),
    ('G', 17),
    ('H', 12),
    ('I', 10),
    ('J', 9),
    ('K', 14),
    ('L', 22),
];
const GIVEN_UP: [&str; 1] = ["L10"];

#[derive(Debug, PartialEq, Eq)]
struct Row {
    number: String,
    status: String,
    tests: Vec<String>,
}

/// Lines of the form `| A1 | promise | acceptance | status | test |`.
fn rows(document: &str) -> Vec<Row> {
    document
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line
                .strip_prefix('|')?
                .trim_end()
                .strip_suffix('|')?
                .split('|')
                .map(str::trim)
                .collect();
            let number = cells
                .first()
                .filter(|cell| is_row_number(cell))?
                .to_string();
            let status = cells.get(3).copied().unwrap_or("").to_string();
            let tests = cells.get(4).copied().unwrap_or("").split("<br>");
            let tests = tests
                .map(|test| test.trim().trim_matches('`').to_string())
                .filter(|test| !test.is_empty());
            Some(Row {
                number,
                status,
                tests: tests.collect(),
            })
        })
        .collect()
}

fn is_row_number(cell: &str) -> bool {
    let mut chars = cell.chars();
    chars.next().is_some_and(|c| ('A'..='L').contains(&c))
        && !chars.as_str().is_empty()
        && chars.as_str().len() <= 2
        && chars.all(|c| c.is_ascii_digit())
}

/// Tests by row: `b13_out_of_range_writes_nothing` in `tests/a.rs` gives `B13` -> `tests/a.rs::b13_...`.
/// A test that shows several rows begins with all of their numbers: `g6_l5_...`.
fn tests_by_row(files: &[Source]) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in files {
        for name in test_names(&source.words()) {
            for part in name.split('_') {
                let number = part.to_uppercase();
                if part != part.to_lowercase() || !is_row_number(&number) {
                    break;
                }
                found
                    .entry(number)
                    .or_default()
                    .push(format!("{}::{name}", source.path));
            }
        }
    }
    found
}

/// Names of functions that stand under an attribute that ends in `test`.
fn test_names<'a>(words: &[Word<'a>]) -> Vec<&'a str> {
    let mut names = Vec::new();
    let mut marked = false;
    for (at, word) in words.iter().enumerate() {
        let before = |back: usize| at.checked_sub(back).map_or("", |i| words[i].text);
        match word.text {
            "test"
                if matches!(before(1), "[" | ":")
                    && words.get(at + 1).is_some_and(|next| next.text == "]") =>
            {
                marked = true
            }
            ";" | "}" => marked = false,
            _ if before(1) == "fn" && marked => {
                names.push(word.text);
                marked = false;
            }
            _ => {}
        }
    }
    names
}

/// Rows that say too much or too little, tests without a row, rows that are missing or doubled.
fn disagreements(rows: &[Row], tests: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for number in all_numbers() {
        match rows.iter().filter(|row| row.number == number).count() {
            0 => found.push(format!("row {number} is missing")),
            1 => {}
            n => found.push(format!("row {number} stands there {n} times")),
        }
    }
    for row in rows {
        let shown = tests.get(&row.number).map_or(&[][..], Vec::as_slice);
        match row.status.as_str() {
            "done" | "partly" if shown.is_empty() => {
                found.push(format!(
                    "row {} is marked {} and no test bears its number",
                    row.number, row.status
                ));
            }
            "done" | "partly" if row.tests.is_empty() => {
                found.push(format!("row {} names no test", row.number))
            }
            "done" | "partly" | "planned" => {}
            other => found.push(format!(
                "row {}: status `{other}` is none of done, partly, planned",
                row.number
            )),
        }
        for test in row.tests.iter().filter(|test| !shown.contains(test)) {
            found.push(format!("row {}: test `{test}` does not exist", row.number));
        }
    }
    for (number, names) in tests {
        if !rows.iter().any(|row| row.number == *number) {
            let hint = "tests of invariants begin with `keeps_`";
            found.push(format!(
                "no row {number}, which {} claims ({hint})",
                names.join(", ")
            ));
        }
    }
    found
}

fn all_numbers() -> impl Iterator<Item = String> {
    GROUPS
        .into_iter()
        .flat_map(|(group, last)| (1..=last).map(move |n| format!("{group}{n}")))
        .filter(|number| !GIVEN_UP.contains(&number.as_str()))
}

/// `EVERLINE_PRINT_ROWS=1` lists what exists, for ci/mark-rows.sh.
#[test]
fn l17_a_row_marked_done_has_a_test() {
    let tests = tests_by_row(&sources(&ALL));
    if std::env::var_os("EVERLINE_PRINT_ROWS").is_some_and(|value| value == "1") {
        for (number, names) in &tests {
            println!(
                "ROW {number} {}",
                names
                    .iter()
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join("<br>")
            );
        }
    }
    let rows = rows(&read("docs/FEATURES.md").expect("docs/FEATURES.md exists"));
    let found = disagreements(&rows, &tests);
    assert!(
        found.is_empty(),
        "docs/FEATURES.md (ci/mark-rows.sh brings it up to date):\n{}",
        found.join("\n")
    );
}

#[test]
fn a_document_that_promises_untested_rows_is_found() {
    let code = "#[test]\nfn a1_x() {}\n#[test]\n#[should_panic]\nfn g6_l5_y() {}\nfn a2_helper() {}\n#[test] fn keeps_i3_z() {}\n#[tokio::test]\nasync fn l10_gone() {}\n// #[test] fn a3_c() {}\n";
    let tests = tests_by_row(&[Source::new("tests/t.rs", code)]);
    assert_eq!(tests.keys().collect::<Vec<_>>(), ["A1", "G6", "L10", "L5"]);
    assert_eq!(tests["G6"], ["tests/t.rs::g6_l5_y"]);

    let complete: String = all_numbers()
        .map(|number| format!("| {number} | p | a | planned | |\n"))
        .collect();
    assert_eq!(rows(&complete).len(), 195);
    let complains =
        |from: &str, to: &str| disagreements(&rows(&complete.replace(from, to)), &tests);
    assert_eq!(
        complains("", "").len(),
        1,
        "only the test of L10 has no row"
    );
    let good = "| A1 | p | a | done | `tests/t.rs::a1_x` |";
    assert_eq!(complains("| A1 | p | a | planned | |", good).len(), 1);
    for bad in [
        ("| A1 | p | a | planned | |", "| A1 | p | a | done | |"),
        (
            "| A1 | p | a | planned | |",
            "| A1 | p | a | done | `tests/t.rs::a1_gone` |",
        ),
        ("| A1 | p | a | planned | |", "| A1 | p | a | perhaps | |"),
        ("| A2 | p | a | planned | |", "| A2 | p | a | partly | |"),
        ("| A2 | p | a | planned | |\n", ""),
        (
            "| A2 | p | a | planned | |",
            "| A3 | p | a | planned | |\n| A2 | p | a | planned | |",
        ),
    ] {
        assert!(complains(bad.0, bad.1).len() > 1, "{bad:?}");
    }
}
