//! The gauntlet at desk scale: litmus shapes, lazy = eager = brute force, planted bugs on reference structures, and
//! the controls. `cargo run --release -p everline-crash --bin gauntlet` runs all of it, and bugs in the real layers.

#[path = "../src/bin/gauntlet/controls.rs"]
mod controls;
#[path = "../src/bin/gauntlet/equivalence/mod.rs"]
mod equivalence;
#[path = "../src/bin/gauntlet/litmus/mod.rs"]
mod litmus;
#[path = "../src/bin/gauntlet/structures/mod.rs"]
mod structures;

use structures::{BUGS, Bug};

#[test]
fn j6_every_litmus_shape_reaches_just_what_is_allowed_under_every_model() {
    assert!(litmus::SHAPES.len() >= 60, "{}", litmus::SHAPES.len());
    let wrong: Vec<String> = litmus::SHAPES
        .iter()
        .filter_map(|shape| shape.check().err())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn j6_lazy_exploration_reaches_exactly_what_brute_force_reaches() {
    let compared = equivalence::compare(6_000).expect("lazy = eager");
    assert!(compared.programs >= 6_000, "{compared:?}");
    println!("{compared:?}");
}

#[test]
fn j6_every_planted_bug_is_caught_and_its_store_named() {
    for (bug, title, _) in BUGS {
        let caught = structures::run(bug).remove(0);
        assert!(
            !caught.violations.is_empty(),
            "{bug:?} ({title}) escaped: {caught}"
        );
        println!("{bug:?}: {}", caught.violations[0]);
    }
}

#[test]
fn j6_structures_without_a_bug_are_clean() {
    for report in structures::run(Bug::Clean) {
        report.assert_clean();
        assert!(report.exhaustive, "{report}");
        assert!(report.executions >= 2, "{report}");
    }
}

#[test]
fn j6_payload_and_flag_without_a_fence_is_a_note_where_lines_keep_their_order() {
    let report = structures::in_line_ordered();
    assert!(report.is_clean(), "{report}");
    assert!(report.portability.is_some(), "{report}");
}

#[test]
fn j6_no_control_is_reported() {
    for control in controls::run() {
        assert_eq!(control.reports, [""; 0], "{}", control.name);
    }
}
