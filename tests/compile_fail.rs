//! What must not compile does not, and for the right reason: each program of tests/compile_fail says in its first line
//! which error codes or lints it must get, and no other may come (P2, P3 of src/persist).

mod user_program;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use user_program::{Library, root};

/// Codes of the errors that rustc told, from its JSON: one diagnostic a line. Quotes inside texts are escaped, so that
/// these needles are found in the structure alone.
fn error_codes(json: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in json.lines().filter(|line| line.starts_with('{')) {
        let level = line.split_once("\"level\":\"").map(|(_, rest)| rest);
        if !level.is_some_and(|level| level.starts_with("error\"")) {
            continue;
        }
        let code = line
            .split_once("\"code\":{\"code\":\"")
            .map(|(_, rest)| rest);
        match code.and_then(|code| code.split_once('"')) {
            Some((code, _)) => found.insert(code.to_string()),
            // "aborting due to previous errors" has no code, and no other error may be without one.
            None if line.contains("\"message\":\"aborting due to") => false,
            None => found.insert(format!("an error without a code: {line}")),
        };
    }
    found
}

/// What the first line asks for: `//~ E0277 unused_must_use`, or `//~ compiles`.
fn expected_codes(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).expect("readable");
    let first = text.lines().next().unwrap_or_default();
    let codes = first
        .strip_prefix("//~ ")
        .unwrap_or_else(|| panic!("{}: the first line says what to expect", path.display()));
    codes
        .split(' ')
        .filter(|code| *code != "compiles")
        .map(str::to_string)
        .collect()
}

fn cases() -> Vec<PathBuf> {
    let folder = root().join("tests/compile_fail");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the cases")
        .map(|entry| entry.expect("a case").path())
        .collect();
    cases.sort();
    cases
}

#[test]
fn programs_that_forget_a_flush_a_fence_or_an_owner_do_not_compile() {
    let library = Library::build("std", &[]);
    let cases = cases();
    let mut complaints = Vec::new();
    let mut compiling = 0;
    for case in &cases {
        let expected = expected_codes(case);
        let output = library
            .rustc(case)
            .args(["--error-format=json", "--emit=metadata", "--crate-type=lib"])
            .arg("--out-dir")
            .arg(&library.scratch)
            .output()
            .expect("rustc starts");
        let json = String::from_utf8_lossy(&output.stderr);
        let found = error_codes(&json);
        if found != expected || output.status.success() != expected.is_empty() {
            let name = case.file_name().expect("a file");
            complaints.push(format!(
                "{name:?}: wanted {expected:?}, got {found:?}\n{json}"
            ));
        }
        compiling += usize::from(expected.is_empty());
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(compiling >= 1, "without a control, everything might fail");
    assert!(cases.len() >= 15, "{} cases", cases.len());
}

#[test]
fn codes_are_read_from_the_structure_and_not_from_texts() {
    let json = concat!(
        r#"{"message":"m","code":{"code":"E0277","explanation":"\"level\":\"error\""},"level":"error","spans":[]}"#,
        "\n",
        r#"{"message":"w","code":{"code":"dead_code","explanation":null},"level":"warning"}"#,
        "\n",
        r#"{"message":"aborting due to 1 previous error","code":null,"level":"error"}"#,
        "\nnot JSON\n",
    );
    assert_eq!(error_codes(json), BTreeSet::from(["E0277".to_string()]));
    let plain = r#"{"message":"linking failed","code":null,"level":"error"}"#;
    assert_eq!(error_codes(plain).len(), 1);
}
