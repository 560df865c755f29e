//! docs/FORMAT.md is printed from the declarations in src/layout, and nobody else writes it (L2).

use std::path::Path;

#[test]
fn format_md_is_what_the_declarations_print() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMAT.md");
    let printed = everline::layout::format_document();
    if std::env::var_os("EVERLINE_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &printed).expect("docs is writable");
    }
    let found = std::fs::read_to_string(&path).expect("docs/FORMAT.md is there");
    for (number, (found, printed)) in found.lines().zip(printed.lines()).enumerate() {
        assert_eq!(
            found,
            printed,
            "line {}: EVERLINE_BLESS=1 writes the document anew",
            number + 1
        );
    }
    assert_eq!(found, printed);
}
