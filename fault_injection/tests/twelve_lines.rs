//! Row K9: the example of README.md, which tests a structure in a dozen lines, finds the bug and names the line to mend.

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{Advice, Explorer};

const README: &str = include_str!("../README.md");

/// The statements of the first example, without imports.
fn example() -> Vec<&'static str> {
    let code = README.split("```rust\n").nth(1).expect("an example");
    let code = code.split("```").next().expect("its end");
    let lines = code.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("use ") && !line.starts_with("assert"))
        .collect()
}

#[test]
#[rustfmt::skip]
fn k9_a_structure_is_tested_in_twelve_lines_that_find_the_bug_and_name_the_line() {
    let first = line!() + 1;
    let (value, valid) = (ByteOffset::new(0), ByteOffset::new(64));
    let report = Explorer::new().check(
        ByteLen::new(4096),
        |media| {
            media.store64(value, 7); // not flushed: the line that is wrong
            media.store64(valid, 1);
            media.flush(LineRange::covering(ByteRange::at(64, 8).expect("small")));
            media.fence().expect("no fault asked for");
        },
        |media| (media.load64(valid) == 1).then(|| media.load64(value)),
        |_, seen| if *seen == Some(0) { Err("valid, and the value is lost".into()) } else { Ok(()) },
    );
    let lines = line!() - first;
    assert_eq!(lines, 12);
    let own: Vec<&str> = include_str!("twelve_lines.rs").lines().map(str::trim).collect();
    assert_eq!(example(), own[first as usize - 1..][..lines as usize]);

    let violation = &report.violations[0];
    let Some(Advice::Insert(suggestion)) = &violation.advice else {
        panic!("no advice: {violation}");
    };
    let wrong = first + 4;
    assert_eq!((suggestion.place.file(), suggestion.place.line()), (file!(), wrong));
    assert_eq!((&*suggestion.flush, suggestion.fence, suggestion.before), (&[ByteOffset::ZERO][..], true, false));
    assert!(suggestion.whole && suggestion.exhaustive);
    let told = violation.to_string();
    let mend = format!("flush 0x0, and fence, after {}:{wrong}:", file!());
    assert!(told.contains(&mend) && told.contains("(verified by exploring again)"), "{told}");

    // README.md shows the same, as if the example were a library of its own whose third line is the first of these.
    let shown = (0..lines).fold(told, |told, line| {
        told.replace(&format!("{}:{}:19", file!(), first + line), &format!("src/lib.rs:{}:15", 3 + line))
    });
    for line in shown.lines() {
        assert!(README.contains(line), "README.md does not show: {line}");
    }
}
