//! The main job, on a small input: every promise of the demo is kept, and its object says so.

mod tools;

use std::fs;

use tools::{at, directory, everline};

#[test]
fn the_demo_keeps_its_promises_on_a_small_input() {
    let home = directory();
    fs::create_dir_all(home.path().join("below/target")).expect("made");
    for (name, len) in [
        ("one", 1),
        ("line", 64),
        ("page", 5000),
        ("below/large", 70_000),
    ] {
        let bytes: Vec<u8> = (0..len).map(|at: u32| (at * 31 / 7) as u8).collect();
        fs::write(home.path().join(name), bytes).expect("written");
    }
    fs::write(home.path().join("empty"), b"").expect("written");
    fs::write(home.path().join("below/target/built"), b"left out").expect("written");
    let input = home.path().display().to_string();
    let ran = everline(&[
        "demo", "--input", &input, "--quick", "--seed", "7", "--json",
    ])
    .ends(0);
    let demo = ran.object();
    let number = |name: &str| {
        demo[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}: {demo}"))
    };
    assert_eq!(demo["ok"], true, "{demo}");
    assert_eq!((number("files"), number("left_out")), (4, 1));
    assert!(number("bytes") >= 75_065);
    assert!(
        number("kills") >= 5 && number("kills_inside_tx") >= 3,
        "{demo}"
    );
    assert_eq!((number("lost"), number("violations")), (0, 0), "{demo}");
    assert!(
        number("redone") > 0 && number("undone") > 0 && number("recovery_us_max") > 0,
        "{demo}"
    );
    assert!(
        number("crash_points") >= 2_000 && number("crash_states") >= 10_000,
        "{demo}"
    );
    assert_eq!(
        (&demo["waits"]["staged_8B"], &demo["waits"]["undo_8B"]),
        (&1.into(), &2.into())
    );
    // The home is flushed at the next checkpoint, not here; the record is one line past the cache.
    let staged = &demo["cost"]["staged_8B"];
    assert_eq!(
        (
            &staged["fences"],
            &staged["flush_lines"],
            &staged["nt_lines"]
        ),
        (&1.into(), &0.into(), &1.into()),
        "{demo}"
    );
    assert_eq!(demo["seed"], 7);
    for way in ["undo", "staged"] {
        assert!(
            demo["laboratory"][way]["crash_points"].as_u64() >= Some(1_000),
            "{demo}"
        );
    }
}

#[test]
fn the_demo_says_what_it_cannot_store() {
    let home = directory();
    let input = home.path().display().to_string();
    everline(&["demo", "--input", &input, "--json"]).fails(2, "no file to store");
    everline(&["demo", "--input", &at(&home, "nowhere"), "--json"]).fails(4, "cannot list");
}
