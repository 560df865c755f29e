//! `heap`: the picture and the list agree with what `check` and the pool itself say.

mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use everline::engine::{OpenOptions, open_file_read_only};
use everline::media::file::FileOptions;
use tools::{at, directory, everline, hash, pool, put};

/// The attributes of every element named `name`; ends the test where the text is not well-formed.
fn elements(xml: &str, name: &str) -> Vec<BTreeMap<String, String>> {
    let document = roxmltree::Document::parse(xml).expect("well-formed");
    assert_eq!(document.root_element().tag_name().name(), "svg");
    document
        .descendants()
        .filter(|node| node.tag_name().name() == name)
        .map(|node| {
            let pairs = node.attributes();
            pairs
                .map(|pair| (pair.name().to_owned(), pair.value().to_owned()))
                .collect()
        })
        .collect()
}

#[test]
fn k12_the_heap_picture_shows_the_extents_that_check_counts() {
    let home = directory();
    let path = pool(&home, "4MiB");
    for index in 0..40u32 {
        put(&path, &format!("small {index}"), &[7; 100]);
    }
    put(&path, "large", &vec![1; 700_000]);
    for index in (0..40u32).step_by(2) {
        everline(&["region", "rm", &path, &format!("small {index}")]).ends(0);
    }
    let before = hash(&path);
    let svg = at(&home, "heap.svg");
    let listed = everline(&["heap", &path, "--svg", &svg, "--json"]).ends(0);
    assert_eq!(hash(&path), before, "a reading verb changed the pool");
    let (engine, _) = open_file_read_only(
        Path::new(&path),
        &OpenOptions::default(),
        &FileOptions::default(),
    )
    .expect("a pool");

    let number =
        |map: &BTreeMap<String, String>, key: &str| -> u64 { map[key].parse().expect("a number") };
    let drawn: Vec<(u64, u64, u64, u64)> = elements(&fs::read_to_string(&svg).expect("drawn"), "g")
        .iter()
        .map(|group| {
            (
                number(group, "data-at"),
                number(group, "data-len"),
                number(group, "data-live"),
                number(group, "data-object-bytes"),
            )
        })
        .collect();
    // They make up the heap without a gap.
    let heap = engine.pool().geometry().heap();
    let mut next = heap.start().get();
    for (at, len, ..) in &drawn {
        assert_eq!(*at, next);
        next += len;
    }
    assert_eq!(next, heap.end().get());
    // They hold what check counts, and each live object lies in an extent that says so.
    let check = everline(&["check", &path, "--json"]).ends(0).object();
    let objects: u64 = drawn.iter().map(|extent| extent.2).sum();
    let used: u64 = drawn.iter().map(|extent| extent.2 * extent.3).sum();
    assert_eq!(check["objects"], objects);
    assert_eq!(check["used_bytes"], used);
    let mut live: BTreeMap<u64, u64> = BTreeMap::new();
    engine
        .for_each_live(|object| {
            let at = object.range.start().get();
            let extent = drawn.iter().rfind(|extent| extent.0 <= at);
            *live.entry(extent.expect("in the heap").0).or_default() += 1;
        })
        .expect("walked");
    for (at, _, count, _) in &drawn {
        assert_eq!(live.get(at).copied().unwrap_or(0), *count, "{at:#x}");
    }
    // The list says the same.
    let object = listed.object();
    let extents = object["extents"].as_array().expect("a list");
    assert_eq!(extents.len(), drawn.len());
    for (extent, drawn) in extents.iter().zip(&drawn) {
        assert_eq!(
            (extent["at"].clone(), extent["bytes"].clone()),
            (drawn.0.into(), drawn.1.into())
        );
    }
}

#[test]
fn heap_says_in_lines_what_each_size_takes() {
    let home = directory();
    let path = pool(&home, "1MiB");
    put(&path, "a", &[7; 100]);
    let text = everline(&["heap", &path]).ends(0).text();
    assert!(text.contains("128 bytes each"), "{text}");
    assert!(text.contains("free"), "{text}");
    everline(&["heap", &path, "--svg", "/nowhere/at/all.svg", "--json"]).fails(4, "/nowhere");
}
